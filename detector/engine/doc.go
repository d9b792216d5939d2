// Package engine decides which combinations of terms are new, and makes the
// alerts on them. A combination is the values of a rule's new_terms fields in one
// event.
//
//	Engine       the entry points: chunks, lines, rules that change, timers
//	flush        one flush: its worker (package match), decisions and commit
//	ruleState    what a rule keeps across reloads: seen-set, limiter, history
//	limiter      learning, suppression, limits: whether a new one alerts
//	history      what was seen under exceptions
//	builder      the records: alerts, summaries, matching records
//	Peers        a memory that nodes share
//
// A match.Batch is decided under one lock, which waits for neither disk nor
// network. Combinations, counts and alerts of a batch go to the store in one
// commit.
package engine
