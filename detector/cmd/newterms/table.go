package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/engine"
)

// Widths of the table's columns. Terms get what is left of the terminal.
const (
	tableWidth = 100
	timeWidth  = 8
	ruleWidth  = 24
	whyWidth   = 24
	columnGap  = 2
)

// table prints alerts for people, a few lines each: when, which rule, which
// terms, and why it is news.
type table struct {
	w     io.Writer
	terms int // width of that column
	style style
	day   string
	rows  int
	where string // file of the last row
}

// newTable returns a table that prints to w, sized and coloured for dest if
// that is a terminal.
func newTable(w, dest io.Writer) *table {
	t := &table{w: w}
	width := tableWidth
	if isTerminal(dest) {
		if n, _, err := term.GetSize(int(dest.(*os.File).Fd())); err == nil && n > 0 {
			width = max(n, 80)
		}
		if os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
			t.style = colours
		}
	}
	t.terms = width - timeWidth - ruleWidth - whyWidth - 3*columnGap
	return t
}

// style is how text is set off; the zero style not at all.
type style struct{ dim, bold, novel, off string }

var colours = style{dim: "\x1b[2m", bold: "\x1b[1m", novel: "\x1b[1;33m", off: "\x1b[0m"}

func (s style) paint(code, text string) string {
	if code == "" {
		return text
	}
	return code + text + s.off
}

// add implements view.
func (t *table) add(alerts []*found, _ [][]*engine.Alert) {
	for _, f := range alerts {
		t.row(f)
	}
}

// row prints an alert.
func (t *table) row(f *found) {
	if t.rows == 0 {
		t.head()
	}
	t.rows++
	if day := f.Time.Format(time.DateOnly); day != t.day || f.Own.File != t.where && f.Own.File != "" {
		t.day = day
		title := day + " UTC"
		if f.Own.File != "" {
			t.where = f.Own.File
			title += "  " + printable(t.where)
		}
		fmt.Fprintf(t.w, "\n%s\n", t.style.paint(t.style.dim, title))
	}
	rule := append(wrap(printable(f.Rule), ruleWidth), t.place(f))
	why := wrap(printable(because(f)), whyWidth)
	terms := t.termLines(f)
	for i := range max(len(rule), len(why), len(terms)) {
		when := ""
		if i == 0 {
			when = f.Time.Format(time.TimeOnly)
		}
		t.line(when, at(rule, i), at(terms, i), at(why, i), i == len(rule)-1)
	}
}

