package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/seen"
)

var json = jsoniter.ConfigCompatibleWithStandardLibrary

// ledger knows what went in and what came out, and what must hold between.
type ledger struct {
	fed  map[tuple]bool // was handed to the plugin at least once
	owed map[tuple]bool // its chunk was acknowledged: it must alert

	names []string                    // of the ways out
	ways  map[string]map[tuple]string // by way out: the uuid that a tuple came with
	again int                         // alerts that came a second time, with the same uuid
	torn  int                         // half lines that a kill left

	faults []string // what must not be

	offsets map[string]int64 // how far files have been read
}

func newLedger(ways ...string) *ledger {
	return &ledger{names: ways, fed: make(map[tuple]bool), owed: make(map[tuple]bool), ways: make(map[string]map[tuple]string),
		offsets: make(map[string]int64)}
}

// wrong notes what must not be.
func (l *ledger) wrong(format string, args ...any) {
	if len(l.faults) < 20 {
		l.faults = append(l.faults, fmt.Sprintf(format, args...))
	}
}

// alert is what the runs look at in an alert.
type alert struct {
	Terms []string `json:"kibana.alert.new_terms"`
	UUID  string   `json:"kibana.alert.uuid"`
}

// read takes in the alerts that have left by a way since it last did, one a
// line: as they are, or as the host prints records. Lines that are neither are
// given to other. A line that has no end yet is left for the next time.
func (l *ledger) read(way, path string, other func(line string)) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(l.offsets[path], io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(f, 1<<16)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		l.offsets[path] += int64(len(text))
		l.line(way, bytes.TrimSuffix(text, []byte("\n")), other)
	}
}

// line takes in one line.
func (l *ledger) line(way string, text []byte, other func(line string)) {
	if !bytes.HasPrefix(text, []byte("{")) {
		if other != nil {
			other(string(text))
		}
		return
	}
	if bytes.HasPrefix(text, []byte(`{"tag":`)) {
		var r struct{ Record [2]jsoniter.RawMessage } // time, body
		if json.Unmarshal(text, &r) != nil {
			l.torn++
			return
		}
		text = r.Record[1]
	}
	var a alert
	if json.Unmarshal(text, &a) != nil {
		l.torn++
		return
	}
	l.left(way, &a)
}

// left notes that an alert has left by a way.
func (l *ledger) left(way string, a *alert) {
	t, ok := a.tuple()
	if !ok {
		return
	}
	if !l.fed[t] {
		l.wrong("%s: an alert on %s, which was never fed", way, t)
	}
	if l.ways[way] == nil {
		l.ways[way] = make(map[tuple]string)
	}
	switch have := l.ways[way][t]; have {
	case "":
		l.ways[way][t] = a.UUID
	case a.UUID:
		l.again++
	default:
		l.wrong("%s: %s alerted with two uuids, %s and %s", way, t, have, a.UUID)
	}
}

func (a *alert) tuple() (tuple, bool) {
	if len(a.Terms) != 2 || a.UUID == "" {
		return tuple{}, false
	}
	return tuple{a.Terms[0], a.Terms[1]}, true
}

// remembered looks at the state after a crash: every tuple in it has alerted
// by each of the ways, or its alert is in the outbox.
func (l *ledger) remembered(state string, ways ...string) {
	snap, problems, err := seen.Inspect(state)
	if errors.Is(err, fs.ErrNotExist) {
		return // killed before there was one
	}
	if err != nil {
		l.wrong("the state cannot be read: %v", err)
		return
	}
	defer snap.Close()
	for _, p := range problems {
		l.wrong("the state is damaged: %v", p)
	}
	waiting := make(map[tuple]bool)
	for _, e := range snap.Outbox() {
		var a alert
		if err := json.Unmarshal(e.Body, &a); err != nil {
			l.wrong("alert %d of the outbox: %v", e.ID, err)
		}
		if t, ok := a.tuple(); ok {
			waiting[t] = true
		}
	}
	for _, r := range snap.Rules() {
		err := snap.Tuples(r.ID, func(x seen.Tuple) error {
			t := tuple{fmt.Sprint(x.Terms[0]), fmt.Sprint(x.Terms[1])}
			for _, way := range ways {
				if l.ways[way][t] == "" && !waiting[t] {
					l.wrong("%s is remembered, but its alert neither left by %s nor is in the outbox", t, way)
				}
			}
			return nil
		})
		if err != nil {
			l.wrong("the state cannot be read: %v", err)
		}
	}
}

// empty wants the outbox to be empty.
func (l *ledger) empty(state string) {
	if n := waiting(state); n > 0 {
		l.wrong("%d alerts are in the outbox in the end", n)
	}
}

// waiting returns how many alerts the outbox of a state holds.
func waiting(state string) int {
	snap, _, err := seen.Inspect(state)
	if err != nil {
		return 0
	}
	defer snap.Close()
	return len(snap.Outbox())
}

// complete wants everything that was acknowledged to have alerted by each way.
func (l *ledger) complete() {
	for _, way := range l.names {
		for t := range l.owed {
			if l.ways[way][t] == "" {
				l.wrong("%s was acknowledged, but has no alert by %s", t, way)
			}
		}
	}
}

// lost returns how many acknowledged tuples did not alert by some way.
func (l *ledger) lost() (n int) {
	for t := range l.owed {
		for _, way := range l.names {
			if l.ways[way][t] == "" {
				n++
				break
			}
		}
	}
	return n
}

// feed notes that chunks are handed to the plugin.
func (l *ledger) feed(chunks []chunk) {
	for _, c := range chunks {
		for _, t := range c.tuples {
			l.fed[t] = true
		}
	}
}

// acknowledged notes that the plugin has answered OK to a chunk.
func (l *ledger) acknowledged(c *chunk) {
	for _, t := range c.tuples {
		l.owed[t] = true
	}
}

// err returns what was wrong, nil if nothing was.
func (l *ledger) err() error {
	if len(l.faults) == 0 {
		return nil
	}
	return errors.New(strings.Join(l.faults, "\n  "))
}
