package input

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// MaxLine is how long a line, or a value over several lines, may be, in bytes.
// Longer ones are passed over.
const MaxLine = 64 << 20

const (
	chunkSize = 1 << 20 // bytes of lines handed over at a time
	ahead     = 2       // chunks read before they are asked for
)

// Chunk is some values of a file.
type Chunk struct {
	File   string
	Lines  int // how many lines of the file it stands for
	Values []Value
	// Err says why the rest of the file could not be read.
	Err error

	data []byte // what the values lie in
}

// Reader reads files one after the other.
type Reader struct {
	chunks chan *Chunk
	free   chan []byte
	stop   context.CancelFunc
	taken  atomic.Int64
	max    int // MaxLine, or less in tests
	stdin  io.Reader
}

// NewReader returns a Reader of files as Expand gives them, stdin being read
// for "-". It reads until ctx is done or Close is called.
func NewReader(ctx context.Context, files []string, stdin io.Reader) *Reader {
	return newReader(ctx, files, stdin, MaxLine)
}

func newReader(ctx context.Context, files []string, stdin io.Reader, maxLine int) *Reader {
	ctx, stop := context.WithCancel(ctx)
	r := &Reader{chunks: make(chan *Chunk, ahead), free: make(chan []byte, ahead+2), stop: stop, max: maxLine, stdin: stdin}
	go func() {
		defer close(r.chunks)
		for _, name := range files {
			if r.file(ctx, name) != nil {
				return
			}
		}
	}()
	return r
}

// Next returns the next chunk, which holds until Free is called with it;
// io.EOF at the end, and ctx's error if it is done. Trouble with one file is
// told by a Chunk, and the next file is read.
func (r *Reader) Next(ctx context.Context) (*Chunk, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case c, ok := <-r.chunks:
		if !ok {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		return c, nil
	}
}

// Free gives the memory of a chunk back.
func (r *Reader) Free(c *Chunk) {
	if cap(c.data) == 0 || cap(c.data) > 4*chunkSize {
		return // one huge line must not hold its memory for good
	}
	select {
	case r.free <- c.data[:0]:
	default:
	}
	c.data, c.Values = nil, nil
}

// Taken returns how many bytes of the files, as they lie on disk, have been
// read so far.
func (r *Reader) Taken() int64 { return r.taken.Load() }

// Close ends the reading. A read of the standard input that waits for its
// other end is left waiting.
func (r *Reader) Close() { r.stop() }

// file reads one file. The error is that of ctx; those of the file are sent.
func (r *Reader) file(ctx context.Context, name string) error {
	s := &splitter{r: r, ctx: ctx, file: name, f: framer{line: 1, max: r.max}, sent: 1}
	err := s.open(name)
	if err == nil {
		err = s.run()
	}
	s.close()
	if err != nil && ctx.Err() == nil {
		return r.send(ctx, &Chunk{File: name, Err: explain(name, s.f.line, err)})
	}
	return ctx.Err()
}

func explain(name string, line int, err error) error {
	if line == 1 {
		return fmt.Errorf("%s: %w", name, unnamed(err))
	}
	return fmt.Errorf("%s: after line %d: %w", name, line-1, unnamed(err))
}

// unnamed takes the operation and path off an error of the file system, which
// are said anyway.
func unnamed(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}

func (r *Reader) send(ctx context.Context, c *Chunk) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r.chunks <- c:
		return nil
	}
}

// buffer returns an empty buffer.
func (r *Reader) buffer() []byte {
	select {
	case b := <-r.free:
		return b
	default:
		return make([]byte, 0, chunkSize)
	}
}

// counter counts what is read of a file as it lies on disk.
type counter struct {
	io.Reader
	n *atomic.Int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// splitter cuts one file into chunks of whole values.
type splitter struct {
	r    *Reader
	ctx  context.Context
	file string
	on   *os.File
	data io.ReadCloser
	f    framer
	at   int  // how far into the buffer the framer is
	sent int  // the number of the line after those that were handed over
	skip bool // inside a line that is too long
	live bool // a pipe, whose other end may pause
}

func (s *splitter) open(name string) (err error) {
	var raw io.Reader = s.r.stdin
	if name != Stdin {
		if s.on, err = os.Open(name); err != nil {
			return err
		}
		raw = s.on
	}
	s.live = true
	if f, ok := raw.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			s.live = !info.Mode().IsRegular()
		}
	}
	s.data, err = decompress(counter{raw, &s.r.taken})
	return err
}

