package input

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// MaxLine is how long a line may be, in bytes. Longer ones are passed over.
const MaxLine = 64 << 20

const (
	chunkSize = 1 << 20 // bytes of lines handed over at a time
	ahead     = 2       // chunks read before they are asked for
)

// Chunk is some lines of a file.
type Chunk struct {
	File string
	Line int    // number of the first line, from 1
	Data []byte // whole lines; the last line of a file may lack its newline

	// TooLong says that the chunk stands for one line longer than MaxLine,
	// and holds no data.
	TooLong bool
	// Err says why the rest of the file could not be read; Line is where it
	// begins, and there is no data.
	Err error
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
	if cap(c.Data) == 0 || cap(c.Data) > 4*chunkSize {
		return // one huge line must not hold its memory for good
	}
	select {
	case r.free <- c.Data[:0]:
	default:
	}
	c.Data = nil
}

// Taken returns how many bytes of the files, as they lie on disk, have been
// read so far.
func (r *Reader) Taken() int64 { return r.taken.Load() }

// Close ends the reading. A read of the standard input that waits for its
// other end is left waiting.
func (r *Reader) Close() { r.stop() }

// file reads one file. The error is that of ctx; those of the file are sent.
func (r *Reader) file(ctx context.Context, name string) error {
	s := &splitter{r: r, ctx: ctx, file: name, line: 1}
	err := s.open(name)
	if err == nil {
		err = s.run()
	}
	s.close()
	if err != nil && ctx.Err() == nil {
		return r.send(ctx, &Chunk{File: name, Line: s.line, Err: explain(name, s.line, err)})
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

// splitter cuts one file into chunks of whole lines.
type splitter struct {
	r    *Reader
	ctx  context.Context
	file string
	line int // number of the line that comes next
	on   *os.File
	data io.ReadCloser
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

var byteOrderMark = []byte("\xef\xbb\xbf")

// run reads to the end of the file. Lines before an error are handed over.
func (s *splitter) run() error {
	buf := s.r.buffer()
	for first := true; ; first = false {
		var err error
		buf, err = s.fill(buf)
		if first {
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

// cut hands over the whole lines of buf and returns what is left of it, in
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
	end := bytes.LastIndexByte(buf, '\n') + 1
	if err == io.EOF {
		end = len(buf) // a last line without a newline is a line
	}
	switch {
	case end > 0:
		rest := append(s.r.buffer(), buf[end:]...)
		c := &Chunk{File: s.file, Line: s.line, Data: buf[:end]}
		s.line += bytes.Count(c.Data, []byte{'\n'})
		if sendErr := s.r.send(s.ctx, c); sendErr != nil {
			return nil, sendErr
		}
		return rest, err
	case len(buf) >= s.r.max:
		s.skip = true
		if sendErr := s.r.send(s.ctx, &Chunk{File: s.file, Line: s.line, TooLong: true}); sendErr != nil {
			return nil, sendErr
		}
		s.line++
		return buf[:0], err
	case len(buf) == cap(buf):
		return append(make([]byte, 0, min(2*cap(buf), max(s.r.max, chunkSize))), buf...), err
	}
	return buf, err
}
