package kql

// exact is one whole text:
//
//	event.action: create
type exact string

func (e exact) matchText(s string, _ *Memo) bool { return s == string(e) }
func (e exact) cost() int                        { return 3 }