func (s *splitter) close() {
	if s.data != nil {
		s.data.Close()
	}
	if s.on != nil {
		s.on.Close()
	}
}

var (
	byteOrderMark = []byte("\xef\xbb\xbf")
	utf16Little   = []byte("\xff\xfe")
	utf16Big      = []byte("\xfe\xff")
)

var errUTF16 = errors.New("the file is UTF-16, as Windows PowerShell writes it; convert it to UTF-8: iconv -f UTF-16 -t UTF-8")

// run reads to the end of the file. Values before an error are handed over.
func (s *splitter) run() error {
	buf := s.r.buffer()
	for first := true; ; first = false {
		var err error
		buf, err = s.fill(buf)
		if first {
			if bytes.HasPrefix(buf, utf16Little) || bytes.HasPrefix(buf, utf16Big) {
				return errUTF16
			}
			buf = bytes.TrimPrefix(buf, byteOrderMark)
		}
		if buf, err = s.cut(buf, err); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// fill reads until buf is full, or an error. Of a pipe, lines that are there
// are not held back while the user of the Reader has nothing to do.
func (s *splitter) fill(buf []byte) ([]byte, error) {
	for len(buf) < cap(buf) {
		n, err := s.data.Read(buf[len(buf):cap(buf)])
		fresh := buf[len(buf) : len(buf)+n]
		buf = buf[:len(buf)+n]
		if err != nil || s.live && len(s.r.chunks) == 0 && bytes.IndexByte(fresh, '\n') >= 0 {
			return buf, err
		}
	}
	return buf, nil
}

// cut hands over the whole values of buf and returns what is left of it, in
// memory that may be filled again. err is what fill said and is returned,
// unless handing over fails first.
func (s *splitter) cut(buf []byte, err error) ([]byte, error) {
	if s.skip {
		i := bytes.IndexByte(buf, '\n')
		if i < 0 {
			return buf[:0], err
		}
		s.skip = false
		buf = buf[:copy(buf, buf[i+1:])]
	}
	if s.at == 0 && len(buf) > 0 && buf[0] == 0 {
		// A log that was truncated while its writer went on begins with a hole.
		buf = buf[:copy(buf, bytes.TrimLeft(buf, "\x00"))]
	}
	rest := 0
	if end := bytes.LastIndexByte(buf[s.at:], '\n') + 1; end > 0 {
		s.at += end
		rest = s.f.lines(buf[:s.at], s.at-end)
	}
	if err != nil { // a last line without a newline is a line, if nothing broke
		if err == io.EOF && s.at < len(buf) {
			s.f.lines(buf, s.at)
			s.at = len(buf)
		}
		s.f.end(buf[:s.at])
		rest = len(buf)
	}
	tooLong := rest == 0 && len(buf) >= s.r.max
	if tooLong {
		rest = len(buf)
		switch {
		case s.at == 0: // one line
			s.skip = true
			s.f.values = append(s.f.values, Value{Line: s.f.line, TooLong: true})
			s.f.line++
		default:
			rest = s.at
			s.f.giveUp()
		}
	}
	if rest == 0 && len(s.f.values) == 0 {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(2*cap(buf), max(s.r.max, chunkSize))), buf...)
		}
		return buf, err
	}
	left := append(s.r.buffer(), buf[rest:]...)
	s.at = max(s.at-rest, 0)
	s.f.moved(rest)
	c := &Chunk{File: s.file, Lines: s.f.line - s.sent, Values: s.f.values, data: buf}
	s.f.values, s.sent = nil, s.f.line
	if sendErr := s.r.send(s.ctx, c); sendErr != nil {
		return nil, sendErr
	}
	return left, err
}
