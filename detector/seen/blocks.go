package seen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The sizes of the log format; see the package comment.
const (
	blockSize      = 32 << 10
	fragmentHeader = 7 // checksum (4), length (2), kind (1)
	shortRest      = 128
	readSize       = 8 * blockSize
)

// The kinds of fragment.
const (
	fragmentFull = 1 + iota
	fragmentFirst
	fragmentMiddle
	fragmentLast
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockWriter cuts payloads into the fragments of blocks. What it has written
// is in buf, which belongs at an offset of the file that ends at at.
type blockWriter struct {
	buf []byte
	at  int64
}

// room returns how many bytes of payload fit into the block as one fragment. It
// fills up a block that has hardly any room left.
func (w *blockWriter) room() int {
	left := blockSize - int(w.at%blockSize)
	if left < shortRest {
		w.buf = append(w.buf, make([]byte, left)...)
		w.at += int64(left)
		left = blockSize
	}
	return left - fragmentHeader
}

// add writes a payload.
func (w *blockWriter) add(payload []byte) {
	for first := true; ; first = false {
		n := min(len(payload), w.room())
		last := n == len(payload)
		kind := byte(fragmentMiddle)
		switch {
		case first && last:
			kind = fragmentFull
		case first:
			kind = fragmentFirst
		case last:
			kind = fragmentLast
		}
		off := len(w.buf)
		w.buf = append(w.buf, 0, 0, 0, 0, byte(n), byte(n>>8), kind)
		w.buf = append(w.buf, payload[:n]...)
		binary.LittleEndian.PutUint32(w.buf[off:], crc32.Checksum(w.buf[off+4:], castagnoli))
		w.at += int64(fragmentHeader + n)
		if payload = payload[n:]; last {
			return
		}
	}
}

// blockReader reads payloads back.
type blockReader struct {
	r    io.ReaderAt
	off  int64 // where the next fragment begins
	size int64 // where the file ends
	buf  []byte
	base int64 // the offset of buf in the file; a multiple of readSize

	whole  []byte // a payload of several fragments
	damage func(off int64, what string)
}

func newBlockReader(r io.ReaderAt, off, size int64, damage func(off int64, what string)) *blockReader {
	return &blockReader{r: r, off: off, size: size, base: -1, damage: damage}
}

var errFragment = errors.New("a fragment does not match its checksum")

// next returns the next payload, valid until the next call, and where it begins;
// io.EOF if there is none, or only the beginning of one. Damage costs the rest of
// its block, is reported, and is passed over.
func (b *blockReader) next() (payload []byte, at int64, err error) {
	b.whole = b.whole[:0]
	begun := int64(-1) // where a payload of several fragments begins
	for {
		off := b.off
		kind, data, err := b.fragment()
		switch {
		case err == io.EOF:
			return nil, 0, err
		case err != nil:
			b.damage(off, err.Error())
			b.off = (off/blockSize + 1) * blockSize
			begun = -1
		case kind == 0:
			if begun >= 0 { // there is no room inside of a payload
				b.damage(off, "a payload is not complete")
				begun = -1
			}
		case kind == fragmentFull || kind == fragmentFirst:
			if begun >= 0 {
				b.damage(begun, "a payload is not complete")
			}
			at := b.off - int64(len(data)) - fragmentHeader
			if kind == fragmentFull {
				return data, at, nil
			}
			begun, b.whole = at, append(b.whole[:0], data...)
		case begun < 0:
			b.damage(off, "a payload lacks its beginning")
		default:
			if b.whole = append(b.whole, data...); kind == fragmentLast {
				return b.whole, begun, nil
			}
		}
	}
}

// fragment reads the fragment at off and moves off behind it. Its kind is 0 for
// the room at the end of a block.
func (b *blockReader) fragment() (kind byte, data []byte, err error) {
	for {
		end := min((b.off/blockSize+1)*blockSize, b.size)
		if b.off+fragmentHeader > end {
			if end == b.size {
				return 0, nil, io.EOF
			}
			b.off = end
			continue
		}
		block, err := b.block(end)
		if err != nil {
			return 0, nil, err
		}
		n := int(binary.LittleEndian.Uint16(block[4:]))
		if kind = block[6]; kind == 0 && n == 0 && zero(block) {
			b.off = end
			return 0, nil, nil
		}
		if fragmentHeader+n > len(block) && end == b.size && fragmentHeader+n <= blockSize-int(b.off%blockSize) {
			return 0, nil, io.EOF // it goes on behind the end
		}
		if kind < fragmentFull || kind > fragmentLast || fragmentHeader+n > len(block) {
			return 0, nil, errFragment
		}
		if binary.LittleEndian.Uint32(block) != crc32.Checksum(block[4:fragmentHeader+n], castagnoli) {
			return 0, nil, errFragment
		}
		b.off += int64(fragmentHeader + n)
		return kind, block[fragmentHeader : fragmentHeader+n], nil
	}
}

// block returns the bytes from off to end, which are in one block.
func (b *blockReader) block(end int64) ([]byte, error) {
	if base := b.off / readSize * readSize; base != b.base || end > b.base+int64(len(b.buf)) {
		n := int(min(readSize, b.size-base))
		if cap(b.buf) < n {
			b.buf = make([]byte, n)
		}
		b.buf = b.buf[:n]
		b.base = -1
		if got, err := b.r.ReadAt(b.buf, base); err != nil && got < n {
			// Some of it may be readable: this block is what counts.
			if got, err = b.r.ReadAt(b.buf[b.off-base:end-base], b.off); got < int(end-b.off) {
				return nil, fmt.Errorf("it cannot be read: %w", err)
			}
			return b.buf[b.off-base : end-base], nil
		}
		b.base = base
	}
	return b.buf[b.off-b.base : end-b.base], nil
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
