package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fluent-bit-newterms/detector/engine"
	"fluent-bit-newterms/detector/seen"
)

// A state of few rules and tuples, so that states overlap.
var anyState = rapid.Custom(func(t *rapid.T) *stateData {
	d := newStateData()
	moment := func(label string, low, high int64) int64 {
		return rapid.Int64Range(low, high).Draw(t, label)
	}
	for _, id := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "b (excepted)"}), rapid.ID).Draw(t, "rules") {
		r := &ruleData{tuples: make(map[string]seen.Sighting)}
		r.info = seen.RuleInfo{ID: id, Fingerprint: "f", Name: rapid.SampledFrom([]string{"one", "two"}).Draw(t, "name"), Fields: []string{"x"}}
		newest := int64(0)
		for range rapid.IntRange(0, 4).Draw(t, "tuples") {
			raw, err := seen.AppendAny(nil, rapid.SampledFrom([]any{"u", "v", "\xff", int64(1 << 60), 1.5, true, nil, uint64(1 << 63)}).Draw(t, "term"))
			if err != nil {
				t.Fatal(err)
			}
			first := moment("first", 1, 50)
			s := seen.Sighting{First: first, Last: first + moment("span", 0, 50), Count: uint32(moment("count", 1, 9))}
			r.add(raw, s)
			newest = max(newest, s.Last)
		}
		m := seen.RuleMeta{BaselineDone: moment("baseline", 0, 3), Excepted: rapid.Bool().Draw(t, "excepted")}
		if since := moment("since", 0, 60); since > 0 {
			m.LearningSince, m.FirstMatch = since, since
			m.LearningUntil = since + moment("learning", 0, 60)
		}
		if engine.IsHistory(id) {
			m = seen.RuleMeta{Extra: fmt.Appendf(nil, "[[%d]]", moment("exception", 1, 3))}
		}
		r.info.Meta = portable(id, m, newest)
		d.rules[id] = r
	}
	return d
})

// joined merges states, one after the other, into a new one.
func joined(t testing.TB, states ...*stateData) *stateData {
	t.Helper()
	d := newStateData()
	for _, s := range states {
		if err := d.merge(s); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// exported writes a state as export does.
func exported(t testing.TB, d *stateData) string {
	t.Helper()
	var b bytes.Buffer
	if err := export(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMergeIsAJoin(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b, c := anyState.Draw(rt, "a"), anyState.Draw(rt, "b"), anyState.Draw(rt, "c")
		same := func(law string, x, y *stateData) {
			if got, want := exported(t, x), exported(t, y); got != want {
				rt.Fatalf("%s:\n%s\nand\n%s", law, got, want)
			}
		}
		same("idempotent", joined(t, a, a), joined(t, a))
		same("commutative", joined(t, a, b), joined(t, b, a))
		same("associative", joined(t, joined(t, a, b), c), joined(t, a, joined(t, b, c)))
		same("absorbing", joined(t, a, joined(t, a, b)), joined(t, a, b))
	})
}

// TestExportComesBack writes states and reads them again.
func TestExportComesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := exported(t, anyState.Draw(rt, "state"))
		back, err := readState("export", strings.NewReader(text))
		if err != nil {
			rt.Fatalf("%v in\n%s", err, text)
		}
		if again := exported(t, back); again != text {
			rt.Fatalf("%s\nbecame\n%s", text, again)
		}
	})
}

// TestMergeOnDisk merges folders in different orders and groups, and wants
// the same state.
func TestMergeOnDisk(t *testing.T) {
	dir := t.TempDir()
	var all []*stateData
	var folders []string
	for i := range 3 {
		d := anyState.Example(i + 7)
		all = append(all, d)
		file := filepath.Join(dir, fmt.Sprint(i, ".ndjson"))
		write(t, file, exported(t, d))
		folder := filepath.Join(dir, fmt.Sprint("node", i))
		command(t, 0, "state", "import", "--state", folder, file)
		folders = append(folders, folder)
	}
	want := exported(t, joined(t, all...))
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 1, 0, 2, 0}} {
		once, steps := filepath.Join(dir, fmt.Sprint("once", order)), filepath.Join(dir, fmt.Sprint("steps", order))
		args := []string{"state", "merge", "--state", once}
		for _, i := range order {
			args = append(args, folders[i])
			command(t, 0, "state", "merge", "--state", steps, folders[i])
		}
		command(t, 0, args...)
		for _, at := range []string{once, steps} {
			if got, _ := command(t, 0, "state", "export", "--state", at); got != want {
				t.Errorf("%s:\n%s\nwant\n%s", at, got, want)
			}
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"type":"rule","rule_id":"a","fingerprint":"f","fields":["x"],"learning_since":"2026-01-01T00:00:00Z","learning_until":"2026-01-02T00:00:00Z"}
{"type":"tuple","rule_id":"a","terms":["x"],"first_seen":"2026-01-01T00:00:00Z","last_seen":"2026-01-01T00:00:00Z","count":7}`))
	f.Add([]byte(`{"type":"rule","rule_id":"a (excepted)","fingerprint":"f","fields":["x"],"exceptions":[[1,2]]}
{"type":"tuple","rule_id":"a (excepted)","raw":"BgH/","first_seen":"2026-01-01T00:00:00Z","last_seen":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"type":"tuple"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := readState("fuzz", bytes.NewReader(text))
		if err != nil {
			return
		}
		once := exported(t, d)
		back, err := readState("fuzz", strings.NewReader(once))
		if err != nil {
			t.Fatalf("%v in\n%s", err, once)
		}
		if again := exported(t, back); again != once {
			t.Fatalf("%s\nbecame\n%s", once, again)
		}
	})
}
