package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"fluent-bit-newterms/detector/limits"
)

// shortTimeout is that of tests that want a step to take too long.
const shortTimeout = 100 * time.Millisecond

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// alerts returns n alerts under the tags, in turn; their ids count up.
func alerts(n int, tags ...string) []Record {
	list := make([]Record, n)
	for i := range list {
		list[i] = Record{
			ID: uint64(i + 1), Tag: tags[i%len(tags)], Time: 1_700_000_000_123 + int64(i),
			Body: fmt.Appendf(nil, `{"id":%d,"user":{"name":"ünïcode \u0000 %[1]d"},"list":[1,-2,3.5,true,null,"x"],"big":18446744073709551615}`, i+1),
		}
	}
	return list
}

func open(t *testing.T, o ForwardOptions, address string) *Forward {
	t.Helper()
	var err error
	if o.Address, err = ParseForwardAddress(address); err != nil {
		t.Fatal(err)
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	s, err := NewForward(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// deliver delivers records as the outbox does: what did not arrive again,
// until all has, with at most the tries given.
func deliver(t *testing.T, s Sink, records []Record, tries int) (errs []error) {
	t.Helper()
	for ; len(records) > 0 && tries > 0; tries-- {
		n, err := s.Deliver(t.Context(), records)
		if err == nil && n != len(records) {
			t.Fatalf("%d of %d records arrived, and no error", n, len(records))
		}
		if err != nil {
			errs = append(errs, err)
		}
		records = records[n:]
	}
	if len(records) > 0 {
		t.Errorf("%d records did not arrive: %v", len(records), errs)
	}
	return errs
}

func want(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(i + 1)
	}
	return ids
}

func TestForward(t *testing.T) {
	l := listen(t)
	srv := serve(t, l, nil)
	s := open(t, ForwardOptions{}, "tcp://"+l.Addr().String())
	records := alerts(10, "alert.x")
	records[4].Tag, records[5].Tag = "alert.y", "alert.y"
	deliver(t, s, records, 1)
	tags, ids := srv.got()
	if !slices.Equal(tags, []string{"alert.x", "alert.y", "alert.x"}) {
		t.Errorf("messages under %q", tags)
	}
	if !slices.Equal(ids, want(10)) {
		t.Errorf("records %q", ids)
	}
	if srv.sessions != 1 {
		t.Errorf("%d connections", srv.sessions)
	}
}

// TestForwardSplits has more in a batch than goes into one message.
func TestForwardSplits(t *testing.T) {
	l := listen(t)
	srv := serve(t, l, nil)
	s := open(t, ForwardOptions{}, "tcp://"+l.Addr().String())
	records := alerts(5, "alert.x")
	for i := range records {
		records[i].Body = fmt.Appendf(nil, `{"id":%d,"pad":%q}`, i+1, strings.Repeat("x", limits.ForwardMessageBytes/2-100))
	}
	deliver(t, s, records, 1)
	if tags, ids := srv.got(); len(tags) != 3 || !slices.Equal(ids, want(5)) {
		t.Errorf("%d messages with records %q, want 3 with all", len(tags), ids)
	}
}

func TestForwardUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := serve(t, l, nil)
	deliver(t, open(t, ForwardOptions{}, "unix://"+path), alerts(3, "alert.x"), 1)
	if _, ids := srv.got(); !slices.Equal(ids, want(3)) {
		t.Errorf("records %q", ids)
	}
}

// TestForwardTroubles has the server misbehave once: the error says how, and
// the next try goes well.
func TestForwardTroubles(t *testing.T) {
	for _, test := range []struct {
		name   string
		do     action
		says   string // "" if it is no trouble
		copies int    // of the alert that the server has in the end
	}{
		{"pieces", acknowledgeInPieces, "", 1},
		{"late", acknowledgeLate, "no answer within 100ms", 2},
		{"never", ignore, "no answer within 100ms", 2},
		{"wrong chunk", wrongChunk, "acknowledged something else", 2},
		{"closes", hangUpBefore, "the connection was closed by the server", 2},
		{"closes after", hangUpAfter, "", 1},
		{"rubbish", rubbish, "not an acknowledgement", 2},
		{"half an answer", halfAnAnswer, "in the middle of a message", 2},
		{"flood", flood, "does not end", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := listen(t)
			srv := serve(t, l, func(s *server) {
				s.on = func(n int) action {
					if n == 0 {
						return test.do
					}
					return acknowledge
				}
			})
			s := open(t, ForwardOptions{Timeout: shortTimeout}, "tcp://"+l.Addr().String())
			errs := deliver(t, s, alerts(1, "alert.x"), 2)
			if test.says == "" && len(errs) > 0 || test.says != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), test.says)) {
				t.Errorf("errors %v, want one that says %q", errs, test.says)
			}
			if _, ids := srv.got(); len(ids) != test.copies {
				t.Errorf("%d copies of the alert, want %d", len(ids), test.copies)
			}
			// And what follows arrives, once, whatever the server still says
			// about what was before.
			time.Sleep(3 * shortTimeout)
			deliver(t, s, alerts(2, "alert.next"), 1)
			if _, ids := srv.got(); len(ids) != test.copies+2 {
				t.Errorf("%d records in the end, want %d", len(ids), test.copies+2)
			}
		})
	}
}

