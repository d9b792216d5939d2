package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File appends alerts to a file, a JSON object a line, and syncs it before it
// answers for them. A file that somebody moves away or deletes (logrotate) is
// opened anew.
type File struct {
	path string
	f    *os.File
	buf  []byte
}

// OpenFile returns the sink for a path. A new file is for its owner alone
// (mode 0600). The folder must exist.
func OpenFile(path string) (*File, error) {
	s := &File{path: path}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// Name implements Sink.
func (s *File) Name() string { return "file " + s.path }

func (s *File) open() error {
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	switch {
	case err == nil:
		s.f = f
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot write %s: there is no folder %s; make it first", s.path, filepath.Dir(s.path))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot write %s: no permission; give the user that runs Fluent Bit the right to write there", s.path)
	}
	return fmt.Errorf("cannot write %s: %w", s.path, err)
}

// Deliver implements Sink.
func (s *File) Deliver(_ context.Context, records []Record) (int, error) {
	if err := s.follow(); err != nil {
		return 0, err
	}
	s.buf = s.buf[:0]
	for i := range records {
		s.buf = append(append(s.buf, records[i].Body...), '\n')
	}
	start, err := s.f.Seek(0, 2)
	if err != nil {
		start = -1 // a pipe: there is nothing to go back to
	}
	if _, err := s.f.Write(s.buf); err != nil {
		if start >= 0 {
			// Half a line would spoil the next one.
			_ = s.f.Truncate(start)
		}
		return 0, fmt.Errorf("cannot write %s: %w", s.path, err)
	}
	if start >= 0 {
		if err := s.f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			if info, statErr := s.f.Stat(); statErr != nil || info.Mode().IsRegular() {
				return 0, fmt.Errorf("cannot sync %s: %w", s.path, err)
			}
		}
	}
	return len(records), nil
}

// follow opens the path anew if it no longer names the open file.
func (s *File) follow() error {
	if s.f != nil {
		here, err1 := s.f.Stat()
		there, err2 := os.Stat(s.path)
		if err1 == nil && err2 == nil && os.SameFile(here, there) {
			return nil
		}
		_ = s.f.Close()
		s.f = nil
	}
	return s.open()
}

// Close implements Sink.
func (s *File) Close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}
