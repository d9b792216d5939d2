package seen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fluent-bit-newterms/detector/record"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashEnv) != "" {
		crashChild()
		return
	}
	if dir := os.Getenv(fileSizeEnv); dir != "" {
		fileSizeChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// terms makes a tuple out of strings.
func terms(ss ...string) []byte {
	var b []byte
	for _, s := range ss {
		v := record.StringValue(s)
		b = AppendTerm(b, &v)
	}
	return b
}

const (
	minute = int64(60_000)
	hour   = 60 * minute
	day    = 24 * hour
	start  = 20_000 * day // some day in 2024
)

func at(ms int64) Sighting { return Sighting{First: ms, Last: ms, Count: 1} }

var tenDays = MemoryConfig{MaxTuples: 1000, Window: 240 * time.Hour, Fields: 3}

// mustOpen opens a state and closes it when the test ends.
func mustOpen(t testing.TB, dir string, o Options) (*Store, Report) {
	t.Helper()
	o.Logf = t.Logf
	if o.minBackoff == 0 {
		o.minBackoff, o.maxBackoff = time.Millisecond, 4*time.Millisecond
	}
	s, r, err := Open(dir, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s, r
}

// mustRule returns the rule id with its memory loaded.
func mustRule(t testing.TB, s *Store, id string, cfg MemoryConfig) (RuleState, *Memory) {
	t.Helper()
	st, err := s.Rule(id, RuleOptions{Fingerprint: "f", Name: id, Fields: []string{"a", "b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMemory(cfg)
	if _, err := s.Load(st, m); err != nil {
		t.Fatalf("Load: %v", err)
	}
	return st, m
}

func mustCommit(t testing.TB, s *Store, b *Batch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Commit(ctx, b); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func TestStateOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	s, r := mustOpen(t, dir, Options{})
	if !r.Fresh || r.Reason != "" {
		t.Errorf("a new folder reports %+v", r)
	}
	st, m := mustRule(t, s, "r1", tenDays)
	var b Batch
	for i := range 100 {
		o := m.Observe(terms("allow", "bob", fmt.Sprint("ua", i)), at(start+int64(i)), &b)
		if o.Verdict != New {
			t.Fatalf("tuple %d is %v", i, o.Verdict)
		}
	}
	b.AddAlert(OutboxEntry{Rule: "r1", Severity: 3, Time: start, Tag: "a.b", Body: []byte(`{"x":1}`)})
	b.AddAlert(OutboxEntry{Rule: "r1", Severity: 4, Time: start, Body: []byte(`{"x":2}`)})
	b.SetMeta(st.Num, RuleMeta{LearningSince: 7, Extra: []byte{1, 2}})
	mustCommit(t, s, &b)
	first, n := b.AlertIDs()
	if first != 1 || n != 2 || !b.Empty() {
		t.Errorf("AlertIDs = %d, %d, empty %v", first, n, b.Empty())
	}
	b.Ack(first)
	mustCommit(t, s, &b)
	mustClose(t, s)

	s, r = mustOpen(t, dir, Options{})
	if r.Fresh || r.Tuples != 100 || r.Alerts != 1 || r.Rules != 1 {
		t.Errorf("second start reports %+v", r)
	}
	st, m = mustRule(t, s, "r1", tenDays)
	if st.Fresh || st.Meta.LearningSince != 7 || string(st.Meta.Extra) != "\x01\x02" {
		t.Errorf("rule state %+v", st)
	}
	for i := range 100 {
		if o := m.Observe(terms("allow", "bob", fmt.Sprint("ua", i)), at(start+day), &b); o.Verdict != Known {
			t.Errorf("tuple %d is %v after a restart", i, o.Verdict)
		}
	}
	if o := m.Observe(terms("allow", "bob", "ua100"), at(start+day), &b); o.Verdict != New || o.Novel != 1<<2 {
		t.Errorf("a new tuple is %+v", o)
	}
	var left []OutboxEntry
	s.Outbox(func(e OutboxEntry) error { left = append(left, e); return nil })
	if len(left) != 1 || left[0].ID != 2 || string(left[0].Body) != `{"x":2}` || left[0].Severity != 4 {
		t.Errorf("outbox holds %+v", left)
	}
	b.AddAlert(OutboxEntry{})
	mustCommit(t, s, &b)
	if first, _ := b.AlertIDs(); first != 3 {
		t.Errorf("the next alert has ID %d", first)
	}
}

// TestManyTerms: which terms of a tuple are new is known of the last as of the
// first, after a restart too.
func TestManyTerms(t *testing.T) {
	dir := t.TempDir()
	var b Batch
	many := make([]string, 16)
	for i := range many {
		many[i] = fmt.Sprint("value ", i)
	}
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r1", tenDays)
	if o := m.Observe(terms(many...), at(start), &b); o.Novel != 1<<16-1 {
		t.Errorf("of 16 new terms these are called new: %b", o.Novel)
	}
	mustCommit(t, s, &b)
	mustClose(t, s)
	s, _ = mustOpen(t, dir, Options{})
	_, m = mustRule(t, s, "r1", tenDays)
	for _, i := range []int{0, 3, 4, 15} {
		some := slices.Clone(many)
		some[i] = "other"
		if o := m.Observe(terms(some...), at(start+day), &b); o.Verdict != New || o.Novel != 1<<i {
			t.Errorf("only term %d is new, but these are called so: %b", i, o.Novel)
		}
	}
}

func TestNothingNewWritesNothing(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, m := mustRule(t, s, "r", tenDays)
	var b Batch
	m.Observe(terms("a", "b", "c"), at(start), &b)
	mustCommit(t, s, &b)
	path := filepath.Join(dir, stateName)
	before, _ := os.ReadFile(path)
	n := s.Stats().Commits
	for i := range 50 {
		m.Observe(terms("a", "b", "c"), at(start+int64(i)*minute), &b)
		mustCommit(t, s, &b)
	}
	after, _ := os.ReadFile(path)
	if string(before) != string(after) || s.Stats().Commits != n {
		t.Errorf("%d commits for nothing new", s.Stats().Commits-n)
	}
	// A grain of the window later the last sighting on disk is stale.
	m.Observe(terms("a", "b", "c"), at(start+4*hour), &b)
	if b.Empty() {
		t.Error("a last sighting older than the refresh grain is not written")
	}
}

func TestChangedFingerprintStartsAnew(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	st, m := mustRule(t, s, "r", tenDays)
	var b Batch
	m.Observe(terms("a", "b", "c"), at(start), &b)
	mustCommit(t, s, &b)
	st2, err := s.Rule("r", RuleOptions{Fingerprint: "other"})
	if err != nil || !st2.FingerprintChanged || !st2.Fresh || st2.Num == st.Num {
		t.Fatalf("changed rule: %+v, %v", st2, err)
	}
	mustClose(t, s)
	s, r := mustOpen(t, dir, Options{})
	if r.Tuples != 0 || r.Rules != 1 || len(s.tables) != 1 {
		t.Errorf("the old tuples are still there: %+v, %v", r, s.tables)
	}
}

func TestOneUserAtATime(t *testing.T) {
	dir := t.TempDir()
	s, _ := mustOpen(t, dir, Options{})
	_, _, err := Open(dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another instance in this process") {
		t.Errorf("second Open: %v", err)
	}
	mustClose(t, s)
	s, _ = mustOpen(t, dir, Options{})
	mustClose(t, s)
}

func TestFolderAndFileArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	mustOpen(t, dir, Options{})
	for path, want := range map[string]os.FileMode{
		dir: 0o700, filepath.Join(dir, stateName): 0o600, filepath.Join(dir, lockName): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %o", path, info.Mode(), err, want)
		}
	}
}

func TestSymlinksAreNotFollowed(t *testing.T) {
	for _, name := range []string{stateName, lockName} {
		dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		for range 2 { // a dangling link, then one to a file
			_, _, err := Open(dir, Options{})
			if !errors.Is(err, ErrNotWritable) || !strings.Contains(err.Error(), "symbolic link") {
				t.Errorf("%s: %v", name, err)
			}
			if b, _ := os.ReadFile(target); len(b) > 0 && string(b) != "x" {
				t.Errorf("%s: the target was written to", name)
			}
			os.WriteFile(target, []byte("x"), 0o600)
		}
	}
}

func TestPathThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	for _, path := range []string{file, filepath.Join(file, "below"), "/proc/newterms", "/sys/newterms"} {
		_, _, err := Open(path, Options{})
		if !errors.Is(err, ErrNotWritable) {
			t.Errorf("%s: %v", path, err)
		}
		t.Log(err)
	}
}

// A batch that the committer has in hand, and waits to write, is in no file and
// no queue; a rule that is loaded then has its tuples all the same.
func TestLoadBesideABatchInHand(t *testing.T) {
	s, _ := mustOpen(t, t.TempDir(), Options{})
	st, m := mustRule(t, s, "r", tenDays)
	var b Batch
	m.Observe(terms("a", "b", "c"), at(start), &b)
	s.io.Lock() // as Load of another rule does
	s.Enqueue(&b)
	for inHand := false; !inHand; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		inHand = len(s.queue.flight) > 0
		s.mu.Unlock()
	}
	var owed ruleTable
	err := s.addOwed(st.Num, &owed)
	s.io.Unlock()
	if err != nil || owed.rows.live != 1 {
		t.Errorf("%d tuples are owed, want 1; %v", owed.rows.live, err)
	}
	if _, again := mustRule(t, s, "r", tenDays); again.Len() != 1 {
		t.Errorf("%d tuples, want 1", again.Len())
	}
}
