package sink

import (
	"context"
	"fmt"
	"io"
)

// Writer writes alerts to a stream, a JSON object a line.
type Writer struct {
	name  string
	w     io.Writer
	lines lines
	// pending is a write that was given up on: it may still be going on.
	pending <-chan outcome
}

type outcome struct {
	n   int
	err error
}

// NewWriter returns the sink for a stream that log lines call name.
func NewWriter(name string, w io.Writer) *Writer { return &Writer{name: name, w: w} }

// Name implements Sink.
func (s *Writer) Name() string { return s.name }

// Deliver implements Sink. Each batch is one write, so that lines of others do
// not get between. A stream whose reader has stopped blocks for good, so the
// write is left alone when ctx ends.
func (s *Writer) Deliver(ctx context.Context, records []Record) (int, error) {
	if s.pending != nil {
		if _, err := s.wait(ctx); err != nil {
			return 0, err
		}
	}
	s.lines.fill(records)
	done := make(chan outcome, 1)
	go func() {
		n, err := s.w.Write(s.lines.text)
		done <- outcome{n, err}
	}()
	s.pending = done
	return s.wait(ctx)
}

// wait waits for the write that is going on, and returns how many records it
// has put out.
func (s *Writer) wait(ctx context.Context) (int, error) {
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case out := <-s.pending:
		s.pending = nil
		n := s.lines.written(out.n)
		if out.err != nil {
			return n, fmt.Errorf("cannot write to %s: %w", s.name, out.err)
		}
		return n, nil
	}
}

// Close implements Sink. The stream is its owner's to close.
func (s *Writer) Close() error { return nil }
