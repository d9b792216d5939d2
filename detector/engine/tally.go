package engine

// What a summary lists of its tuples. The tuples themselves are in the state,
// so that what is not listed is still known, and counted.
const (
	maxListed      = 1000
	maxListedBytes = 256 << 10

	// Learned tuples are many, and each change of a tally is written to disk
	// with the tuple that made it: their list is a sample.
	maxLearned      = 100
	maxLearnedBytes = 16 << 10
)

// tally counts tuples and lists as many of them as a record can carry. Times
// are those of events, in unix ms.
type tally struct {
	Count uint64  `json:"count"`
	Terms [][]any `json:"terms,omitempty"`
	Bytes int     `json:"bytes,omitempty"`
	First int64   `json:"first"`
	Last  int64   `json:"last"`
}

// add counts a tuple, whose terms need size bytes, and lists it unless the
// list has most tuples or bytes already.
func (t *tally) add(terms []any, size int, at int64, most, mostBytes int) {
	if t.Count == 0 || at < t.First {
		t.First = at
	}
	t.Last = max(t.Last, at)
	t.Count++
	if len(t.Terms) < most && t.Bytes+size <= mostBytes {
		t.Terms = append(t.Terms, terms)
		t.Bytes += size
	}
}
