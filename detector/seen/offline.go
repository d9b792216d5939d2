package seen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// RuleTuples is a rule with tuples of another state, on their way into one.
type RuleTuples struct {
	RuleInfo // Num and Tuples do not matter; Meta replaces what is there
	Seen     []Tuple
}

// ErrOtherRule says that a rule of the same ID has another query or other
// fields here, so that its tuples mean something else.
var ErrOtherRule = errors.New("the states have different rules under one ID")

// offline is a state that a command changes, which no process uses.
type offline struct {
	*Store
	*Snapshot
}

// openOffline opens a state to change it, and makes none. It refuses one in use:
// the process that uses it has it in memory, and would not notice.
func openOffline(dir string) (*offline, error) {
	if _, err := os.Lstat(filepath.Join(dir, stateName)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no state in %s: %w", dir, err)
	}
	s, _, err := Open(dir, Options{OnCorrupt: Stop})
	if err != nil {
		return nil, err
	}
	snap, _, err := Inspect(dir)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &offline{s, snap}, nil
}

func (o *offline) close() error { return errors.Join(o.Snapshot.Close(), o.Store.Close()) }

// commit writes b. A command may wait longer than a flush, but not for ever.
func (o *offline) commit(b *Batch) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return o.Commit(ctx, b)
}

// Forget forgets the tuples of a rule that match says true for, and returns how
// many. It refuses a state in use.
func Forget(dir, id string, match func(Tuple) bool) (n int, err error) {
	o, err := openOffline(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	t := o.table(id)
	var b Batch
	err = o.Tuples(id, func(u Tuple) error {
		if match(u) {
			b.forget(t.record.Num, u.seq, len(u.Raw))
			n++
		}
		return nil
	})
	if err != nil || n == 0 {
		return 0, err
	}
	return n, o.commit(&b)
}

// Compact writes the journal anew without what is dead in it, and returns its
// size before and after, in bytes. It refuses a state in use.
func Compact(dir string) (before, after int64, err error) {
	o, err := openOffline(dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	o.io.Lock()
	defer o.io.Unlock()
	before = o.journal.size
	if err := o.rewrite(); err != nil {
		return before, before, notWritable(o.folder.file(stateName), err)
	}
	return before, o.journal.size, nil
}

// Import merges rules and tuples into the state in dir, which it makes if there
// is none. Of a tuple that is known here, both reports are merged. What a rule
// has here is found before anything is written, and a rule that is another one
// here is refused with ErrOtherRule. It refuses a state in use.
//
// It returns how many tuples are new here, and how many have changed.
func Import(dir string, rules []RuleTuples) (added, changed int, err error) {
	s, _, err := Open(dir, Options{OnCorrupt: Stop})
	if err != nil {
		return 0, 0, err
	}
	snap, _, err := Inspect(dir)
	if err != nil {
		return 0, 0, errors.Join(err, s.Close())
	}
	o := &offline{s, snap}
	defer func() { err = errors.Join(err, o.close()) }()
	for i := range rules {
		r := &rules[i]
		if have := o.table(r.ID); have != nil && have.record.Fingerprint != r.Fingerprint {
			return 0, 0, fmt.Errorf("%w: %q (%q)", ErrOtherRule, r.ID, r.Name)
		}
	}
	for i := range rules {
		a, c, err := o.importRule(&rules[i])
		added, changed = added+a, changed+c
		if err != nil {
			return added, changed, err
		}
	}
	return added, changed, nil
}

// importRule imports one rule, in one batch.
func (o *offline) importRule(r *RuleTuples) (added, changed int, err error) {
	have := make(map[string]Tuple)
	var seq uint64
	if t := o.table(r.ID); t != nil {
		seq = t.seq
		err := o.Tuples(r.ID, func(u Tuple) error {
			have[string(u.Raw)] = u
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	state, err := o.Rule(r.ID, RuleOptions{Fingerprint: r.Fingerprint, Name: r.Name, Fields: r.Fields})
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
			b.add(state.Num, seq, sight, t.Raw)
			have[string(t.Raw)] = Tuple{Sighting: sight, seq: seq}
			added++
		case known.Sighting.Merge(sight) != known.Sighting:
			known.Sighting = known.Sighting.Merge(sight)
			b.see(state.Num, known.seq, known.Sighting)
			have[string(t.Raw)] = known
			changed++
		}
	}
	return added, changed, o.commit(&b)
}
