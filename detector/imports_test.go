package detector

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers says what each package of the module may import of it. A folder that
// is not named here may import nothing.
var layers = map[string][]string{
	"plugin":                       {"detector"},
	"detector":                     {"detector/version", "detector/engine", "detector/alert", "detector/delivery", "detector/sink", "detector/telemetry", "detector/seen", "detector/seen/remote", "detector/rule", "detector/mapping", "detector/normalize", "detector/geoip", "detector/ecs", "detector/kql", "detector/record"},
	"detector/engine":              {"detector/match", "detector/alert", "detector/seen", "detector/seen/remote", "detector/limits", "detector/rule", "detector/mapping", "detector/normalize", "detector/record"},
	"detector/match":               {"detector/ecs", "detector/mapping", "detector/kql", "detector/rule", "detector/record", "detector/limits", "detector/seen"}, // seen: the encoding of terms
	"detector/cmd/newterms":        {"detector/cmd/newterms/fbconfig", "detector/version", "detector", "detector/engine", "detector/cmd/newterms/input", "detector/cmd/newterms/report", "detector/alert", "detector/match", "detector/seen", "detector/seen/remote", "detector/rule", "detector/mapping", "detector/normalize", "detector/geoip", "detector/ecs", "detector/kql", "detector/record"},
	"detector/cmd/newterms/input":  {"detector/record"},
	"detector/cmd/newterms/report": {"detector/alert", "detector/seen"},
	"detector/alert":               {},
	"detector/delivery":            {"detector/sink", "detector/seen", "detector/telemetry"},
	"detector/telemetry":           {},
	"detector/sink":                {"detector/record"},
	"detector/seen":                {"detector/record"},
	"detector/seen/remote":         {"detector/seen", "detector/record"},
	"detector/rule":                {"detector/normalize", "detector/ecs", "detector/place", "detector/kql", "detector/limits", "detector/record"},
	"detector/mapping":             {"detector/ecs", "detector/geoip", "detector/place", "detector/kql", "detector/limits", "detector/record"},
	"detector/ecs":                 {"detector/record"},
	"detector/kql":                 {"detector/record"},
	"detector/geoip":               {},
	"detector/normalize":           {},
	"detector/place":               {},
	"detector/record":              {},
	"detector/version":             {},

	"detector/cmd/newterms/fbconfig": {},
}

const module = "fluent-bit-newterms/"

// anyone may import the bounds.
const anyone = "detector/limits"

// TestImports enforces the direction of imports that the package comment draws.
// Tests may use more, as long as the compiler lets them.
func TestImports(t *testing.T) {
	met := make(map[string]bool)
	for _, root := range []string{"../detector", "../plugin"} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
			for _, spec := range f.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				if name, ours := strings.CutPrefix(name, module); ours {
					met[dir] = true
					if name != anyone && !slices.Contains(layers[dir], name) {
						t.Errorf("%s imports %s, which %s must not", path, name, dir)
					}
				}
				if name == "C" && dir != "plugin" {
					t.Errorf("%s uses cgo, which is the plugin's alone", path)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !met["detector"] || !met["plugin"] || !met["detector/rule"] {
		t.Errorf("packages met: %v", met)
	}
}

// TestFilesAreShort: nobody reads a file of a thousand lines.
func TestFilesAreShort(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil // somebody's testdata
		}
		if n := set.Position(f.End()).Line; n > 600 {
			t.Errorf("%s has %d lines; split it by its ideas", path, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
