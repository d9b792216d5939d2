package kql

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
)

// List is a value list: the values that an exception compares a field with.
// It does not change once it is made, and may be shared.
type List struct {
	// Name is how messages call the list.
	Name string

	keywords  map[string]struct{}
	addresses addressSet
	digest    uint64
}

// Digest stands for the values of the list, in whatever order: lists with other
// values have, but for accidents, other digests.
func (l *List) Digest() uint64 { return l.digest }

func digestOf(values []string) uint64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	h := fnv.New64a()
	for _, v := range slices.Compact(sorted) {
		fmt.Fprintf(h, "%d:%s", len(v), v)
	}
	return h.Sum64()
}

// NewKeywordList returns a list of exact, case-sensitive values.
func NewKeywordList(name string, values []string) *List {
	l := &List{Name: name, keywords: make(map[string]struct{}, len(values)), digest: digestOf(values)}
	for _, v := range values {
		l.keywords[v] = struct{}{}
	}
	return l
}

// NewIPList returns a list of addresses. Each value is an address, a CIDR
// block (10.0.0.0/8) or a range with both ends in it (10.0.0.1-10.0.0.9).
func NewIPList(name string, values []string) (*List, error) {
	l := &List{Name: name, digest: digestOf(values)}
	var ranges []addressRange
	for i, v := range values {
		r, ok := parseListRange(strings.TrimSpace(v))
		if !ok {
			return nil, fmt.Errorf("list %q, value %d: %q is no address, CIDR block or range: write it as 10.0.0.1, 10.0.0.0/8 or 10.0.0.1-10.0.0.9", name, i+1, v)
		}
		ranges = append(ranges, r)
	}
	l.addresses = newAddressSet(ranges)
	return l, nil
}

func parseListRange(s string) (addressRange, bool) {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return parseBlock(s)
	}
	low, err := netip.ParseAddr(strings.TrimSpace(from))
	if err != nil || low.Zone() != "" {
		return addressRange{}, false
	}
	high, err := netip.ParseAddr(strings.TrimSpace(to))
	if err != nil || high.Zone() != "" {
		return addressRange{}, false
	}
	r := addressRange{low: addressOf(low), high: addressOf(high)}
	return r, r.low.compare(r.high) <= 0
}

// holds reports whether the list holds a value of a record, given as text.
func (l *List) holds(text string) bool {
	if l.keywords != nil {
		_, ok := l.keywords[text]
		return ok
	}
	a, ok := parseAddress(text)
	return ok && l.addresses.contains(a)
}

// listed is a value list as an operand of a condition, matched by the text of
// a whole value:
//
//	{"type": "list", "field": "source.ip", "list": {"id": "vpn-exits"}}
type listed struct{ list *List }

func (l listed) matchText(s string, _ *Memo) bool { return l.list.holds(s) }
func (l listed) cost() int                        { return 20 }

// listsOf returns the matchers of the lists among operands, for the types
// whose other operands have matchers of their own.
func listsOf(operands []operand) []matcher {
	var lists []matcher
	for _, o := range operands {
		if o.kind == opList {
			lists = append(lists, keyword{listed{o.list}})
		}
	}
	return lists
}