// TestForwardRefused has a server that closes the connection at messages over a
// size: what is smaller arrives, once, and the first alert that is too long by
// itself is named. The tries grow with the logarithm of the alerts.
func TestForwardRefused(t *testing.T) {
	l := listen(t)
	srv := serve(t, l, func(s *server) { s.limit = 20_000 })
	s := open(t, ForwardOptions{}, "tcp://"+l.Addr().String())
	records := alerts(300, "alert.x") // over the limit together
	records[200].Body = fmt.Appendf(nil, `{"id":201,"long":%q}`, strings.Repeat("x", 30_000))
	n, err := s.Deliver(t.Context(), records)
	if n != 200 || !errors.Is(err, ErrRefused) {
		t.Fatalf("%d arrived, %v; want 200 and ErrRefused", n, err)
	}
	if n, err := s.Deliver(t.Context(), records[201:]); n != 99 || err != nil {
		t.Fatalf("%d of those behind it arrived, %v; want 99", n, err)
	}
	if _, ids := srv.got(); !slices.Equal(ids, slices.Delete(want(300), 200, 201)) {
		t.Errorf("records %q", ids)
	}
	if srv.sessions > 50 {
		t.Errorf("%d connections", srv.sessions)
	}
}

// TestForwardRefusesAll has a server that closes every connection, as a proxy
// does that has no server behind it: the alerts are kept.
func TestForwardRefusesAll(t *testing.T) {
	l := listen(t)
	serve(t, l, func(s *server) { s.on = func(int) action { return hangUpBefore } })
	s := open(t, ForwardOptions{}, "tcp://"+l.Addr().String())
	if n, err := s.Deliver(t.Context(), alerts(10, "alert.x")); n != 0 || !errors.Is(err, ErrRefused) {
		t.Errorf("%d arrived, %v", n, err)
	}
}

func TestShorten(t *testing.T) {
	long := strings.Repeat("x", limits.RefusedAlertBytes)
	for _, c := range []struct{ name, body, want string }{
		{"short", `{"a":1}`, ""},
		{"no object", `["` + long + `"]`, ""},
		{"broken", `{"a":"` + long, ""},
		{"long", `{"a":1,"kibana.alert.uuid":"u","event":{"original":"` + long + `"},"b":[1,2]}`, `{"a":1,"b":[1,2],"kibana.alert.uuid":"u","newterms.removed":["event"]}`},
		{"a long name", `{"a":1,"` + long + `":2}`, `{"a":1,"newterms.removed":["` + long[:200] + `"]}`},
	} {
		got, ok := Shorten([]byte(c.body))
		if string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s: %v, %s, want %s", c.name, ok, got, c.want)
		}
	}
}

