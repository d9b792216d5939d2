package seen

import (
	"errors"
	"time"

	"fluent-bit-newterms/detector/limits"
)

// OnCorrupt says what Open does with a state that it cannot use as it is.
type OnCorrupt uint8

// What to do.
const (
	Recover OnCorrupt = iota // move it aside and go on with what can be read
	Stop                     // leave it alone and return an error
)

// Options of Open. The zero value is ready for use.
type Options struct {
	// ReadOnly reads the state as it is, takes no lock and writes nothing. The
	// state may be in use.
	ReadOnly  bool
	OnCorrupt OnCorrupt
	// Version is the version of newterms, which is written into the header of
	// the journal for people.
	Version string
	// MaxOutbox and MaxOutboxBytes bound the undelivered alerts, by default
	// limits.OutboxAlerts and limits.OutboxBytes. They are in memory as well
	// as on disk, since alerts must leave even when the disk has failed.
	MaxOutbox      int
	MaxOutboxBytes int64
	// MaxOwedBytes bounds what waits in memory for the disk, by default
	// limits.OwedBytes; see Full.
	MaxOwedBytes int64
	// CloseTimeout is how long Close tries to write what is owed, by default
	// five seconds.
	CloseTimeout time.Duration
	// Clock names files that are moved aside, by default time.Now.
	Clock func() time.Time
	// Logf says what happens in the background: the disk failed, it is back.
	Logf func(format string, args ...any)

	// fault is called before each step on the disk, for tests.
	fault func(step string) error
	// minBackoff and maxBackoff bound the wait between tries, for tests.
	minBackoff, maxBackoff time.Duration
}

// Errors that callers tell apart with errors.Is. What wraps them says what to
// do.
var (
	// From Open.
	ErrLocked      = errors.New("the state is in use")
	ErrNotWritable = errors.New("the state cannot be written")
	ErrForeign     = errors.New("the file is not a newterms state")
	ErrNewer       = errors.New("the state is of a newer version of newterms")
	ErrOld         = errors.New("the state is of version 1 of newterms")
	ErrCorrupt     = errors.New("damaged state")

	// From Commit and Wait. After ErrPending and ErrOwed the batch is safe in
	// memory and will be written as soon as the disk allows.
	ErrPending = errors.New("the disk has not answered yet")
	ErrOwed    = errors.New("the disk failed; what it is owed is kept in memory")

	// From Full.
	ErrFull = errors.New("neither the disk nor the memory for what it is owed can take more")

	ErrClosed   = errors.New("the state is closed")
	ErrReadOnly = errors.New("the state is open for reading only")
)

// RuleMeta is what the store keeps about a rule for its users. Times are unix
// ms, 0 for not yet.
type RuleMeta struct {
	LearningSince int64  `json:"learning_since,omitempty"`
	LearningUntil int64  `json:"learning_until,omitempty"`
	BaselineDone  int64  `json:"baseline_done,omitempty"`
	FirstMatch    int64  `json:"first_match,omitempty"`
	Alerts        uint64 `json:"alerts,omitempty"`
	// Excepted: the rule has, or had, exceptions, and a record of its own for
	// the tuples seen under them.
	Excepted bool `json:"excepted,omitempty"`
	// Extra is opaque. It is written when it has changed, and then whole.
	Extra []byte `json:"-"`
}

func (o *Options) defaults() {
	if o.MaxOutbox <= 0 {
		o.MaxOutbox = limits.OutboxAlerts
	}
	if o.MaxOutboxBytes <= 0 {
		o.MaxOutboxBytes = limits.OutboxBytes
	}
	if o.MaxOwedBytes <= 0 {
		o.MaxOwedBytes = limits.OwedBytes
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	if o.fault == nil {
		o.fault = func(string) error { return nil }
	}
	if o.minBackoff <= 0 {
		o.minBackoff, o.maxBackoff = 100*time.Millisecond, 30*time.Second
	}
}
