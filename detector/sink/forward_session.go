package sink

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// session is one connection of the forward protocol, version 1:
// https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
//
// With a shared key it begins with a handshake:
//
//	server → ["HELO", {"nonce", "auth", "keepalive"}]
//	client → ["PING", hostname, salt, digest of the key, user, digest of the password]
//	server → ["PONG", admitted, reason, hostname, digest of the key]
//
// and then goes on, as it does at once without a key:
//
//	client → [tag, entries, {"size", "chunk"}]
//	server → {"ack": chunk}
//
// The code is our own. The client of github.com/IBM/fluent-forward-go cannot
// shake hands with a Fluent Bit, which writes salts as text and wants them so;
// it never sends a user, and does not look at whether a PONG admits it; its
// handshakes and writes have no deadline; and it reads each answer through a
// buffer of its own that it then drops, so that an acknowledgement which comes
// late is taken for the next one's. Its messages are the other side of our
// tests.
type session struct {
	conn    net.Conn // over which messages go: raw, or TLS on it
	raw     net.Conn
	timeout time.Duration
	in      []byte // read and not yet taken
}

// maxAnswer bounds a message of the server, in bytes: the longest that there
// is holds a few names and digests.
const maxAnswer = 64 << 10

// errGone marks that the server had closed the connection before it answered:
// one that had been idle may be tried on another.
var errGone = errors.New("the connection was closed")

// answer returns the server's next message, valid until the next call. What
// comes after it is kept.
func (s *session) answer() ([]byte, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(s.timeout)); err != nil {
		return nil, err
	}
	var buf [4096]byte
	for {
		if len(s.in) > 0 {
			rest, err := msgp.Skip(s.in)
			switch {
			case err == nil:
				msg := s.in[:len(s.in)-len(rest)]
				s.in = rest
				return msg, nil
			case !errors.Is(err, msgp.ErrShortBytes):
				return nil, errors.New("the server does not speak the forward protocol")
			case len(s.in) > maxAnswer:
				return nil, errors.New("the server's answer does not end; is it one of the forward protocol?")
			}
		}
		n, err := s.conn.Read(buf[:])
		s.in = append(s.in, buf[:n]...)
		if err != nil && n == 0 {
			if len(s.in) == 0 && gone(err) {
				return nil, fmt.Errorf("%w by the server", errGone)
			}
			return nil, s.plain(err)
		}
	}
}

// write sends a message.
func (s *session) write(msg []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	if _, err := s.conn.Write(msg); err != nil {
		if gone(err) {
			return fmt.Errorf("%w by the server", errGone)
		}
		return s.plain(err)
	}
	return nil
}

func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// plain says in words what a user can act on.
func (s *session) plain(err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer within %s", s.timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the server closed the connection in the middle of a message")
	}
	return err
}

// handshake proves to each side that the other knows the shared key.
func (s *session) handshake(o *ForwardOptions) error {
	msg, err := s.answer()
	if err != nil {
		return fmt.Errorf("the server does not begin a handshake, as one with a shared key does: %w", err)
	}
	hello, err := readHelo(msg)
	if err != nil {
		return err
	}
	// Text, since older Fluent Bits take a salt to end at its first zero.
	salt := []byte(rand.Text())
	ping := msgp.AppendArrayHeader(nil, 6)
	ping = msgp.AppendString(ping, "PING")
	ping = msgp.AppendString(ping, o.SelfHostname)
	ping = msgp.AppendStringFromBytes(ping, salt)
	ping = msgp.AppendString(ping, digest(salt, []byte(o.SelfHostname), hello.nonce, []byte(o.SharedKey)))
	// A Fluent Bit sends a salt for passwords whether it has users or not.
	password := ""
	if o.User != "" {
		password = digest(hello.auth, []byte(o.User), []byte(o.Password))
	}
	ping = msgp.AppendString(ping, o.User)
	ping = msgp.AppendString(ping, password)
	if err := s.write(ping); err != nil {
		return err
	}
	if msg, err = s.answer(); err != nil {
		return fmt.Errorf("the server broke off the handshake, as it does when the shared key is not its own: %w", err)
	}
	pong, err := readPong(msg)
	switch {
	case err != nil:
		return err
	case !pong.admitted:
		return fmt.Errorf("the server refuses this side: %q; check the shared key, the user and the password", pong.reason)
	}
	want := digest(salt, pong.hostname, hello.nonce, []byte(o.SharedKey))
	if subtle.ConstantTimeCompare([]byte(want), pong.digest) != 1 {
		return errors.New("the server does not know the shared key, so it is not the one that is meant")
	}
	return nil
}

// digest returns the SHA-512 of the parts, one after the other, in hexadecimal.
func digest(parts ...[]byte) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// post sends entries under a tag, and returns when the server has said that
// it has them. buf is memory to use.
func (s *session) post(buf []byte, tag string, entries []byte, n int) ([]byte, error) {
	var id [16]byte
	rand.Read(id[:]) // never fails
	chunk := base64.StdEncoding.EncodeToString(id[:])
	buf = msgp.AppendArrayHeader(buf[:0], 3)
	buf = msgp.AppendString(buf, tag)
	buf = msgp.AppendBytes(buf, entries)
	buf = msgp.AppendMapHeader(buf, 2)
	buf = msgp.AppendString(buf, "size")
	buf = msgp.AppendInt(buf, n)
	buf = msgp.AppendString(buf, "chunk")
	buf = msgp.AppendString(buf, chunk)
	if err := s.write(buf); err != nil {
		return buf, fmt.Errorf("sending: %w", err)
	}
	msg, err := s.answer()
	if err != nil {
		return buf, fmt.Errorf("waiting for the acknowledgement: %w", err)
	}
	ack, err := readAck(msg)
	if err == nil && string(ack) != chunk {
		err = errors.New("the server acknowledged something else than what was sent")
	}
	return buf, err
}
