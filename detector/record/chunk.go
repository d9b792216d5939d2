package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Chunk reads the records of a Fluent Bit chunk one after the other: msgpack
// arrays [[timestamp, {metadata}], {body}] (since Fluent Bit 2.1) or
// [timestamp, {body}] (before). Log-group markers are no
// records: the body of the one that opens a group is Group until it ends.
//
// Source: Fluent Bit's flb_log_event_decoder.c; its documentation, "Event
// format".
type Chunk struct {
	data []byte
	pos  int  // where the record at hand begins, or the next one
	body int  // where the body of the record at hand begins
	open bool // the record at hand has not been moved past
	done int  // records moved past

	// Time of the record at hand, in nanoseconds since the epoch, and its
	// body with, until Advance, all that follows it: valid after Next
	// returned true, as long as the chunk is.
	Time int64
	Body []byte
	// Meta is the record's metadata, Group the body of the log group that the
	// record is in: maps, nil if there is nothing in them. Fluent Bit keeps the
	// attributes of OpenTelemetry there.
	Meta, Group []byte
	// Index of the record in the chunk, from 0, markers not counted.
	Index int
}

// Errors of records that are msgpack but no records. They end the chunk.
var (
	ErrRecord    = errors.New("a record must be an array of timestamp and body")
	ErrTimestamp = errors.New("a record must begin with its timestamp: an EventTime, or seconds since the epoch")
)

// ChunkError says where a chunk stops making sense.
type ChunkError struct {
	Record int // records read before it
	Offset int // of the record at fault, in bytes
	Err    error
}

func (e *ChunkError) Error() string {
	return fmt.Sprintf("chunk is broken in the record at byte %d, after %d whole records: %v", e.Offset, e.Record, e.Err)
}

// Unwrap returns what is wrong.
func (e *ChunkError) Unwrap() error { return e.Err }

// Reset makes c read data from its start.
func (c *Chunk) Reset(data []byte) { *c = Chunk{data: data, Index: -1} }

// Next moves to the next record. The body is not looked at: the caller scans
// it and says with Advance how long it is, or has it skipped. After the last
// record Next returns false and no error; after an error it stays where it is.
func (c *Chunk) Next() (bool, error) {
	if c.open {
		if err := c.SkipBody(); err != nil {
			return false, err
		}
	}
	for c.pos < len(c.data) {
		if ns, next := usualHead(c.data, c.pos); next > 0 {
			c.found(ns, next)
			return true, nil
		}
		n, i, isMap := container(c.data, c.pos)
		if i >= 0 && !isMap && n == 2 {
			ns, group, next := timestamp(c.data, i)
			if next < 0 {
				return false, c.wrong(ErrTimestamp)
			}
			if !group {
				c.found(ns, next)
				c.Meta = metadata(c.data[i:next])
				return true, nil
			}
			end := skip(c.data, c.pos)
			if end < 0 {
				return false, c.wrong(ErrTruncated)
			}
			c.Group = filledMap(c.data[next:end])
			c.pos = end
			continue
		}
		return false, c.wrong(ErrRecord)
	}
	return false, nil
}

// found makes the record whose body begins at i the one at hand.
func (c *Chunk) found(ns int64, i int) {
	c.Time, c.Body, c.body, c.open, c.Meta = ns, c.data[i:], i, true, nil
	c.Index++
}

// Advance moves past the body of the record at hand, which is n bytes long: as
// long as ScanMsgpack said.
func (c *Chunk) Advance(n int) {
	c.Body = c.data[c.body : c.body+n]
	c.pos = c.body + n
	if c.open {
		c.open = false
		c.done++
	}
}

// SkipBody moves past a body that is not looked at, or is not a map. It fails
// if the body is not msgpack at all.
func (c *Chunk) SkipBody() error {
	end := skip(c.data, c.body)
	if end < 0 {
		return c.Fail(broken(c.data[c.body:]))
	}
	c.Advance(end - c.body)
	return nil
}

// Fail returns err with the place of the record at hand.
func (c *Chunk) Fail(err error) error {
	return &ChunkError{Record: c.done, Offset: c.pos, Err: err}
}

// wrong returns err with the place of the record that begins at pos, unless it
// is worse: no whole msgpack value.
func (c *Chunk) wrong(err error) error {
	if skip(c.data, c.pos) < 0 {
		err = broken(c.data[c.pos:])
	}
	return c.Fail(err)
}

