package seen

import (
	"fmt"
	"strings"
)

// Loss says in a sentence what became of a state file that could not be used
// as it was: why, where it is now, and how much of it is lost. It is empty if
// nothing was wrong.
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
		fmt.Fprintf(&b, "; at least %d of its values are lost, which will count as new", r.Lost)
	default:
		b.WriteString("; no value that could be told of is lost")
	}
	return b.String()
}
