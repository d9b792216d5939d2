package detector

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	jsoniter "github.com/json-iterator/go"
	"go.uber.org/goleak"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// TestDeadSinkForAnHour: the sink takes nothing for an hour, under load. What
// waits is bounded, nobody waits for the sink, and what the bound has left
// comes in order when the sink is back.
func TestDeadSinkForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dead := true
		s := &testSink{answer: func(n int) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if dead {
				return 0, errors.New("nobody is there")
			}
			return min(n, 7), nil // and it takes little at a time
		}}
		r := newDeliveryRig(seen.Options{MaxOutbox: 1000, MaxOutboxBytes: 1 << 20}, s)
		defer r.d.close()
		body := strings.Repeat("x", 500)
		for second := range 3600 {
			began := time.Now()
			for i := range 10 {
				r.add(uint8(second%2), fmt.Sprintf("%06d %s", second*10+i, body))
			}
			if took := time.Since(began); took != 0 { // in simulated time
				t.Fatalf("adding waited for %s", took)
			}
			time.Sleep(time.Second)
			r.d.prune()
			if n := r.d.depth(); n > 1000 {
				t.Fatalf("after %d s %d alerts wait", second, n)
			}
		}
		st := r.store.Stats()
		if st.OutboxBytes > 1<<20 || st.Dropped == 0 || st.Outbox+int(st.Dropped) != 36_000 {
			t.Errorf("the outbox: %+v", st)
		}
		mu.Lock()
		dead = false
		mu.Unlock()
		time.Sleep(time.Minute) // the longest wait between tries is half of that
		r.d.ack()
		got := s.taken()
		if len(got) != st.Outbox || !slices.IsSorted(got) {
			t.Errorf("%d alerts came, want %d, in order: %v", len(got), st.Outbox, slices.IsSorted(got))
		}
		if n := r.outbox(); n != 0 {
			t.Errorf("%d are still in the outbox", n)
		}
	})
}

// TestLessSevereThanTheOutbox: an outbox full of severe alerts drops what is
// less severe at once, and that must not pile up elsewhere.
func TestLessSevereThanTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &testSink{answer: func(int) (int, error) { return 0, errors.New("gone") }}
		r := newDeliveryRig(seen.Options{MaxOutbox: 100}, s)
		defer r.d.close()
		for i := range 100 {
			r.add(3, fmt.Sprint("severe ", i))
		}
		for i := range 5000 {
			r.add(0, fmt.Sprint("low ", i))
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		if n := r.d.depth(); n != 100 {
			t.Errorf("%d alerts wait, want 100", n)
		}
		if n := r.d.prune(); n != 5000 {
			t.Errorf("%d were dropped, want 5000", n)
		}
	})
}

// TestSettling: what an alerts input has handed over leaves the outbox only
// when the input has run for a while after it, and never if it is paused first.
func TestSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, err := OpenInput(settings{}, newTestHost(), InputWhere{Tag: "alerts"})
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		r := &deliveryRig{store: seen.OpenMemory(seen.Options{}), host: newTestHost()}
		r.d = newDelivery(r.store, r.host.Log, nil)
		d := &Detector{delivery: r.d}
		hub.mu.Lock()
		r.d.begin(hub.inputs)
		hub.detectors = append(hub.detectors, d)
		hub.mu.Unlock()
		leave := func() {
			hub.mu.Lock()
			hub.detectors = slices.DeleteFunc(hub.detectors, func(x *Detector) bool { return x == d })
			hub.mu.Unlock()
		}
		collect := func(want bool) {
			t.Helper()
			synctest.Wait()
			if b := in.Collect(); (b != nil) != want {
				t.Fatalf("Collect returns %d bytes", len(b))
			}
			in.HandedOver()
			r.d.ack()
		}
		wantOutbox := func(n int) {
			t.Helper()
			if have := r.outbox(); have != n {
				t.Fatalf("%d in the outbox, want %d", have, n)
			}
		}
		r.add(0, `{"n":1}`)
		collect(true)
		wantOutbox(1)
		time.Sleep(settleTime - 1)
		collect(false)
		wantOutbox(1)
		time.Sleep(1)
		collect(false)
		wantOutbox(0)

		r.add(0, `{"n":2}`)
		collect(true)
		time.Sleep(settleTime / 2)
		in.Pause()
		in.Pause()
		r.add(0, `{"n":3}`)
		collect(false) // for Fluent Bit would throw it away
		time.Sleep(time.Hour)
		collect(false)
		wantOutbox(2)
		in.Resume()
		collect(true) // the third
		wantOutbox(2)
		time.Sleep(settleTime)
		collect(false)
		wantOutbox(0)

		r.add(0, `{"n":4}`)
		collect(true)
		time.Sleep(settleTime)
		r.add(0, `{"n":5}`)
		synctest.Wait()
		if in.Collect() == nil {
			t.Fatal("the fifth does not come")
		}
		in.HandedOver()
		in.Pause()
		r.d.close()
		leave()
		wantOutbox(1) // the fifth: it comes again at the next start
	})
}