// Log-group markers are records whose seconds have these values: -1 and -2 as
// Fluent Bit reads them.
const (
	groupStart = 0xFFFFFFFF
	groupEnd   = 0xFFFFFFFE
)

// usualHead reads what most records begin with: an EventTime and empty
// metadata, as msgpack writes them shortest; or with lengths of 32 bits, as
// Fluent Bit's encoder does: for the metadata, and up to 4.2 for the arrays
// too. next is 0 if this one begins with something else.
//
// Source: Fluent Bit's flb_log_event_encoder_dynamic_field.c.
func usualHead(b []byte, i int) (ns int64, next int) {
	const most = 25
	if len(b)-i < most {
		return 0, 0
	}
	h := b[i : i+most]
	at := 0 // where the seconds are
	switch {
	case binary.BigEndian.Uint32(h) == 0x92_92_d7_00:
		at = 4
	case binary.BigEndian.Uint64(h) == 0xdd_00_00_00_02_dd_00_00 && binary.BigEndian.Uint32(h[8:]) == 0x00_02_d7_00:
		at = 12
	default:
		return 0, 0
	}
	sec, nsec := binary.BigEndian.Uint32(h[at:]), binary.BigEndian.Uint32(h[at+4:])
	if sec == groupStart || sec == groupEnd {
		return 0, 0
	}
	switch meta := h[at+8:]; {
	case meta[0] == 0x80:
		next = i + at + 9
	case meta[0] == mpMap32 && binary.BigEndian.Uint32(meta[1:]) == 0:
		next = i + at + 13
	default:
		return 0, 0
	}
	return int64(sec)*1e9 + int64(nsec), next
}

// timestamp reads a record's time at b[i]: an EventTime extension, a number,
// or an array that begins with either. next is the offset after it, negative
// if there is none.
func timestamp(b []byte, i int) (ns int64, group bool, next int) {
	n, first, isMap := container(b, i)
	if first < 0 {
		return timestampValue(b, i)
	}
	if isMap || n < 1 {
		return 0, false, -1
	}
	if ns, group, next = timestampValue(b, first); next < 0 {
		return 0, false, -1
	}
	for ; n > 1 && next >= 0; n-- {
		next = skip(b, next)
	}
	return ns, group, next
}

// metadata returns the map beside the timestamp in the head of a record, nil if
// there is none or nothing is in it.
func metadata(head []byte) []byte {
	n, i, isMap := container(head, 0)
	if i < 0 || isMap || n < 2 {
		return nil
	}
	return filledMap(head[skip(head, i):])
}

// filledMap returns b if it is a map that holds something, else nil.
func filledMap(b []byte) []byte {
	if n, i, isMap := container(b, 0); i < 0 || !isMap || n == 0 {
		return nil
	}
	return b
}

func timestampValue(b []byte, i int) (ns int64, group bool, next int) {
	if ns, group, next = eventTime(b, i); next >= 0 {
		return ns, group, next
	}
	val, next := number(b, i)
	if next < 0 {
		return 0, false, -1
	}
	switch val.Kind {
	case Int:
		sec := int64(val.Num)
		if sec < 0 || sec > math.MaxInt64/1_000_000_000 {
			return 0, false, -1
		}
		return sec * 1e9, sec == groupStart || sec == groupEnd, next
	case Float:
		f, _ := val.Float()
		if !(f >= 0 && f < math.MaxInt64/1e9) {
			return 0, false, -1
		}
		sec := math.Floor(f)
		return int64(sec)*1e9 + int64((f-sec)*1e9), sec == groupStart || sec == groupEnd, next
	}
	return 0, false, -1
}

// eventTime reads an extension of type 0 and 8 bytes: seconds and nanoseconds,
// big-endian.
func eventTime(b []byte, i int) (ns int64, group bool, next int) {
	if uint(i) >= uint(len(b)) {
		return 0, false, -1
	}
	var size int
	switch b[i] {
	case mpFixExt8:
		size = 10
	case mpExt8:
		size = 11
	case mpExt16:
		size = 12
	case mpExt32:
		size = 14
	}
	if next = skip(b, i); size == 0 || next != i+size || b[next-9] != 0 {
		return 0, false, -1
	}
	sec, nsec := binary.BigEndian.Uint32(b[next-8:]), binary.BigEndian.Uint32(b[next-4:])
	return int64(sec)*1e9 + int64(nsec), sec == groupStart || sec == groupEnd, next
}
