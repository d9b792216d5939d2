package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Variant says what a combination is a variant of: a known one that differs only
// in parts that a normalizer takes out.
type Variant struct {
	Known   int64 // unix ms: when the known one was last seen
	Changes []Change
}

// Change is how a term differs from the known one's.
type Change struct {
	Field int          `json:"field"` // its place in the rule's new_terms fields
	Form  string       `json:"form"`  // the term, with asterisks for its parts
	From  string       `json:"from"`  // the known term
	To    string       `json:"to"`
	Parts []PartChange `json:"parts"`
	// Mark is "older" if a version is below every known one, "odd" if a part is
	// written as no known one is, else "".
	Mark string `json:"mark,omitempty"`
}

// PartChange is a part of a term that changed.
type PartChange struct {
	Name string `json:"name,omitempty"` // the word before it, such as kubelet
	From string `json:"from"`
	To   string `json:"to"`
}

// ChangeCount is a Change in a summary.
type ChangeCount struct {
	Change
	Count  uint64 // combinations
	Others uint64 // combinations with other changes of the same form
	First  int64  // unix ms, of the events
	Last   int64
}

// maxParts is how many changed parts of a term are named.
const maxParts = 4

// Clip returns the change with its texts cut to what a summary can list.
func (c Change) Clip() Change {
	c.Form, c.From, c.To = clip(c.Form), clip(c.From), clip(c.To)
	c.Parts = slices.Clone(c.Parts[:min(len(c.Parts), maxParts)])
	for i := range c.Parts {
		p := &c.Parts[i]
		p.Name, p.From, p.To = clip(p.Name), clip(p.From), clip(p.To)
	}
	return c
}

// words says what changed: kubelet v1.35.0 -> v1.35.1, kubernetes 66452 -> 7f3a1.
func (c *Change) words(r *Rule) string {
	var parts []string
	for _, p := range c.Parts {
		name := p.Name
		if name == "" && c.Field < len(r.Fields) {
			name = r.Fields[c.Field]
		}
		parts = append(parts, fmt.Sprintf("%s %s -> %s", printed(name), printed(p.From), printed(p.To)))
	}
	return strings.Join(parts, ", ")
}

// printed writes a text without what breaks a line.
func printed(s string) string {
	quoted := Show(s)
	if strings.ContainsAny(s, "\"\\ ,;") {
		return quoted
	}
	return strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
}

var marks = map[string]string{
	"older": "older than all that are known",
	"odd":   "written as none that is known",
}

// object is the change in a record.
func (c *Change) object(r *Rule) map[string]any {
	m := map[string]any{"form": c.Form, "from": c.From, "to": c.To, "what": c.words(r)}
	if c.Field < len(r.Fields) {
		m["field"] = r.Fields[c.Field]
	}
	if c.Mark != "" {
		m["mark"] = c.Mark
	}
	return m
}

// objects are the changes in an alert on a variant.
func (v *Variant) objects(r *Rule) []any {
	out := []any{}
	for _, c := range v.Changes {
		c = c.Clip()
		out = append(out, c.object(r))
	}
	return out
}

// words says what an alert's combination is a variant of.
func (v *Variant) words(r *Rule) string {
	var parts []string
	for _, c := range v.Changes {
		c = c.Clip()
		text := c.words(r)
		if c.Mark != "" {
			text += " (" + marks[c.Mark] + ")"
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "A variant of a known combination."
	}
	return fmt.Sprintf("A variant of a combination last seen %s: %s.", Timestamp(time.UnixMilli(v.Known)), list(parts))
}

// reasonChanges is how many changes the sentence of a summary names.
const reasonChanges = 8

// inOrder returns the changes of a summary, marked ones first, then those of
// most combinations.
func inOrder(changes []ChangeCount) []ChangeCount {
	out := slices.Clone(changes)
	slices.SortStableFunc(out, func(a, b ChangeCount) int {
		return cmp.Or(cmp.Compare(b.Mark, a.Mark), cmp.Compare(b.Count, a.Count))
	})
	return out
}

// changeWords says what changed, in one line. The first part of a change stands
// for it: a version, before its hash. Changes that read alike are added up.
func (s *Summary) changeWords(r *Rule) string {
	type line struct {
		text, mark    string
		count, others uint64
	}
	var lines []*line
	by := make(map[[2]string]*line)
	for i := range s.Changes {
		c := s.Changes[i]
		c.Parts = c.Parts[:min(len(c.Parts), 1)]
		key := [2]string{c.words(r), c.Mark}
		if by[key] == nil {
			by[key] = &line{text: key[0], mark: c.Mark}
			lines = append(lines, by[key])
		}
		by[key].count += c.Count
		by[key].others += c.Others
	}
	slices.SortStableFunc(lines, func(a, b *line) int {
		return cmp.Or(cmp.Compare(b.mark, a.mark), cmp.Compare(b.count, a.count))
	})
	var parts []string
	more := s.ChangesNotListed
	for i, l := range lines {
		if i >= reasonChanges {
			more += l.count + l.others
			continue
		}
		text := fmt.Sprintf("%s, %s", l.text, plural(int(l.count), "combination"))
		if l.mark != "" {
			text += ", " + marks[l.mark]
		}
		if l.others > 0 {
			text += fmt.Sprintf(", and %d with other changes like it", l.others)
		}
		parts = append(parts, text)
	}
	if more > 0 {
		parts = append(parts, plural(int(more), "combination")+" with other changes")
	}
	return strings.Join(parts, "; ")
}

// changeObjects are the changes in the record of a summary.
func (s *Summary) changeObjects(r *Rule) []any {
	out := []any{}
	for _, c := range inOrder(s.Changes) {
		m := c.object(r)
		m["count"], m["first"], m["last"] = c.Count, Timestamp(time.UnixMilli(c.First)), Timestamp(time.UnixMilli(c.Last))
		if c.Others > 0 {
			m["others"] = c.Others
		}
		out = append(out, m)
	}
	return out
}

// lowRisk is the most that a variant's risk score is: Kibana's for low.
const lowRisk = 21

// Low returns the rule as records of variants show it: at low severity, so that
// they can go another way than alerts.
func (r *Rule) Low() *Rule {
	low := *r
	low.Severity, low.RiskScore = "low", min(r.RiskScore, lowRisk)
	return &low
}