// TestHandedOverTooLate: a collect that is under way when the detector closes
// does no harm, and its alerts stay in the outbox.
func TestHandedOverTooLate(t *testing.T) {
	in, err := OpenInput(settings{}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	dir := t.TempDir()
	s := inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off", "state_path", dir)
	d, _ := openDetector(t, s)
	d.Flush("kube.audit", chunkOf(time.Now(), "a"))
	eventually(t, "the alert", func() bool { return in.Collect() != nil })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	in.HandedOver()
	if in.Collect() != nil {
		t.Error("a closed detector has alerts")
	}
	_, h := openDetector(t, s)
	if !h.logged("1 alert to deliver") {
		t.Errorf("log %q", h.lines)
	}
	eventually(t, "the alert again", func() bool { return in.Collect() != nil })
}

// TestOthersDoNotWait: while one instance waits for its state, others flush
// and collect.
func TestOthersDoNotWait(t *testing.T) {
	in, err := OpenInput(settings{}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off")
	other, _ := openDetector(t, s.with("state_path", t.TempDir()))
	// Somebody holds the state, for which Open waits a while.
	taken := t.TempDir()
	store, _, err := seen.Open(taken, seen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	opened := make(chan error)
	go func() {
		_, err := Open(s.with("state_path", taken), newTestHost(), Where{Instance: "newterms.1", Match: "kube.*"})
		opened <- err
	}()
	turns := 0
	for {
		select {
		case err := <-opened:
			if !errors.Is(err, seen.ErrLocked) {
				t.Errorf("the state that is taken: %v", err)
			}
			if turns < 10 { // who waits for Open comes to two
				t.Errorf("%d turns of the others while Open waited", turns)
			}
			return
		default:
		}
		in.Collect()
		other.alertsTag("kube.audit")
		other.Flush("kube.audit", chunkOf(time.Now(), "known"))
		turns++
	}
}

// TestFourThreads: flushes of one instance at the same time find what one
// after the other find.
func TestFourThreads(t *testing.T) {
	var chunks [][]byte
	users := make(map[string]bool)
	for i := range 200 {
		var list []string
		for j := range 50 {
			u := fmt.Sprintf("user-%d", (i*7+j*13)%900)
			users[u] = true
			list = append(list, u)
		}
		chunks = append(chunks, chunkOf(time.Now(), list...))
	}
	find := func(threads int) map[string]int {
		var mu sync.Mutex
		found := make(map[string]int)
		store, _, err := seen.Open(t.TempDir(), seen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		e := newTestEngine(t, EngineOptions{Clock: time.Now, MaxAlerts: -1, Alert: func(a *Alert) {
			mu.Lock()
			defer mu.Unlock()
			found[jsoniter.Get(a.Body, "kibana.alert.uuid").ToString()]++
		}}, []*rule.Rule{inlineRule(t, nil)}, store)
		work := make(chan []byte)
		var group sync.WaitGroup
		for range threads {
			group.Go(func() {
				for chunk := range work {
					if owed, err := e.Chunk("kube.audit", chunk); owed != nil || err != nil {
						t.Error(owed, err)
					}
				}
			})
		}
		for _, chunk := range chunks {
			work <- chunk
		}
		close(work)
		group.Wait()
		return found
	}
	one, four := find(1), find(4)
	if len(one) != len(users) || !maps.Equal(one, four) {
		t.Errorf("%d alerts with one thread, %d with four, want %d", len(one), len(four), len(users))
	}
}

// TestLivesLeaveNothing: fifty lives of a detector, and fifty starts that fail
// at each of their steps, leave no goroutine, no descriptor and no lock.
func TestLivesLeaveNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	out := filepath.Join(dir, "alerts")
	good := inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off",
		"state_path", filepath.Join(dir, "state"), "alert_file", out)
	bad := []settings{
		good.with("alert_file", filepath.Join(dir, "no/such/folder")),
		good.with("alert_forward", "tls://127.0.0.1:1", "alert_forward_tls_ca_file", filepath.Join(dir, "none.pem")),
		good.with("rules", filepath.Join(dir, "none.toml")),
		good.with("alert_file", "", "alert_stdout", ""),
		good.with("max_terms", "-1"),
	}
	life := func(i int) {
		for _, s := range bad {
			if d, err := Open(s, newTestHost(), Where{Instance: "newterms.0"}); err == nil {
				_ = d.Close()
				t.Fatalf("it starts with %v", s)
			}
		}
		d, err := Open(good, newTestHost(), Where{Instance: "newterms.0", Match: "kube.*"})
		if err != nil {
			t.Fatalf("life %d: %v", i, err)
		}
		d.Flush("kube.audit", chunkOf(time.Now(), fmt.Sprint("user-", i)))
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	life(0)
	fds, goroutines := descriptors(), runtime.NumGoroutine()
	for i := range 50 {
		life(i + 1)
	}
	if n := descriptors(); n > fds {
		t.Errorf("%d descriptors are open, %d were after the first life", n, fds)
	}
	eventually(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := len(linesOf(t, out)); n != 51 {
		t.Errorf("%d alerts, want one of each life", n)
	}
}

func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// TestOnCorrupt: a state that cannot be used is moved aside and told of, or
// stops the start, as the property says.
func TestOnCorrupt(t *testing.T) {
	for _, test := range []struct {
		name, value string
		opens       bool
		log         []string
	}{
		{"by default", "", true, []string{"state:", "newterms state", "kept as", "state.db.foreign-", "counts as new"}},
		{"recover", "recover", true, []string{"kept as"}},
		{"stop", "Stop", false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.db")
			garbage := strings.Repeat("no state at all\n", 1000)
			put(t, path, garbage)
			h := newTestHost()
			d, err := Open(inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name",
				"alert_file", filepath.Join(t.TempDir(), "alerts"), "state_path", dir, "on_corrupt", test.value), h, Where{Instance: "newterms.0"})
			if err == nil {
				defer d.Close()
			}
			if (err == nil) != test.opens {
				t.Fatalf("Open: %v", err)
			}
			if len(test.log) > 0 && !h.logged(test.log...) {
				t.Errorf("log %q", h.lines)
			}
			kept := path
			if test.opens {
				moved, _ := filepath.Glob(path + ".*")
				if len(moved) != 1 {
					t.Fatalf("moved aside: %v", moved)
				}
				kept = moved[0]
			} else if !strings.Contains(err.Error(), "on_corrupt") || !strings.Contains(err.Error(), "newterms state verify") {
				t.Errorf("the error does not say what to do: %v", err)
			}
			if text, _ := os.ReadFile(kept); string(text) != garbage {
				t.Error("the file has changed")
			}
		})
	}
}
