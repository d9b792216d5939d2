// Package place finds where in a file a key or a value stands, which the
// decoders of TOML and JSON do not tell.
package place

import "strconv"

// Position is a place in a rule file. Line and Column count from 1, Column in
// characters; they are 0 where the place is not known.
type Position struct {
	File         string
	Line, Column int
}

// String returns file:line:column, without the parts that are not known.
func (p Position) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
		if p.Column > 0 {
			s += ":" + strconv.Itoa(p.Column)
		}
	}
	return s
}
