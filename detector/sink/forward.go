package sink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/limits"
)

// Forward sends alerts to a Fluent Bit, a Fluentd or whatever else takes the
// forward protocol. An alert has arrived when the other side has acknowledged
// the message that holds it.
type Forward struct {
	opts    ForwardOptions
	session *session // nil while there is no connection
	entries []byte
	buf     []byte
}

// NewForward returns the sink. It does not connect: a server that is away is
// no error before there are alerts for it. What is wrong with certificates is.
func NewForward(o ForwardOptions) (*Forward, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultForwardTimeout
	}
	if o.SelfHostname == "" {
		if o.SelfHostname, _ = os.Hostname(); o.SelfHostname == "" {
			o.SelfHostname = "newterms"
		}
	}
	if o.Address.TLS {
		if _, err := o.tlsConfig(); err != nil {
			return nil, err
		}
	}
	return &Forward{opts: o}, nil
}

// Name implements Sink.
func (s *Forward) Name() string { return "forward to " + s.opts.Address.String() }

// Deliver implements Sink. Consecutive alerts of one tag go in one message. A
// message that the server refuses is halved, until an alert is alone: the
// others must not wait for it.
func (s *Forward) Deliver(ctx context.Context, records []Record) (int, error) {
	done, most := 0, len(records)
	for done < len(records) {
		n := min(batch(records[done:]), most)
		err := s.deliver(ctx, records[done:done+n])
		switch {
		case err == nil:
			done += n
			most = 2 * n
		case errors.Is(err, errGone) && n > 1:
			most = n / 2
		case errors.Is(err, errGone):
			return done, fmt.Errorf("cannot forward to %s: %w: %w", s.opts.Address, ErrRefused, err)
		default:
			return done, fmt.Errorf("cannot forward to %s: %w", s.opts.Address, err)
		}
	}
	return done, nil
}

// batch returns how many of the records go in the next message.
func batch(records []Record) int {
	n, size := 1, len(records[0].Body)
	for n < len(records) && records[n].Tag == records[0].Tag {
		if size += len(records[n].Body); size > limits.ForwardMessageBytes {
			break
		}
		n++
	}
	return n
}

// deliver sends records of one tag as one message. The server may have closed
// a connection since it was last used, as servers and what is between do with
// idle ones: the message then goes over a new one. Should it have arrived the
// first time, it arrives twice.
func (s *Forward) deliver(ctx context.Context, records []Record) error {
	s.entries = s.entries[:0]
	for i := range records {
		s.entries = appendForward(s.entries, &records[i])
	}
	if s.session != nil {
		err := s.post(ctx, records[0].Tag, len(records))
		if !errors.Is(err, errGone) {
			return err
		}
	}
	var err error
	if s.session, err = s.connect(ctx); err != nil {
		return err
	}
	return s.post(ctx, records[0].Tag, len(records))
}

// appendForward appends an alert as an entry. One that is no JSON object, as
// after damage to the disk, goes as text: it must neither be lost nor be in
// the way of the others.
func appendForward(dst []byte, r *Record) []byte {
	entry, err := AppendEntry(dst, r.Time, r.Body)
	if err == nil {
		return entry
	}
	dst = msgp.AppendArrayHeader(dst, 2)
	dst = appendEventTime(dst, time.UnixMilli(r.Time))
	dst = msgp.AppendMapHeader(dst, 2)
	dst = msgp.AppendString(dst, "error.message")
	dst = msgp.AppendString(dst, "this alert cannot be read: "+err.Error())
	dst = msgp.AppendString(dst, "event.original")
	return msgp.AppendStringFromBytes(dst, r.Body)
}

// post sends the entries over the session, which does not outlive an error:
// nobody knows what the server would answer to next.
func (s *Forward) post(ctx context.Context, tag string, n int) error {
	release := s.session.guard(ctx)
	var err error
	s.buf, err = s.session.post(s.buf, tag, s.entries, n)
	if cause := release(); cause != nil {
		err = cause
	}
	if err != nil {
		_ = s.session.raw.Close()
		s.session = nil
	}
	return err
}

// guard closes the session when ctx ends, which ends whatever waits for it.
// release says whether that happened.
func (s *session) guard(ctx context.Context) (release func() error) {
	stop := context.AfterFunc(ctx, func() { _ = s.raw.Close() })
	return func() error {
		if stop() {
			return nil
		}
		return context.Cause(ctx)
	}
}

// connect opens a session.
func (s *Forward) connect(ctx context.Context) (*session, error) {
	o := &s.opts
	dialing, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(dialing, o.Address.network, o.Address.address)
	if err != nil {
		return nil, err
	}
	n := &session{conn: raw, raw: raw, timeout: o.Timeout}
	if o.Address.TLS {
		err = n.encrypt(dialing, o)
	}
	if err == nil && o.SharedKey != "" {
		release := n.guard(ctx)
		err = n.handshake(o)
		if cause := release(); cause != nil {
			err = cause
		}
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return n, nil
}

// encrypt begins TLS.
func (s *session) encrypt(ctx context.Context, o *ForwardOptions) error {
	config, err := o.tlsConfig()
	if err != nil {
		return err
	}
	conn := tls.Client(s.raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w%s", err, tlsHint(err))
	}
	s.conn = conn
	return nil
}

// tlsHint says what to do about a certificate that is refused.
func tlsHint(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return "; set alert_forward_tls_ca_file to the certificate of the authority that has signed the server's"
	case errors.As(err, &name):
		return "; set alert_forward_tls_vhost to a name that is in the server's certificate"
	}
	return ""
}

// Close implements Sink.
func (s *Forward) Close() error {
	if s.session != nil {
		_ = s.session.conn.Close() // what was to be said is acknowledged
		s.session = nil
	}
	return nil
}
