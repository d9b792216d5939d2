package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// testBlock is where a test lies in the text of its file.
type testBlock struct {
	line  int // of its header, from 1
	lines []string
}

var (
	anyHeader = regexp.MustCompile(`^\s*\[`)
	alertsKey = regexp.MustCompile(`^\s*alerts\s*=(.*)`)
)

// testBlocks returns the tests in a file, in order. A header inside a text of
// several lines, or inside a list, is none.
func testBlocks(text string) (blocks []testBlock) {
	open, depth := "", 0
	inside := false
	for i, line := range strings.SplitAfter(text, "\n") {
		if open == "" && depth <= 0 && anyHeader.MatchString(line) {
			if inside = testHeader.MatchString(line); inside {
				blocks = append(blocks, testBlock{line: i + 1})
			}
			depth = 0
		} else {
			open, depth = after(line, open, depth)
		}
		if inside {
			b := &blocks[len(blocks)-1]
			b.lines = append(b.lines, line)
		}
	}
	return blocks
}

// after tells what is open after a line of TOML: the delimiter of a text of
// several lines, "" for none, and how many lists.
func after(line, open string, depth int) (string, int) {
	for i := 0; i < len(line); i++ {
		rest := line[i:]
		if open != "" {
			if open[0] == '"' && rest[0] == '\\' {
				i++
			} else if strings.HasPrefix(rest, open) {
				i += len(open) - 1
				open = ""
			}
			continue
		}
		switch {
		case rest[0] == '#':
			return open, depth
		case strings.HasPrefix(rest, "'''"), strings.HasPrefix(rest, `"""`):
			open = rest[:3]
			i += 2
		case rest[0] == '"' || rest[0] == '\'':
			open = rest[:1]
		case rest[0] == '[':
			depth++
		case rest[0] == ']':
			depth--
		}
	}
	if len(open) == 1 { // a text that ends with its line
		open = ""
	}
	return open, depth
}

// updateTests writes the alerts that came into the tests that fail.
func updateTests(w io.Writer, results []*testResult) error {
	files := make(map[string]map[int]*testResult) // by the line of the test
	var order []string
	for _, r := range results {
		if r.ok() || r.err != "" && r.test.Alerts != nil {
			continue
		}
		if files[r.test.file] == nil {
			files[r.test.file] = make(map[int]*testResult)
			order = append(order, r.test.file)
		}
		files[r.test.file][r.test.line] = r
	}
	for _, file := range order {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		lines := strings.SplitAfter(string(text), "\n")
		n := 0
		for _, b := range slices.Backward(testBlocks(string(text))) {
			r := files[file][b.line]
			if r == nil {
				continue
			}
			at := b.line - 1
			lines = slices.Replace(lines, at, at+len(b.lines), b.with(r.got)...)
			n++
			r.test.Alerts = wantedOf(r.got)
			r.want, r.err = wantedAlerts(r.test.Alerts), ""
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(strings.Join(lines, "")), info.Mode().Perm()); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: %s updated\n", printable(file), plural(n, "test"))
	}
	return nil
}

// with returns the lines of a test with other alerts.
func (b *testBlock) with(got []gotAlert) []string {
	open, depth := "", 0
	for i, line := range b.lines {
		if m := alertsKey.FindStringSubmatch(line); m != nil && open == "" && depth == 0 {
			end := i
			o, d := after(m[1], "", 0)
			for d > 0 && end+1 < len(b.lines) {
				end++
				o, d = after(b.lines[end], o, d)
			}
			return slices.Concat(b.lines[:i], alertLines(got), b.lines[end+1:])
		}
		if i > 0 {
			open, depth = after(line, open, depth)
		}
	}
	end := len(b.lines)
	for end > 1 && strings.TrimSpace(b.lines[end-1]) == "" {
		end--
	}
	return slices.Concat(b.lines[:end], alertLines(got), b.lines[end:])
}

// alertLines writes alerts as TOML.
func alertLines(got []gotAlert) []string {
	if len(got) == 0 {
		return []string{"alerts = 0\n"}
	}
	lines := []string{"alerts = [\n"}
	for _, g := range got {
		lines = append(lines, "    "+tomlList(g.Terms)+",\n")
	}
	return append(lines, "]\n")
}

// tomlList writes a JSON list of terms as TOML, which lacks JSON's \/ and pairs
// of surrogates; the writer of the list uses neither.
func tomlList(terms string) string {
	var list []any
	if jsonNumbers.UnmarshalFromString(terms, &list) != nil {
		return terms // cannot be: we wrote it
	}
	parts := make([]string, len(list))
	for i, term := range list {
		if s, ok := term.(string); ok {
			parts[i] = tomlText(s)
		} else {
			parts[i] = fmt.Sprint(term)
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// tomlText writes a basic string of TOML.
func tomlText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f || !strconv.IsPrint(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04X`, r)
		case !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// wantedOf is what a test that was updated wants.
func wantedOf(got []gotAlert) any {
	if len(got) == 0 {
		return int64(0)
	}
	var want []any
	for _, g := range got {
		var list []any
		_ = jsonNumbers.UnmarshalFromString(g.Terms, &list) // we wrote it
		want = append(want, list)
	}
	return want
}
