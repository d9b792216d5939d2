package limits

// The state: what rules remember, and what waits for the disk and for delivery.
const (
	// Term is how many bytes of one term are kept. What is longer is kept as
	// its beginning and a hash of the whole, so that distinct terms stay
	// distinct.
	Term = 4 << 10

	// RuleTuples is how many tuples a rule remembers by default (property
	// max_terms), and RuleBytes how many bytes they may take on disk, or
	// TupleBytes for each of max_terms if that is more. Above either the least
	// useful tuple is forgotten.
	RuleTuples = 100_000
	RuleBytes  = 64 << 20
	TupleBytes = 128

	// OutboxAlerts and OutboxBytes bound the alerts that wait for delivery.
	// Above them documents are shortened, and then alerts are given up, those
	// of the largest noisy group first.
	OutboxAlerts = 10_000
	OutboxBytes  = 32 << 20

	// OwedBytes is how much may wait in memory for a disk that fails or is
	// slow. Above it chunks are refused with RETRY.
	OwedBytes = 32 << 20
)
