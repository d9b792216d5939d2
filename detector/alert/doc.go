// Package alert makes alerts: the document that leaves, how many of them may
// leave, and what is said instead when more would.
//
// An alert is the ECS document of the first event that held a new tuple, with
// flat kibana.alert.* keys as Kibana writes them, event.kind set to signal,
// and an object named newterms that explains it (Document). A rule that is
// still learning records tuples and raises none; what it learned is summed up
// once an hour. A rule that finds more than max_alerts new tuples in an
// interval raises that many, and one summary that lists the rest (Governor).
//
// Everything here is single-threaded and does no input or output: the engine
// holds the lock, and commits what it is told.
package alert
