package kql

import (
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"fluent-bit-newterms/detector/record"
	"github.com/rivo/uniseg"
)

// oracle runs queries over decoded documents in the most naive way there is:
// it walks the tree for each record, and uses the standard library for what
// the compiled predicate does by hand.
type oracle struct {
	types  map[string]record.Type
	prefix string // of the nested field whose elements are looked at
}

func (o oracle) eval(n Node, doc map[string]any) bool {
	switch n := n.(type) {
	case All:
		return true
	case And:
		return !slices.ContainsFunc(n.Nodes, func(n Node) bool { return !o.eval(n, doc) })
	case Or:
		return slices.ContainsFunc(n.Nodes, func(n Node) bool { return o.eval(n, doc) })
	case Not:
		return !o.eval(n.Node, doc)
	case Nested:
		inner := oracle{o.types, o.prefix + n.Path + "."}
		return slices.ContainsFunc(elements(doc, n.Path), func(e map[string]any) bool { return inner.eval(n.Node, e) })
	case Match:
		if n.Value.IsExists() && (n.Field.IsBare() || n.Field.Name == "*" && n.Field.IsPattern()) {
			return true
		}
		return o.any(n.Field, doc, func(typ record.Type, v any) bool {
			if n.Value.IsExists() {
				return v != nil
			}
			escaped := n.Value
			if escaped.Parts == nil {
				escaped.Text = strings.ReplaceAll(escaped.Text, "\x00", `\u0000`)
			}
			return o.equal(typ, v, n.Value) || o.equal(typ, v, escaped)
		})
	case Range:
		return o.any(n.Field, doc, func(typ record.Type, v any) bool { return o.compares(typ, v, n.Op, n.Value.Text) })
	case Glob:
		return o.any(n.Field, doc, func(typ record.Type, v any) bool { return o.globs(typ, v, n) })
	case InList:
		return o.any(n.Field, doc, func(typ record.Type, v any) bool {
			s, ok := textOf(v)
			if typ == record.Caseless {
				s = strings.Map(unicode.ToLower, s)
			}
			return ok && n.List.holds(s)
		})
	}
	panic(fmt.Sprintf("%T", n))
}

// any calls f for the values of a field until it returns true. Objects are
// passed as map[string]any.
func (o oracle) any(f FieldName, doc map[string]any, fn func(record.Type, any) bool) bool {
	env := testEnv{types: o.types, prefix: o.prefix}
	values := o.flatten(doc)
	if f.IsBare() || f.IsPattern() {
		re := regexp.MustCompile("(?s).*")
		if f.IsPattern() {
			re = partsRegexp(f.Parts)
		}
		for _, pv := range values {
			if re.MatchString(pv.path) && fn(env.typeOf(pv.path), pv.value) {
				return true
			}
		}
		return false
	}
	at := func(path string) (all []any) {
		for _, pv := range values {
			_, object := pv.value.(map[string]any)
			if pv.path == path || env.types[env.prefix+path] == record.Flattened && !object && strings.HasPrefix(pv.path, path+".") {
				all = append(all, pv.value)
			}
		}
		return all
	}
	typ, own := env.typeOf(f.Name), at(f.Name)
	if !env.Has(f.Name) && !slices.ContainsFunc(own, func(v any) bool { return v != nil }) {
		for _, suffix := range []string{".caseless", ".text", ".keyword"} {
			if base, ok := strings.CutSuffix(f.Name, suffix); ok && base != "" {
				own, typ = at(base), env.typeOf(base)
				switch {
				case suffix == ".caseless":
					typ = record.Caseless
				case suffix == ".text":
					typ = record.Text
				case typ == record.Text:
					typ = record.Keyword
				}
			}
		}
	}
	return slices.ContainsFunc(own, func(v any) bool { return fn(typ, v) })
}

type pathValue struct {
	path  string
	value any
}

