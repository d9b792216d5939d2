package sink

import (
	"context"
	"fmt"
	"io"
)

// Writer writes alerts to a stream, a JSON object a line.
type Writer struct {
	name string
	w    io.Writer
	buf  []byte
}

// NewWriter returns the sink for a stream that log lines call name.
func NewWriter(name string, w io.Writer) *Writer { return &Writer{name: name, w: w} }

// Name implements Sink.
func (s *Writer) Name() string { return s.name }

// Deliver implements Sink. Each batch is one write, so that lines of others do
// not get between.
func (s *Writer) Deliver(_ context.Context, records []Record) (int, error) {
	s.buf = s.buf[:0]
	for i := range records {
		s.buf = append(append(s.buf, records[i].Body...), '\n')
	}
	if _, err := s.w.Write(s.buf); err != nil {
		return 0, fmt.Errorf("cannot write to %s: %w", s.name, err)
	}
	return len(records), nil
}

// Close implements Sink. The stream is its owner's to close.
func (s *Writer) Close() error { return nil }
