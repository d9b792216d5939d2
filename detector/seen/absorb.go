package seen

import (
	"errors"
	"fmt"
	"slices"
)

// RuleTuples is a rule with tuples of another state, on their way into one.
type RuleTuples struct {
	RuleInfo // Num and Tuples do not matter; Meta replaces what is there
	Seen     []Tuple
}

// ErrOtherRule says that a rule of the same ID has another query or other
// fields here, so that its tuples mean something else.
var ErrOtherRule = errors.New("the states have different rules under one ID")

// Unite returns the sighting that stands for two reports of the same tuple:
// the earliest first, the latest last, the greater count. Unlike counting on,
// it comes to the same in any order and however often a report is heard, so
// the count is what at least was seen.
func (s Sighting) Unite(t Sighting) Sighting {
	return Sighting{First: min(s.First, t.First), Last: max(s.Last, t.Last), Count: max(s.Count, t.Count)}
}

// Absorb adds rules and tuples to the state in dir, which it makes if there is
// none. Of a tuple that is known here, both reports are united. What a rule
// has here is found before anything is written, and a rule that is another
// one here is refused with ErrOtherRule. It refuses a state in use.
//
// It returns how many tuples are new here, and how many have changed.
func Absorb(dir string, rules []RuleTuples) (added, changed int, err error) {
	s, _, err := Open(dir, Options{OnCorrupt: Stop, noLoad: true})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for i := range rules {
		r := &rules[i]
		if have := s.rules[r.ID]; have != nil && have.Fingerprint != r.Fingerprint {
			return 0, 0, fmt.Errorf("%w: %q (%s)", ErrOtherRule, r.ID, r.Name)
		}
	}
	snap, _, err := Inspect(dir)
	if err != nil {
		return 0, 0, err
	}
	defer snap.Close()
	for i := range rules {
		a, c, err := s.absorb(snap, &rules[i])
		added, changed = added+a, changed+c
		if err != nil {
			return added, changed, err
		}
	}
	return added, changed, nil
}

// absorb adds one rule, in one transaction.
func (s *Store) absorb(snap *Snapshot, r *RuleTuples) (added, changed int, err error) {
	have := make(map[string]Tuple)
	var seq uint64
	if rec, ok := snap.exam.rules[r.ID]; ok {
		if seq, err = snap.sequence(rec.Num); err != nil {
			return 0, 0, err
		}
		err = snap.Tuples(r.ID, func(t Tuple) error {
			have[string(t.Raw)] = t
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	state, err := s.Rule(r.ID, RuleOptions{Fingerprint: r.Fingerprint, Name: r.Name, Fields: r.Fields})
	if err != nil {
		return 0, 0, err
	}
	var b Batch
	b.SetMeta(state.Num, r.Meta)
	for i := range r.Seen {
		t := &r.Seen[i]
		known, ok := have[string(t.Raw)]
		switch sight := t.Sighting.normal(); {
		case !ok:
			seq++
			b.put(state.Num, seq, sight, t.Raw, true)
			have[string(t.Raw)] = Tuple{Sighting: sight, seq: seq}
			added++
		case known.Sighting.Unite(sight) != known.Sighting:
			known.Sighting = known.Sighting.Unite(sight)
			b.put(state.Num, known.seq, known.Sighting, t.Raw, false)
			have[string(t.Raw)] = known
			changed++
		}
	}
	ctx, cancel := s.deadline()
	defer cancel()
	return added, changed, s.Commit(ctx, &b)
}

// sequence returns the highest sequence number that a rule's tuples ever had.
func (s *Snapshot) sequence(num uint32) (seq uint64, err error) {
	err = s.stable(func() error {
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		f, err := openPages(s.file, info.Size())
		if err != nil {
			return err
		}
		x := examineNothing(f)
		x.each(rawBucket{root: f.root}, 1, func(_ int, _ uint64, key, value []byte, flags uint32) {
			if string(key) == tupleBucketName(num) {
				b, _ := parseBucket(slices.Clone(value), flags)
				seq = b.seq
			}
		})
		return nil
	})
	return seq, err
}
