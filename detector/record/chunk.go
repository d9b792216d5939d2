package record

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Chunk reads the records of a Fluent Bit chunk one after the other: msgpack
// arrays [[timestamp, {metadata}], {body}] (since Fluent Bit 2.1) or
// [timestamp, {body}] (before). Log-group markers are passed over, as Fluent
// Bit's own decoders do.
//
// Source: Fluent Bit's flb_log_event_decoder.c; its documentation, "Event
// format".
type Chunk struct {
	data []byte
	pos  int

	// Time of the record at hand, in nanoseconds since the epoch, and its
	// body: valid after Next returned true, as long as the chunk is.
	Time int64
	Body []byte
	// Index of the record in the chunk, from 0, markers not counted.
	Index int
}

// ChunkError says where a chunk stops making sense.
type ChunkError struct {
	Record int // records read before it
	Offset int // in bytes
	Err    error
}

func (e *ChunkError) Error() string {
	return fmt.Sprintf("chunk is broken at byte %d, after %d records: %v", e.Offset, e.Record, e.Err)
}

// Unwrap returns what is wrong.
func (e *ChunkError) Unwrap() error { return e.Err }

// Reset makes c read data from its start.
func (c *Chunk) Reset(data []byte) { *c = Chunk{data: data, Index: -1} }

// Next moves to the next record. The body is not looked at: the caller scans
// it and says with Advance how long it is. After the last record Next returns
// false and no error.
func (c *Chunk) Next() (bool, error) {
	for c.pos < len(c.data) {
		n, i, isMap := container(c.data, c.pos)
		if i < 0 {
			return false, c.fail(broken(c.data[c.pos:]))
		}
		if isMap || n < 2 {
			return false, c.fail(fmt.Errorf("a record must be an array of timestamp and body"))
		}
		ns, group, next := timestamp(c.data, i)
		if next < 0 {
			return false, c.fail(fmt.Errorf("a record must begin with its timestamp"))
		}
		if group {
			if next = skip(c.data, c.pos); next < 0 {
				return false, c.fail(broken(c.data[c.pos:]))
			}
			c.pos = next
			continue
		}
		c.Time, c.Body = ns, c.data[next:]
		c.Index++
		return true, nil
	}
	return false, nil
}

// Advance moves past the body of the record at hand, which is n bytes long.
func (c *Chunk) Advance(n int) {
	c.pos = len(c.data) - len(c.Body) + n
	c.Body = c.Body[:n]
}

// SkipBody moves past a body that is not a map. It fails if the body is not
// msgpack at all.
func (c *Chunk) SkipBody() error {
	n := skip(c.Body, 0)
	if n < 0 {
		return c.fail(broken(c.Body))
	}
	c.Advance(n)
	return nil
}

// Fail returns err with the place of the record at hand.
func (c *Chunk) Fail(err error) error { return c.fail(err) }

func (c *Chunk) fail(err error) error {
	return &ChunkError{Record: max(c.Index, 0), Offset: c.pos, Err: err}
}

// Log-group markers are records whose seconds have these values.
const (
	groupStart = 0xFFFFFFFF
	groupEnd   = 0xFFFFFFFE
)

// timestamp reads a record's time at b[i]: an EventTime extension, a number,
// or an array that begins with either. next is the offset after it, negative
// if there is none.
func timestamp(b []byte, i int) (ns int64, group bool, next int) {
	if uint(i) >= uint(len(b)) {
		return 0, false, -1
	}
	if n, first, isMap := container(b, i); first >= 0 {
		if isMap || n < 1 {
			return 0, false, -1
		}
		if ns, group, next = timestampValue(b, first); next < 0 {
			return 0, false, -1
		}
		return ns, group, skip(b, i)
	}
	return timestampValue(b, i)
}

func timestampValue(b []byte, i int) (ns int64, group bool, next int) {
	if uint(i) >= uint(len(b)) {
		return 0, false, -1
	}
	p := -1 // of 8 bytes: seconds and nanoseconds, big-endian
	switch c := b[i]; c {
	case 0xd7: // fixext 8
		p = i + 2
	case mpExt8:
		if i+2 < len(b) && b[i+1] == 8 {
			p = i + 3
		}
	}
	if p >= 0 {
		if p+8 > len(b) {
			return 0, false, -1
		}
		sec, nsec := binary.BigEndian.Uint32(b[p:]), binary.BigEndian.Uint32(b[p+4:])
		group = nsec == 0 && (sec == groupStart || sec == groupEnd)
		return int64(sec)*1e9 + int64(nsec), group, p + 8
	}
	val, next := number(b, i)
	if next < 0 {
		return 0, false, -1
	}
	switch val.Kind {
	case Int:
		sec := int64(val.Num)
		if sec == groupStart || sec == groupEnd || sec == -1 || sec == -2 {
			return 0, true, next
		}
		if sec > math.MaxInt64/1_000_000_000 || sec < 0 {
			return 0, false, -1
		}
		return sec * 1e9, false, next
	case Float:
		f, _ := val.Float()
		if !(f >= 0 && f < math.MaxInt64/1e9) {
			return 0, false, -1
		}
		sec := math.Floor(f)
		return int64(sec)*1e9 + int64((f-sec)*1e9), false, next
	}
	return 0, false, -1
}
