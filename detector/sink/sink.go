// Package sink is where alerts go that do not go back into the pipeline of
// their own Fluent Bit: another Fluent Bit or a Fluentd by the forward protocol,
// a file, the standard output.
//
// A sink is told of alerts in order, and answers for how many it has them:
// those leave the outbox, the others are offered again. So an alert comes at
// least once, and a sink may see one twice after a crash, with the same uuid.
package sink

import (
	"context"
	"errors"
)

// ErrRefused marks the error of a Deliver whose next record the receiver does
// not take, though it was sent alone and over a new connection. Either the
// receiver will never take that record, as with one that is longer than it
// allows, or it takes none.
var ErrRefused = errors.New("the receiver refuses the alert")

// Record is one alert on its way out.
type Record struct {
	ID   uint64 // grows in the order of the alerts
	Tag  string
	Time int64  // unix ms, of the event
	Body []byte // one JSON object, without a newline
}

// Sink takes alerts. It is used by one goroutine.
type Sink interface {
	// Name is what log lines call it.
	Name() string
	// Deliver hands over records in order and returns how many of them have
	// arrived for good, with the error that kept the rest.
	Deliver(ctx context.Context, records []Record) (int, error)
	// Close gives up what the sink holds.
	Close() error
}
