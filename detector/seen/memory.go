package seen

import "time"

// Sighting says when a tuple was seen, and how often.
type Sighting struct {
	First, Last int64  // unix ms
	Count       uint32 // stops at 16,777,215
}

// Verdict is what a Memory has to say of a tuple.
type Verdict uint8

// The verdicts.
const (
	Known   Verdict = iota // seen inside the window
	New                    // never seen, or forgotten
	Expired                // seen, but longer ago than the window
)

// MemoryConfig sets up a Memory.
type MemoryConfig struct {
	Rule         uint32        // the rule's number in the store; Load sets it
	MaxTuples    int           // how many tuples are kept, default 100,000
	Window       time.Duration // how long a tuple stays known after its last sighting; 0 is for ever
	Fields       int           // how many terms a tuple has
	RefreshGrain time.Duration // default Window/100, at least a minute
}

// Outcome is what Observe found.
type Outcome struct {
	Verdict  Verdict
	Previous Sighting // what was known before; zero if New
	// Novel, for New and Expired: bit i is set if term i alone is in no live
	// tuple of the rule.
	Novel uint32
	// NovelUnsure: the memory had to forget terms, so a bit of Novel that is
	// not set may be novel all the same. A bit that is set is sure.
	NovelUnsure bool
	// Evicted: a tuple was forgotten to make room, and InsideWindow: it was
	// still live, so it alerts again when it is seen again.
	Evicted             bool
	EvictedInsideWindow bool
}
