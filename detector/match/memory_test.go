package match

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// heap returns the bytes that are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestPassesHoldLittle: a pass is kept for good, and what hostile events have
// made it hold must not be.
func TestPassesHoldLittle(t *testing.T) {
	agent := ruleOf(t, "kubernetes.audit.verb: delete and not user_agent.original: X*z", "user_agent.original, kubernetes.audit.user.groups")
	stream := ruleOf(t, "user.name: *", "user.name")
	set := compiled(t, Options{}, agent, stream)
	raw := `{"auditID":"1","stage":"Panic","verb":%q,"userAgent":%q,"user":{"username":%q,"groups":[%s]},"level":"%d"}`
	for _, c := range []struct {
		name string
		line func(i int) []byte
		n    int
	}{
		{"long terms that are asked for late", func(i int) []byte {
			if i < 400 {
				return fmt.Appendf(nil, raw, "get", "a", "a", "", 0)
			}
			return fmt.Appendf(nil, raw, "delete", strings.Repeat("X", 1<<20)+fmt.Sprint(i), fmt.Sprint("u", i), `"a"`, i)
		}, 420},
		{"a text in a text", func(i int) []byte {
			inner := fmt.Appendf(nil, raw, "delete", strings.Repeat("Xy", 4<<20), "a", "", 0)
			return fmt.Appendf(nil, `{"log":%q}`, inner)
		}, 1},
		{"a list of events", func(int) []byte {
			item := fmt.Sprintf(raw, "delete", "a", "a", `"a","b"`, 0)
			return []byte(`{"kind":"EventList","items":[` + strings.Repeat(item+",", 20_000) + item + `]}`)
		}, 1},
		{"tuples", func(i int) []byte { return fmt.Appendf(nil, raw, "delete", fmt.Sprint(i), fmt.Sprint(i), `"a"`, 0) }, 50_000},
		{"combinations", func(i int) []byte {
			var groups strings.Builder
			for k := range 60_000 {
				fmt.Fprintf(&groups, `"%d-%d",`, i, k)
			}
			return fmt.Appendf(nil, raw, "delete", "a", "a", groups.String()+`""`, 0)
		}, 2},
		{"data streams", func(i int) []byte {
			return fmt.Appendf(nil, `{"event":{"kind":"x"},"data_stream":{"dataset":"%d%s"}}`, i, strings.Repeat("s", 1<<18))
		}, 200},
	} {
		before := heap()
		p := set.NewWorker(func(*Batch) {})
		p.Begin(time.Now())
		for i := range c.n + 1 {
			line := fmt.Appendf(nil, raw, "get", "a", "a", "", 0) // what any next record is
			if i < c.n {
				line = c.line(i)
			}
			if err := p.reader.Line(line, time.Now().UnixNano(), i, p); err != nil {
				t.Fatal(err)
			}
			p.batch.events = p.batch.events[:0:0] // which hold lines that are the caller's
			for k := range p.batch.Combinations {
				p.batch.Combinations[k].Event = 0
			}
			p.eventNumber = -1
		}
		p.Reset()
		if held := heap() - before; held > 12<<20 {
			t.Errorf("%s: a worker holds %d MB", c.name, held>>20)
		} else {
			t.Logf("%s: a worker holds %d KB", c.name, held>>10)
		}
		runtime.KeepAlive(p)
	}
}

// An event with very many elements, all of which have to be looked at, takes no
// more memory than one with few.
func TestManyElements(t *testing.T) {
	w := compiled(t, Options{}, ruleOf(t, "kubernetes.audit.requestObject.spec.containers: { image: a }", "user.name")).NewWorker(nil)
	w.Begin(time.Now())
	const n = 50_000
	b := []byte("\x92\xce\x69\xa3\x84\x80\x83\xa7auditID\xa1a\xa5stage\xa1s\xadrequestObject\x81\xa4spec\x81\xaacontainers")
	b = append(b, 0xdd, 0, n>>16, n>>8&0xff, n&0xff)
	b = append(b, bytes.Repeat([]byte{0x80}, n)...)
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	before := allocated()
	if err := w.Chunk(b); err != nil {
		t.Fatal(err)
	}
	if got := allocated() - before; got > 2<<20 {
		t.Errorf("%d MB are allocated for an event of %d KB", got>>20, len(b)>>10)
	}
}
