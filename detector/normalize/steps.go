package normalize

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// The letters of the built-in kinds of parts. Forms are written to disk only as
// hashes, so a letter may change its meaning with a new version at the price of
// one round of variants that are new.
const (
	kindVersion   = 'v'
	kindHash      = 'h'
	kindDate      = 'd'
	kindUUID      = 'u'
	kindGenerated = 'g'
	kindRun       = 'r'
	kindNumber    = 'n'
	kindNetwork   = 'a'
	kindDomain    = 'm'
	kindOwn       = 'A' // the first of a user's own steps in a list
)

var (
	// A release's number, and what distributions add to it. The words that may
	// follow are listed, so that nobody can hide a word of his own there.
	versionRE = regexp.MustCompile(`(?:v|go)?\d{1,6}(?:\.\d{1,8}){1,4}(?:[-+~.](?:alpha|beta|rc|pre|dev|gke|eks|aks|k3s|rke2r?|rke|vmware|build|patch|post|p|r|\d{1,8}|[0-9a-f]{7,40})(?:[.-]?\d{1,8})*)*`)
	hashRE    = regexp.MustCompile(`[0-9a-f]{7,64}`)
	dateRE    = regexp.MustCompile(`(?:19|20)\d\d(?:-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?:[T ]?\d\d:?\d\d(?::?\d\d(?:\.\d{1,9})?)?Z?)?`)
	uuidRE    = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)
	// Kubernetes makes the ends of names from letters without vowels, and from
	// the digits that look like none of them.
	generatedRE = regexp.MustCompile(`[a-z0-9]((?:-\d{8,10})?(?:-[bcdfghjklmnpqrstvwxz2456789]{8,10})?-[bcdfghjklmnpqrstvwxz2456789]{5})(?:$|[:/.])`)
	replicaRE   = regexp.MustCompile(`[a-z0-9](-(?:\d{8,10}|[bcdfghjklmnpqrstvwxz2456789]{8,10}))(?:$|[:/.])`)
	runRE       = regexp.MustCompile(`(?:^|[:/])(?:ci|cd|pr|mr|run|job|build|e2e|test|preview|review)-((?:[0-9a-f]+-)*[0-9a-f]+)(?:$|[:/.])`)
	numberRE    = regexp.MustCompile(`\d+`)
	hexRE       = regexp.MustCompile(`[0-9a-f]{7,40}`)
)

var steps = map[string]step{
	"versions":  {kind: kindVersion, show: "*", find: words(versionRE, nil)},
	"hashes":    {kind: kindHash, show: "*", find: words(hashRE, hasDigit)},
	"dates":     {kind: kindDate, show: "*", find: words(dateRE, nil)},
	"uuid":      {kind: kindUUID, show: "*", find: words(uuidRE, nil)},
	"generated": {kind: kindGenerated, show: "-*", find: either(group(generatedRE, hasDigit), group(replicaRE, hasDigit))},
	"runs":      {kind: kindRun, show: "*", find: group(runRE, hasDigit)},
	"numbers": {kind: kindNumber, show: "*", find: func(text string) (places [][2]int) {
		for _, m := range numberRE.FindAllStringIndex(text, -1) {
			places = append(places, [2]int{m[0], m[1]})
		}
		return places
	}},
	"domain": {kind: kindDomain, show: "*", find: hostPart},
}

// Names returns the names of the built-in steps, for messages.
func Names() []string {
	return []string{"versions", "hashes", "dates", "uuid", "generated", "runs", "numbers", "network/24", "domain"}
}

// named returns the built-in step with a name.
func named(name string) (step, error) {
	if s, ok := steps[name]; ok {
		return s, nil
	}
	if bits, ok := strings.CutPrefix(name, "network/"); ok {
		n, err := strconv.Atoi(bits)
		if err != nil || n != 8 && n != 16 && n != 24 {
			return step{}, fmt.Errorf("%q: write network/8, network/16 or network/24", name)
		}
		return step{kind: kindNetwork, show: "*", find: addressPart(n)}, nil
	}
	return step{}, fmt.Errorf("there is no step %q; the built-in steps are %s; a step of your own is { match = '…', replace = \"…\" }", name, strings.Join(Names(), ", "))
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

// either uses the second way to find parts where the first finds none.
func either(a, b func(string) [][2]int) func(string) [][2]int {
	return func(text string) [][2]int {
		if places := a(text); places != nil {
			return places
		}
		return b(text)
	}
}

// addressPart finds the end of an IP address that its network leaves open: the
// octets after an IPv4 network of n bits (8, 16 or 24), and the last 64 bits of
// an IPv6 address.
func addressPart(n int) func(string) [][2]int {
	return func(text string) [][2]int {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil
		}
		at := 0
		if a.Is4() {
			for range n / 8 {
				at += strings.IndexByte(text[at:], '.') + 1
			}
		} else {
			network := netip.PrefixFrom(a, 64).Masked().Addr().String()
			at = len(strings.TrimSuffix(network, ":"))
			if !strings.HasPrefix(text, network[:at]) {
				return nil // not the canonical spelling
			}
		}
		if at >= len(text) {
			return nil
		}
		return [][2]int{{at, len(text)}}
	}
}

// hostPart finds the part of a host name before its registered domain.
func hostPart(text string) [][2]int {
	if strings.ContainsAny(text, " /:@") {
		return nil
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(strings.TrimSuffix(text, ".")))
	if err != nil || len(domain) >= len(text) {
		return nil
	}
	if i := strings.LastIndex(strings.ToLower(text), domain); i > 1 && text[i-1] == '.' {
		return [][2]int{{0, i - 1}}
	}
	return nil
}
