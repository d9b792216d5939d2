package delivery

import (
	"time"

	"fluent-bit-newterms/detector/seen"
)

// Item is an alert on its way out, or a matching record. The Dispatcher keeps
// the body of a matching record. It lets go of that of an alert, and reads it
// from the outbox when it sends it: it may have been shortened or given up.
type Item struct {
	seen.OutboxEntry
	RuleName string
	// Matched: a matching record that is no alert. It is in no outbox.
	Matched bool
	// Ticket is the item's commit, the zero Ticket if there is none to wait for.
	Ticket seen.Ticket
	// Since is when the item began to wait. The zero Time is now.
	Since time.Time

	size int // of Body, in bytes, as it was added
}

// delivery is an item that some queues still have to deliver.
type delivery struct {
	*Item
	left int // queues that have not delivered it
}
