package alert

import (
	"fmt"
	"strconv"
	"strings"
)

// explanation is the newterms object of an alert: why it is new.
func explanation(r *Rule, f *Finding) map[string]any {
	novel := []any{}
	for i, is := range f.Novel {
		if is && i < len(r.Fields) {
			novel = append(novel, r.Fields[i])
		}
	}
	m := verdict(r, f)
	m["explanation"] = Explain(r, f)
	if f.Verdict == Match {
		return m
	}
	m["novel_fields"] = novel
	m["known_tuples"] = f.Known
	if f.Variant != nil {
		m["differs_from"] = f.Variant.objects(r)
	}
	if f.NovelUnsure {
		m["novel_unsure"] = true
	}
	if !f.LearningSince.IsZero() {
		m["learning_since"] = Timestamp(f.LearningSince)
	}
	if f.Truncated > 0 {
		m["combinations_not_looked_at"] = f.Truncated
	}
	return m
}

// verdict is what the newterms objects of alerts and of matching records have
// in common.
func verdict(r *Rule, f *Finding) map[string]any {
	m := map[string]any{"verdict": f.Verdict.String(), "tag": sanitize(f.Tag)}
	if f.Verdict != Match {
		m["fields"] = anys(r.Fields)
		m["first_seen"] = Timestamp(f.FirstSeen)
		m["last_seen"] = Timestamp(f.LastSeen)
		m["count"] = f.Count
		m["window"] = r.Window
	}
	if f.Instance != "" {
		m["instance"] = f.Instance
	}
	return m
}

// MatchedDocument returns the record that emit = matched passes along: the event
// as it is, and a newterms object with the verdict on it.
func MatchedDocument(e *Event, r *Rule, f *Finding) map[string]any {
	doc, cut := e.document(false)
	for k := range doc {
		if k == "newterms" || strings.HasPrefix(k, "newterms.") {
			delete(doc, k)
		}
	}
	if _, ok := doc["@timestamp"]; !ok {
		doc["@timestamp"] = Timestamp(f.Time)
	}
	m := verdict(r, f)
	m["rule_id"], m["rule_name"] = r.ID, r.Name
	if f.Verdict != Match {
		m["terms"] = clipTerms(f.Terms)
	}
	if len(cut) > 0 {
		m["shortened_fields"], m["original_bytes"] = anys(cut), e.size
	}
	doc["newterms"] = m
	return doc
}

// Explain says in a sentence or two why a tuple is new.
func Explain(r *Rule, f *Finding) string {
	if f.Verdict == Match {
		return "The event matches the rule's query."
	}
	var b strings.Builder
	b.WriteString(whatIsNew(r, f))
	fmt.Fprintf(&b, " The rule knows %s", plural(f.Known, "other tuple"))
	if !f.LearningSince.IsZero() {
		fmt.Fprintf(&b, " and has been learning since %s", Timestamp(f.LearningSince))
	}
	b.WriteString(".")
	if f.Truncated > 0 {
		fmt.Fprintf(&b, " The event holds %d more combinations, which were not looked at.", f.Truncated)
	}
	return b.String()
}

// whatIsNew says in a sentence why a tuple is new.
func whatIsNew(r *Rule, f *Finding) string {
	var b strings.Builder
	var novel, known []string
	for i, field := range r.Fields {
		if i >= len(f.Terms) {
			break
		}
		part := field + " " + Show(f.Terms[i])
		if i < len(f.Novel) && f.Novel[i] || len(r.Fields) == 1 {
			novel = append(novel, part)
		} else {
			known = append(known, field)
		}
	}
	switch {
	case f.Verdict == Missing:
		b.WriteString("The event matches the rule and lacks " + list(lacking(r, f)) + ".")
	case f.Variant != nil:
		b.WriteString(f.Variant.words(r))
	case f.Verdict == Expired:
		fmt.Fprintf(&b, "Last seen %s, longer ago than the window of %s.", Timestamp(f.LastSeen), r.Window)
	case len(r.Fields) == 1:
		fmt.Fprintf(&b, "%s has not been seen before.", strings.Join(novel, ", "))
	case len(novel) == len(r.Fields):
		b.WriteString("None of the terms has been seen before: " + list(novel) + ".")
	case len(novel) > 0:
		fmt.Fprintf(&b, "%s %s not been seen before; %s %s.",
			list(novel), has(novel), list(known), is(known)+" known")
	default:
		b.WriteString("Every term is known, but not in this combination.")
	}
	return b.String()
}

// lacking returns the term fields that the event does not have.
func lacking(r *Rule, f *Finding) []string {
	var out []string
	for i, field := range r.Fields {
		if i < len(f.Terms) && f.Terms[i] == nil {
			out = append(out, field)
		}
	}
	return out
}

// Show writes a term as a person reads it: a string in quotes, control
// characters escaped, long ones shortened.
func Show(term any) string {
	switch t := term.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(clip(t))
	default:
		return fmt.Sprint(t)
	}
}

func list(parts []string) string {
	switch n := len(parts); n {
	case 0:
		return ""
	case 1:
		return parts[0]
	default:
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
}

func has(parts []string) string {
	if len(parts) == 1 {
		return "has"
	}
	return "have"
}

func is(parts []string) string {
	if len(parts) == 1 {
		return "is"
	}
	return "are"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
