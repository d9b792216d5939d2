package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fluent-bit-newterms/detector/rule"
)

// What fields keeps at most: an attacker chooses the names of keys.
const (
	maxListedFields = 10_000
	fieldExamples   = 3
	exampleLength   = 60
)

// field is what is known of a field.
type field struct {
	Name     string   `json:"field"`
	Events   int      `json:"events"` // that have it
	Types    []string `json:"types"`
	Examples []string `json:"examples"`
	Rules    []string `json:"rules"` // names of the rules that use it
}

// fieldList counts the fields of documents.
type fieldList struct {
	events int
	by     map[string]*field
	more   bool // there were more fields than are listed
}

func newFields() *cobra.Command {
	e := events{}
	var asJSON bool
	var rules ruleFlags
	cmd := &cobra.Command{
		Use:   "fields [--rules PATH] [--json] FILE...",
		Short: "List the fields that events have, and the rules that use them",
		Long: `fields reads events and lists the ECS fields that occur in them: in how many
events, of which types, with examples. With --rules it names the rules that use a
field, and lists the fields that rules need and no event has: such a rule cannot
fire on these events.

With --json a field is an object: {"field","events","types","examples","rules"}.

Exit codes: 0 the files were read to the end, 2 trouble with options, rules or
files, 130 interrupted.`,
		Example: `  newterms fields audit.log
  newterms fields --rules conf/rules cloudtrail.json.gz`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var set *rule.Set
			if len(rules.rules) > 0 {
				var err error
				if set, err = loadRules(cmd, rules); err != nil {
					return err
				}
			}
			list := &fieldList{by: make(map[string]*field)}
			e.doc = func(_ string, _ int, doc map[string]any) error {
				list.events++
				seen := make(map[string]bool)
				list.add("", doc, seen)
				return nil
			}
			err := e.read(cmd, args)
			out := bufio.NewWriter(cmd.OutOrStdout())
			list.write(out, set, asJSON)
			if flushErr := out.Flush(); flushErr != nil {
				return flushErr
			}
			if !asJSON {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s in %s\n", plural(len(list.by), "field"), plural(list.events, "event"))
			}
			return err
		},
	}
	cmd.Flags().SortFlags = false
	rules.add(cmd.Flags())
	e.shape.add(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "one object per field instead of a table")
	offerEvents(cmd)
	return cmd
}

// add counts the fields in a value. seen are those of the event so far.
func (l *fieldList) add(name string, v any, seen map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			path := key
			if name != "" {
				path = name + "." + key
			}
			l.add(path, inner, seen)
		}
	case []any:
		for _, inner := range v {
			l.add(name, inner, seen)
		}
	case nil:
	default:
		l.count(name, v, seen)
	}
}

func (l *fieldList) count(name string, v any, seen map[string]bool) {
	f := l.by[name]
	if f == nil {
		if len(l.by) >= maxListedFields {
			l.more = true
			return
		}
		f = &field{Name: name, Examples: []string{}, Rules: []string{}}
		l.by[name] = f
	}
	if !seen[name] {
		seen[name] = true
		f.Events++
	}
	if typ := typeName(v); !slices.Contains(f.Types, typ) {
		f.Types = append(f.Types, typ)
	}
	if len(f.Examples) < fieldExamples {
		text := plain(v)
		if len(text) > exampleLength {
			text = strings.ToValidUTF8(text[:exampleLength], "") + "…"
		}
		if !slices.Contains(f.Examples, text) {
			f.Examples = append(f.Examples, text)
		}
	}
}

// typeName names the type of a value in a document.
func typeName(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "boolean"
	case json.Number, int64, uint64, float64:
		return "number"
	}
	return fmt.Sprintf("%T", v)
}

// write lists the fields by name, and those that rules need and no event has.
func (l *fieldList) write(w io.Writer, set *rule.Set, asJSON bool) {
	missing := make(map[string][]string) // names of rules by field
	if set != nil {
		for _, r := range set.Rules {
			uses := r.Uses()
			for _, name := range uses.Fields {
				if f := l.by[name]; f != nil {
					f.Rules = append(f.Rules, r.Name)
				}
			}
			for _, name := range uses.Required {
				if l.by[name] == nil && !strings.Contains(name, "*") {
					missing[name] = append(missing[name], r.Name)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		if !asJSON {
			continue
		}
		f := field{Name: name, Types: []string{}, Examples: []string{}, Rules: missing[name]}
		writeField(w, &f)
	}
	for _, name := range slices.Sorted(maps.Keys(l.by)) {
		f := l.by[name]
		if asJSON {
			writeField(w, f)
			continue
		}
		fmt.Fprintf(w, "%8s  %-8s  %s\n", thousands(f.Events), strings.Join(f.Types, "/"), printable(f.Name))
		fmt.Fprintf(w, "                    %s\n", printable(strings.Join(f.Examples, ", ")))
		if len(f.Rules) > 0 {
			fmt.Fprintf(w, "                    used by %s\n", printable(strings.Join(f.Rules, ", ")))
		}
	}
	if asJSON {
		return
	}
	if len(missing) > 0 {
		fmt.Fprintln(w, "\nNEEDED BY RULES, AND IN NO EVENT")
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		fmt.Fprintf(w, "  %s\n      %s\n", printable(name), printable(strings.Join(missing[name], ", ")))
	}
	if l.more {
		fmt.Fprintf(w, "fields beyond the first %s are not listed\n", thousands(maxListedFields))
	}
}

func writeField(w io.Writer, f *field) {
	if line, err := jsonLine.Marshal(f); err == nil { // always: texts and numbers
		fmt.Fprintf(w, "%s\n", line)
	}
}
