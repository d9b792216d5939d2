package record

import "math/bits"

// Imprint is a copy of what a View held, to tell whether another record gave
// the same: the same values in the same slots, in the same order. (Bytes of maps
// and arrays are the same only in the same format: those of JSON begin as no map
// or array of msgpack does.) It reuses its memory.
type Imprint struct {
	marks []mark
	text  []byte // of all marks, one after the other
}

// mark is one value.
type mark struct {
	num  uint64
	what uint64 // the length of its text, its slot, its kind
}

func (c *cell) what() uint64 {
	return uint64(len(c.Str))<<32 | uint64(uint32(c.slot))<<8 | uint64(c.Kind)
}

// What is worth an imprint: more takes longer to compare than it saves.
const (
	maxMarks = 48
	maxText  = 1 << 10 // bytes
)

// Digest returns a number that Views which hold the same have in common. Slots
// for which but is true do not count. ok is false for a View that holds too much
// for an imprint.
//
// Few bytes of each value go into it: it is to find an Imprint, which then has
// every byte compared. Who sends records that are made to have the same digest
// gains nothing but that they are not found.
func (v *View) Digest(but []bool) (sum uint64, ok bool) {
	if len(v.cells) > maxMarks {
		return 0, false
	}
	total := 0
	for i := 1; i < len(v.cells); i++ {
		c := &v.cells[i]
		if but[c.slot] {
			continue
		}
		n := len(c.Str)
		total += n
		x, y := c.Num, c.what()
		if n >= 8 {
			x ^= load(c.Str, 0)
			y ^= load(c.Str, n-8) ^ load(c.Str, (n-8)/2)<<8
		} else if n > 0 {
			x ^= uint64(c.Str[0]) | uint64(c.Str[n/2])<<8 | uint64(c.Str[n-1])<<16
		}
		high, low := bits.Mul64(x^0x9E3779B97F4A7C15, y^0xD6E8FEB86659FD93)
		sum = bits.RotateLeft64(sum, 25) ^ high ^ low
	}
	return sum, total <= maxText
}

// Take makes p an imprint of what v holds, with slots but aside.
func (p *Imprint) Take(v *View, but []bool) {
	p.marks, p.text = p.marks[:0], p.text[:0]
	for i := 1; i < len(v.cells); i++ {
		if c := &v.cells[i]; !but[c.slot] {
			p.marks = append(p.marks, mark{c.Num, c.what()})
			p.text = append(p.text, c.Str...)
		}
	}
}

// Clear makes p an imprint of nothing at all, which no View holds.
func (p *Imprint) Clear() { p.marks, p.text = append(p.marks[:0], mark{}), p.text[:0] }

// Is tells whether v holds what p is an imprint of, with slots but aside.
func (p *Imprint) Is(v *View, but []bool) bool {
	k, text := 0, view(p.text)
	for i := 1; i < len(v.cells); i++ {
		c := &v.cells[i]
		if but[c.slot] {
			continue
		}
		if k == len(p.marks) {
			return false
		}
		m := &p.marks[k]
		n := len(c.Str)
		// Texts that are as long as the imprint's lie within its bytes.
		if m.num != c.Num || m.what != c.what() || n > len(text) || text[:n] != c.Str {
			return false
		}
		k++
		text = text[n:]
	}
	return k == len(p.marks)
}
