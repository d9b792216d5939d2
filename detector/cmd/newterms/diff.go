package main

import (
	"fmt"
	"io"
	"time"

	"fluent-bit-newterms/detector/engine"
)

// diff prints how the alerts of two versions of rules differ: on the same
// event, by the same rule_id, about the same terms is the same alert. Both
// versions see the same chunk of lines before either is asked, so nothing has
// to be kept for later.
type diff struct {
	w                  io.Writer
	gained, lost, same int
}

func newDiff(w io.Writer) *diff { return &diff{w: w} }

func diffKey(f *found) string {
	return fmt.Sprintf("%s\x00%s\x00%d\x00%s", f.RuleID, f.Own.File, f.Own.Line, showTerms(f.Terms))
}

// add implements view.
func (d *diff) add(before []*found, others [][]*engine.Alert) {
	var ignored tally
	after := readAll(others[0], &ignored)
	have := make(map[string]bool, len(after))
	for _, f := range after {
		have[diffKey(f)] = true
	}
	was := make(map[string]bool, len(before))
	for _, f := range before {
		if f.Own.Summary != "" {
			continue
		}
		key := diffKey(f)
		if was[key] = true; have[key] {
			d.same++
			continue
		}
		d.lost++
		d.print('-', f)
	}
	for _, f := range after {
		if f.Own.Summary == "" && !was[diffKey(f)] {
			d.gained++
			d.print('+', f)
		}
	}
}

func (d *diff) print(mark byte, f *found) {
	fmt.Fprintf(d.w, "%c %s  %s  [%s]  %s:%d\n", mark, f.Time.Format(time.DateTime), printable(f.Rule),
		showTerms(f.Terms), printable(f.Own.File), f.Own.Line)
}

// end implements view.
func (d *diff) end() {
	fmt.Fprintf(d.w, "%s the same, %s lost, %s gained\n", plural(d.same, "alert"), thousands(d.lost), thousands(d.gained))
}
