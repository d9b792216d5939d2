package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// line is one line of the table.
type line struct {
	name    string
	against string
	goal    string
	measure func(*bench) (result, error)
}

// result is what a line measured.
type result struct {
	value   string // as it is shown
	reached bool
	noGoal  bool   // measured for the table only
	note    string // absolute figures
}

// errMissing is why a line is passed over: what it needs is not here.
type errMissing string

func (e errMissing) Error() string { return string(e) }

// bench is what the lines share.
type bench struct {
	log   *log
	state string // the folder of millionState, empty until it is made

	flushed *flushed // nil until measured
}

// most is the result of a ratio that should be at most goal.
func most(x, goal float64, note string, args ...any) result {
	return result{value: fmt.Sprintf("%.2f", x), reached: x <= goal, note: fmt.Sprintf(note, args...)}
}

func table(only string) (err error) {
	begin := time.Now()
	l, err := readLog(auditLog)
	if err != nil {
		return err
	}
	b := &bench{log: l}
	defer func() { err = errors.Join(err, b.remove()) }()
	fmt.Printf("%d events of a real cluster, %.1f MB as records in %d chunks; ratios of best times, taken in turn\n\n",
		len(l.lines), float64(total(l.chunks))/1e6, len(l.chunks))
	fmt.Printf("%-52s %-34s %8s %8s\n", "what", "against", "goal", "is")
	missed := 0
	for _, ln := range lines() {
		if !strings.Contains(ln.name, only) {
			continue
		}
		r, err := ln.measure(b)
		var missing errMissing
		if errors.As(err, &missing) {
			fmt.Printf("%-52s %-34s %8s %8s  passed over: %v\n", ln.name, ln.against, ln.goal, "-", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", ln.name, err)
		}
		mark := "reached"
		switch {
		case r.noGoal:
			mark = ""
		case !r.reached:
			mark = "NOT reached"
			missed++
		}
		fmt.Printf("%-52s %-34s %8s %8s  %-11s  %s\n", ln.name, ln.against, ln.goal, r.value, mark, r.note)
	}
	fmt.Printf("\n%d goals not reached; %.0f s\n", missed, time.Since(begin).Seconds())
	return nil
}

func total(chunks [][]byte) (n int) {
	for _, c := range chunks {
		n += len(c)
	}
	return n
}

func lines() []line {
	return []line{
		{"pass: seed rule", "msgp.Skip", "1.0", func(b *bench) (result, error) { return b.pass(rulesSeed, b.log.chunks, 1.0) }},
		{"pass: nine Kubernetes rules", "msgp.Skip", "1.3", func(b *bench) (result, error) { return b.pass(rulesNine, b.log.chunks, 1.3) }},
		{"pass: all 144 rules", "msgp.Skip", "1.6", func(b *bench) (result, error) { return b.pass(rulesAll, b.log.chunks, 1.6) }},
		{"pass: seed rule, ECS documents", "msgp.Skip", "1.0", func(b *bench) (result, error) { return b.pass(rulesSeed, b.log.ecs, 1.0) }},
		{"pass: nine Kubernetes rules, ECS documents", "msgp.Skip", "1.3", func(b *bench) (result, error) { return b.pass(rulesNine, b.log.ecs, 1.3) }},
		{"pass: all 144 rules, ECS documents", "msgp.Skip", "1.6", func(b *bench) (result, error) { return b.pass(rulesAll, b.log.ecs, 1.6) }},
		{"pass: seed rule, JSON text under log_key", "jsoniter Skip", "1.0", (*bench).text},
		{"pass: seed rule, of the decoder's time", "fluent-bit-go GetRecord", "1/60", (*bench).decoder},
		{"pass: allocations a record", "", "0", (*bench).allocations},
		{"rules: a record's cost from 1 to 1,000", "linear growth", "below", (*bench).growth},
		{"disk: 5,000 new tuples", "plain write and sync", "7", (*bench).flush},
		{"disk: of that, the journal", "plain write and sync", "2", (*bench).journal},
		{"disk: the same with golang-lru alone", "plain write and sync", "", (*bench).bareFlush},
		{"disk: nothing new", "no write at all", "0", (*bench).quiet},
		{"start: 1,000,000 known tuples, seconds", "", "1", (*bench).start},
		{"memory: 1,000,000 known tuples, MB", "an empty engine", "160", (*bench).memory},
		{"replay, gzip: rate", "gzip -dc of the file", "0.5", (*bench).replayGzip},
		{"replay, zstd: rate", "zstd -dc of the file", "", (*bench).replayZstd},
		{"replay: memory of 16 times the input", "the input", "1.5", (*bench).replayMemory},
		{"Fluent Bit: tail, json, nine rules: CPU", "the same with output null", "1.08", (*bench).fluentBit},
		{"Fluent Bit: seed rule as a Lua filter: CPU", "output null", "", (*bench).lua},
		{"Fluent Bit: line to alert, Flush 1, seconds", "line to file, the same run", "", (*bench).latency},
	}
}