// place says how grave an alert is, and where its event lies.
func (t *table) place(f *found) string {
	if f.Own.Line == 0 {
		return f.Severity
	}
	return fmt.Sprintf("%s · line %d", f.Severity, f.Own.Line)
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

func (t *table) head() {
	t.line("TIME", "RULE", "  TERMS (+ is new by itself)", "WHY", false)
	rule := strings.Repeat("─", timeWidth) + "  " + strings.Repeat("─", ruleWidth) + "  " +
		strings.Repeat("─", t.terms) + "  " + strings.Repeat("─", whyWidth)
	fmt.Fprintln(t.w, t.style.paint(t.style.dim, rule))
}

// line prints one line of a row. A term that is news is set off.
func (t *table) line(when, rule, terms, why string, dim bool) {
	var b strings.Builder
	b.WriteString(pad(when, timeWidth) + "  ")
	rule = pad(rule, ruleWidth)
	if dim {
		rule = t.style.paint(t.style.dim, rule)
	}
	b.WriteString(rule + "  ")
	terms = pad(terms, t.terms)
	if strings.HasPrefix(terms, "+ ") {
		terms = t.style.paint(t.style.novel, terms)
	}
	b.WriteString(terms + "  " + why)
	fmt.Fprintln(t.w, strings.TrimRight(b.String(), " "))
}

// termLines shows the terms, one a line, and for a summary the first few.
func (t *table) termLines(f *found) []string {
	if f.Own.Summary != "" {
		const few = 3
		var out []string
		for i, tuple := range f.Own.Listed {
			if i == few {
				break
			}
			var parts []string
			for _, term := range tuple {
				parts = append(parts, bare(term))
			}
			out = append(out, "  "+t.fit(strings.Join(parts, " · ")))
		}
		if n := f.Own.Count; n > uint64(len(out)) {
			out = append(out, fmt.Sprintf("  … and %s more", thousands(n-uint64(len(out)))))
		}
		return out
	}
	novel := make(map[string]bool)
	for _, name := range f.Own.Novel {
		novel[name] = true
	}
	var out []string
	for i, term := range f.Terms {
		mark := "  "
		if i < len(f.Own.Fields) && novel[f.Own.Fields[i]] {
			mark = "+ "
		}
		out = append(out, mark+t.fit(bare(term)))
	}
	return out
}

// bare shows a term without quotes: each has a line of its own.
func bare(term any) string {
	if s, ok := term.(string); ok {
		if s == "" {
			return `""`
		}
		return printable(s)
	}
	return alert.Show(term)
}

// fit takes the middle out of what is too long for the column: user agents
// differ at both ends.
func (t *table) fit(s string) string {
	return elide(s, t.terms-2)
}

// because says in few words why an alert was raised.
func because(f *found) string {
	own := &f.Own
	switch {
	case own.Summary == ofLearned:
		return plural(own.Count, "tuple") + " learned"
	case own.Summary == ofSuppressed:
		return plural(own.Count, "further alert") + " of its group"
	case own.Summary != "" && len(own.Fields) == 0:
		return plural(own.Count, "further alert") + " over the limit of alerts"
	case own.Summary != "":
		return plural(own.Count, "new tuple") + " over the limit of alerts"
	case own.Verdict == "match":
		return "the query matches"
	case own.Verdict == "missing":
		return "a field is missing"
	case own.Verdict == "expired":
		day, _, _ := strings.Cut(own.LastSeen, "T")
		return "last seen " + day + ", longer ago than " + own.Window
	}
	known := fmt.Sprintf("; %s known", thousands(own.Known))
	switch n := len(own.Novel); {
	case own.Known == 0:
		return "the rule's first"
	case n == len(own.Fields) && n > 1:
		return "all terms are new" + known
	case n == 0:
		return "new in this combination" + known
	case len(own.Fields) == 1:
		return "never seen before" + known
	default:
		names := make([]string, n)
		for i, field := range own.Novel {
			names[i] = lastName(field)
		}
		return "new " + strings.Join(names, ", ") + known
	}
}

// lastName shortens a field to its last names that say something.
func lastName(field string) string {
	parts := strings.Split(field, ".")
	last := parts[len(parts)-1]
	if i := strings.LastIndexByte(last, '/'); i >= 0 {
		return last[i+1:]
	}
	if len(parts) > 1 && (last == "original" || last == "name" || last == "id" || last == "ip") {
		return parts[len(parts)-2] + "." + last
	}
	return last
}

// end implements view.
func (t *table) end() {
	if t.rows == 0 {
		fmt.Fprintln(t.w, "no alerts")
	}
}

// pad fills a text up to a width in cells of the terminal.
func pad(s string, width int) string {
	if n := width - uniseg.StringWidth(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// elide replaces the middle of a text that is wider than width by a dash of
// dots; the head keeps two thirds.
func elide(s string, width int) string {
	if uniseg.StringWidth(s) <= width {
		return s
	}
	head := take(s, width*2/3)
	tail := takeLast(s, width-1-uniseg.StringWidth(head))
	return head + "…" + tail
}

// take returns the longest head of s that is at most width cells wide.
func take(s string, width int) string {
	n, state, rest := 0, -1, s
	for rest != "" {
		cluster, after, w, newState := uniseg.FirstGraphemeClusterInString(rest, state)
		if n+w > width {
			return s[:len(s)-len(rest)]
		}
		n, state, rest = n+w, newState, after
		_ = cluster
	}
	return s
}

// takeLast returns the longest tail of s that is at most width cells wide.
func takeLast(s string, width int) string {
	skip := uniseg.StringWidth(s) - width
	head := take(s, skip)
	if uniseg.StringWidth(head) < skip {
		head = take(s, skip+1) // a wide character straddles the place
	}
	return s[len(head):]
}

// wrap breaks a text into lines of at most width cells, at spaces where it
// can.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for uniseg.StringWidth(word) > width {
			if line != "" {
				lines = append(lines, line)
				line = ""
			}
			head := take(word, width)
			lines = append(lines, head)
			word = word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case uniseg.StringWidth(line)+1+uniseg.StringWidth(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
