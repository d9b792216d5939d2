package kql

// textRange compares texts byte by byte:
//
//	host.name >= "m"
type textRange struct {
	op   Op
	text string
}

func (r textRange) matchText(s string, _ *Memo) bool {
	switch {
	case s < r.text:
		return r.op.holds(-1)
	case s > r.text:
		return r.op.holds(1)
	}
	return r.op.holds(0)
}

func (r textRange) cost() int { return 4 }