func (o oracle) flatten(doc map[string]any) (all []pathValue) {
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(path, e)
			}
			return
		case map[string]any:
			if len(x) == 0 {
				return
			}
			for k, e := range x {
				walk(path+"."+k, e)
			}
		}
		all = append(all, pathValue{path[1:], v})
	}
	for k, v := range doc {
		walk("."+k, v)
	}
	return all
}

func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return fmt.Sprint(v), true
	case int:
		return fmt.Sprint(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

func partsRegexp(parts []string) *regexp.Regexp {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`(?s)\A` + strings.Join(quoted, ".*") + `\z`)
}

func (o oracle) equal(typ record.Type, v any, l Literal) bool {
	s, ok := textOf(v)
	if !ok {
		return false
	}
	switch typ {
	case record.Dynamic:
		if _, numeric := rational(l.Text); numeric && !l.IsWildcard() && isNumber(v) {
			return o.compares(record.Double, v, opEqual, l.Text)
		}
	case record.Text:
		return textEqual(s, l)
	case record.IP:
		if l.IsWildcard() {
			return false
		}
		want, ok := prefixOf(l.Text)
		if _, isText := v.(string); !ok || !isText {
			return false
		}
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			return want.Contains(netip.AddrFrom16(a.As16()))
		}
		return s == l.Text
	case record.Long, record.Double, record.Boolean, record.Date:
		return !l.IsWildcard() && o.compares(typ, v, opEqual, l.Text)
	case record.Caseless:
		s = strings.Map(unicode.ToLower, s)
		l.Text = strings.Map(unicode.ToLower, l.Text)
		l.Parts = slices.Clone(l.Parts)
		for i := range l.Parts {
			l.Parts[i] = strings.Map(unicode.ToLower, l.Parts[i])
		}
	}
	if l.IsWildcard() {
		return partsRegexp(l.Parts).MatchString(s)
	}
	return s == l.Text
}

// prefixOf reads an address or CIDR block as a block of IPv6 addresses.
func prefixOf(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(netip.AddrFrom16(a.As16()), 128), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, false
	}
	if p.Addr().Is4() {
		p = netip.PrefixFrom(netip.AddrFrom16(p.Addr().As16()), p.Bits()+96)
	}
	return p, true
}

func textEqual(s string, l Literal) bool {
	have := wordsOf(s)
	switch {
	case l.Quoted:
		want := wordsOf(l.Text)
		for i := range have {
			if len(want) > 0 && len(have)-i >= len(want) && slices.Equal(have[i:i+len(want)], want) {
				return true
			}
		}
		return false
	case !l.IsWildcard():
		return slices.ContainsFunc(wordsOf(l.Text), func(w string) bool { return slices.Contains(have, w) })
	}
	if partsRegexp(l.Parts).MatchString(s) {
		return true
	}
	const star = "\ue000"
	for _, piece := range strings.Fields(strings.Join(l.Parts, star)) {
		if strings.Trim(piece, star) == "" {
			return true
		}
		if !strings.Contains(piece, star) {
			if textEqual(s, Literal{Text: piece}) {
				return true
			}
			continue
		}
		re := partsRegexp(strings.Split(strings.ToLower(piece), star))
		if slices.ContainsFunc(have, re.MatchString) {
			return true
		}
	}
	return false
}

// wordsOf segments s with a full implementation of Unicode's rules. It is an
// oracle for texts without the signs that Lucene's older rules treat
// otherwise, and without words beyond the limit.
func wordsOf(s string) (words []string) {
	state := -1
	for s != "" {
		var word string
		word, s, state = uniseg.FirstWordInString(s, state)
		if strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			words = append(words, strings.ToLower(word))
		}
	}
	return words
}

func isNumber(v any) bool {
	switch v.(type) {
	case int, float64:
		return true
	}
	return false
}

var decimal = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

