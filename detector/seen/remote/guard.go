package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"

	"fluent-bit-newterms/detector/limits"
)

// The client library allocates what a server announces: the length of a text,
// the number of elements of a list. So a server, or whoever answers in its
// place, could end the process with a few bytes. A guarded connection reads
// along, and breaks off before the library sees a length over the bounds of
// package limits.

// errRogue says that what answers is no server of ours.
var errRogue = errors.New("the answer is not one of Redis, or is longer than any that is expected; is the address right?")

// dial connects to a server of the shared store.
func (c *Config) dial(t *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: c.timeout}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if t == nil {
			conn, err := plain.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			if raw, ok := conn.(syscall.Conn); ok {
				return &guardedSocket{guardedConn{Conn: conn}, raw}, nil
			}
			return &guardedConn{Conn: conn}, nil
		}
		conn, err := (&tls.Dialer{NetDialer: plain, Config: t}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &guardedConn{Conn: conn}, nil
	}
}

// guardedSocket lets the library see whether an idle connection is still open.
type guardedSocket struct {
	guardedConn
	raw syscall.Conn
}

func (c *guardedSocket) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }

// guardedConn checks what it reads.
type guardedConn struct {
	net.Conn
	wrote  atomic.Bool // since the last Read: the next answer begins a budget
	checks respCheck
	broken error
}

func (c *guardedConn) Write(b []byte) (int, error) {
	c.wrote.Store(true)
	return c.Conn.Write(b)
}

func (c *guardedConn) Read(b []byte) (int, error) {
	if c.broken != nil {
		return 0, c.broken
	}
	n, err := c.Conn.Read(b)
	if c.wrote.Swap(false) {
		c.checks.spent = 0
	}
	if c.broken = c.checks.add(b[:n]); c.broken != nil {
		_ = c.Conn.Close()
		return 0, c.broken
	}
	return n, err
}

// respCheck follows the answers of a server in the protocol RESP, as far as
// their lengths go: https://redis.io/docs/latest/develop/reference/protocol-spec/
type respCheck struct {
	line  []byte // the beginning of a line
	bulk  int64  // bytes of a text still to come, with its line end
	open  []int64
	spent int64 // of limits.StoreAnswerBytes
}

// elementBytes is what the library takes for an element that is announced.
const elementBytes = 16

// add takes the next bytes.
func (r *respCheck) add(b []byte) error {
	if r.spent += int64(len(b)); r.spent > limits.StoreAnswerBytes {
		return fmt.Errorf("%w (over %d bytes)", errRogue, limits.StoreAnswerBytes)
	}
	for len(b) > 0 {
		if r.bulk > 0 {
			n := min(r.bulk, int64(len(b)))
			r.bulk -= n
			b = b[n:]
			if r.bulk == 0 {
				r.element()
			}
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			r.line = append(r.line, b...)
			return nil // its length is bounded by what is spent
		}
		line := append(r.line, b[:end]...)
		b = b[end+1:]
		r.line = r.line[:0]
		if err := r.header(bytes.TrimSuffix(line, []byte("\r"))); err != nil {
			return err
		}
	}
	return nil
}

// header takes a line that begins a value.
func (r *respCheck) header(line []byte) error {
	if len(line) == 0 {
		return errRogue
	}
	elements := int64(1)
	switch line[0] {
	case '+', '-', ':', '_', '#', ',', '(':
		r.element()
		return nil
	case '$', '=', '!':
		n, err := r.length(line)
		if err != nil {
			return err
		}
		if n < 0 { // null
			r.element()
			return nil
		}
		if r.spent+n > limits.StoreAnswerBytes {
			return fmt.Errorf("%w (a text of %d bytes)", errRogue, n)
		}
		r.bulk = n + 2
		return nil
	case '%', '|':
		elements = 2
	case '*', '~', '>':
	default:
		return errRogue
	}
	n, err := r.length(line)
	if err != nil {
		return err
	}
	if n <= 0 {
		r.element()
		return nil
	}
	if n > limits.StoreAnswerBytes/elementBytes || len(r.open) >= limits.StoreAnswerDepth {
		return fmt.Errorf("%w (a list of %d in a depth of %d)", errRogue, n, len(r.open))
	}
	if r.spent += n * elements * elementBytes; r.spent > limits.StoreAnswerBytes {
		return fmt.Errorf("%w (a list of %d)", errRogue, n)
	}
	r.open = append(r.open, n*elements)
	return nil
}

func (r *respCheck) length(line []byte) (int64, error) {
	n, err := strconv.ParseInt(string(line[1:]), 10, 64)
	if err != nil || n < -1 {
		return 0, errRogue
	}
	return n, nil
}

// element says that a value is whole, and with it perhaps the list it is in.
func (r *respCheck) element() {
	for i := len(r.open) - 1; i >= 0; i-- {
		if r.open[i]--; r.open[i] > 0 {
			return
		}
		r.open = r.open[:i]
	}
}
