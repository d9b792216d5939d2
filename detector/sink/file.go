package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// File appends alerts to a file, a JSON object a line, and syncs it before it
// answers for them. A file that somebody moves away or deletes (logrotate) is
// opened anew, one that is cut to nothing in place (copytruncate) is filled
// again from its start. It may be a named pipe; alerts wait until there is a
// reader.
type File struct {
	path  string
	f     *os.File
	plain bool // a regular file: it can be cut and synced
	lines lines
	// patience is how long a reader of a named pipe may keep a batch waiting.
	patience time.Duration
}

const pipeTimeout = 10 * time.Second

// errNoReader is no error at the start: a reader may come later.
var errNoReader = errors.New("nobody reads from the pipe")

// OpenFile returns the sink for a path. A new file is for its owner alone
// (mode 0600). The folder must exist.
func OpenFile(path string) (*File, error) {
	s := &File{path: path, patience: pipeTimeout}
	if err := s.open(); err != nil && !errors.Is(err, errNoReader) {
		return nil, err
	}
	return s, nil
}

// Name implements Sink.
func (s *File) Name() string { return "file " + s.path }

// open opens the path. What ends in half a line, after a crash of the machine
// for one, is continued on a new one.
func (s *File) open() error {
	flags := os.O_RDWR
	info, err := os.Stat(s.path)
	if err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		flags = os.O_WRONLY // which fails where there is no reader
	}
	f, err := os.OpenFile(s.path, flags|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, fs.ErrPermission) && flags == os.O_RDWR {
		// A file that may be written but not read.
		f, err = os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	}
	if err != nil {
		return s.explain(err)
	}
	if info, err = f.Stat(); err != nil {
		_ = f.Close()
		return s.explain(err)
	}
	s.f, s.plain, s.lines.torn = f, info.Mode().IsRegular(), false
	if s.plain && info.Size() > 0 {
		var last [1]byte
		_, err := f.ReadAt(last[:], info.Size()-1)
		s.lines.torn = err == nil && last[0] != '\n'
	}
	return nil
}

// explain says what can be done about an error.
func (s *File) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot write %s: there is no folder %s; make it first", s.path, filepath.Dir(s.path))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot write %s: no permission; give the user that runs Fluent Bit the right to write there", s.path)
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("cannot write %s: it is a folder; name a file in it", s.path)
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("cannot write %s: %w", s.path, errNoReader)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("cannot write %s: its reader has taken nothing for %s", s.path, s.patience)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("cannot write %s: the disk is full; make room on it", s.path)
	}
	return fmt.Errorf("cannot write %s: %w", s.path, err)
}

// Deliver implements Sink.
func (s *File) Deliver(ctx context.Context, records []Record) (int, error) {
	if err := s.follow(); err != nil {
		return 0, err
	}
	s.lines.fill(records)
	if !s.plain {
		return s.stream(ctx)
	}
	start, err := s.f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, s.explain(err)
	}
	torn := s.lines.torn
	if n, err := s.f.Write(s.lines.text); err != nil {
		s.lines.written(n)
		// What is cut short goes, unless the file has been cut meanwhile by
		// somebody else: to cut it to a length would then lengthen it.
		if info, statErr := s.f.Stat(); statErr == nil && info.Size() >= start && s.f.Truncate(start) == nil {
			s.lines.torn = torn
		}
		return 0, s.explain(err)
	}
	s.lines.torn = false
	if err := s.f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return 0, fmt.Errorf("cannot sync %s: %w", s.path, err)
	}
	return len(records), nil
}

// stream writes to a pipe or a device, which takes what it takes.
func (s *File) stream(ctx context.Context) (int, error) {
	_ = s.f.SetWriteDeadline(time.Now().Add(s.patience)) // a device may have none
	f := s.f
	defer context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Now()) })()
	n, err := s.f.Write(s.lines.text)
	whole := s.lines.written(n)
	if err != nil {
		err = s.explain(err)
	}
	return whole, err
}

// follow opens the path anew if it no longer names the open file.
func (s *File) follow() error {
	if s.f != nil {
		here, err1 := s.f.Stat()
		there, err2 := os.Stat(s.path)
		if err1 == nil && err2 == nil && os.SameFile(here, there) {
			if s.plain && here.Size() == 0 {
				s.lines.torn = false
			}
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
