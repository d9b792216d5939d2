package kql

import "fluent-bit-newterms/detector/record"

// inAddresses matches an address by its value, in whatever form it is
// written:
//
//	source.ip: (10.0.0.0/8 or "fe80::1") or source.ip >= 192.168.0.0
type inAddresses struct{ set addressSet }

var (
	firstAddress = address{}
	lastAddress  = address{^uint64(0), ^uint64(0)}
)

func newIP(operands []operand) matcher {
	var ranges []addressRange
	for _, o := range operands {
		switch o.kind {
		case opWord, opPhrase:
			if r, ok := parseBlock(o.text); ok {
				ranges = append(ranges, r)
			}
		case opRange:
			if a, ok := parseAddress(o.text); ok {
				ranges = append(ranges, a.beside(o.op)...)
			}
		}
	}
	matchers := listsOf(operands)
	if len(ranges) > 0 {
		matchers = append(matchers, inAddresses{newAddressSet(ranges)})
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
	addr, ok := parseAddress(val.Str)
	return ok && a.set.contains(addr)
}

func (a inAddresses) cost() int { return 20 }
