package remote

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"fluent-bit-newterms/detector/seen"
	"fluent-bit-newterms/test/redisserver"
)

// model is what the server does, in plain Go.
type model struct {
	tuples map[string]*modelTuple
}

type modelTuple struct {
	s     seen.Sighting
	owner int // who claims it, -1 if it is seen
}

func (m *model) claim(owner int, name string, s seen.Sighting, window, grain int64) Answer {
	t := m.tuples[name]
	switch {
	case t == nil:
		m.tuples[name] = &modelTuple{s, owner}
		return Answer{Kind: New}
	case t.owner == owner:
		t.s = seen.Sighting{First: min(t.s.First, s.First), Last: max(t.s.Last, s.Last), Count: max(t.s.Count, s.Count)}
		return Answer{Kind: New}
	case t.owner >= 0:
		return Answer{Kind: Claimed}
	}
	before := t.s
	if window == 0 || s.First-before.Last <= window+grain {
		t.mark(s)
		return Answer{Kind: Known, Previous: before}
	}
	*t = modelTuple{s, owner}
	return Answer{Kind: Expired, Previous: before}
}

func (m *model) mark(name string, s seen.Sighting, window, grain int64) {
	t := m.tuples[name]
	if t == nil {
		m.tuples[name] = &modelTuple{s, -1}
		return
	}
	if t.owner >= 0 && window > 0 && t.s.First-s.Last > window+grain {
		return
	}
	t.mark(s)
}

func (t *modelTuple) mark(s seen.Sighting) {
	t.s = seen.Sighting{First: min(t.s.First, s.First), Last: max(t.s.Last, s.Last), Count: t.s.Count + s.Count}
	t.owner = -1
}

// TestModel runs random claims and marks of three nodes, and expiries, against
// a server and against the model: the answers must be the same.
func TestModel(t *testing.T) {
	server := redisserver.Start(t)
	var nodes []*Store
	for range 3 {
		nodes = append(nodes, open(t, "redis://"+server.Addr+"?timeout=5s", Options{}))
	}
	const hour = int64(3_600_000)
	for round := range 30 {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		m := &model{tuples: make(map[string]*modelTuple)}
		window := []int64{0, hour, 500 * hour}[round%3]
		id := fmt.Sprint("rule", round)
		rules := make([]*Rule, len(nodes))
		for i, n := range nodes {
			rules[i] = n.NewRule(id, "f", 0)
			rules[i].window = window
		}
		fail := func(step int, format string, args ...any) {
			t.Fatalf("seed %d, window %d, step %d: %s", seed, window, step, fmt.Sprintf(format, args...))
		}
		clock := int64(1_700_000_000_000)
		for step := range 60 {
			clock += rng.Int64N(hour)
			i := rng.IntN(len(nodes))
			var reqs []Request
			var names []string
			for range 1 + rng.IntN(4) {
				name := fmt.Sprint("t", rng.IntN(5))
				at := max(clock-rng.Int64N(3*hour)*rng.Int64N(2), 0)
				reqs = append(reqs, Request{Rule: rules[i], Key: rules[i].Key([]byte(name)), Sighting: seen.Sighting{First: at, Last: at + rng.Int64N(1000), Count: 1 + rng.Uint32N(9)}})
				names = append(names, name)
			}
			switch rng.IntN(5) {
			case 0, 1, 2:
				for k, got := range nodes[i].Claim(reqs) {
					if want := m.claim(i, names[k], reqs[k].Sighting, window, rules[i].grain); got != want {
						fail(step, "node %d claims %s at %d: %+v, want %+v", i, names[k], reqs[k].First, got, want)
					}
				}
			case 3:
				for k := range reqs {
					nodes[i].Mark(false, reqs[k])
					if err := nodes[i].flush(); err != nil {
						fail(step, "%v", err)
					}
					m.mark(names[k], reqs[k].Sighting, window, rules[i].grain)
				}
			case 4: // as if it had expired
				if rng.IntN(4) == 0 {
					server.CLI("del", rules[i].name(reqs[0].Key))
					delete(m.tuples, names[0])
				}
			}
		}
	}
}

// TestKeys looks at what names a tuple: everything that makes it another one,
// and nothing else.
func TestKeys(t *testing.T) {
	c, err := ParseURL("redis://h")
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{config: c}
	names := make(map[string]string)
	for _, r := range []*Rule{
		s.NewRule("a", "b", day), s.NewRule("a", "bb", day), s.NewRule("ab", "b", day), s.NewRule("", "ab", day), s.NewRule("ab", "", day),
	} {
		for _, terms := range []string{"", "x", "xx", "x\x00"} {
			name := r.name(r.Key([]byte(terms)))
			what := fmt.Sprintf("%q %q %q", r.ID, r.Fingerprint, terms)
			if other := names[name]; other != "" {
				t.Errorf("%s and %s have the same key", what, other)
			}
			names[name] = what
		}
	}
	a, b := s.NewRule("a", "b", day), s.NewRule("a", "b", 2*day)
	if a.name(a.Key([]byte("x"))) != b.name(b.Key([]byte("x"))) {
		t.Error("another window makes another key")
	}
	if got, want := a.name(a.Key([]byte("x"))), "newterms:48G_Cg:JmL02XUnDMCX3Oj671I-SQ"; got != want {
		t.Errorf("the key of a tuple has changed from %q to %q: nodes of different versions would not share it", want, got)
	}
}

func TestStale(t *testing.T) {
	c, _ := ParseURL("redis://h")
	s := &Store{config: c}
	const minute = int64(60_000)
	for _, test := range []struct {
		name       string
		rule       *Rule
		prev, last int64
		want       bool
	}{
		{"same grain", s.NewRule("", "", 256*10*60e9), 0, 10*minute - 1, false},
		{"next grain", s.NewRule("", "", 256*10*60e9), 10*minute - 1, 10 * minute, true},
		{"late", s.NewRule("", "", 256*10*60e9), 20 * minute, 5 * minute, false},
		{"short window", s.NewRule("", "", 60e9), 0, minute - 1, false},
		{"short window, a minute on", s.NewRule("", "", 60e9), 0, minute, true},
		{"long window", s.NewRule("", "", 365*day), 0, 60*minute - 1, false},
		{"no window", s.NewRule("", "", 0), 0, 60 * minute, true},
	} {
		if got := test.rule.Stale(test.prev, test.last); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// FuzzAnswer feeds replies that no server of ours would give.
func FuzzAnswer(f *testing.F) {
	f.Add(5, int64(1), int64(0), int64(0), int64(0), int64(0), "")
	f.Add(5, int64(3), int64(1), int64(2), int64(3), int64(0), "")
	f.Add(4, int64(9), int64(-1), int64(1<<62), int64(-3), int64(0), "x")
	f.Fuzz(func(t *testing.T, n int, a, b, c, d, e int64, s string) {
		list := []any{a, b, c, d, e, s, nil, []any{a}}
		got, err := parseAnswer(list[:min(max(n, 0), len(list))])
		if err != nil && got.Kind != Down {
			t.Errorf("%v, but %+v", err, got)
		}
		if err == nil && (got.Kind < New || got.Kind > Claimed || got.Previous.First < 0 || got.Previous.Last < 0) {
			t.Errorf("%+v", got)
		}
		if _, err := parseAnswer(s); err == nil {
			t.Error("text is no answer")
		}
	})
}
