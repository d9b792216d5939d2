package main

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// receiver is a server of the forward protocol that behaves as it is told.
type receiver struct {
	address string

	mu       sync.Mutex
	mood     mood
	listener net.Listener
	conns    map[net.Conn]bool
	got      []alert // in the order of their arrival
	work     sync.WaitGroup
}

// mood is how a receiver treats those who connect.
type mood int

const (
	down    mood = iota // nobody listens
	slow                // reads a little at a time, and never answers
	hangsUp             // closes the connection in the middle of a message
	well                // takes messages and acknowledges them
)

var moods = [...]string{"down", "slow", "hanging up", "well"}

func newReceiver() (*receiver, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return &receiver{address: "127.0.0.1:" + port, conns: make(map[net.Conn]bool)}, nil
}

// be changes the mood. Connections of the old one are closed.
func (r *receiver) be(m mood) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mood = m
	if r.listener != nil {
		_ = r.listener.Close()
		r.listener = nil
	}
	for c := range r.conns {
		_ = c.Close()
	}
	if m == down {
		return nil
	}
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		return err
	}
	r.listener = l
	r.work.Go(func() { r.accept(l, m) })
	return nil
}

// stop ends the receiver.
func (r *receiver) stop() {
	_ = r.be(down)
	r.work.Wait()
}

// alerts returns what has arrived so far.
func (r *receiver) alerts() []alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]alert(nil), r.got...)
}

func (r *receiver) accept(l net.Listener, m mood) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.conns[conn] = true
		r.mu.Unlock()
		r.work.Go(func() {
			r.serve(conn, m)
			_ = conn.Close()
			r.mu.Lock()
			delete(r.conns, conn)
			r.mu.Unlock()
		})
	}
}

func (r *receiver) serve(conn net.Conn, m mood) {
	switch m {
	case slow:
		one := make([]byte, 64)
		for {
			if _, err := conn.Read(one); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	case hangsUp:
		_, _ = conn.Read(make([]byte, 300))
	case well:
		_ = r.take(conn)
	}
}

// take reads messages and acknowledges each when it is noted.
func (r *receiver) take(conn net.Conn) error {
	in := msgp.NewReader(bufio.NewReader(conn))
	for {
		message, err := in.ReadIntf()
		if err != nil {
			return err
		}
		parts, ok := message.([]any)
		if !ok || len(parts) < 2 {
			return fmt.Errorf("%T is no message", message)
		}
		entries, ok := parts[1].([]any)
		if !ok {
			packed, _ := parts[1].([]byte)
			for len(packed) > 0 {
				var entry any
				if entry, packed, err = msgp.ReadIntfBytes(packed); err != nil {
					return err
				}
				entries = append(entries, entry)
			}
		}
		r.note(entries)
		option, _ := parts[len(parts)-1].(map[string]any)
		if chunk, ok := option["chunk"]; ok {
			answer, err := msgp.AppendIntf(nil, map[string]any{"ack": chunk})
			if err != nil {
				return err
			}
			if _, err := conn.Write(answer); err != nil {
				return err
			}
		}
	}
}

// note keeps the alerts of a message.
func (r *receiver) note(entries []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		entry, _ := e.([]any)
		if len(entry) != 2 {
			continue
		}
		body, _ := entry[1].(map[string]any)
		var a alert
		a.UUID, _ = body["kibana.alert.uuid"].(string)
		terms, _ := body["kibana.alert.new_terms"].([]any)
		for _, t := range terms {
			a.Terms = append(a.Terms, fmt.Sprint(t))
		}
		r.got = append(r.got, a)
	}
}
