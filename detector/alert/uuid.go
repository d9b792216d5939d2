package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// UUID returns the uuid of the alert for a tuple: a hash of the rule, the
// terms as bytes, and the time of the first event, counted in windows.
//
// It does not depend on the event's other fields, nor on when or where it was
// found. So a chunk that comes again after a crash, perhaps in another order,
// gives the same uuid, as do several nodes that see the same tuple, and a
// receiver that keeps one record a uuid keeps one. A tuple that alerts again
// because its window has passed lies in a later window, and has another.
func UUID(ruleID string, terms []byte, first time.Time, window time.Duration) string {
	age := uint64(0)
	if window > 0 {
		age = uint64(first.UnixMilli() / max(window.Milliseconds(), 1))
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], age)
	return hashed("newterms alert", []byte(ruleID), terms, n[:])
}

// EventUUID returns the uuid of an alert on one event, rather than on a tuple:
// a hash of the rule, the terms, and the event (a hash of it) with its time.
func EventUUID(ruleID string, terms []byte, at time.Time, event []byte) string {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(at.UnixMilli()))
	return hashed("newterms event", []byte(ruleID), terms, n[:], event)
}

// hashed hashes fields so that none can run into the next.
func hashed(kind string, fields ...[]byte) string {
	h := sha256.New()
	var n [8]byte
	field := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	field([]byte(kind))
	for _, b := range fields {
		field(b)
	}
	var id uuid.UUID
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80 // version 8: made by the application
	id[8] = id[8]&0x3f | 0x80 // RFC 9562
	return id.String()
}

// RuleUUID returns the uuid that stands for a rule: its rule_id if that is a
// uuid, else one derived from it.
func RuleUUID(ruleID string) string {
	if id, err := uuid.Parse(ruleID); err == nil {
		return id.String()
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("newterms:rule:"+ruleID)).String()
}
