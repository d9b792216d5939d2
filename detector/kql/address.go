package kql

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// address is an IPv6 address as a number of 128 bits, in two halves. An IPv4
// address is the IPv6 address that it maps to, so that 10.0.0.1 and
// ::ffff:10.0.0.1 are equal and all addresses have one order, as in
// Elasticsearch.
type address struct{ high, low uint64 }

func (a address) compare(b address) int {
	if c := cmp.Compare(a.high, b.high); c != 0 {
		return c
	}
	return cmp.Compare(a.low, b.low)
}

func (a address) next() address {
	a.low++
	if a.low == 0 {
		a.high++
	}
	return a
}

func addressOf(a netip.Addr) address {
	b := a.As16()
	return address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// mappedIPv4 stands before the 32 bits of an IPv4 address.
const mappedIPv4 = 0xFFFF << 32

// parseAddress reads an address as netip.ParseAddr does, zones apart, which
// are refused. It is here because records may hold anything, and the error of
// netip.ParseAddr is allocated.
func parseAddress(s string) (address, bool) {
	for i := 0; i < len(s) && i < 5; i++ {
		switch s[i] {
		case '.':
			v4, ok := parseIPv4(s)
			return address{low: mappedIPv4 | uint64(v4)}, ok
		case ':':
			return parseIPv6(s)
		}
	}
	return address{}, false
}

func parseIPv4(s string) (uint32, bool) {
	if len(s) < len("0.0.0.0") || len(s) > len("255.255.255.255") {
		return 0, false
	}
	var v, octet uint32
	dots, digits := 0, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			if digits > 0 && octet == 0 {
				return 0, false // a leading zero: octal to some
			}
			octet = octet*10 + uint32(c-'0')
			digits++
			if octet > 255 {
				return 0, false
			}
		case c == '.' && digits > 0 && dots < 3:
			v = v<<8 | octet
			octet, digits = 0, 0
			dots++
		default:
			return 0, false
		}
	}
	return v<<8 | octet, dots == 3 && digits > 0
}

func parseIPv6(s string) (address, bool) {
	var groups [8]uint16
	n := 0         // groups read
	ellipsis := -1 // the group that :: stands before
	i := 0
	if len(s) >= 2 && s[0] == ':' && s[1] == ':' {
		ellipsis = 0
		i = 2
	}
	for i < len(s) {
		if n == 8 {
			return address{}, false
		}
		start := i
		var group uint32
		for i < len(s) && i-start < 5 {
			digit, ok := hexDigit(s[i])
			if !ok {
				break
			}
			group = group<<4 | uint32(digit)
			i++
		}
		if i == start || i-start > 4 {
			return address{}, false
		}
		if i < len(s) && s[i] == '.' {
			// The last 32 bits may be written as an IPv4 address.
			v4, ok := parseIPv4(s[start:])
			if !ok || n > 6 || ellipsis < 0 && n != 6 {
				return address{}, false
			}
			groups[n], groups[n+1] = uint16(v4>>16), uint16(v4)
			n += 2
			break
		}
		groups[n] = uint16(group)
		n++
		if i == len(s) {
			break
		}
		if s[i] != ':' || i+1 == len(s) {
			return address{}, false
		}
		i++
		if s[i] == ':' {
			if ellipsis >= 0 {
				return address{}, false
			}
			ellipsis = n
			i++
		}
	}
	if n < 8 {
		if ellipsis < 0 {
			return address{}, false
		}
		tail := n - ellipsis
		copy(groups[8-tail:], groups[ellipsis:n])
		clear(groups[ellipsis : 8-tail])
	} else if ellipsis >= 0 {
		return address{}, false // :: must stand for at least one group
	}
	var a address
	for k := range 4 {
		a.high = a.high<<16 | uint64(groups[k])
		a.low = a.low<<16 | uint64(groups[4+k])
	}
	return a, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// addressRange is all addresses from low to high, both included.
type addressRange struct{ low, high address }

// parseBlock reads an address, or a CIDR block.
func parseBlock(s string) (addressRange, bool) {
	if a, ok := parseAddress(s); ok {
		return addressRange{a, a}, true
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return addressRange{}, false
	}
	bits := prefix.Bits()
	if prefix.Addr().Is4() {
		bits += 96
	}
	r := addressRange{low: addressOf(prefix.Addr())}
	r.high = r.low
	mask := hostMask(bits)
	r.low.high &^= mask.high
	r.low.low &^= mask.low
	r.high.high |= mask.high
	r.high.low |= mask.low
	return r, true
}

// hostMask returns the bits of an address that a prefix of so many bits
// leaves open.
func hostMask(bits int) address {
	if bits >= 64 {
		return address{low: ^uint64(0) >> (bits - 64)}
	}
	return address{high: ^uint64(0) >> bits, low: ^uint64(0)}
}

// addressSet is a set of addresses: ranges in order that do not touch.
type addressSet []addressRange

func newAddressSet(ranges []addressRange) addressSet {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b addressRange) int { return a.low.compare(b.low) })
	var set addressSet
	for _, r := range ranges {
		if n := len(set); n > 0 && (r.low.compare(set[n-1].high) <= 0 || r.low == set[n-1].high.next()) {
			if r.high.compare(set[n-1].high) > 0 {
				set[n-1].high = r.high
			}
			continue
		}
		set = append(set, r)
	}
	return set
}

func (s addressSet) contains(a address) bool {
	// The first range that ends at or after a is the only one that can
	// hold it.
	low, high := 0, len(s)
	for low < high {
		mid := (low + high) / 2
		if s[mid].high.compare(a) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low < len(s) && s[low].low.compare(a) <= 0
}
