package seen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	jsoniter "github.com/json-iterator/go"
)

// Every value on disk starts with a CRC-32C and the kind of the value. The sum
// covers kind, key and payload, so that a value under a wrong key, in a wrong
// bucket or of another version is found as surely as a flipped bit, and so that
// a page torn out of its tree can still be read for what it holds.
const (
	kindFormat = 'F' // what the file is
	kindRule   = 'R' // a rule and its metadata
	kindTuple  = 'T' // a pack of tuples: terms and their sightings
	kindAlert  = 'O' // an outbox entry

	valueHeader = 5  // sum, kind
	tupleKeyLen = 10 // rule, 4 bytes; sequence number, 6 bytes; both big-endian
	alertKeyLen = 8  // ID, big-endian
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errValue   = errors.New("the value does not match its checksum")

	json = jsoniter.ConfigCompatibleWithStandardLibrary
)

// sum returns the checksum of a value whose bytes after the sum are rest.
func sum(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// seal writes the sum of the value v, whose first four bytes are for it.
func seal(key, v []byte) {
	binary.LittleEndian.PutUint32(v, sum(key, v[4:]))
}

// payload returns what is in the value v under key, if v is of the kind wanted
// and whole.
func payload(kind byte, key, v []byte) ([]byte, error) {
	if len(v) < valueHeader || v[4] != kind || binary.LittleEndian.Uint32(v) != sum(key, v[4:]) {
		return nil, errValue
	}
	return v[valueHeader:], nil
}

func tupleKey(rule uint32, seq uint64) (k [tupleKeyLen]byte) {
	binary.BigEndian.PutUint32(k[:], rule)
	binary.BigEndian.PutUint16(k[4:], uint16(seq>>32))
	binary.BigEndian.PutUint32(k[6:], uint32(seq))
	return k
}

func splitTupleKey(k []byte) (rule uint32, seq uint64) {
	return binary.BigEndian.Uint32(k),
		uint64(binary.BigEndian.Uint16(k[4:]))<<32 | uint64(binary.BigEndian.Uint32(k[6:]))
}

func alertKey(id uint64) (k [alertKeyLen]byte) {
	binary.BigEndian.PutUint64(k[:], id)
	return k
}

// appendAlert appends the value of an outbox entry to dst.
func appendAlert(dst []byte, e *OutboxEntry) []byte {
	off := len(dst)
	dst = append(dst, 0, 0, 0, 0, kindAlert, e.Severity)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Time))
	dst = binary.AppendUvarint(dst, uint64(len(e.Rule)))
	dst = append(dst, e.Rule...)
	dst = binary.AppendUvarint(dst, uint64(len(e.Tag)))
	dst = append(dst, e.Tag...)
	dst = append(dst, e.Body...)
	k := alertKey(e.ID)
	seal(k[:], dst[off:])
	return dst
}

// readAlert reads an outbox entry; nothing in it points into v.
func readAlert(key, v []byte) (e OutboxEntry, err error) {
	if len(key) != alertKeyLen {
		return e, errValue
	}
	p, err := payload(kindAlert, key, v)
	if err != nil {
		return e, err
	}
	if len(p) < 9 {
		return e, errValue
	}
	e.ID = binary.BigEndian.Uint64(key)
	e.Severity = p[0]
	e.Time = int64(binary.LittleEndian.Uint64(p[1:]))
	p = p[9:]
	for _, s := range []*string{&e.Rule, &e.Tag} {
		n, w := binary.Uvarint(p)
		if w <= 0 || n > uint64(len(p)-w) {
			return e, errValue
		}
		*s = string(p[w : w+int(n)])
		p = p[w+int(n):]
	}
	e.Body = append([]byte(nil), p...)
	return e, nil
}

// ruleRecord is what the store keeps about a rule, in JSON: it is small, is
// written seldom, and grows with the versions.
type ruleRecord struct {
	ID          string   `json:"id"`
	Num         uint32   `json:"num"`
	Rev         uint64   `json:"rev,omitempty"` // grows with every write
	Name        string   `json:"name,omitempty"`
	Fields      []string `json:"fields,omitempty"`
	Fingerprint string   `json:"fingerprint"`
	// Settled: the tuples on disk hold every sighting. It is taken back when
	// the rule is taken up again.
	Settled bool     `json:"settled,omitempty"`
	Meta    RuleMeta `json:"meta"`
}

// label is the part of a record that never changes. A tuple bucket carries it,
// so that its tuples can be told whose they are if the record is lost.
func (r *ruleRecord) label() *ruleRecord {
	l := *r
	l.Meta, l.Settled = RuleMeta{}, false
	return &l
}

func encodeRule(id string, r *ruleRecord) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding what is known of rule %q: %w", id, err)
	}
	v := append(make([]byte, 0, valueHeader+len(body)), 0, 0, 0, 0, kindRule)
	v = append(v, body...)
	seal([]byte(id), v)
	return v, nil
}

func readRule(key, v []byte) (r ruleRecord, err error) {
	p, err := payload(kindRule, key, v)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(p, &r); err != nil {
		return r, fmt.Errorf("%w: %w", errValue, err)
	}
	return r, nil
}