// TestForwardPart has the second of three messages fail: the first has
// arrived, and is not sent again.
func TestForwardPart(t *testing.T) {
	l := listen(t)
	srv := serve(t, l, func(s *server) {
		s.on = func(n int) action {
			if n == 1 {
				return wrongChunk
			}
			return acknowledge
		}
	})
	s := open(t, ForwardOptions{}, "tcp://"+l.Addr().String())
	n, err := s.Deliver(t.Context(), alerts(3, "alert.a", "alert.b"))
	if n != 1 || err == nil {
		t.Fatalf("%d arrived, %v; want 1 and an error", n, err)
	}
	deliver(t, s, alerts(3, "alert.a", "alert.b")[1:], 1)
	if _, ids := srv.got(); !slices.Equal(ids, []string{"1", "2", "2", "3"}) {
		t.Errorf("records %q", ids)
	}
}

// TestForwardIdle has the server close a connection that is not in use: the
// next delivery does not notice.
func TestForwardIdle(t *testing.T) {
	l := listen(t)
	srv := serve(t, l, nil)
	s := open(t, ForwardOptions{}, "tcp://"+l.Addr().String())
	deliver(t, s, alerts(1, "alert.x"), 1)
	srv.hangUp()
	time.Sleep(50 * time.Millisecond)
	deliver(t, s, alerts(1, "alert.x"), 1)
	if _, ids := srv.got(); len(ids) != 2 || srv.sessions != 2 {
		t.Errorf("%d records over %d connections", len(ids), srv.sessions)
	}
}

