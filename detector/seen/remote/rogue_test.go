package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/test/redisserver"
)

// rogue answers every question with the same bytes, whoever asks.
func rogue(t *testing.T, answer func(c net.Conn)) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				b := make([]byte, 64<<10)
				for {
					if _, err := c.Read(b); err != nil {
						return
					}
					answer(c)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// TestRogueServer: whatever answers in the place of the server, this node
// decides by itself, and takes little memory for it.
func TestRogueServer(t *testing.T) {
	for name, text := range map[string]string{
		"a huge text":           "$1099511627776\r\n",
		"a text of 1 GB":        "$1000000000\r\n",
		"a huge list":           "*1000000000\r\n",
		"a list beyond numbers": "*9223372036854775807\r\n",
		"a huge map":            "%1000000000\r\n",
		"lists in lists":        strings.Repeat("*1\r\n", 100_000),
		"wide lists in lists":   strings.Repeat("*500000\r\n", 1000),
		"many lists":            strings.Repeat("*100000\r\n", 3),
		"a negative length":     "$-17\r\n",
		"no number":             "$abc\r\n",
		"another protocol":      "HTTP/1.1 400 Bad Request\r\n\r\n",
		"an empty line":         "\r\n",
		"a stream":              "$?\r\n;4\r\nabcd\r\n",
		"other answers":         "+OK\r\n",
	} {
		for _, scheme := range []string{"redis", "redis+cluster", "redis+sentinel"} {
			t.Run(name+", "+scheme, func(t *testing.T) {
				address := rogue(t, func(c net.Conn) { io.WriteString(c, text) })
				wantDown(t, scheme, address)
			})
		}
	}
	t.Run("an answer that does not end", func(t *testing.T) {
		block := bytes.Repeat([]byte("x"), 1<<20)
		address := rogue(t, func(c net.Conn) {
			io.WriteString(c, "+")
			for {
				if _, err := c.Write(block); err != nil {
					return
				}
			}
		})
		wantDown(t, "redis", address)
	})
}

// wantDown asks a server that is none.
func wantDown(t *testing.T, scheme, address string) {
	t.Helper()
	url := scheme + "://" + address
	if scheme == "redis+sentinel" {
		url += "/m"
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := opened(t, url+"?timeout=200ms", Options{Logf: func(string, ...any) {}})
	defer s.Close()
	if got := ask(s, s.NewRule("r", "f", day), "x", 1); got.Kind != Down {
		t.Errorf("%+v, want Down", got)
	}
	s.mu.Lock()
	s.epoch = "some" // and once the server was known
	s.circuit.open = false
	s.mu.Unlock()
	if got := ask(s, s.NewRule("r", "f", day), "x", 1); got.Kind != Down {
		t.Errorf("%+v, want Down", got)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16*limits.StoreAnswerBytes {
		t.Errorf("%d MiB were allocated", n>>20)
	}
}

// TestPanicInClient: a panic of the client library is a server that does not
// answer, and is told of.
func TestPanicInClient(t *testing.T) {
	server := redisserver.Start(t)
	var mu sync.Mutex
	var told []string
	s := open(t, "redis://"+server.Addr+"?timeout=5s", Options{Panicked: func(task string, v any) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprint(task, ": ", v))
	}})
	r := s.NewRule("r", "f", day)
	if got := ask(s, r, "x", 1); got.Kind != New {
		t.Fatalf("%+v", got)
	}
	s.client.AddHook(panics{})
	if got := ask(s, r, "y", 1); got.Kind != Down {
		t.Errorf("%+v, want Down", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) == 0 || !strings.Contains(told[0], "oh") {
		t.Errorf("told %q", told)
	}
}

type panics struct{}

func (panics) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (panics) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (panics) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { panic("oh") }
}

// TestRespCheck: what is in order passes, however it is cut.
func TestRespCheck(t *testing.T) {
	var in []byte
	for range 600 {
		in = append(in, "+OK\r\n$5\r\n\r\nx*\n\r\n*2\r\n:1\r\n*2\r\n$-1\r\n*0\r\n*-1\r\n%1\r\n+a\r\n=5\r\ntxt:a\r\n-ERR no\r\n$0\r\n\r\n"...)
	}
	for size := 1; size < 70; size++ {
		var c respCheck
		for b := in; len(b) > 0; {
			n := min(size, len(b))
			if err := c.add(b[:n]); err != nil {
				t.Fatalf("pieces of %d: %v", size, err)
			}
			b = b[n:]
		}
		if len(c.open) != 0 || c.bulk != 0 || len(c.line) != 0 {
			t.Fatalf("pieces of %d: it ends in the middle: %+v", size, c)
		}
	}
}
