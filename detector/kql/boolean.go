package kql

import "fluent-bit-newterms/detector/record"

// boolean matches true and false, and the texts of these:
//
//	kubernetes.audit.requestObject.spec.hostPID: true
type boolean struct{ yes, no bool } // which of the two match

func newBoolean(operands []operand) matcher {
	var b boolean
	for _, o := range operands {
		want, ok := parseBool(o.text)
		if !ok {
			continue
		}
		switch o.kind {
		case opWord, opPhrase:
			b.yes = b.yes || want
			b.no = b.no || !want
		case opRange:
			b.yes = b.yes || o.op.holds(bit(true)-bit(want))
			b.no = b.no || o.op.holds(bit(false)-bit(want))
		}
	}
	matchers := listsOf(operands)
	if b.yes || b.no {
		matchers = append(matchers, b)
	}
	return newAnyOf(matchers)
}

func (b boolean) match(val *record.Value, _ *Memo) bool {
	var is bool
	switch val.Kind {
	case record.Bool:
		is = val.Num != 0
	case record.String:
		var ok bool
		if is, ok = parseBool(val.Str); !ok {
			return false
		}
	default:
		return false
	}
	return is && b.yes || !is && b.no
}

func (b boolean) cost() int { return 3 }

// parseBool reads the texts that Elasticsearch takes for a boolean: the
// empty one is false.
func parseBool(s string) (is, ok bool) {
	switch s {
	case "true":
		return true, true
	case "false", "":
		return false, true
	}
	return false, false
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
