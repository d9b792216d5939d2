package kql

import "fluent-bit-newterms/detector/record"

const (
	costOfExists  = 2
	costOfPattern = 1000 // every field of the record may have to be found
)

// exists reports whether the field holds any value but null:
//
//	user_agent.original: *
//
// An empty array holds none, an empty string is one.
func exists(v *record.View, f record.Field) bool {
	for i := v.Head(f); i != 0; i = v.Next(i) {
		if v.At(i).Kind != record.Null {
			return true
		}
	}
	return false
}

// existing is exists for one value.
type existing struct{}

func (existing) match(val *record.Value, _ *Memo) bool { return val.Kind != record.Null }
func (existing) cost() int                             { return costOfExists }

// anyText is a star within a wildcard of words: any text.
type anyText struct{}

func (anyText) matchText(string, *Memo) bool { return true }
func (anyText) cost() int                    { return 1 }
