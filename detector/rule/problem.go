package rule

import (
	"cmp"
	"slices"
	"strings"

	"fluent-bit-newterms/detector/place"
)

// Position is a place in a file.
type Position = place.Position

// Problem is one thing wrong with a rule file. In an error it keeps a rule
// from running; in Set.Warnings it does not.
type Problem struct {
	Position
	RuleID string // of the rule concerned, where known
	Rule   string // its name, where known
	Field  string // the key concerned, such as rule.filters[0].meta, where known
	Msg    string // what is wrong, and what is allowed
	Hint   string // what to do about it, may be empty

	InExceptions bool // it is in a file that was named for its exceptions
}

// Error reads "file:line:column: message (hint)".
func (p Problem) Error() string {
	var b strings.Builder
	if at := p.Position.String(); at != "" {
		b.WriteString(at)
		b.WriteString(": ")
	}
	b.WriteString(p.Msg)
	if p.Hint != "" {
		b.WriteString(" (")
		b.WriteString(p.Hint)
		b.WriteByte(')')
	}
	return b.String()
}

// Problems are all that is wrong with the files of a Load, by file and line.
// errors.As finds it in what Load, Parse and Inline return.
type Problems []Problem

// Error has a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i := range ps {
		lines[i] = ps[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.As find a Problem.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i := range ps {
		errs[i] = ps[i]
	}
	return errs
}

// asError keeps an empty list from becoming a non-nil error.
func (ps Problems) asError() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

func sortProblems(ps []Problem) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
