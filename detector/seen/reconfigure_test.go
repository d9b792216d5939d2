package seen

import (
	"fmt"
	"testing"
	"time"

	"fluent-bit-newterms/detector/record"
)

func TestReconfigure(t *testing.T) {
	const day = 24 * time.Hour
	term := func(i int) []byte {
		v := record.StringValue(fmt.Sprint("user ", i))
		return AppendTerm(nil, &v)
	}
	at := func(d time.Duration) Sighting {
		ms := (1000*day + d).Milliseconds()
		return Sighting{First: ms, Last: ms, Count: 1}
	}
	fill := func() *Memory {
		m := NewMemory(MemoryConfig{MaxTuples: 100, Window: 10 * day, Fields: 1})
		for i := range 100 {
			m.Observe(term(i), at(time.Duration(i)*time.Hour), nil)
		}
		return m
	}
	known := func(m *Memory) int {
		n := 0
		for i := range 100 {
			if _, ok := m.Peek(term(i)); ok {
				n++
			}
		}
		return n
	}
	t.Run("smaller", func(t *testing.T) {
		m := fill()
		var b Batch
		m.Reconfigure(40, 10*day, &b)
		if m.Len() != 40 || known(m) != 40 || len(b.ops) != 60 {
			t.Fatalf("%d tuples, %d known, %d deletions; want 40, 40, 60", m.Len(), known(m), len(b.ops))
		}
		if _, ok := m.Peek(term(99)); !ok {
			t.Error("the latest tuple was forgotten")
		}
		for i := 100; i < 200; i++ {
			m.Observe(term(i), at(200*time.Hour), nil)
		}
		if m.Len() != 40 {
			t.Errorf("%d tuples after more came, want 40", m.Len())
		}
	})
	t.Run("larger", func(t *testing.T) {
		m := fill()
		m.Reconfigure(1000, 10*day, nil)
		for i := 100; i < 1100; i++ {
			m.Observe(term(i), at(200*time.Hour), nil)
		}
		if m.Len() != 1000 {
			t.Errorf("%d tuples, want 1000", m.Len())
		}
	})
	t.Run("longer window", func(t *testing.T) {
		m := fill()
		m.Reconfigure(100, 30*day, nil)
		if known(m) != 100 {
			t.Fatalf("%d known, want 100", known(m))
		}
		var b Batch
		if o := m.Observe(term(0), at(20*day), &b); o.Verdict != Known {
			t.Errorf("verdict %d after 20 of 30 days, want known", o.Verdict)
		}
		if len(b.ops) != 1 {
			t.Errorf("%d writes at the first sighting after the change, want 1", len(b.ops))
		}
	})
	t.Run("shorter window", func(t *testing.T) {
		m := fill()
		m.Reconfigure(100, day, nil)
		if o := m.Observe(term(0), at(5*day), nil); o.Verdict != Expired {
			t.Errorf("verdict %d after 5 days of 1, want expired", o.Verdict)
		}
	})
	t.Run("read from disk and not seen since", func(t *testing.T) {
		dir := t.TempDir()
		open := func() (*Store, *Memory) {
			s, _, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			st, err := s.Rule("r", RuleOptions{Fingerprint: "f"})
			if err != nil {
				t.Fatal(err)
			}
			m := NewMemory(MemoryConfig{MaxTuples: 100, Window: 10 * day, Fields: 1})
			if _, err := s.Load(st, m); err != nil {
				t.Fatal(err)
			}
			return s, m
		}
		s, m := open()
		var b Batch
		for i := range 100 {
			m.Observe(term(i), at(time.Duration(i)*time.Hour), &b)
		}
		if err := s.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, m = open()
		defer s.Close()
		m.Reconfigure(100, 30*day, &b)
		m.Reconfigure(50, 30*day, &b)
		if m.Len() != 50 || known(m) != 50 {
			t.Fatalf("%d tuples, %d known, want 50", m.Len(), known(m))
		}
		if o := m.Observe(term(99), at(20*day), &b); o.Verdict != Known {
			t.Errorf("verdict %d after 16 of 30 days, want known", o.Verdict)
		}
	})
}
