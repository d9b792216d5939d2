package seen

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// tuplesIn returns the tuples of a rule in a state, as text, in order.
func tuplesIn(t *testing.T, dir, id string) []string {
	t.Helper()
	snap, problems, err := Inspect(dir)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	defer snap.Close()
	var out []string
	err = snap.Tuples(id, func(u Tuple) error {
		out = append(out, fmt.Sprint(u.Terms, u.Sighting))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestImport(t *testing.T) {
	tuple := func(first, last int64, count uint32, words ...string) Tuple {
		return Tuple{Raw: terms(words...), Sighting: Sighting{first, last, count}}
	}
	rule := func(id, fingerprint string, tuples ...Tuple) RuleTuples {
		return RuleTuples{RuleInfo: RuleInfo{ID: id, Fingerprint: fingerprint, Name: id, Fields: []string{"f"}}, Seen: tuples}
	}
	steps := []struct {
		name           string
		rules          []RuleTuples
		added, changed int
		err            error
		want           string
	}{
		{"a state is made", []RuleTuples{rule("r", "x", tuple(start, start+5, 3, "a"))}, 1, 0, nil,
			fmt.Sprintf("[[a] {%d %d 3}]", start, start+5)},
		{"the same again", []RuleTuples{rule("r", "x", tuple(start, start+5, 3, "a"))}, 0, 0, nil,
			fmt.Sprintf("[[a] {%d %d 3}]", start, start+5)},
		{"earlier, later, more", []RuleTuples{rule("r", "x", tuple(start-1, start+9, 2, "a"), tuple(start, start, 1, "b"))}, 1, 1, nil,
			fmt.Sprintf("[[a] {%d %d 3} [b] {%d %d 1}]", start-1, start+9, start, start)},
		{"twice in one", []RuleTuples{rule("r", "x", tuple(start, start, 1, "c"), tuple(start, start+1, 1, "c"))}, 1, 1, nil,
			fmt.Sprintf("[[a] {%d %d 3} [b] {%d %d 1} [c] {%d %d 1}]", start-1, start+9, start, start, start, start+1)},
		{"another rule of that ID", []RuleTuples{rule("q", "x", tuple(start, start, 1, "z")), rule("r", "y", tuple(start, start, 1, "d"))}, 0, 0, ErrOtherRule,
			fmt.Sprintf("[[a] {%d %d 3} [b] {%d %d 1} [c] {%d %d 1}]", start-1, start+9, start, start, start, start+1)},
	}
	dir := t.TempDir()
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			added, changed, err := Import(dir, s.rules)
			if added != s.added || changed != s.changed || !errors.Is(err, s.err) {
				t.Errorf("%d added, %d changed, %v", added, changed, err)
			}
			if got := fmt.Sprint(tuplesIn(t, dir, "r")); got != s.want {
				t.Errorf("%s\nwant %s", got, s.want)
			}
		})
	}

	// What is imported is loaded, and numbers go on from there.
	st, _ := mustOpen(t, dir, Options{})
	if _, _, err := Import(dir, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("a state in use: %v", err)
	}
	state, err := st.Rule("r", RuleOptions{Fingerprint: "x", Name: "r", Fields: []string{"f"}})
	if err != nil || state.Fresh {
		t.Fatal(state, err)
	}
	m := NewMemory(MemoryConfig{MaxTuples: 100, Window: time.Hour, Fields: 1})
	if n, err := st.Load(state, m); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	var b Batch
	if o := m.Observe(terms("a"), at(start+10), &b); o.Verdict != Known {
		t.Errorf("%+v", o)
	}
	if o := m.Observe(terms("e"), at(start+10), &b); o.Verdict != New {
		t.Errorf("%+v", o)
	}
	mustCommit(t, st, &b)
	mustClose(t, st)
	if got := tuplesIn(t, dir, "r"); len(got) != 4 {
		t.Errorf("%v", got)
	}
}
