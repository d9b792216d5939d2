package seen

import (
	"errors"
	"time"
)

// OnCorrupt says what Open does with a state file that it cannot use as it is.
type OnCorrupt uint8

const (
	Recover OnCorrupt = iota // move it aside, go on with what can be read back
	Stop                     // leave it alone and return an error
)

// Options of Open. The zero value is ready for use.
type Options struct {
	ReadOnly       bool
	OnCorrupt      OnCorrupt
	MaxOutbox      int
	MaxOutboxBytes int64
	Clock          func() time.Time
	Logf           func(format string, args ...any)
}

// Errors that callers tell apart with errors.Is.
var (
	ErrLocked      = errors.New("the state is in use")
	ErrNotWritable = errors.New("the state cannot be written")
	ErrForeign     = errors.New("not a newterms state")
	ErrNewer       = errors.New("a state of a newer version")
	ErrCorrupt     = errors.New("a damaged state")
	ErrClosed      = errors.New("the state is closed")
	ErrReadOnly    = errors.New("the state is open for reading only")
	ErrPending     = errors.New("not written yet")
	ErrOwed        = errors.New("not written, owed to the disk")
)

// Report says what Open found and did.
type Report struct {
	Fresh     bool
	Recovered bool
	Reason    string
	MovedTo   string
	Tuples    int
	Lost      int
	Notes     []string
}

// RuleMeta is what the store keeps about a rule for its users.
type RuleMeta struct {
	LearningSince int64  `json:"learning_since,omitempty"`
	LearningUntil int64  `json:"learning_until,omitempty"`
	BaselineDone  int64  `json:"baseline_done,omitempty"`
	FirstMatch    int64  `json:"first_match,omitempty"`
	Alerts        uint64 `json:"alerts,omitempty"`
	Extra         []byte `json:"extra,omitempty"`
}

// RuleOptions describe a rule to Store.Rule.
type RuleOptions struct {
	Fingerprint string
	Name        string
	Fields      []string
}

// RuleState is a rule as the store knows it.
type RuleState struct {
	Num                uint32
	ID                 string
	Meta               RuleMeta
	Fresh              bool
	FingerprintChanged bool
}

// Ticket stands for a batch handed to the store.
type Ticket struct{ gen uint64 }

// Stats of a store.
type Stats struct {
	Commits      uint64
	CommitTime   time.Duration
	Errors       uint64
	OwedTuples   int
	OwedAlerts   int
	Outbox       int
	OutboxBytes  int64
	Dropped      uint64
	LastError    error
	Tuples, File int64
}
