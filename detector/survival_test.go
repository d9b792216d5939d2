package detector

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fluent-bit-newterms/detector/seen"
)

// TestHandedOverTooLate: a collect that is under way when the detector closes
// does no harm, and its alerts stay in the outbox.
func TestHandedOverTooLate(t *testing.T) {
	reg := &Registry{}
	in, err := OpenInput(reg, settings{}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	dir := t.TempDir()
	s := inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off", "state_path", dir)
	d, _ := openDetectorIn(t, reg, s)
	d.Flush("kube.audit", chunkOf(time.Now(), "a"))
	eventually(t, "the alert", func() bool { return in.Collect() != nil })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	in.HandedOver()
	if in.Collect() != nil {
		t.Error("a closed detector has alerts")
	}
	_, h := openDetectorIn(t, reg, s)
	if !h.logged("1 alert to deliver") {
		t.Errorf("log %q", h.lines)
	}
	eventually(t, "the alert again", func() bool { return in.Collect() != nil })
}

// TestOthersDoNotWait: while one instance waits for its state, others flush
// and collect.
func TestOthersDoNotWait(t *testing.T) {
	reg := &Registry{}
	in, err := OpenInput(reg, settings{}, newTestHost(), InputWhere{Tag: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off")
	other, _ := openDetectorIn(t, reg, s.with("state_path", t.TempDir()))
	// Somebody holds the state, for which Open waits a while.
	taken := t.TempDir()
	store, _, err := seen.Open(taken, seen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	opened := make(chan error)
	go func() {
		_, err := Open(reg, s.with("state_path", taken), newTestHost(), Where{Instance: "newterms.1", Match: "kube.*"})
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
			if d, err := Open(&Registry{}, s, newTestHost(), Where{Instance: "newterms.0"}); err == nil {
				_ = d.Close()
				t.Fatalf("it starts with %v", s)
			}
		}
		d, err := Open(&Registry{}, good, newTestHost(), Where{Instance: "newterms.0", Match: "kube.*"})
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
		{"by default", "", true, []string{"state:", "newterms state", "kept as", "journal.foreign-", "counts as new"}},
		{"recover", "recover", true, []string{"kept as"}},
		{"stop", "Stop", false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "journal")
			garbage := strings.Repeat("no state at all\n", 1000)
			put(t, path, garbage)
			h := newTestHost()
			d, err := Open(&Registry{}, inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name",
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
