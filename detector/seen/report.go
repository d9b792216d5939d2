package seen

import (
	"fmt"
	"strings"
)

// Report says what Open found and did, for the log.
type Report struct {
	Fresh  bool   // there was no state, or none that could be used
	Reason string // why what was found was not used as it is; empty if it was
	// MovedTo is where that file is now. It is never deleted.
	MovedTo  string
	Lost     int       // records that are known to be lost
	Problems []Problem // the first of them
	Rules    int
	Tuples   int
	Alerts   int      // undelivered
	Notes    []string // what else the user should know
}

// Loss says what became of a state that could not be used as it was: why, where
// it is now, and how much of it is lost. It is empty if nothing was wrong.
func (r *Report) Loss() string {
	if r.Reason == "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s; the file is kept as %s", r.Reason, r.MovedTo)
	switch {
	case r.Fresh:
		b.WriteString("; nothing could be taken over from it, so everything counts as new, and undelivered alerts in it do not leave")
	case r.Lost > 0:
		fmt.Fprintf(&b, "; %d of its records are lost, and what they held counts as new", r.Lost)
	default:
		b.WriteString("; no record of it is lost")
	}
	return b.String()
}
