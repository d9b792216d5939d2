// Package limits is the bounds of everything that grows with what arrives: one
// constant per bound, with its unit, and what happens above it. Any package may
// import it. The bounds that a user can set are properties; their defaults are
// in package detector.
package limits

// Alerts and matching records on their way out.
const (
	// DeliveryItems and DeliveryBytes (of JSON) bound what a sink is given at
	// once. What is over comes next.
	DeliveryItems = 500
	DeliveryBytes = 2 << 20

	// CollectBytes (of JSON) bounds what an alerts input hands to Fluent Bit
	// at once. What is over comes next.
	CollectBytes = 2 << 20

	// MatchedItems and MatchedBytes (of JSON) bound the matching records that
	// wait in one queue, where emit is matched. Those over it are dropped and
	// counted. Alerts are bounded by the outbox.
	MatchedItems = 10_000
	MatchedBytes = 16 << 20

	// ForwardMessageBytes (of JSON) is where a message of alert_forward ends:
	// well below the 6 MB that a Fluent Bit takes if it is not told otherwise.
	// An alert that is longer goes alone.
	ForwardMessageBytes = 1 << 20

	// RefusedAlertBytes (of JSON) bounds the shortened form of an alert that a
	// receiver has refused: it keeps the smallest fields.
	RefusedAlertBytes = 16 << 10
)

// Files of the configuration.
const (
	// ConfigFileBytes bounds a file of rules, exceptions or values, and a
	// mapping. A longer one is an error.
	ConfigFileBytes = 64 << 20

	// GeoFileBytes bounds a MaxMind database. A longer one is an error.
	GeoFileBytes = 512 << 20

	// GeoAddresses is how many addresses are kept with what the databases say
	// of them. The one that was asked for least lately gives way.
	GeoAddresses = 8192

	// KeyParts bounds the parts of a dotted key in a TOML file: a.b.c has
	// three. A key of more parts is an error.
	KeyParts = 100
)

// The shared store.
const (
	// StoreAnswerBytes bounds the answers to one pipeline of the shared store:
	// what arrives, and 16 bytes per element that is announced. The longest
	// that there is, to 512 questions, takes about 100 KiB. A server that goes
	// over it is left: the node decides by itself.
	StoreAnswerBytes = 8 << 20
	// StoreAnswerDepth bounds the lists in lists of an answer.
	StoreAnswerDepth = 8
)

// The documents of alerts.
const (
	// RelatedValues bounds the values of related.ip and related.user in a
	// document. The others are where the event has them.
	RelatedValues = 10_000
	// AlertDocument (of JSON) bounds the event in an alert. A longer one is
	// shortened, long values first; the alert names what was. Alert bounds the
	// alert as a whole: above it the event is as SmallDocument says.
	AlertDocument = 192 << 10
	Alert         = 256 << 10
	// AlertDepth bounds the levels of lists and maps in an alert's event; what lies
	// deeper is left out, and the alert names where. Fluent Bit reads 32 levels,
	// two of which are the record's own, and drops a record with more;
	// Elasticsearch indexes 20 unless told otherwise.
	AlertDepth = 20
	// DecisionAlerts (of JSON) is how much the alerts of one decision take
	// before the events of the others are shortened to SmallDocument, and what
	// has been decided is handed to the outbox.
	DecisionAlerts = 8 << 20
	SmallDocument  = 4 << 10
)

// What the limits of a rule keep, in the state, which is written with each flush
// that changes it.
const (
	// Groups, and GroupBytes (of JSON, about), bound the groups of suppressed
	// alerts that a rule keeps open. Above either the oldest ends early: its
	// next alert is an alert again. GroupTuples and GroupTupleBytes bound the
	// combinations that a group lists; the others are counted.
	Groups          = 1000
	GroupBytes      = 192 << 10
	GroupTuples     = 20
	GroupTupleBytes = 2 << 10

	// SummaryTuples and SummaryBytes (of terms) bound the combinations that a
	// summary lists by name, LearnedTuples and LearnedBytes those that a
	// summary of what was learned does. SummaryGroups bounds the noisy groups
	// that it names. The others are counted.
	SummaryTuples = 1000
	SummaryBytes  = 64 << 10
	LearnedTuples = 100
	LearnedBytes  = 16 << 10
	SummaryGroups = 50

	// Crowds bounds the groups in which a rule counts the new combinations of
	// an interval, to find the noisy ones. Above it the small ones go.
	Crowds = 4096
)

// The combinations of terms that events yield. A combination is the values of a
// rule's new_terms fields in one event; where a field holds an array, each of its
// values gives one.
const (
	// EventCombinations, and EventTermBytes of their terms, bound the
	// combinations of one event and rule. The rest is counted, and the alert
	// says how many.
	EventCombinations = 10_000
	EventTermBytes    = 256 << 10
	// FlushCombinations is how many combinations a flush makes of arrays before
	// each further event is held to FewCombinations: else a chunk of 2 MB of
	// arrays could keep a flush busy for minutes.
	FlushCombinations = 1 << 18
	FewCombinations   = 100
	// BatchCombinations, and BatchTermBytes of their terms, bound what a flush
	// gathers before it is decided. Above them it is decided early, inside an
	// event if need be.
	BatchCombinations = 1 << 16
	BatchTermBytes    = 4 << 20
)

// Variants: combinations that differ from known ones in versions, hashes and the
// like. See package normalize.
const (
	// FormTuples is how many combinations of a normalized form are kept to
	// compare a variant with: those that were seen last.
	FormTuples = 4
	// FormPartBytes bounds the parts of a combination that a normalizer takes
	// out. A combination with more has no form: it is known or new.
	FormPartBytes = 512
	// VariantChanges bounds the changes that a summary of variants lists, and
	// FormChanges those of one form. The rest is counted. Marked ones go first.
	VariantChanges = 50
	FormChanges    = 5
	// VariantTerms, and VariantTermBytes of their terms, bound the combinations
	// that it lists. Beyond FormTerms of one form it counts them in one entry.
	VariantTerms     = 1000
	VariantTermBytes = 64 << 10
	FormTerms        = 50
)
