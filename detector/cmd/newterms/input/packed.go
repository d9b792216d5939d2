package input

import (
	"errors"
	"io"
	"strconv"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/record"
)

// packedStart is how records begin that Fluent Bit wrote as msgpack: the file
// output's format msgpack, and chunks. No text in UTF-8 begins so.
const packedStart = 0x92

var packedJSON = jsoniter.Config{EscapeHTML: false}.Froze()

// packed turns records of msgpack into lines, [SECONDS.NANOS, {…}], so that
// the number of a line is that of its record.
type packed struct {
	r     io.Reader
	data  []byte // read, and not yet whole records
	out   []byte // lines not yet read
	given int    // bytes of out that were read
	err   error  // for once out is empty
}

func newPacked(r io.Reader) *packed { return &packed{r: r, data: make([]byte, 0, chunkSize)} }

func (p *packed) Read(b []byte) (int, error) {
	for p.given == len(p.out) {
		if p.err != nil {
			return 0, p.err
		}
		p.fill()
	}
	n := copy(b, p.out[p.given:])
	p.given += n
	return n, nil
}

// fill reads more, and turns what is whole into lines.
func (p *packed) fill() {
	p.out, p.given = p.out[:0], 0
	if len(p.data) == cap(p.data) {
		if len(p.data) >= MaxLine {
			p.err = errors.New("a record of msgpack is too long, or it is none")
			return
		}
		p.data = append(make([]byte, 0, 2*cap(p.data)), p.data...)
	}
	n, err := p.r.Read(p.data[len(p.data):cap(p.data)])
	p.data = p.data[:len(p.data)+n]
	rest, broken := p.lines()
	if p.err = err; broken != nil && (err != nil || !errors.Is(broken, record.ErrTruncated)) {
		p.err = broken
	}
	p.data = p.data[:copy(p.data, rest)]
}

// lines appends the whole records of data to out. rest is what follows them,
// and err says why it is no record, or not yet.
func (p *packed) lines() (rest []byte, err error) {
	var c record.Chunk
	c.Reset(p.data)
	for {
		more, err := c.Next()
		if err == nil && more {
			err = c.SkipBody()
		}
		if err != nil {
			var at *record.ChunkError
			if errors.As(err, &at) {
				return p.data[at.Offset:], at.Err
			}
			return nil, err
		}
		if !more {
			return nil, nil
		}
		if err := p.line(&c); err != nil {
			return nil, err
		}
	}
}

func (p *packed) line(c *record.Chunk) error {
	val, err := record.Msgpack.Decode(c.Body)
	if err != nil {
		return err
	}
	event, err := packedJSON.Marshal(val)
	if err != nil {
		return err
	}
	p.out = append(p.out, '[')
	p.out = strconv.AppendInt(p.out, c.Time/1e9, 10)
	p.out = append(p.out, '.')
	nanos := strconv.FormatInt(1e9+c.Time%1e9, 10)
	p.out = append(append(p.out, nanos[1:]...), ", "...)
	p.out = append(append(p.out, event...), "]\n"...)
	return nil
}
