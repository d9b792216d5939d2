// Package match turns the records of a chunk into the distinct combinations of
// terms that rules find in them. A combination is the values of a rule's
// new_terms fields in one event.
//
//	Rules          compiled rules, shared by all workers and never changed
//	Worker         reads events, one flush at a time, without a lock
//	streamGroups   the rules for an event's data stream, indexed by literals
//	specializer    plans specialized for events that are alike
//	resultCache    what became of events with the same values
//	combiner       the combinations of a matching event: arrays expand
//	Batch          the distinct combinations so far, to be decided
//
// A worker that has read many events of one kind takes no lock and allocates
// nothing per record. What the engine decides about a Batch is the engine's own.
package match
