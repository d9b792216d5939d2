// Package delivery takes alerts from the outbox to where they go.
//
//	Add ──▶ Dispatcher ──▶ Queue of a sink ─────▶ sink: forward, file, stdout
//	        waits for      Queue of an input ───▶ Input ──▶ Fluent Bit
//	        the commit           │
//	           ▲                 ▼
//	        seen.Store ◀── Acknowledge: alerts that everyone has leave the outbox
//
// An item is handed to the queues once its commit is on disk, or has failed
// for good: then the item goes out all the same, because the process may not
// live to see it on disk. An alert leaves the outbox when every queue that
// takes it has delivered it. It arrives at least once, with the same uuid.
//
// Fluent Bit starts its inputs and outputs one by one and does not introduce
// them to each other. A Registry does: one per process, held by the plugin.
package delivery
