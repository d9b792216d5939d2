package sink

import (
	"errors"

	"github.com/tinylib/msgp/msgp"
)

// Messages of a server, read from bytes that are one whole msgpack value. The
// results share the bytes.

// helo begins a handshake.
type helo struct {
	nonce []byte
	auth  []byte // the salt of passwords
}

// pong ends a handshake.
type pong struct {
	admitted bool
	reason   []byte // why not
	hostname []byte
	digest   []byte
}

var (
	errNotHelo = errors.New("the server's first message is not the HELO of a handshake")
	errNotPong = errors.New("the server's answer is not the PONG of a handshake")
	errNotAck  = errors.New("the server's answer is not an acknowledgement")
	errKey     = errors.New("the server wants a shared key; give it")
)

func readHelo(b []byte) (h helo, err error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n < 1 {
		return h, errNotHelo
	}
	kind, b, err := readText(b)
	if err != nil || string(kind) != "HELO" {
		return h, errNotHelo
	}
	if n == 1 || msgp.NextType(b) == msgp.NilType {
		return h, nil
	}
	err = eachPair(b, func(key, val []byte) (err error) {
		switch string(key) {
		case "nonce":
			h.nonce, _, err = readText(val)
		case "auth":
			h.auth, _, err = readText(val)
		}
		return err
	})
	if err != nil {
		return h, errNotHelo
	}
	return h, nil
}

func readPong(b []byte) (p pong, err error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n < 3 {
		return p, errNotPong
	}
	kind, b, err := readText(b)
	if err != nil || string(kind) != "PONG" {
		return p, errNotPong
	}
	if p.admitted, b, err = msgp.ReadBoolBytes(b); err != nil {
		return p, errNotPong
	}
	for i, field := range []*[]byte{&p.reason, &p.hostname, &p.digest} {
		if uint32(i+2) >= n {
			break
		}
		if *field, b, err = readText(b); err != nil {
			return p, errNotPong
		}
	}
	p.reason = p.reason[:min(len(p.reason), 200)]
	return p, nil
}

// readAck returns the chunk that a server has taken.
func readAck(b []byte) (chunk []byte, err error) {
	if msgp.NextType(b) == msgp.ArrayType {
		if _, err := readHelo(b); err == nil {
			return nil, errKey
		}
	}
	err = eachPair(b, func(key, val []byte) (err error) {
		if string(key) == "ack" {
			chunk, _, err = readText(val)
		}
		return err
	})
	if err != nil || chunk == nil {
		return nil, errNotAck
	}
	return chunk, nil
}

// eachPair calls f with every pair of a map; val is the value and what
// follows it.
func eachPair(b []byte, f func(key, val []byte) error) error {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		var key []byte
		if key, b, err = readText(b); err != nil {
			return err
		}
		if err = f(key, b); err != nil {
			return err
		}
		if b, err = msgp.Skip(b); err != nil {
			return err
		}
	}
	return nil
}

// readText reads a str or a bin: servers differ in which of them they write
// salts as. nil stands for "".
func readText(b []byte) (text, rest []byte, err error) {
	switch msgp.NextType(b) {
	case msgp.BinType:
		return msgp.ReadBytesZC(b)
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(b)
		return nil, rest, err
	}
	return msgp.ReadStringZC(b)
}
