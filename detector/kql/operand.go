package kql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fluent-bit-newterms/detector/record"
)

// operand is one of the things that a condition compares a value with.
type operand struct {
	kind     operandKind
	text     string   // opWord, opPhrase and opRange; the pattern of opGlob
	parts    []string // opWildcard
	onePiece bool     // opWildcard: white space is part of it, on analysed text too
	op       Op       // opRange
	folded   bool     // opGlob: in any letter case
	list     *List    // opList
}

type operandKind uint8

const (
	opWord     operandKind = iota // value
	opPhrase                      // "value"
	opWildcard                    // val*
	opExists                      // *
	opRange                       // < value
	opGlob                        // v?l*
	opList                        // a value list
)

// operandsOf returns what a value is compared with.
func operandsOf(l Literal) []operand {
	switch {
	case l.IsExists():
		return []operand{{kind: opExists}}
	case l.IsWildcard():
		return []operand{{kind: opWildcard, parts: l.Parts}}
	}
	o := operand{kind: opWord, text: l.Text}
	if l.Quoted {
		o.kind = opPhrase
	}
	if !strings.Contains(l.Text, "\x00") {
		return []operand{o}
	}
	// Few senders let a NUL through as it is. A rule that asks for "\u0000"
	// is after what they make of it too: its escape, escaped.
	escaped := o
	escaped.text = strings.ReplaceAll(l.Text, "\x00", `\u0000`)
	return []operand{o, escaped}
}

// globOperand takes the simple shapes to the operands that match them faster.
func globOperand(g Glob) operand {
	glob := compileGlob(g.Pattern)
	if !g.CaseInsensitive {
		if parts, ok := glob.parts(); ok && len(parts) > 1 {
			return operand{kind: opWildcard, parts: parts, onePiece: true}
		}
	}
	return operand{kind: opGlob, text: g.Pattern, folded: g.CaseInsensitive}
}

// exact reports whether o is one exact value, on every type but Text.
func (o operand) exact() bool { return o.kind == opWord || o.kind == opPhrase }

// key returns a text that is the same for operands of the same meaning.
func (o operand) key(analysed bool) string {
	kind := o.kind
	if kind == opPhrase && !analysed {
		kind = opWord // quotes make a difference on analysed text only
	}
	switch kind {
	case opWildcard:
		return fmt.Sprintf("%d %t %q", kind, o.onePiece, o.parts)
	case opGlob:
		return fmt.Sprintf("%d %t %q", kind, o.folded, o.text)
	case opRange:
		return fmt.Sprintf("%d %d %q", kind, o.op, o.text)
	case opList:
		return fmt.Sprintf("%d %p", kind, o.list)
	}
	return strconv.Itoa(int(kind)) + " " + strconv.Quote(o.text)
}

// condition holds when any value of its target satisfies any of its operands.
type condition struct {
	target   target
	operands []operand
	// within, if not nil, makes it a condition on the elements of a nested
	// field, and operands is empty.
	within *expr
}

// normal sorts the operands and drops doubles, and what existence makes
// needless: every operand asks that a value be there.
func (c condition) normal() condition {
	analysed := c.target.typ == record.Text || c.target.typed
	byKey := make(map[string]operand, len(c.operands))
	keys := make([]string, 0, len(c.operands))
	for _, o := range c.operands {
		if o.kind == opExists {
			c.operands = []operand{o}
			return c
		}
		key := o.key(analysed)
		if _, ok := byKey[key]; !ok {
			byKey[key] = o
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	c.operands = make([]operand, len(keys))
	for i, key := range keys {
		c.operands[i] = byKey[key]
	}
	if c.target.typ == record.Dynamic && !slices.ContainsFunc(c.operands, operand.isNumeric) {
		c.target.typ = record.Keyword
	}
	return c
}

// key returns a text that is the same for conditions of the same meaning.
// c is normal.
func (c condition) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v", c.target)
	if c.within != nil {
		b.WriteString("{" + c.within.key() + "}")
	}
	analysed := c.target.typ == record.Text || c.target.typed
	for _, o := range c.operands {
		b.WriteString("|" + o.key(analysed))
	}
	return b.String()
}
