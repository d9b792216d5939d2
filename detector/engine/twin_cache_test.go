package engine

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/match"
	"fluent-bit-newterms/detector/rule"
)

// FuzzRecall compares passes that recall events with ones that do not, over
// events most of which are alike, while those that more is asked of are drawn
// from few that differ in a single thing.
func FuzzRecall(f *testing.F) {
	for seed := range uint64(24) {
		f.Add(seed)
	}
	lines := gunzip(f, sharedFile(f, "k8s-audit/cluster-a.jsonl.gz"))
	f.Fuzz(func(t *testing.T, seed uint64) {
		recalled := againstNone(t, seed, lines)
		t.Logf("%d events that more was asked of were recalled", recalled)
	})
}

func againstNone(t *testing.T, seed uint64, lines [][]byte) (recalled int) {
	r := rand.New(rand.NewPCG(seed, 11))
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	m := &maker{r: r, shape: seed % 3, real: lines}
	m.fill(t)
	m.json = seed%2 == 0
	mode := mapping.Options{Mode: []mapping.Mode{mapping.Auto, mapping.KubernetesAudit, mapping.ECS}[r.IntN(3)]}
	if m.shape == ecsDocument && mode.Mode == mapping.KubernetesAudit || m.shape == wrappedEvent {
		mode.Mode = mapping.Auto
	}
	var rules []*rule.Rule
	for range 1 + r.IntN(3) {
		rules = append(rules, drawRule(t, r, len(rules), true, now))
	}
	var workers [2]*match.Worker
	for k := range workers {
		compiled, err := match.Compile(rules, match.Options{Mapping: mode, Plain: k == 1}, now)
		if err != nil {
			t.Fatal(err)
		}
		workers[k] = compiled.NewWorker(func(*match.Batch) {})
		workers[k].Begin(now)
	}
	fast, slow := workers[0], workers[1]
	seldom := false
	wrap := func(f fields) fields { return f }
	if m.shape == wrappedEvent {
		k := r.IntN(11)
		wrap = func(f fields) fields { return m.wrapped(f, k) }
	}
	rate := 15 + r.IntN(30)
	for i := range 6000 {
		f := m.pool[r.IntN(4)]
		if seldom = i > 600 && r.IntN(rate) == 0; seldom {
			k := common + r.IntN(len(m.pool)-common)
			f = m.pool[k]
			if r.IntN(2) == 0 {
				f = m.changed(f)
				if r.IntN(3) == 0 {
					m.pool[k] = f
				}
			}
		}
		f = wrap(f)
		text, chunk := appendText(nil, f), appendPack([]byte{0x92, 0xce, 0x69, 0xa3, 0x84, 0x80}, f)
		if m.json && seldom && r.IntN(4) == 0 { // a mistake, which most of the time nobody looks at
			if at := r.IntN(len(text)); text[at] == ':' || text[at] == ',' || text[at] >= '0' && text[at] <= '9' {
				text[at] = ' '
			}
		}
		for n := 1 + r.IntN(3); n > 0; n-- {
			var errs [2]error
			cached := fast.Counts().Cached
			for k, w := range workers {
				if m.json {
					errs[k] = w.Line(slices.Clone(text), now.UnixNano(), i)
				} else {
					errs[k] = w.Chunk(slices.Clone(chunk))
				}
			}
			switch {
			case errs[0] != nil && !m.json:
				t.Fatal(errs[0])
			case (errs[0] == nil) != (errs[1] == nil):
				return recalled // by now the two do not watch the same fields
			}
			a, b := *fast.Counts(), *slow.Counts()
			if seldom {
				recalled += int(a.Cached - cached)
			}
			a.Cached = 0
			found, want := len(fast.Batch().Combinations), len(slow.Batch().Combinations)
			if !reflect.DeepEqual(a, b) || found != want {
				t.Fatalf("seed %d, event %d: %+v, %d combinations, want %+v, %d: %s\n%s", seed, i, a, found, b, want, text, rules[0].Query)
			}
		}
		if i%500 == 499 {
			if got, want := combinationsOf(fast), combinationsOf(slow); !slices.Equal(got, want) {
				t.Fatalf("seed %d, event %d: %q, want %q", seed, i, got, want)
			}
			fast.Begin(now)
			slow.Begin(now)
		}
	}
	return recalled
}

func combinationsOf(w *match.Worker) (list []string) {
	b := w.Batch()
	for i := range b.Combinations {
		c := &b.Combinations[i]
		list = append(list, fmt.Sprintf("%d %x %d %d %d %v", c.Rule, b.Terms(c), c.Count, c.Last, c.Under, c.Alone))
	}
	return list
}
