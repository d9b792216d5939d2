package kql

import "fluent-bit-newterms/detector/record"

// inAddresses matches an address by its value, in whatever form it is
// written:
//
//	source.ip: (10.0.0.0/8 or "fe80::1") or source.ip >= 192.168.0.0
//
// What a record holds there that is no address is compared by its text, so
// that a block is found where a record names it.
type inAddresses struct {
	set   addressSet
	texts *set // the literals; nil for none
}

var (
	firstAddress = address{}
	lastAddress  = address{^uint64(0), ^uint64(0)}
)

func newIP(operands []operand) matcher {
	var ranges []addressRange
	var texts []string
	for _, o := range operands {
		switch o.kind {
		case opWord, opPhrase:
			if r, ok := parseBlock(o.text); ok {
				ranges = append(ranges, r)
				texts = append(texts, o.text)
			}
		case opRange:
			if a, ok := parseAddress(o.text); ok {
				ranges = append(ranges, a.beside(o.op)...)
			}
		}
	}
	matchers := listsOf(operands)
	if len(ranges) > 0 {
		in := inAddresses{set: newAddressSet(ranges)}
		if len(texts) > 0 {
			in.texts = newSet(texts)
		}
		matchers = append(matchers, in)
	}
	return newAnyOf(matchers)
}

// beside returns the addresses that compare to a as op says: none or one
// range.
func (a address) beside(op Op) []addressRange {
	switch op {
	case Lt:
		if a == firstAddress {
			return nil
		}
		return []addressRange{{firstAddress, a.previous()}}
	case Lte:
		return []addressRange{{firstAddress, a}}
	case Gt:
		if a == lastAddress {
			return nil
		}
		return []addressRange{{a.next(), lastAddress}}
	default:
		return []addressRange{{a, lastAddress}}
	}
}

func (a address) previous() address {
	if a.low == 0 {
		a.high--
	}
	a.low--
	return a
}

func (a inAddresses) match(val *record.Value, _ *Memo) bool {
	if val.Kind != record.String {
		return false
	}
	if addr, ok := parseAddress(val.Str); ok {
		return a.set.contains(addr)
	}
	return a.texts != nil && a.texts.contains(val.Str)
}

func (a inAddresses) cost() int { return 20 }
