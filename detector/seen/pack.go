package seen

import "encoding/binary"

// Tuples are on disk in packs: runs of them, in the order of their sequence
// numbers, under one key and one checksum. A pack's key is the number of the
// tuple that it was begun with, and it holds what is from there up to the next
// pack's key. Whatever has become of that tuple, the key stays.
const (
	// maxPack is how long a value of more than one tuple may be. Four fit a
	// page; bbolt keeps at least that many together, in an overlong page if
	// need be.
	maxPack = 990
	// maxPackTuples bounds what is lost with a pack of short tuples.
	maxPackTuples = 16
)

// entry is a tuple as it is in a pack, and in batches: first and last sighting,
// 8 bytes each, the count, 4, and the terms.
type entry []byte

const entryHeader = 8 + 8 + 4

// appendEntry appends an entry to dst.
func appendEntry(dst []byte, s Sighting, terms []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.First))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Last))
	dst = binary.LittleEndian.AppendUint32(dst, s.Count)
	return append(dst, terms...)
}

func (e entry) sighting() Sighting {
	return Sighting{
		First: int64(binary.LittleEndian.Uint64(e)),
		Last:  int64(binary.LittleEndian.Uint64(e[8:])),
		Count: binary.LittleEndian.Uint32(e[16:]),
	}
}

func (e entry) terms() []byte { return e[entryHeader:] }

// numbered is an entry and its sequence number.
type numbered struct {
	seq   uint64
	entry entry
}

// appendPack appends the value of a pack to dst, of as many of the entries as
// fit, which is one at least, and returns how many those are.
func appendPack(dst []byte, rule uint32, base uint64, entries []numbered) ([]byte, int) {
	off, n := len(dst), 0
	dst = append(dst, 0, 0, 0, 0, kindTuple)
	for n < len(entries) && n < maxPackTuples {
		e := &entries[n]
		before := len(dst)
		dst = binary.AppendUvarint(dst, e.seq-base)
		dst = binary.AppendUvarint(dst, uint64(len(e.entry)))
		if n > 0 && len(dst)+len(e.entry)-off > maxPack {
			dst = dst[:before]
			break
		}
		dst = append(dst, e.entry...)
		n++
	}
	k := tupleKey(rule, base)
	seal(k[:], dst[off:])
	return dst, n
}

// packReader goes through the tuples of a pack, in order. They point into it.
type packReader struct {
	base uint64
	rest []byte
	numbered
	first bool
	err   error // why next returned false, nil at the end
}

// openPack checks the pack v under key. The sum is all that an error is about;
// what only next finds out is no damage but a mistake of the writer's.
func openPack(key, v []byte) (p packReader, err error) {
	if len(key) != tupleKeyLen {
		return p, errValue
	}
	p.first = true
	_, p.base = splitTupleKey(key)
	p.rest, err = payload(kindTuple, key, v)
	return p, err
}

// next moves to the next tuple; false if there is none, or err is set.
func (p *packReader) next() bool {
	if len(p.rest) == 0 {
		if p.first {
			p.err = errValue // no pack is empty
		}
		return false
	}
	step, ok := p.uvarint()
	n, ok2 := p.uvarint()
	seq := p.base + step
	if !ok || !ok2 || n < entryHeader || n > uint64(len(p.rest)) || seq < p.base ||
		seq > maxKeySeq || !p.first && seq <= p.seq {
		p.err = errValue
		return false
	}
	p.first = false
	p.seq, p.entry, p.rest = seq, p.rest[:n:n], p.rest[n:]
	return true
}

func (p *packReader) uvarint() (uint64, bool) {
	if len(p.rest) > 0 && p.rest[0] < 0x80 {
		x := p.rest[0]
		p.rest = p.rest[1:]
		return uint64(x), true
	}
	x, n := binary.Uvarint(p.rest)
	if n <= 0 {
		return 0, false
	}
	p.rest = p.rest[n:]
	return x, true
}
