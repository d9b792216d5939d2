package normalize

import (
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Set gives fields their Normalizers. The nil Set gives none.
type Set struct {
	fields map[string]*Normalizer
	text   map[string]string // by field: the steps as a text, for fingerprints
}

// Field returns the Normalizer of a field, by its ECS name, nil for none.
func (s *Set) Field(name string) *Normalizer {
	if s == nil {
		return nil
	}
	return s.fields[name]
}

// Fingerprint returns a text that is the same for Sets that split the terms of
// these fields alike.
func (s *Set) Fingerprint(fields []string) string {
	var b strings.Builder
	for _, f := range fields {
		if s != nil && s.fields[f] != nil {
			fmt.Fprintf(&b, "%q=%s;", f, s.text[f])
		}
	}
	return b.String()
}

// New returns the Set of fields' steps: each value is a list whose elements are
// names of built-in steps, or tables with the keys match and replace. This is
// what [normalize] in a file and [rule.newterms.normalize] in a rule hold.
func New(fields map[string]any) (*Set, error) {
	s := &Set{fields: make(map[string]*Normalizer), text: make(map[string]string)}
	for field, value := range fields {
		list, ok := value.([]any)
		if !ok || len(list) == 0 {
			return nil, fmt.Errorf("normalize %q: write a list of steps, such as [\"versions\", \"hashes\"]", field)
		}
		n := &Normalizer{}
		for i, element := range list {
			st, err := newStep(byte(kindOwn+i), element)
			if err != nil {
				return nil, fmt.Errorf("normalize %q: %w", field, err)
			}
			n.steps = append(n.steps, st)
		}
		if len(list) > maxSteps {
			return nil, fmt.Errorf("normalize %q: %d steps; at most %d are allowed", field, len(list), maxSteps)
		}
		s.fields[field], s.text[field] = n, fmt.Sprint(list...)
	}
	return s, nil
}

// Read is New for a table as a file holds it: a field's name may be written
// without quotes, so that its dots nest tables.
func Read(table map[string]any) (*Set, error) { return New(flatten("", table)) }

// maxSteps is how many steps a field may have.
const maxSteps = 20

func newStep(kind byte, element any) (step, error) {
	switch element := element.(type) {
	case string:
		return named(element)
	case map[string]any:
		match, isMatch := element["match"].(string)
		replace, isReplace := element["replace"].(string)
		if !isMatch || !isReplace || len(element) != 2 {
			return step{}, fmt.Errorf("a step of your own has the keys match and replace, both texts, and no others")
		}
		return own(kind, match, replace)
	}
	return step{}, fmt.Errorf("a step is a name in quotes or { match = '…', replace = \"…\" }")
}

// kubernetes is the built-in set for audit events.
var kubernetes = map[string]any{
	"user_agent.original":                        []any{"dates", "versions", "hashes"},
	"user.name":                                  []any{"uuid", "runs", "generated"},
	"kubernetes.audit.user.username":             []any{"uuid", "runs", "generated"},
	"kubernetes.audit.objectRef.name":            []any{"uuid", "runs", "generated"},
	"kubernetes.audit.objectRef.namespace":       []any{"uuid", "runs", "generated"},
	"orchestrator.resource.name":                 []any{"uuid", "runs", "generated"},
	"orchestrator.namespace":                     []any{"uuid", "runs", "generated"},
	"kubernetes.audit.impersonatedUser.username": []any{"uuid", "runs", "generated"},
}

// Load returns the Set that a property or flag names: "off", or a list with
// commas of "kubernetes" and paths of TOML files. Of two Sets that know a field
// the later one counts. read returns the text of a file.
func Load(names []string, read func(path string) ([]byte, error)) (*Set, error) {
	fields := make(map[string]any)
	for _, name := range names {
		switch {
		case name == "off":
			if len(names) > 1 {
				return nil, fmt.Errorf("normalize: off stands alone")
			}
			return nil, nil
		case name == "kubernetes":
			for f, steps := range kubernetes {
				fields[f] = steps
			}
		case strings.HasSuffix(name, ".toml"):
			text, err := read(name)
			if err != nil {
				return nil, fmt.Errorf("normalize: %w", err)
			}
			if err := decode(name, string(text), fields); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("normalize: there is no set %q; write off, kubernetes, or the path of a .toml file", name)
		}
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return New(fields)
}

// decode reads a file's [normalize] table into fields.
func decode(path, text string, fields map[string]any) error {
	var file struct {
		Normalize map[string]any `toml:"normalize"`
	}
	meta, err := toml.Decode(text, &file)
	if err != nil {
		if perr, ok := err.(toml.ParseError); ok {
			return fmt.Errorf("%s:%d: %s", path, perr.Position.Line, perr.Message)
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, key := range meta.Keys() {
		if key[0] != "normalize" {
			return fmt.Errorf("%s: unknown key %q; a file holds one table, [normalize]", path, key)
		}
	}
	if len(file.Normalize) == 0 {
		return fmt.Errorf("%s: there is no table [normalize]", path)
	}
	// A field's name may be written without quotes: its dots then nest tables.
	for name, value := range flatten("", file.Normalize) {
		fields[name] = value
	}
	if _, err := New(fields); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func flatten(prefix string, table map[string]any) map[string]any {
	flat := make(map[string]any)
	for key, value := range table {
		name := strings.TrimPrefix(prefix+"."+key, ".")
		if inner, ok := value.(map[string]any); ok {
			for k, v := range flatten(name, inner) {
				flat[k] = v
			}
			continue
		}
		flat[name] = value
	}
	return flat
}

// Fields returns the names of the fields that the Set knows, sorted.
func (s *Set) Fields() []string {
	if s == nil {
		return nil
	}
	var names []string
	for name := range s.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
