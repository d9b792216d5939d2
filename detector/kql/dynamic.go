package kql

import "fluent-bit-newterms/detector/record"

// dynamic matches the values of a field that no table gives a type, as dynamic
// mapping would: a number is compared by value with what is a number in the
// query, everything else by its text:
//
//	labels.retries > 9
type dynamic struct {
	number matcher // for numbers, of the operands that are numbers
	other  matcher // for numbers, of the other operands; nil if there are none
	text   matcher // for other values, of all operands
}

// isNumeric reports whether the operand compares with a number.
func (o operand) isNumeric() bool {
	if o.kind != opWord && o.kind != opPhrase && o.kind != opRange {
		return false
	}
	_, ok := parseNumber(o.text)
	return ok
}

func newDynamic(operands []operand) matcher {
	var numbers, others []operand
	for _, o := range operands {
		if o.isNumeric() {
			numbers = append(numbers, o)
		} else {
			others = append(others, o)
		}
	}
	if len(numbers) == 0 {
		return newKeyword(operands)
	}
	d := dynamic{number: newNumber(record.Double, numbers), text: newKeyword(operands)}
	if len(others) > 0 {
		d.other = newKeyword(others)
	}
	return d
}

func (d dynamic) match(val *record.Value, m *Memo) bool {
	switch val.Kind {
	case record.Int, record.Uint, record.Float:
		return d.number.match(val, m) || d.other != nil && d.other.match(val, m)
	}
	return d.text.match(val, m)
}

func (d dynamic) cost() int { return 1 + d.text.cost() }