func rational(s string) (*big.Rat, bool) {
	if !decimal.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func (o oracle) compares(typ record.Type, v any, op Op, text string) bool {
	s, ok := textOf(v)
	if !ok {
		return false
	}
	_, isText := v.(string)
	_, isBool := v.(bool)
	if _, numeric := rational(text); numeric && typ == record.Dynamic && isNumber(v) {
		typ = record.Double
	}
	switch typ {
	case record.Long, record.Double:
		want, ok := rational(text)
		if !ok || isBool {
			return false
		}
		have, ok := rational(s)
		if !ok {
			return op.holds(strings.Compare(s, text))
		}
		if typ == record.Long {
			have = new(big.Rat).SetInt(new(big.Int).Quo(have.Num(), have.Denom()))
		}
		return op.holds(have.Cmp(want))
	case record.Boolean:
		want, ok := map[string]int{"true": 1, "false": 0, "": 0}[text]
		have, ok2 := map[string]int{"true": 1, "false": 0, "": 0}[s]
		return ok && ok2 && (isText || isBool) && op.holds(have-want)
	case record.IP:
		want, err := netip.ParseAddr(text)
		have, err2 := netip.ParseAddr(s)
		if err != nil || err2 != nil || !isText {
			return false
		}
		return op.holds(netip.AddrFrom16(have.As16()).Compare(netip.AddrFrom16(want.As16())))
	case record.Date:
		first, last, ok := dateOf(text)
		at, _, ok2 := dateOf(s)
		if n, isInt := v.(int); isInt {
			at, ok2 = int64(n), true
		}
		if f, isFloat := v.(float64); isFloat {
			at, ok2 = int64(f), true
		}
		if !ok || !ok2 || isBool {
			return false
		}
		switch op {
		case Lt:
			return at < first
		case Lte:
			return at <= last
		case Gt:
			return at > last
		case Gte:
			return at >= first
		}
		return at >= first && at <= last
	case record.Text:
		return slices.ContainsFunc(wordsOf(s), func(w string) bool { return op.holds(strings.Compare(w, text)) })
	case record.Caseless:
		s, text = strings.Map(unicode.ToLower, s), strings.Map(unicode.ToLower, text)
	}
	return op.holds(strings.Compare(s, text))
}

func dateOf(s string) (first, last int64, ok bool) {
	for _, l := range []struct {
		layout string
		next   func(time.Time) time.Time
	}{
		{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
		{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
		{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
		{"2006-01-02T15", func(t time.Time) time.Time { return t.Add(time.Hour) }},
		{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02T15:04:05Z07:00", func(t time.Time) time.Time {
			if t.Nanosecond() != 0 || strings.Contains(s, ".") {
				return t.Add(time.Millisecond) // the test's fractions have three digits or more
			}
			return t.Add(time.Second)
		}},
	} {
		if t, err := time.Parse(l.layout, s); err == nil {
			return t.UnixMilli(), l.next(t).UnixMilli() - 1, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, n, err == nil
}

func (o oracle) globs(typ record.Type, v any, g Glob) bool {
	s, ok := textOf(v)
	if !ok {
		return false
	}
	fold := g.CaseInsensitive || typ == record.Caseless || typ == record.Text
	var re strings.Builder
	if fold {
		re.WriteString("(?i)")
	}
	re.WriteString(`(?s)\A`)
	pattern := []rune(g.Pattern)
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			re.WriteString(regexp.QuoteMeta(string(pattern[i])))
		case c == '*':
			re.WriteString(".*")
		case c == '?':
			re.WriteString(".")
		default:
			re.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	compiled := regexp.MustCompile(re.String() + `\z`)
	switch typ {
	case record.Text:
		// A pattern of nothing but * and text is one with KQL too.
		whole := regexp.MustCompile(strings.Replace(re.String(), "(?i)", "", 1) + `\z`)
		plain := !g.CaseInsensitive && strings.Contains(g.Pattern, "*") && !strings.ContainsAny(g.Pattern, `?\`)
		return slices.ContainsFunc(wordsOf(s), compiled.MatchString) || plain && whole.MatchString(s)
	case record.Long, record.Double, record.Boolean, record.IP, record.Date:
		return false
	}
	return compiled.MatchString(s)
}
