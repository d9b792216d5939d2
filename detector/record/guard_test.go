//go:build linux

package record

import (
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/tinylib/msgp/msgp"
)

// guarded returns room for up to n bytes that end where memory does: who reads
// the byte after them, or one long before them, ends the process.
func guarded(t testing.TB, n int) (room []byte) {
	t.Helper()
	page := syscall.Getpagesize()
	n = (n + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, n+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(all) })
	for _, guard := range [][]byte{all[:page], all[page+n:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Skip(err)
		}
	}
	return all[page : page+n]
}

// within tells whether the bytes of s lie in b.
func within(s string, b []byte) bool {
	if s == "" {
		return true
	}
	at, from := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return at >= from && at+uintptr(len(s)) <= from+uintptr(len(b))
}

// guardedScan scans bytes that end where memory does, by a View that has read
// others, and by one that has read none.
func guardedScan(t testing.TB, room []byte, layouts []*Layout, used []*View, b []byte) {
	t.Helper()
	at := room[len(room)-len(b):]
	copy(at, b)
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%x: %v", b, p)
		}
	}()
	for k, l := range layouts {
		used[k].Reset()
		n, err := l.ScanMsgpack(at, used[k])
		for i := 1; i < len(used[k].cells); i++ {
			if c := &used[k].cells[i]; !within(c.Str, at) {
				t.Fatalf("%x: a value of slot %d lies outside", b, c.slot)
			}
		}
		fresh := l.NewView(0, nil)
		want, wantErr := l.ScanMsgpack(at, fresh)
		if n != want || (err == nil) != (wantErr == nil) || n > len(b) {
			t.Fatalf("%x: read %d, %v; and without having read others %d, %v", b, n, err, want, wantErr)
		}
		if err == nil && n != skip(at, 0) {
			t.Fatalf("%x: read %d, and it is %d long", b, n, skip(at, 0))
		}
		for s := range int32(l.slots) {
			if got, want := slotOf(used[k], s), slotOf(fresh, s); err == nil && got != want {
				t.Fatalf("%x, slot %d: %s, and without having read others %s", b, s, got, want)
			}
		}
	}
}

// auditLayouts are the layouts of an audit pipeline, wide and narrow.
func auditLayouts() []*Layout {
	wide := NewLayout()
	wide.Underscore("annotations")
	for _, path := range []string{"auditID", "stage", "verb", "user username", "user groups", "userAgent", "objectRef resource", "objectRef name", "sourceIPs",
		"annotations authorization_k8s_io/decision", "requestReceivedTimestamp", "a name of exactly thirty-one byte", "properties log", "deep a b c d e f g h i j"} {
		wide.Want(strings.Fields(path)...)
	}
	wide.Want("a name of exactly thirty-one b.")
	wide.Want("seventeen letters")
	wide.WantSpan("requestObject")
	narrow := wide.Only(func(s int32) bool { return s%3 != 0 })
	deep := wide.Only(func(s int32) bool { return s < 4 })
	all := NewLayout()
	all.Want("stage")
	all.WantDeep("user")
	return []*Layout{wide, narrow, deep, all}
}

// auditBody is a record that has most of what the layouts want, in all sizes.
func auditBody(r *rand.Rand) []byte {
	text := func() string {
		return strings.Repeat("x", []int{0, 1, 7, 8, 9, 30, 31, 32, 33, 60, 255, 256, 300}[r.IntN(13)])
	}
	var value func(depth int) any
	value = func(depth int) any {
		switch r.IntN(8) {
		case 0:
			return r.IntN(1 << 20)
		case 1:
			return []any{text(), value(depth)}[:r.IntN(3)]
		case 2:
			m := make(map[string]any)
			for range r.IntN(4) {
				if depth < 12 {
					m[[]string{"a", "b", "c", "username", "resource", "d"}[r.IntN(6)]] = value(depth + 1)
				}
			}
			return m
		case 3:
			return []byte(text())
		}
		return text()
	}
	keys := []string{"kind", "level", "auditID", "stage", "user", "userAgent", "objectRef", "annotations", "requestObject", "user.username", "verb",
		"a name of exactly thirty-one b.", "a name of exactly thirty-one c.", "seventeen letters", "seventeen  letter", "deep", "", "properties", strings.Repeat("k", 31), strings.Repeat("k", 32)}
	var body []byte
	n := 3 + r.IntN(8)
	if r.IntN(2) == 0 {
		body = msgp.AppendMapHeader(body, uint32(n))
	} else {
		body = append(body, mpMap16, 0, byte(n))
	}
	body = msgp.AppendString(msgp.AppendString(body, "kind"), "Event")
	body = msgp.AppendString(msgp.AppendString(body, "level"), "Metadata")
	for range n - 2 {
		body = msgp.AppendString(body, keys[r.IntN(len(keys))])
		body, _ = msgp.AppendIntf(body, value(0))
	}
	return body
}

// TestGuarded reads records that end where memory does: whole, cut at every
// byte, and with bytes that are others, so that lengths lie.
func TestGuarded(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	room, layouts := guarded(t, 1<<16), auditLayouts()
	used := make([]*View, len(layouts))
	for k, l := range layouts {
		used[k] = l.NewView(0, nil)
	}
	r := rand.New(rand.NewPCG(3, 4))
	lies := []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, mpNil, mpNever, mpBin8, mpBin32, mpExt8, mpExt32, mpStr8, mpStr16, mpStr32, mpArray16, mpArray32, mpMap16, mpMap32, 0xd8, 0xff, 0, 0x7f}
	led := 0
	for range rounds(t) {
		b := auditBody(r)
		guardedScan(t, room, layouts, used, b)
		led += len(used[0].lead.entries)
		for n := max(0, len(b)-80); n < len(b); n++ {
			guardedScan(t, room, layouts, used, b[:n])
		}
		for range 40 {
			lying := append([]byte{}, b[:r.IntN(len(b)+1)]...)
			for range 1 + r.IntN(3) {
				if len(lying) > 0 {
					lying[r.IntN(len(lying))] = lies[r.IntN(len(lies))]
				}
			}
			guardedScan(t, room, layouts, used, lying)
		}
	}
	if led == 0 {
		t.Error("no View had a lead")
	}
}

func rounds(t testing.TB) int {
	if testing.Short() {
		return 20
	}
	return 200
}

// FuzzGuarded is TestGuarded for any bytes, after a record that gives a lead.
func FuzzGuarded(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(auditBody(r))
	}
	layouts := auditLayouts()
	used := make([]*View, len(layouts))
	for k, l := range layouts {
		used[k] = l.NewView(0, nil)
	}
	room := guarded(f, 1<<16)
	f.Fuzz(func(t *testing.T, b []byte) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		if len(b) <= len(room) {
			guardedScan(t, room, layouts, used, b)
		}
	})
}
