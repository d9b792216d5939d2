package sink

import (
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/IBM/fluent-forward-go/fluent/protocol"
	"github.com/tinylib/msgp/msgp"
)

// server is the other side of the forward protocol, made of the messages of
// another implementation of it.
type server struct {
	t  *testing.T
	l  net.Listener
	wg sync.WaitGroup

	key, user, password string

	// limit is how many bytes of a message the server takes before it closes
	// the connection, as a Fluent Bit does at Buffer_Max_Size; 0: any.
	limit int

	// on decides what is done with the message of that number, from 0, over
	// all connections; nil acknowledges all.
	on func(n int) action

	mu       sync.Mutex
	tags     []string
	entries  [][]any // the records of each message
	sessions int
	refused  int
	conns    []net.Conn
}

// action is what the server does with a message.
type action int

const (
	acknowledge action = iota
	acknowledgeInPieces
	acknowledgeLate // after the other side has given up
	ignore
	wrongChunk
	hangUpBefore // close instead of answering
	hangUpAfter  // acknowledge, then close
	rubbish
	halfAnAnswer
	flood // an answer that does not end
)

func serve(t *testing.T, l net.Listener, set func(s *server)) *server {
	t.Helper()
	s := &server{t: t, l: l}
	if set != nil {
		set(s)
	}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.sessions++
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.wg.Go(func() { s.session(c) })
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	s.l.Close()
	s.hangUp()
	s.wg.Wait()
}

// hangUp closes the connections that there are.
func (s *server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *server) session(c net.Conn) {
	defer c.Close()
	in := &limitedReader{Conn: c, left: -1}
	r, w := msgp.NewReader(in), msgp.NewWriter(c)
	if s.key != "" && !s.handshake(r, w) {
		s.mu.Lock()
		s.refused++
		s.mu.Unlock()
		return
	}
	for {
		if s.limit > 0 {
			in.left = s.limit
		}
		var m protocol.PackedForwardMessage
		if err := m.DecodeMsg(r); err != nil {
			return
		}
		if m.Options == nil || m.Options.Chunk == "" || m.Options.Size == nil {
			s.t.Errorf("a message without a chunk or a size: %+v", m.Options)
			return
		}
		records := s.read(&m)
		s.mu.Lock()
		n := len(s.tags)
		s.tags, s.entries = append(s.tags, m.Tag), append(s.entries, records)
		s.mu.Unlock()
		if !s.answer(c, n, m.Options.Chunk) {
			return
		}
	}
}

// limitedReader ends when it has read a number of bytes; never if that is
// negative.
type limitedReader struct {
	net.Conn
	left int
}

func (r *limitedReader) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.left > 0 {
		b = b[:min(len(b), r.left)]
	}
	n, err := r.Conn.Read(b)
	if r.left > 0 {
		r.left -= n
	}
	return n, err
}

// read takes a message's entries apart.
func (s *server) read(m *protocol.PackedForwardMessage) []any {
	var list protocol.EntryList
	if _, err := list.UnmarshalPacked(m.EventStream); err != nil {
		s.t.Errorf("the entries cannot be read: %v", err)
	}
	if len(list) != *m.Options.Size {
		s.t.Errorf("%d entries, but the size says %d", len(list), *m.Options.Size)
	}
	var records []any
	for _, e := range list {
		records = append(records, e.Record)
	}
	return records
}

func (s *server) answer(c net.Conn, n int, chunk string) bool {
	do := acknowledge
	if s.on != nil {
		do = s.on(n)
	}
	ack, _ := (&protocol.AckMessage{Ack: chunk}).MarshalMsg(nil)
	switch do {
	case acknowledge:
		c.Write(ack)
	case acknowledgeInPieces:
		for i := range ack {
			c.Write(ack[i : i+1])
			time.Sleep(time.Millisecond)
		}
	case acknowledgeLate:
		time.Sleep(3 * shortTimeout)
		c.Write(ack)
	case wrongChunk:
		ack, _ := (&protocol.AckMessage{Ack: "another"}).MarshalMsg(nil)
		c.Write(ack)
	case hangUpBefore:
		return false
	case hangUpAfter:
		c.Write(ack)
		return false
	case rubbish:
		c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	case halfAnAnswer:
		c.Write(ack[:len(ack)/2])
		return false
	case flood:
		c.Write([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}) // an array of four thousand million
		for range 100 {
			if _, err := c.Write(make([]byte, 4096)); err != nil {
				return false
			}
		}
	}
	return true
}

func (s *server) handshake(r *msgp.Reader, w *msgp.Writer) bool {
	// Salts are text, as Fluent Bit and Fluentd write them.
	const nonce, auth = "0123456789abcdef", "salt"
	hello := msgp.AppendArrayHeader(nil, 2)
	hello = msgp.AppendString(hello, "HELO")
	hello = msgp.AppendMapHeader(hello, 3)
	hello = msgp.AppendString(msgp.AppendString(hello, "nonce"), nonce)
	hello = msgp.AppendString(msgp.AppendString(hello, "auth"), auth)
	hello = msgp.AppendBool(msgp.AppendString(hello, "keepalive"), true)
	if w.Append(hello...) != nil || w.Flush() != nil {
		return false
	}
	msg, err := r.ReadIntf()
	if err != nil {
		return false
	}
	var texts []string
	list, _ := msg.([]any)
	for _, val := range list {
		text, _ := val.(string)
		texts = append(texts, text)
	}
	if len(texts) != 6 || texts[0] != "PING" {
		return false // a client that has no key
	}
	if texts[2] == "" {
		s.t.Errorf("the salt of %q is not text", texts)
	}
	ping := protocol.Ping{ClientHostname: texts[1], SharedKeySalt: []byte(texts[2]), SharedKeyHexDigest: texts[3], Username: texts[4], Password: texts[5]}
	reason := ""
	if protocol.ValidatePingDigest(&ping, []byte(s.key), []byte(nonce)) != nil {
		reason = "shared_key mismatch"
	}
	sum := sha512.Sum512([]byte(auth + s.user + s.password))
	if s.user != "" && (ping.Username != s.user || ping.Password != hex.EncodeToString(sum[:])) {
		reason = "username/password mismatch"
	}
	pong, err := protocol.NewPong(reason == "", reason, "server", []byte(s.key), protocol.NewHelo(&protocol.HeloOpts{Nonce: []byte(nonce)}), &ping)
	if err != nil || pong.EncodeMsg(w) != nil || w.Flush() != nil {
		return false
	}
	return reason == ""
}

// got returns the tags of the messages, and the id of each record in them.
func (s *server) got() (tags []string, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, records := range s.entries {
		for _, r := range records {
			fields, _ := r.(map[string]any)
			ids = append(ids, fmt.Sprint(fields["id"]))
		}
	}
	return slices.Clone(s.tags), ids
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
