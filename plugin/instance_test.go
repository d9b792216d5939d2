package main

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// space is an address space made by hand: blocks of bytes at addresses.
type space struct {
	blocks map[uint64][]byte
	next   uint64
}

func newSpace() *space { return &space{map[uint64][]byte{}, 0x7f00_0000_0000} }

// read reads within one block, as far as it goes.
func (s *space) read(addr uint64, p []byte) int {
	for at, b := range s.blocks {
		if addr >= at && addr < at+uint64(len(b)) {
			return copy(p, b[addr-at:])
		}
	}
	return 0
}

func (s *space) put(b []byte) uint64 {
	at := s.next
	s.blocks[at] = b
	s.next += 0x10000
	return at
}

func word(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

// sds puts a string as Fluent Bit keeps it; size and room are what its header
// claims.
func (s *space) sds(text string, size, room int) uint64 {
	b := append(word(uint64(size)), word(uint64(room))...)
	return s.put(append(append(b, text...), 0)) + 16
}

func (s *space) text(text string) uint64 { return s.sds(text, len(text), len(text)) }

func (s *space) regex() uint64 { return s.put(word(s.put(word(7)))) }

const contextAddress = 0x5500_0000_1230

// instance puts an instance structure: its name, its alias, 6 words of
// whatever, the context, and then the words after.
func (s *space) instance(name string, alias uint64, after ...uint64) uint64 {
	b := make([]byte, 100)
	field := make([]byte, nameBytes)
	copy(field, name)
	b = append(append(b, field...), 0, 0, 0, 0) // to 8 bytes
	b = append(b, word(alias)...)
	b = append(b, make([]byte, 48)...)
	b = append(b, word(contextAddress)...)
	for _, w := range after {
		b = append(b, word(w)...)
	}
	return s.put(append(b, make([]byte, 64)...))
}

// ints is two of the structure's ints in a word.
func ints(low, high int32) uint64 { return uint64(uint32(low)) | uint64(uint32(high))<<32 }

func TestMatchIsFound(t *testing.T) {
	s := newSpace()
	match, regex := s.text("kube.*"), s.regex()
	tests := []struct {
		name  string
		after []uint64
		want  matchRule
	}{
		{"5.1", []uint64{ints(1, 0), ints(0, 0), match, 0}, matchRule{text: "kube.*"}},
		{"5.1 with TLS", []uint64{ints(1, 1), ints(1, 0), match, 0}, matchRule{text: "kube.*"}},
		{"5.1, retries without limit", []uint64{ints(-1, 1), ints(0, 0), match, 0}, matchRule{text: "kube.*"}},
		{"5.0 and before", []uint64{ints(1, 0), match, 0}, matchRule{text: "kube.*"}},
		{"5.0 with TLS, without limit", []uint64{ints(-1, 1), match, 0}, matchRule{text: "kube.*"}},
		{"both", []uint64{ints(1, 0), match, regex}, matchRule{text: "kube.*"}},
		{"a regex, 5.1", []uint64{ints(1, 0), ints(0, 0), 0, regex}, matchRule{regex: true}},
		{"a regex, 5.0", []uint64{ints(1, 1), 0, regex}, matchRule{regex: true}},
		{"neither", []uint64{ints(1, 0), ints(0, 0), 0, 0}, matchRule{}},
		{"neither, and a host name later", []uint64{ints(1, 0), 0, 0, ints(1, 1), s.text("host")}, matchRule{}},
		{"a star", []uint64{ints(1, 0), s.text("*"), 0}, matchRule{text: "*"}},
		{"beyond ASCII", []uint64{ints(1, 0), s.text("журнал.*"), 0}, matchRule{text: "журнал.*"}},
		{"room to grow", []uint64{ints(1, 0), s.sds("kube", 4, 64), 0}, matchRule{text: "kube"}},
		{"size beyond room", []uint64{ints(1, 0), s.sds("kube", 4, 3), 0}, matchRule{}},
		{"size beyond the text", []uint64{ints(1, 0), s.sds("kube", 5, 9), 0}, matchRule{}},
		{"size below the text", []uint64{ints(1, 0), s.sds("kube", 3, 9), 0}, matchRule{}},
		{"empty", []uint64{ints(1, 0), s.text(""), 0}, matchRule{}},
		{"control characters", []uint64{ints(1, 0), s.text("a\nb"), 0}, matchRule{}},
		{"not UTF-8", []uint64{ints(1, 0), s.text("a\xffb"), 0}, matchRule{}},
		{"too long", []uint64{ints(1, 0), s.text(strings.Repeat("a", maxText+1)), 0}, matchRule{}},
		{"another structure first", []uint64{ints(1, 0), s.regex(), match}, matchRule{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := readInstance(s.read, s.instance("newterms.0", 0, test.after...), contextAddress)
			if got := in.match(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestTagIsFound(t *testing.T) {
	s := newSpace()
	plugin, tag := s.put(make([]byte, 256)), s.text("alert.in")
	tests := []struct {
		name  string
		after []uint64
		want  string
	}{
		{"usual", []uint64{ints(8, 9), plugin, tag, ints(8, 0)}, "alert.in"},
		{"default", []uint64{ints(8, 9), plugin, tag, ints(8, 1)}, "alert.in"},
		{"another length", []uint64{ints(8, 9), plugin, tag, ints(7, 0)}, ""},
		{"none", []uint64{ints(8, 9), plugin, 0, ints(0, 0)}, ""},
		{"one more word", []uint64{ints(8, 9), ints(3, 4), plugin, tag, ints(8, 0)}, "alert.in"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := readInstance(s.read, s.instance("newterms_alerts.1", 0, test.after...), contextAddress)
			if got := in.tag(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestNameIsFound(t *testing.T) {
	s := newSpace()
	tests := []struct {
		name  string
		field string
		alias uint64
		want  instanceName
	}{
		{"numbered", "newterms.0", 0, instanceName{"newterms.0", ""}},
		{"with an alias", "newterms.12", s.text("audit"), instanceName{"newterms.12", "audit"}},
		{"another plugin", "stdout.0", 0, instanceName{}},
		{"a longer name", "newterms_alerts.0", 0, instanceName{}},
		{"no number", "newterms.x", 0, instanceName{}},
		{"no end", "newterms." + strings.Repeat("1", 40), 0, instanceName{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := readInstance(s.read, s.instance(test.field, test.alias), contextAddress)
			if got := in.name("newterms"); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestNothingIsFoundWithoutAnchor(t *testing.T) {
	s := newSpace()
	at := s.instance("newterms.0", 0, ints(1, 0), s.text("kube.*"))
	for name, in := range map[string]instanceMemory{
		"another context": readInstance(s.read, at, contextAddress+8),
		"no context":      readInstance(s.read, at, 0),
		"no instance":     readInstance(s.read, 0, contextAddress),
		"no memory":       readInstance(func(uint64, []byte) int { return 0 }, at, contextAddress),
	} {
		if in.match() != (matchRule{}) || in.tag() != "" || in.name("newterms") != (instanceName{}) {
			t.Errorf("%s: something was found", name)
		}
	}
}

// TestRandomMemory: whatever the words after the anchor are, what is found is
// one of the texts that are there.
func TestRandomMemory(t *testing.T) {
	s := newSpace()
	r := rand.New(rand.NewPCG(1, 2))
	texts := map[string]bool{"": true, "kube.*": true, "a": true}
	words := []uint64{0, 1, ^uint64(0), contextAddress, minPointer, maxPointer - 1, s.regex(),
		s.text("kube.*"), s.text("a"), s.sds("bad", 9, 1), s.put([]byte("bare")), ints(1, 1)}
	for range 5000 {
		after := make([]uint64, r.IntN(12))
		for i := range after {
			after[i] = words[r.IntN(len(words))] + uint64(r.IntN(2)*r.IntN(16))
		}
		in := readInstance(s.read, s.instance("newterms.0", 0, after...), contextAddress)
		if got := in.match(); !texts[got.text] {
			t.Fatalf("%x: found %q", after, got.text)
		}
		if got := in.tag(); !texts[got] {
			t.Fatalf("%x: found %q", after, got)
		}
		delete(s.blocks, s.next-0x10000)
	}
}

func TestOwnMemory(t *testing.T) {
	text := []byte("some bytes of this process")
	at := uint64(uintptr(unsafe.Pointer(&text[0])))
	got := make([]byte, len(text))
	if n := ownMemory(at, got); n != len(text) || string(got) != string(text) {
		t.Errorf("read %d bytes, %q", n, got)
	}
	for _, bad := range []uint64{0, 8, 1 << 47, 1<<64 - 8} {
		if n := ownMemory(bad, got); n != 0 {
			t.Errorf("read %d bytes at %#x", n, bad)
		}
	}
}
