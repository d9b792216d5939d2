package remote

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"fluent-bit-newterms/detector/seen"
)

// Key stands for a tuple of a rule: the same on every node. It is not keyed
// with a secret, so whoever reads the server can test a guess at the terms;
// 128 bits of SHA-256 leave no way to make two tuples share one.
type Key [16]byte

// Bounds of a refresh grain.
const (
	grainsInWindow = 256
	minGrain       = time.Minute
	maxGrain       = time.Hour
)

// Rule is a rule as the server knows it. It is not changed once it is made.
type Rule struct {
	ID, Fingerprint string

	tag    string // of its keys
	prefix string // of its tuples' keys
	seed   [sha256.Size]byte
	window int64 // ms, 0 is for ever
	grain  int64 // ms
}

// NewRule describes a rule with a window, 0 for ever, for the store's keys.
// Nodes agree on a tuple if ID and fingerprint are the same.
func (s *Store) NewRule(id, fingerprint string, window time.Duration) *Rule {
	r := &Rule{ID: id, Fingerprint: fingerprint, window: max(window.Milliseconds(), 0)}
	grain := maxGrain
	if window > 0 {
		grain = min(max(window/grainsInWindow, minGrain), maxGrain)
	}
	r.grain = grain.Milliseconds()
	var b []byte
	for _, part := range []string{"newterms tuple", id, fingerprint} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	r.seed = sha256.Sum256(b)
	r.tag = base64.RawURLEncoding.EncodeToString(r.seed[:])[:6]
	r.prefix = s.config.prefix + r.tag + ":"
	return r
}

// Key returns the key of a tuple whose terms are as seen.AppendTerm writes
// them.
func (r *Rule) Key(terms []byte) (k Key) {
	var buf [256]byte
	sum := sha256.Sum256(append(append(buf[:0], r.seed[:]...), terms...))
	copy(k[:], sum[:])
	return k
}

// Terms returns the keys of a tuple's terms, each by itself: whether one is
// novel alone is asked of all nodes too. A rule with one field has none, since
// its tuples are its terms.
func (r *Rule) Terms(terms []byte) []Key {
	list, err := seen.DecodeTerms(terms)
	if err != nil || len(list) < 2 {
		return nil
	}
	keys := make([]Key, len(list))
	for i, val := range list {
		b := append([]byte("term"), byte(i))
		if b, err = seen.AppendAny(b, val); err != nil {
			return nil // cannot be: it was decoded
		}
		keys[i] = r.Key(b)
	}
	return keys
}

// termName is a term's key on the server.
func (r *Rule) termName(k Key) string {
	return r.prefix + "term:" + base64.RawURLEncoding.EncodeToString(k[:])
}

// name is a tuple's key on the server.
func (r *Rule) name(k Key) string {
	return r.prefix + base64.RawURLEncoding.EncodeToString(k[:])
}

// Stale tells whether a tuple that was last seen at prev is to be refreshed
// now that it is seen at last, both in unix ms: once in each grain.
func (r *Rule) Stale(prev, last int64) bool { return last > prev && last/r.grain != prev/r.grain }

// ttl is how long the server keeps a seen tuple from its last write, in ms; 0
// is for ever.
func (r *Rule) ttl() int64 {
	if r.window == 0 {
		return 0
	}
	return r.window + 2*r.grain
}
