package delivery

import (
	"time"

	"fluent-bit-newterms/detector/seen"
)

// Item is an alert on its way out, or a matching record.
type Item struct {
	seen.OutboxEntry
	RuleName string
	// Matched: a matching record that is no alert. It is in no outbox.
	Matched bool
	// Ticket is the item's commit, the zero Ticket if there is none to wait for.
	Ticket seen.Ticket
	// Since is when the item began to wait. The zero Time is now.
	Since time.Time
}

// delivery is an item that some queues still have to deliver.
type delivery struct {
	*Item
	left int // queues that have not delivered it
}
