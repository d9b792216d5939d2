package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"fluent-bit-newterms/detector/seen"
)

const (
	// commitWait is how long a flush waits for its combinations and alerts to
	// be on disk. A disk that is slower, or broken, does not stop the pipeline:
	// what is owed to it stays in memory and is written when it can be.
	commitWait = 5 * time.Second
	// hungWait is how long a flush waits once one before it has waited in
	// vain: a disk that hangs must not hold up each of them.
	hungWait = 50 * time.Millisecond
)

// diskWaiter waits for the disk, but not for long, and less if the last wait was
// in vain.
type diskWaiter struct {
	store *seen.Store
	hung  atomic.Bool // the last wait was in vain
}

func (d *diskWaiter) wait(t seen.Ticket) error {
	most := commitWait
	if d.hung.Load() {
		most = hungWait
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	err := d.store.Wait(ctx, t)
	if hung := errors.Is(err, seen.ErrPending); hung != d.hung.Load() && t != (seen.Ticket{}) {
		d.hung.Store(hung)
	}
	return err
}

func (d *diskWaiter) settle(memories []*seen.Memory) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitWait)
	defer cancel()
	return d.store.FlushLastSeen(ctx, memories...)
}

// Owed tells whether an error of Chunk or End means that something is still
// to be written, rather than lost.
func Owed(err error) bool {
	return errors.Is(err, seen.ErrOwed) || errors.Is(err, seen.ErrPending)
}
