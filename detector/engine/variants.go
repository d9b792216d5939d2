package engine

import (
	"encoding/binary"
	"strings"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/detector/normalize"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// A rule that normalizes has a third answer. A combination that was not seen is a
// variant if another one with the same form is known: one that differs in the
// parts only that the normalizer takes out, such as versions. A variant is
// remembered, and listed in a summary, or alerts where the rule says so.

// normalizer takes the combinations of a rule apart. It is not changed once it is
// in use.
type normalizer struct {
	fields      []*normalize.Normalizer // of each new_terms field, nil for none
	fingerprint string
	alert       bool // on variants
}

// newNormalizer returns how a rule normalizes, nil if it does not.
func newNormalizer(r *rule.Rule, o *Options) *normalizer {
	set := r.Normalize
	if set == nil {
		set = o.Normalize
	}
	n := &normalizer{fingerprint: set.Fingerprint(r.Terms), alert: o.AlertVariants}
	if n.fingerprint == "" {
		return nil
	}
	if r.Variants != rule.VariantsUnsaid {
		n.alert = r.Variants == rule.AlertVariants
	}
	for _, f := range r.Terms {
		n.fields = append(n.fields, set.Field(f))
	}
	return n
}

// taken is a combination, taken apart.
type taken struct {
	form   []byte // of the whole, for the seen-set
	forms  []string
	parts  [][]normalize.Part // by field
	joined string             // the texts of all parts, for the seen-set
}

// formTag begins a normalized term. No term as the seen-set writes them begins so.
const formTag = 0xff

// takeApart returns a combination's form and parts; ok is false if no term has any
// part, so that the combination has no variants.
func (n *normalizer) takeApart(terms []any, encoded []byte) (t taken, ok bool) {
	t.forms, t.parts = make([]string, len(n.fields)), make([][]normalize.Part, len(n.fields))
	var texts []string
	size := 0
	for i := range n.fields {
		if i >= len(terms) {
			return t, false
		}
		text, isText := terms[i].(string)
		if n.fields[i] == nil || !isText {
			var err error
			if t.form, err = seen.AppendAny(t.form, terms[i]); err != nil {
				return t, false
			}
			continue
		}
		t.forms[i], t.parts[i] = n.fields[i].Split(text)
		if len(t.parts[i]) == 0 {
			t.form, _ = seen.AppendAny(t.form, text) // a text is a term
			continue
		}
		t.form = binary.AppendUvarint(append(t.form, formTag), uint64(len(t.forms[i])))
		t.form = append(t.form, t.forms[i]...)
		for _, p := range t.parts[i] {
			texts = append(texts, p.Text)
			size += len(p.Text) + 1
		}
	}
	t.joined = strings.Join(texts, partEnd)
	return t, len(texts) > 0 && size <= limits.FormPartBytes
}

// partEnd is between the parts of a combination. A term that holds it has none.
const partEnd = "\x00"

// variantOf tells whether a combination that the rule's memory did not know, and
// holds now, is a variant, and of what. It is one that others can be variants of
// from now on.
func (e *Engine) variantOf(r *runningRule, terms []byte, at int64) *alert.Variant {
	list, err := seen.DecodeTerms(terms)
	if err != nil {
		return nil
	}
	t, ok := r.normalizer.takeApart(list, terms)
	if !ok {
		return nil
	}
	known, isVariant := r.memory.FindForm(t.form, terms, at)
	out := r.memory.AddForm(t.form, terms, t.joined, &e.batch)
	e.evicted(&out)
	r.counts.evicted(&out)
	if !isVariant {
		return nil
	}
	return r.normalizer.compare(list, &t, &known)
}

// compare says how a combination differs from the known ones with its form.
func (n *normalizer) compare(terms []any, t *taken, known *seen.Variant) *alert.Variant {
	v := &alert.Variant{Known: known.Last}
	from := strings.Split(known.Parts, partEnd)
	others := [][]string{from}
	for _, o := range known.Others {
		others = append(others, strings.Split(o, partEnd))
	}
	at := 0 // the part, counted over the fields
	for i, parts := range t.parts {
		if len(parts) == 0 {
			continue
		}
		old := make([]normalize.Part, len(parts))
		c := alert.Change{Field: i, Form: n.fields[i].Show(terms[i].(string)), To: terms[i].(string)}
		for k, p := range parts {
			old[k] = normalize.Part{Kind: p.Kind}
			var all []normalize.Part
			same := false
			for j, o := range others {
				if at >= len(o) {
					continue
				}
				if j == 0 {
					old[k].Text = o[at]
				}
				all = append(all, normalize.Part{Kind: p.Kind, Text: o[at]})
				same = same || o[at] == p.Text
			}
			at++
			if old[k].Text == p.Text {
				continue
			}
			c.Parts = append(c.Parts, alert.PartChange{Name: nameOf(t.forms[i], k), From: old[k].Text, To: p.Text})
			if same {
				continue // another known combination has it
			}
			switch normalize.Compare(p, all) {
			case normalize.Older:
				c.Mark = "older"
			case normalize.Odd:
				if c.Mark == "" {
					c.Mark = "odd"
				}
			}
		}
		if len(c.Parts) > 0 {
			c.From = normalize.Join(t.forms[i], old)
			v.Changes = append(v.Changes, c)
		}
	}
	return v
}

// nameOf returns the word before the part k of a form, which says what has the
// version: kubelet in kubelet/*. It is empty where there is none.
func nameOf(form string, k int) string {
	for range k {
		_, form, _ = strings.Cut(form, partEnd)
		if form != "" {
			form = form[1:] // the kind of the part
		}
	}
	form, _, _ = strings.Cut(form, partEnd)
	words := strings.FieldsFunc(form, func(c rune) bool { return strings.ContainsRune(" /:@=()", c) })
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// normalized reads from the store how the combinations of a rule are taken apart
// that it knew before it normalized.
func (n *normalizer) normalized(store *seen.Store, stored seen.RuleState) (list []normalizedTuple, err error) {
	err = store.Terms(stored, func(terms []byte) error {
		decoded, err := seen.DecodeTerms(terms)
		if err != nil {
			return nil // it can be known exactly all the same
		}
		if t, ok := n.takeApart(decoded, terms); ok {
			list = append(list, normalizedTuple{t.form, append([]byte(nil), terms...), t.joined})
		}
		return nil
	})
	return list, err
}

// normalizedTuple is a combination of the store with its form.
type normalizedTuple struct {
	form, terms []byte
	parts       string
}

// setNormalizer makes a rule's state normalize in another way from now on.
func (s *ruleState) setNormalizer(n *normalizer, list []normalizedTuple, b *seen.Batch) {
	if n.id() != s.normalizer.id() {
		s.memory.DropForms()
		for _, t := range list {
			s.memory.AddForm(t.form, t.terms, t.parts, b)
		}
	}
	s.normalizer = n
}

// id tells normalizers apart that make other forms.
func (n *normalizer) id() string {
	if n == nil {
		return ""
	}
	return n.fingerprint
}
