package limits

import (
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of bounds into conf/security.md")

const page = "../../conf/security.md"

// TestPage holds the table of bounds in conf/security.md and the constants of
// this package together: every bound is there, with its number and what
// happens above it.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), "<!-- limits: ")
	note, rest, _ := strings.Cut(rest, "-->\n")
	_, after, ends := strings.Cut(rest, "<!-- end of limits -->")
	if !found || !ends {
		t.Fatalf("%s has no place for the table", page)
	}
	want := before + "<!-- limits: " + note + "-->\n" + table(t) + "<!-- end of limits -->" + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s has other bounds than this package: run go test ./detector/limits -update", page)
	}
}

// table writes the exported constants as a table in Markdown: those that share
// a comment in one row.
func table(t *testing.T) string {
	t.Helper()
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	pkg, err := new(types.Config).Check("limits", files, parsed, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range parsed {
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			title, _, _ := strings.Cut(text(gen.Doc), ".")
			fmt.Fprintf(&out, "\n### %s\n\n| bound | value | |\n|---|---|---|\n", title)
			var constants, values []string
			comment := ""
			flush := func() {
				if len(constants) > 0 {
					fmt.Fprintf(&out, "| %s | %s | %s |\n", strings.Join(constants, ", "), strings.Join(values, ", "), comment)
				}
				constants, values = nil, nil
			}
			for _, spec := range gen.Specs {
				v := spec.(*ast.ValueSpec)
				if v.Doc != nil {
					flush()
					comment = text(v.Doc)
				}
				for _, name := range v.Names {
					if !name.IsExported() {
						continue
					}
					if comment == "" {
						t.Errorf("%s: a bound has a comment that says what happens above it", name.Name)
					}
					n, exact := constant.Int64Val(constant.ToInt(pkg.Scope().Lookup(name.Name).(*types.Const).Val()))
					if !exact {
						t.Errorf("%s is no whole number", name.Name)
					}
					constants = append(constants, "`"+name.Name+"`")
					values = append(values, number(n, strings.HasSuffix(name.Name, "Bytes") || strings.Contains(comment, name.Name+" is how many bytes")))
				}
			}
			flush()
		}
	}
	return out.String()
}

// text is a comment in one line, as a cell of a table.
func text(doc *ast.CommentGroup) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(doc.Text()), " "), "|", "\\|")
}

// number writes 1048576 as 1 MiB if it is bytes, and as 1,048,576 otherwise.
func number(n int64, bytes bool) string {
	if bytes {
		for _, unit := range []struct {
			name string
			size int64
		}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
			if n >= unit.size && n%unit.size == 0 {
				return fmt.Sprintf("%d %s", n/unit.size, unit.name)
			}
		}
	}
	digits := []byte(strconv.FormatInt(n, 10))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = slices.Insert(digits, i, ',')
	}
	if bytes {
		return string(digits) + " bytes"
	}
	return string(digits)
}

func TestNumber(t *testing.T) {
	for want, got := range map[string]string{
		"2 MiB": number(2<<20, true), "1,048,577 bytes": number(1<<20+1, true), "10,000": number(10_000, false), "500": number(500, false), "65,536": number(1<<16, false),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
