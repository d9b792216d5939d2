package seen

import (
	"context"
	"testing"
	"time"

	"fluent-bit-newterms/detector/record"
)

// TestFlushLastSeen sees a tuple a second time within a refresh grain, ends the
// process well or badly, and sees it again at the very end of the window, and
// after it.
func TestFlushLastSeen(t *testing.T) {
	const day = 24 * int64(time.Hour/time.Millisecond)
	val := record.StringValue("a")
	terms := AppendTerm(nil, &val)
	const start = int64(1_790_000_000_000)
	again := start + 14*60_000 // within the grain of a window of a day
	for _, test := range []struct {
		name    string
		settled bool
		at      int64
		want    Verdict
	}{
		{"settled, inside", true, again + day, Known},
		{"settled, outside", true, again + day + 1000, Expired},
		{"crashed, inside", false, again + day, Known},
		{"crashed, a grain outside what the disk says", false, start + day + day/100 + 1000, Expired},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			run := func(fn func(m *Memory, b *Batch)) {
				s, _, err := Open(dir, Options{})
				if err != nil {
					t.Fatal(err)
				}
				state, err := s.Rule("r", RuleOptions{Fingerprint: "f"})
				if err != nil {
					t.Fatal(err)
				}
				m := NewMemory(MemoryConfig{Window: 24 * time.Hour, Fields: 1})
				if _, err := s.Load(state, m); err != nil {
					t.Fatal(err)
				}
				var b Batch
				fn(m, &b)
				if err := s.Commit(context.Background(), &b); err != nil {
					t.Fatal(err)
				}
				if test.settled {
					if err := s.FlushLastSeen(context.Background(), m); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			run(func(m *Memory, b *Batch) {
				m.Observe(terms, Sighting{First: start, Last: start, Count: 1}, b)
				m.Observe(terms, Sighting{First: again, Last: again, Count: 1}, b)
			})
			run(func(m *Memory, b *Batch) {
				if s, ok := m.Peek(terms); test.settled && (!ok || s.Last != again || s.Count != 2) {
					t.Errorf("read back %+v, %v", s, ok)
				}
				if o := m.Observe(terms, Sighting{First: test.at, Last: test.at, Count: 1}, b); o.Verdict != test.want {
					t.Errorf("verdict %d, want %d", o.Verdict, test.want)
				}
			})
			// Taken up again and ended without settling, the state no longer
			// counts as settled.
			if test.settled {
				s, _, err := Open(dir, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if st, _ := s.Rule("r", RuleOptions{Fingerprint: "f"}); !st.settled {
					t.Error("the state was settled and does not say so")
				}
				s.Close()
				s, _, err = Open(dir, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if st, _ := s.Rule("r", RuleOptions{Fingerprint: "f"}); st.settled {
					t.Error("the state still says that it is settled")
				}
				s.Close()
			}
		})
	}
}
