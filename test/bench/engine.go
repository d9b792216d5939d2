package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/mapping"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// raceFor is how long each race takes.
const raceFor = 2 * time.Second

// ruleChoice names the rules that a line runs.
type ruleChoice int

const (
	rulesSeed ruleChoice = iota
	rulesNine            // the seed and the eight shared ones on Kubernetes' audit logs
	rulesAll
)

// load returns the rules of a choice.
func (c ruleChoice) load() ([]*rule.Rule, error) {
	spec := []string{seedRule}
	if c != rulesSeed {
		paths := sharedRules()
		if len(paths) == 0 {
			return nil, errMissing("no " + filepath.Join(shared, "rules"))
		}
		spec = append(spec, paths...)
	}
	set, err := rule.Load(spec, rule.Options{})
	if err != nil {
		return nil, err
	}
	var rules []*rule.Rule
	for _, r := range set.Rules {
		if c != rulesNine || strings.Contains(strings.Join(r.Index, " "), mapping.Dataset) {
			rules = append(rules, r)
		}
	}
	if want := [...]int{1, 9, 145}[c]; len(rules) != want {
		return nil, fmt.Errorf("%d rules, want %d", len(rules), want)
	}
	return rules, nil
}

func newEngine(rules []*rule.Rule, o mapping.Options) (*engine.Engine, error) {
	// Nobody takes the alerts, and a tuple whose alert is given up is not known.
	outbox := seen.Options{MaxOutbox: 1 << 20, MaxOutboxBytes: 1 << 40}
	e := engine.New(engine.Options{Mapping: o, MaxAlerts: -1, MaxTerms: 1 << 20}, seen.OpenMemory(outbox))
	_, err := e.SetRules(rules)
	return e, err
}

// knownTo is known to an engine with the rules of a choice.
func knownTo(c ruleChoice, o mapping.Options, chunks [][]byte) (run func(i int), check func() error, err error) {
	rules, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	return known(rules, o, chunks)
}

// known runs chunks through an engine with rules, so that all tuples are known.
// run is then a pass over one chunk, and check makes one over all, which must
// find as many matches and nothing new.
func known(rules []*rule.Rule, o mapping.Options, chunks [][]byte) (run func(i int), check func() error, err error) {
	e, err := newEngine(rules, o)
	if err != nil {
		return nil, nil, err
	}
	all := func() error {
		for _, c := range chunks {
			if owed, err := e.Chunk("audit", c); owed != nil || err != nil {
				return errors.Join(owed, err)
			}
		}
		return nil
	}
	if err := all(); err != nil {
		return nil, nil, err
	}
	alerts, matches := e.Counts().New.Load(), e.Counts().Matched.Load()
	if alerts == 0 || matches == 0 {
		return nil, nil, errors.New("the rules match nothing")
	}
	check = func() error {
		before := e.Counts().Matched.Load()
		if err := all(); err != nil {
			return err
		}
		if got := e.Counts().Matched.Load() - before; got != matches {
			return fmt.Errorf("%d matches, %d the first time", got, matches)
		}
		if e.Counts().New.Load() != alerts {
			return errors.New("known tuples alert again")
		}
		return nil
	}
	return func(i int) { _, _ = e.Chunk("audit", chunks[i]) }, check, nil
}

func skipAll(chunk []byte) {
	for len(chunk) > 0 {
		var err error
		if chunk, err = msgp.Skip(chunk); err != nil {
			panic(err)
		}
	}
}

// pass compares a pass over known tuples with msgp.Skip over the same chunks.
func (b *bench) pass(c ruleChoice, chunks [][]byte, goal float64) (result, error) {
	run, check, err := knownTo(c, mapping.Options{}, chunks)
	if err != nil {
		return result{}, err
	}
	best := race(raceFor, len(chunks), run, func(i int) { skipAll(chunks[i]) })
	n := float64(len(b.log.lines))
	return most(ratio(best[0], best[1]), goal, "%.0f ns a record, msgp.Skip %.0f", float64(best[0])/n, float64(best[1])/n), check()
}

// text compares a pass over records that hold an event as JSON text with
// jsoniter's Skip over the same texts.
func (b *bench) text() (result, error) {
	run, check, err := knownTo(rulesSeed, mapping.Options{LogKey: "log"}, b.log.texts)
	if err != nil {
		return result{}, err
	}
	// The texts of a chunk, as ours has to find them too.
	parts := split(b.log.lines, len(b.log.texts))
	it := jsoniter.NewIterator(jsoniter.ConfigDefault)
	best := race(raceFor, len(b.log.texts), run, func(i int) {
		for _, text := range parts[i] {
			it.ResetBytes(text)
			if it.Skip(); it.Error != nil {
				panic(it.Error)
			}
		}
	})
	n := float64(len(b.log.lines))
	return most(ratio(best[0], best[1]), 1, "%.0f ns a record, jsoniter %.0f", float64(best[0])/n, float64(best[1])/n), check()
}

// split cuts a list into n parts of about the same length.
func split[T any](list []T, n int) (parts [][]T) {
	for i := range n {
		parts = append(parts, list[i*len(list)/n:(i+1)*len(list)/n])
	}
	return parts
}

// allocations counts what a record allocates in the steady state: what a long
// chunk does more than one of a single record.
func (b *bench) allocations() (result, error) {
	first := b.log.chunks[0]
	rest, err := msgp.Skip(first)
	if err != nil {
		return result{}, err
	}
	one := first[:len(first)-len(rest)]
	run, check, err := knownTo(rulesSeed, mapping.Options{}, append([][]byte{one}, b.log.chunks...))
	if err != nil {
		return result{}, err
	}
	count := func(f func()) float64 {
		least := math.Inf(1)
		for range 20 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f()
			runtime.ReadMemStats(&after)
			least = min(least, float64(after.Mallocs-before.Mallocs))
		}
		return least
	}
	flush := count(func() { run(0) })
	whole := count(func() { run(1) })
	// Less than one for each hundred records is a pool's or the clock's.
	records := float64(len(b.log.lines)) / float64(len(b.log.chunks))
	each := max(0, whole-flush) / records
	return result{value: fmt.Sprintf("%.3f", each), reached: each < 0.01, note: fmt.Sprintf("and %.0f a flush", flush)}, check()
}
