package seen

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const crashEnv = "SEEN_CRASH_DIR"

// crashChild commits tuples, each batch with an alert, and says on stdout what
// is durable, until it is killed.
func crashChild() {
	s, _, err := Open(os.Getenv(crashEnv), Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	st, err := s.Rule("r", RuleOptions{Fingerprint: "f"})
	if err != nil {
		os.Exit(1)
	}
	m := NewMemory(MemoryConfig{MaxTuples: 1 << 20, Window: 240 * time.Hour, Fields: 3})
	n, err := s.Load(st, m)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var b Batch
	for {
		for range 1 + rand.IntN(200) {
			m.Observe(terms("a", "b", fmt.Sprint(n)), at(start+int64(n)), &b)
			n++
		}
		b.AddAlert(OutboxEntry{Body: []byte(fmt.Sprint(n))})
		if err := s.Commit(context.Background(), &b); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("durable", n)
	}
}

// Killed at any moment, the state holds every batch that was acknowledged, and
// each batch whole: the alert with its tuples, or neither.
func TestKillAtAnyMoment(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	acked := 0
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(20+rand.IntN(80))*time.Millisecond, func() { cmd.Process.Kill() })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			fmt.Sscanf(lines.Text(), "durable %d", &acked)
		}
		cmd.Wait()

		s, r, err := Open(dir, Options{OnCorrupt: Stop})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		st, _ := s.Rule("r", RuleOptions{Fingerprint: "f"})
		m := NewMemory(MemoryConfig{MaxTuples: 1 << 20, Window: 240 * time.Hour, Fields: 3})
		n, err := s.Load(st, m)
		if err != nil || n < acked || r.Tuples != n && !r.Fresh {
			t.Fatalf("round %d: %d tuples, %d were acknowledged, %v, %+v", round, n, acked, err, r)
		}
		last := 0
		s.Outbox(func(e OutboxEntry) error { fmt.Sscan(string(e.Body), &last); return nil })
		if last != n {
			t.Fatalf("round %d: %d tuples, but the last alert says %d", round, n, last)
		}
		for i := range n {
			if _, ok := m.Peek(terms("a", "b", fmt.Sprint(i))); !ok {
				t.Fatalf("round %d: tuple %d of %d is gone", round, i, n)
			}
		}
		mustClose(t, s)
	}
	t.Logf("%d tuples outlived %d kills", acked, rounds)
	if acked == 0 {
		t.Error("nothing was ever acknowledged")
	}
}
