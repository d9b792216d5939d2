package seen

import (
	"encoding/binary"
	"errors"
	"fmt"

	jsoniter "github.com/json-iterator/go"
)

// The types of record. They are part of the format and must not change.
const (
	recordRule        = 'R' // what is known of a rule: JSON
	recordExtra       = 'E' // rule, what its user keeps about it: bytes
	recordCombination = 'C' // rule, sequence, sighting, terms
	recordSighting    = 'S' // rule, sequence, sighting
	recordForget      = 'F' // rule, sequence
	recordDrop        = 'D' // rule: all that is known of it is forgotten
	recordAlert       = 'A' // an outbox entry
	recordAck         = 'K' // the ID of an outbox entry that has left
	recordCounters    = 'N' // the highest rule number and alert ID ever given out
)

var (
	json      = jsoniter.ConfigCompatibleWithStandardLibrary
	errRecord = errors.New("a record is malformed")
)

// ruleRecord is what the store keeps about a rule. It is JSON: it is small, is
// written seldom, and grows with the versions.
type ruleRecord struct {
	ID          string   `json:"id"`
	Num         uint32   `json:"num"`
	Name        string   `json:"name,omitempty"`
	Fields      []string `json:"fields,omitempty"`
	Fingerprint string   `json:"fingerprint"`
	// Seq is the highest sequence number that was given out when the journal
	// was compacted.
	Seq uint64 `json:"seq,omitempty"`
	// Settled: the journal holds every sighting. It is taken back when the
	// rule is taken up again.
	Settled bool     `json:"settled,omitempty"`
	Meta    RuleMeta `json:"meta"`
}

// appendRule appends the body of a rule's record, which is without Extra.
func appendRule(dst []byte, r *ruleRecord) ([]byte, error) {
	plain := *r
	plain.Meta.Extra = nil
	body, err := json.Marshal(&plain)
	if err != nil {
		return nil, fmt.Errorf("encoding what is known of rule %q: %w", r.ID, err)
	}
	return append(dst, body...), nil
}

func readRule(body []byte) (r ruleRecord, err error) {
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("%w: %w", errRecord, err)
	}
	if r.ID == "" || r.Num == 0 {
		return r, errRecord
	}
	return r, nil
}

func appendRef(dst []byte, rule uint32, seq uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(rule)), seq)
}

func appendSighting(dst []byte, s Sighting) []byte {
	dst = binary.AppendUvarint(dst, uint64(s.Last))
	dst = binary.AppendUvarint(dst, uint64(s.Last-s.First))
	return binary.AppendUvarint(dst, uint64(s.Count))
}

// appendAlert appends the body of an outbox entry's record.
func appendAlert(dst []byte, e *OutboxEntry) []byte {
	dst = binary.AppendUvarint(dst, e.ID)
	dst = append(dst, e.Severity)
	dst = binary.AppendVarint(dst, e.Time)
	dst = appendRef(dst, e.Num, e.Seq)
	dst = binary.LittleEndian.AppendUint64(dst, e.Group)
	for _, s := range [...]string{e.Rule, e.Tag, string(e.Terms), string(e.Short)} {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return append(dst, e.Body...)
}

// body reads the fields of a record. After a field that is not there, all that
// follow are zero and bad is set.
type body struct {
	b   []byte
	bad bool
}

func (x *body) uint() uint64 {
	n, w := binary.Uvarint(x.b)
	if w <= 0 {
		x.fail()
		return 0
	}
	x.b = x.b[w:]
	return n
}

func (x *body) int() int64 {
	n, w := binary.Varint(x.b)
	if w <= 0 {
		x.fail()
		return 0
	}
	x.b = x.b[w:]
	return n
}

func (x *body) take(n uint64) []byte {
	if n > uint64(len(x.b)) {
		x.fail()
		return nil
	}
	out := x.b[:n]
	x.b = x.b[n:]
	return out
}

func (x *body) fail() { x.b, x.bad = nil, true }

func (x *body) rule() uint32 {
	n := x.uint()
	if n == 0 || n > 1<<32-1 {
		x.fail()
	}
	return uint32(n)
}

func (x *body) sighting() (s Sighting) {
	last, span, count := x.uint(), x.uint(), x.uint()
	if last > maxTime || span > last || count == 0 || count > maxCount {
		x.fail()
	}
	return Sighting{First: int64(last - span), Last: int64(last), Count: uint32(count)}
}

// alert reads an outbox entry. Nothing in it points into the record.
func (x *body) alert() (e OutboxEntry) {
	e.ID = x.uint()
	if s := x.take(1); s != nil {
		e.Severity = s[0]
	}
	e.Time = x.int()
	num := x.uint()
	e.Num, e.Seq = uint32(num), x.uint()
	if g := x.take(8); g != nil {
		e.Group = binary.LittleEndian.Uint64(g)
	}
	e.Rule, e.Tag = string(x.take(x.uint())), string(x.take(x.uint()))
	e.Terms, e.Short = clone(x.take(x.uint())), clone(x.take(x.uint()))
	e.Body = append([]byte{}, x.b...)
	if e.ID == 0 || num > 1<<32-1 {
		x.fail()
	}
	return e
}

// clone copies b; nothing stays nil.
func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}
