package detector

import "strings"

// Baseline ends the learning of all rules, whether or not they have matched
// anything: what they know now is what is known. It is kept in the state, so
// that whoever opens it next alerts from the first record on.
func (e *Engine) Baseline() (owed error) {
	e.mu.Lock()
	for _, c := range e.set.Load().rules {
		c.gov.EndLearning()
		c.state.Meta = c.meta()
		c.state.Meta.BaselineDone = e.opts.Clock().UnixMilli()
		e.batch.SetMeta(c.state.Num, c.state.Meta)
	}
	ticket := e.handOver(nil)
	e.mu.Unlock()
	return e.wait(ticket)
}

// IsExcepted tells whether an id in a state is that of a rule's second memory,
// of what was seen under its exceptions.
func IsExcepted(ruleID string) bool { return strings.HasSuffix(ruleID, exceptedSuffix) }

// JoinExcepted joins what two states keep beside a second memory (Extra of
// seen.RuleMeta): the sets of exceptions that its tuples were seen under.
func JoinExcepted(a, b []byte) []byte {
	var x, y excepted
	x.decode(a)
	y.decode(b)
	for key, set := range y.sets {
		x.sets[key] = set
	}
	if len(x.sets) == 0 {
		return nil
	}
	return x.encode()
}
