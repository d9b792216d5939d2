package rule

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/kql"
)

// Options are what Load and Parse may be told. The zero Options are useful.
type Options struct {
	// Exceptions are files, folders or globs of exceptions, our own form or
	// Kibana's, that are attached to the rules loaded.
	Exceptions []string
	// Lists are folders to look for value lists in, after the folder of the
	// file that asks for one and the folder "lists" in that.
	Lists []string
	// Inline are rules that Inline made: exceptions are attached to them too.
	Inline []*Rule
}

// Set is what was loaded.
type Set struct {
	Rules    []*Rule   // in the order of the files, then of the file
	Skipped  []Skipped // rules of other types, which were passed over
	Warnings []Problem // what looks wrong and does not keep a rule from running
}

// Skipped is a rule of a type that is not supported. In a folder, a glob or
// an export with other rules that is no error. In a file that was named and
// holds no other rule it is, and Load says so.
type Skipped struct {
	Position // of its type
	RuleID   string
	Rule     string // name
	Type     string // eql, query …
	Language string // "" where the rule names none
}

// Error says that the rule is not supported, for a caller that takes it for
// an error.
func (s Skipped) Error() string { return s.problem().Error() }

// kind is the type, with the language where the type leaves it open.
func (s Skipped) kind() string {
	if s.Language == "" || s.Language == s.Type || s.Language == kuery {
		return s.Type
	}
	return s.Type + " (" + s.Language + ")"
}

func (s Skipped) problem() Problem {
	return Problem{
		Position: s.Position, RuleID: s.RuleID, Rule: s.Rule, Field: "type",
		Msg: fmt.Sprintf("rules of type %s are not supported; supported are new_terms, and query in kuery", s.kind()),
	}
}

// SkippedSummary says in one line how many rules were passed over, "" if none:
// "passed over 3 rules of other types: 2 eql, 1 query".
func (s *Set) SkippedSummary() string {
	if len(s.Skipped) == 0 {
		return ""
	}
	counts := map[string]int{}
	var types []string
	for _, skipped := range s.Skipped {
		kind := skipped.kind()
		if counts[kind]++; counts[kind] == 1 {
			types = append(types, kind)
		}
	}
	slices.SortFunc(types, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, t := range types {
		types[i] = fmt.Sprintf("%d %s", counts[t], t)
	}
	noun := "rules"
	if len(s.Skipped) == 1 {
		noun = "rule"
	}
	return fmt.Sprintf("passed over %d %s of other types: %s", len(s.Skipped), noun, strings.Join(types, ", "))
}

// Load reads rules from files, folders (with all folders below them) and
// globs; each element of spec may be several, comma-separated. Folders and
// globs are searched for .toml and .ndjson files, in alphabetical order.
//
// All problems of all files are collected: the error is a Problems. The Set is
// never nil and holds what could be loaded, also beside an error.
func Load(spec []string, o Options) (*Set, error) {
	l := &loader{opts: o}
	for _, r := range o.Inline {
		l.drafts = append(l.drafts, &draft{Rule: r, sound: true})
	}
	files, problems := expand(spec)
	l.errs = append(l.errs, problems...)
	if len(files) == 0 && len(problems) == 0 && len(o.Inline) == 0 {
		l.errs = append(l.errs, Problem{
			Msg: "no rules are named", Hint: "name .toml or .ndjson files, or folders of them",
		})
	}
	for _, f := range files {
		data, err := readFile(f.path)
		if err != nil {
			l.errs = append(l.errs, unreadable(f.path, err))
			continue
		}
		drafts, skipped := len(l.drafts), len(l.skipped)
		l.add(f.path, data)
		if f.named && len(l.drafts) == drafts {
			for _, s := range l.skipped[skipped:] {
				l.errs = append(l.errs, s.problem())
			}
		}
	}
	l.loadExceptions()
	return l.finish()
}

// Parse reads the rules of one file, TOML or NDJSON by the extension of name.
// It is Load for bytes at hand; value lists are still looked for on disk,
// beside name.
func Parse(name string, data []byte, o Options) (*Set, error) {
	l := &loader{opts: o}
	l.add(name, data)
	l.loadExceptions()
	return l.finish()
}

// loader gathers what the files hold until the exceptions can be attached.
type loader struct {
	opts       Options
	drafts     []*draft
	skipped    []Skipped
	exceptions []Exception // our own form
	lists      exceptionLists
	// loadedLists are the value lists read so far.
	loadedLists map[string]*kql.List
	errs        []Problem
	warnings    []Problem

	skippedLists   []string // list_ids that rules of other types refer to
	exceptionsOnly bool     // the file at hand is read for its exceptions
	passedRules    int      // rules in files that are read for their exceptions
}

func (l *loader) add(name string, data []byte) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".toml":
		l.addTOML(name, data)
	case ".ndjson":
		l.addNDJSON(name, data)
	default:
		l.errs = append(l.errs, Problem{
			Position: Position{File: name}, Msg: "is no rule file",
			Hint: "the name must end in .toml or .ndjson",
		})
	}
}

// collect takes over what a reader found wrong.
func (l *loader) collect(r *reader) {
	l.errs = append(l.errs, r.errs...)
	l.warnings = append(l.warnings, r.warnings...)
	r.errs, r.warnings = nil, nil
}

// finish attaches the exceptions and returns the rules that are sound.
func (l *loader) finish() (*Set, error) {
	l.refuseDuplicates()
	l.attach()
	l.warnOfExpired()
	set := &Set{Skipped: l.skipped, Warnings: l.warnings}
	for _, d := range l.drafts {
		if d.sound {
			set.Rules = append(set.Rules, d.Rule)
		}
	}
	sortProblems(set.Warnings)
	sortProblems(l.errs)
	return set, Problems(l.errs).asError()
}

// refuseDuplicates reports rules of one rule_id: they would share a memory.
func (l *loader) refuseDuplicates() {
	first := map[string]*draft{}
	for _, d := range l.drafts {
		other, ok := first[d.ID]
		if !ok || d.ID == "" {
			first[d.ID] = d
			continue
		}
		d.sound = false
		l.errs = append(l.errs, Problem{
			Position: d.idAt(), RuleID: d.ID, Rule: d.Name, Field: "rule_id",
			Msg:  fmt.Sprintf("rule_id %q is already that of %q, at %s", d.ID, other.Name, other.idAt()),
			Hint: "remove one of the two, or give it an id of its own",
		})
	}
}