// TestForwardAway has no server, and then one.
func TestForwardAway(t *testing.T) {
	l := listen(t)
	address := l.Addr().String()
	l.Close()
	s := open(t, ForwardOptions{}, "tcp://"+address)
	if n, err := s.Deliver(t.Context(), alerts(1, "alert.x")); n != 0 || err == nil || !strings.Contains(err.Error(), "tcp://"+address) {
		t.Fatalf("%d, %v", n, err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("the port is taken:", err)
	}
	serve(t, l, nil)
	deliver(t, s, alerts(1, "alert.x"), 1)
}

// TestForwardStops ends the context at each stage at which a server can keep
// a client waiting.
func TestForwardStops(t *testing.T) {
	for _, test := range []struct {
		name string
		o    ForwardOptions
		url  string
	}{
		{"acknowledgement", ForwardOptions{}, "tcp://"},
		{"handshake", ForwardOptions{SharedKey: "k"}, "tcp://"},
		{"TLS", ForwardOptions{}, "tls://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := listen(t) // nobody accepts: the kernel takes the connection, and that is all
			defer l.Close()
			test.o.Timeout = time.Minute
			s := open(t, test.o, test.url+l.Addr().String())
			ctx, cancel := context.WithTimeout(t.Context(), shortTimeout)
			defer cancel()
			began := time.Now()
			n, err := s.Deliver(ctx, alerts(1, "alert.x"))
			if n != 0 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%d, %v", n, err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestForwardTimeouts has the server keep silent at each stage.
func TestForwardTimeouts(t *testing.T) {
	for _, test := range []struct {
		name, url, says string
		o               ForwardOptions
	}{
		{"acknowledgement", "tcp://", "waiting for the acknowledgement: no answer within 100ms", ForwardOptions{}},
		{"handshake", "tcp://", "does not begin a handshake", ForwardOptions{SharedKey: "k"}},
		{"TLS", "tls://", "TLS: context deadline exceeded", ForwardOptions{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := listen(t)
			defer l.Close()
			test.o.Timeout = shortTimeout
			s := open(t, test.o, test.url+l.Addr().String())
			if _, err := s.Deliver(t.Context(), alerts(1, "alert.x")); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
}

// TestForwardFull has a server that reads nothing: the write ends too.
func TestForwardFull(t *testing.T) {
	l := listen(t)
	defer l.Close()
	s := open(t, ForwardOptions{Timeout: shortTimeout}, "tcp://"+l.Addr().String())
	records := alerts(1, "alert.x")
	records[0].Body = fmt.Appendf(nil, `{"pad":%q}`, strings.Repeat("x", 64<<20))
	if _, err := s.Deliver(t.Context(), records); err == nil || !strings.Contains(err.Error(), "sending: no answer within 100ms") {
		t.Error(err)
	}
}

func TestForwardHandshake(t *testing.T) {
	for _, test := range []struct {
		name                string
		key, user, password string // of the server
		o                   ForwardOptions
		says                string // "" if all is well
	}{
		{"shared key", "k", "", "", ForwardOptions{SharedKey: "k"}, ""},
		{"user", "k", "u", "p", ForwardOptions{SharedKey: "k", User: "u", Password: "p"}, ""},
		{"user not wanted", "k", "", "", ForwardOptions{SharedKey: "k", User: "u", Password: "p"}, ""},
		{"wrong key", "k", "", "", ForwardOptions{SharedKey: "hunter2"}, `"shared_key mismatch"`},
		{"wrong password", "k", "u", "p", ForwardOptions{SharedKey: "k", User: "u", Password: "hunter2"}, `"username/password mismatch"`},
		{"no user", "k", "u", "p", ForwardOptions{SharedKey: "k"}, "username/password mismatch"},
		{"no key", "k", "", "", ForwardOptions{}, "wants a shared key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := listen(t)
			srv := serve(t, l, func(s *server) { s.key, s.user, s.password = test.key, test.user, test.password })
			s := open(t, test.o, "tcp://"+l.Addr().String())
			n, err := s.Deliver(t.Context(), alerts(3, "alert.x"))
			if test.says == "" {
				if _, ids := srv.got(); err != nil || n != 3 || !slices.Equal(ids, want(3)) {
					t.Errorf("%d, %v, records %q", n, err, ids)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || n != 0 {
				t.Errorf("%d, %v; want an error that says %s", n, err, test.says)
			}
			if _, ids := srv.got(); len(ids) != 0 {
				t.Errorf("records %q went to a server that was not satisfied", ids)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds a secret")
			}
		})
	}
}

// TestForwardImpostor has a server that admits anybody, and does not know the
// key: nothing is sent to it.
func TestForwardImpostor(t *testing.T) {
	l := listen(t)
	defer l.Close()
	got := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		// Salts as text, as Fluentd writes an empty one.
		hello := msgp.AppendArrayHeader(nil, 2)
		hello = msgp.AppendString(hello, "HELO")
		hello = msgp.AppendMapHeader(hello, 2)
		hello = msgp.AppendString(msgp.AppendString(hello, "nonce"), "nonce")
		hello = msgp.AppendString(msgp.AppendString(hello, "auth"), "")
		c.Write(hello)
		buf := make([]byte, 4096)
		c.Read(buf)
		pong := msgp.AppendBool(msgp.AppendString(msgp.AppendArrayHeader(nil, 5), "PONG"), true)
		c.Write(msgp.AppendString(msgp.AppendString(msgp.AppendString(pong, ""), "server"), digest([]byte("guess"))))
		n, _ := c.Read(buf)
		got <- n
	}()
	s := open(t, ForwardOptions{SharedKey: "k"}, "tcp://"+l.Addr().String())
	if _, err := s.Deliver(t.Context(), alerts(1, "alert.x")); err == nil || !strings.Contains(err.Error(), "does not know the shared key") {
		t.Error(err)
	}
	if n := <-got; n != 0 {
		t.Errorf("%d bytes went to it", n)
	}
}

// TestForwardUnreadable has an alert that is no JSON among others: it comes as
// text.
func TestForwardUnreadable(t *testing.T) {
	l := listen(t)
	srv := serve(t, l, nil)
	s := open(t, ForwardOptions{}, "tcp://"+l.Addr().String())
	records := alerts(3, "alert.x")
	records[1].Body = []byte(`{"id":`)
	deliver(t, s, records, 1)
	if _, ids := srv.got(); !slices.Equal(ids, []string{"1", "<nil>", "3"}) {
		t.Fatalf("records %q", ids)
	}
	if fields, _ := srv.entries[0][1].(map[string]any); fields["event.original"] != `{"id":` {
		t.Errorf("the text is not there: %v", fields)
	}
}

func TestParseForwardAddress(t *testing.T) {
	for _, test := range []struct{ in, out, err string }{
		{"tcp://host:1", "tcp://host:1", ""},
		{"tcp://host", "tcp://host:24224", ""},
		{"tcp://host/", "tcp://host:24224", ""},
		{"TLS://host:24225", "tls://host:24225", ""},
		{"tcp://[::1]:5", "tcp://[::1]:5", ""},
		{"tcp://[::1]", "tcp://[::1]:24224", ""},
		{"unix:///run/x.sock", "unix:///run/x.sock", ""},
		{"unix:///run/a@b.sock", "unix:///run/a@b.sock", ""},
		{"host:1", "", "tcp://host:port"},
		{"http://host:1", "", `"http" is no kind of address`},
		{"unix://run/x.sock", "", "begins with a slash"},
		{"tcp://", "", "there is no host"},
		{"tcp://:1", "", "there is no host"},
		{"tcp://::1:5", "", "brackets"},
		{"tcp://host:0", "", "from 1 to 65535"},
		{"tcp://host:x", "", "from 1 to 65535"},
		{"tcp://host:1/path", "", "nothing may follow"},
		{"tcp://user:hunter2@host:1", "", "neither a user nor a password"},
	} {
		a, err := ParseForwardAddress(test.in)
		if test.err == "" {
			if err != nil || a.String() != test.out {
				t.Errorf("%s: %s, %v; want %s", test.in, a, err, test.out)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want an error that says %q", test.in, err, test.err)
		}
	}
}

func TestForwardLocal(t *testing.T) {
	for address, local := range map[string]bool{
		"tcp://127.0.0.1:1": true, "tls://localhost": true, "tcp://[::1]": true, "unix:///x": true,
		"tcp://10.0.0.1": false, "tcp://aggregator:24224": false,
	} {
		a, err := ParseForwardAddress(address)
		if err != nil || a.Local() != local {
			t.Errorf("%s: %v, %v", address, a.Local(), err)
		}
	}
}

// TestSecret prints options in every way that log lines are made.
func TestSecret(t *testing.T) {
	o := ForwardOptions{SharedKey: "hunter2", Password: "hunter2"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, o) + fmt.Sprintf(verb, &o) + fmt.Sprintf(verb, o.SharedKey); strings.Contains(text, "hunter2") {
			t.Errorf("%s shows the secret: %s", verb, text)
		}
	}
}

// FuzzAnswers reads whatever a server may say.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0x81, 0xa3, 'a', 'c', 'k', 0xa1, 'x'})
	f.Add(append([]byte{0x92, 0xa4, 'H', 'E', 'L', 'O', 0x81, 0xa5}, "nonce\xc4\x02ab"...))
	f.Add(append([]byte{0x95, 0xa4, 'P', 'O', 'N', 'G', 0xc3, 0xa0, 0xa1}, "h\xa1d"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if chunk, err := readAck(b); (err == nil) != (chunk != nil) {
			t.Errorf("an acknowledgement of %q, and %v", chunk, err)
		}
		if p, err := readPong(b); err == nil && len(p.reason) > 200 {
			t.Errorf("a reason of %d bytes", len(p.reason))
		}
		_, _ = readHelo(b)
	})
}
