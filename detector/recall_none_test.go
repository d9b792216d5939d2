package detector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
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
	o := EngineOptions{Mapping: mapping.Options{Mode: []mapping.Mode{mapping.Auto, mapping.KubernetesAudit, mapping.ECS}[r.IntN(3)]}, Clock: func() time.Time { return now }}
	if m.shape == ecsDocument && o.Mapping.Mode == mapping.KubernetesAudit || m.shape == wrappedEvent {
		o.Mapping.Mode = mapping.Auto
	}
	var rules []*rule.Rule
	for range 1 + r.IntN(3) {
		rules = append(rules, drawRule(t, r, len(rules), true, now))
	}
	e := newTestEngine(t, o, rules, seen.OpenMemory(seen.Options{}))
	var passes [2]*pass
	for k := range passes {
		passes[k] = newPass(e.set.Load())
		passes[k].spill = func(*pass) {}
		passes[k].begin(now)
	}
	fast, slow := passes[0], passes[1]
	slow.recallFn = func(*mapping.Event) bool { return false }
	seldom := false
	recall := fast.recallFn
	fast.recallFn = func(ev *mapping.Event) bool {
		known := recall(ev)
		if known && seldom {
			recalled++
		}
		return known
	}
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
			for k, p := range passes {
				if m.json {
					errs[k] = p.reader.Line(slices.Clone(text), now.UnixNano(), i, p)
				} else {
					errs[k] = p.reader.Chunk(slices.Clone(chunk), p)
				}
			}
			switch {
			case errs[0] != nil && !m.json:
				t.Fatal(errs[0])
			case (errs[0] == nil) != (errs[1] == nil):
				return recalled // by now the two do not watch the same fields
			}
			a, b := fast.counts, slow.counts
			if a != b || len(fast.fold.tuples) != len(slow.fold.tuples) || !slices.Equal(fast.matches, slow.matches) {
				t.Fatalf("seed %d, event %d: %+v %v, %d tuples, want %+v %v, %d: %s\n%s", seed, i, a, fast.matches, len(fast.fold.tuples), b, slow.matches, len(slow.fold.tuples), text, rules[0].Query)
			}
		}
		if i%500 == 499 {
			if got, want := tuplesOf(fast), tuplesOf(slow); !slices.Equal(got, want) {
				t.Fatalf("seed %d, event %d: %q, want %q", seed, i, got, want)
			}
			fast.begin(now)
			slow.begin(now)
		}
	}
	return recalled
}

func tuplesOf(p *pass) (list []string) {
	for i := range p.fold.tuples {
		x := &p.fold.tuples[i]
		list = append(list, fmt.Sprintf("%d %x %d %d %d %v", x.rule, p.fold.terms(x), x.count, x.last, x.under, x.missing))
	}
	return list
}
