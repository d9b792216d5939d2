package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"fluent-bit-newterms/detector/alert"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// hostLine is an event of the dataset app.
func hostLine(day float64, user, host string) []byte {
	at := epoch.Add(time.Duration(day * 24 * float64(time.Hour)))
	return fmt.Appendf(nil, `{"@timestamp":%q,"event":{"dataset":"app"},"user":{"name":%q},"host":{"name":%q}}`, at.Format(time.RFC3339Nano), user, host)
}

// exceptRig runs lines one by one and gathers the users that alert.
type exceptRig struct {
	t      *testing.T
	e      *Engine
	store  *seen.Store
	dir    string
	alerts []string
	clock  time.Time
}

func newExceptRig(t *testing.T) *exceptRig {
	rig := &exceptRig{t: t, dir: t.TempDir(), clock: time.Now()}
	rig.open()
	return rig
}

func (rig *exceptRig) open() {
	store, _, err := seen.Open(rig.dir, seen.Options{})
	if err != nil {
		rig.t.Fatal(err)
	}
	rig.store = store
	rig.t.Cleanup(func() { _ = store.Close() })
	rig.e = New(Options{
		EventTime: true, TimeFields: []string{"@timestamp"}, MaxAlerts: -1,
		Clock: func() time.Time { return rig.clock },
		Alert: func(a *Alert) {
			rig.alerts = append(rig.alerts, fmt.Sprint(alert.Find(decoded(rig.t, a.Body), "user.name")))
		},
	}, store)
}

func (rig *exceptRig) restart() {
	if err := errors.Join(rig.e.FlushLastSeen(), rig.store.Close()); err != nil {
		rig.t.Fatal(err)
	}
	rig.open()
}

func (rig *exceptRig) rules(edit func(r *rule.Rule), queries ...string) {
	rig.t.Helper()
	r := inlineRule(rig.t, func(r *rule.Rule) { r.Exceptions = exceptionsOf(rig.t, queries...) })
	if edit != nil {
		edit(r)
	}
	if _, err := rig.e.SetRules([]*rule.Rule{r}); err != nil {
		rig.t.Fatal(err)
	}
}

func (rig *exceptRig) feed(lines ...[]byte) { feed(rig.t, rig.e, lines, 0, 1) }

// want compares the users that alerted since it was asked last.
func (rig *exceptRig) want(users ...string) {
	rig.t.Helper()
	if !slices.Equal(rig.alerts, users) {
		rig.t.Errorf("alerts of %v, want %v", rig.alerts, users)
	}
	rig.alerts = nil
}

const backup, batch = `host.name: "backup"`, `host.name: b*`

// TestExceptionRemoved: what was seen under an exception is known once it is
// gone, and not before; with a restart anywhere in between.
func TestExceptionRemoved(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			rig := newExceptRig(t)
			rig.rules(nil, backup)
			for i := range 50 {
				rig.feed(hostLine(1, fmt.Sprint("u", i), "backup"))
			}
			rig.want()
			rig.feed(hostLine(2, "u0", "web"))
			rig.want("u0") // under the exception it is no history
			if restart {
				rig.restart()
			}
			rig.rules(nil)
			for i := range 50 {
				rig.feed(hostLine(3, fmt.Sprint("u", i), "backup"))
			}
			rig.want() // no flood
			rig.feed(hostLine(3, "u1", "web"), hostLine(3, "new", "backup"))
			rig.want("new")
			if n := rig.e.Counts().Readmitted.Load(); n != 49 {
				t.Errorf("%d tuples were readmitted, want 49", n)
			}
			// The window holds for them as for all.
			rig.feed(hostLine(3+7.5, "u1", "web"))
			rig.want("u1")
		})
	}
}

func TestExceptionLongAgo(t *testing.T) {
	rig := newExceptRig(t)
	rig.rules(nil, backup)
	rig.feed(hostLine(1, "a", "backup"), hostLine(5, "b", "backup"))
	rig.rules(nil)
	rig.feed(hostLine(10, "a", "backup"), hostLine(10, "b", "backup"))
	rig.want("a")
}

// TestExceptionsOverlap: an event counts as history when none of the exceptions
// that it was under is in force.
func TestExceptionsOverlap(t *testing.T) {
	rig := newExceptRig(t)
	rig.rules(nil, backup, batch)
	rig.feed(hostLine(1, "both", "backup"), hostLine(1, "one", "bee"))
	rig.rules(nil, batch)
	rig.feed(hostLine(2, "both", "web"))
	rig.want("both") // still under batch
	rig.rules(nil)
	rig.feed(hostLine(2, "one", "web"), hostLine(2, "one", "bee"))
	rig.want()
}

// TestExceptionNarrowed: the part that is let through counts as known, the
// rest stays out.
func TestExceptionNarrowed(t *testing.T) {
	rig := newExceptRig(t)
	rig.rules(nil, batch)
	rig.feed(hostLine(1, "a", "backup"), hostLine(1, "b", "bee"))
	rig.rules(nil, backup)
	rig.feed(hostLine(2, "b", "bee"), hostLine(2, "c", "bee"), hostLine(2, "a", "backup"))
	rig.want("c")
}

// TestExceptionMoved: the same exception under another name, in another place,
// or put back, changes nothing.
func TestExceptionMoved(t *testing.T) {
	rig := newExceptRig(t)
	rig.rules(nil, batch, backup)
	rig.feed(hostLine(1, "a", "backup"))
	rig.rules(func(r *rule.Rule) { r.Exceptions[0].Name = "another" }, backup, batch)
	rig.feed(hostLine(2, "a", "web"))
	rig.want("a")
	rig.feed(hostLine(2, "d", "backup"))
	rig.rules(nil)
	rig.rules(nil, backup, batch)
	rig.feed(hostLine(2, "d", "web"))
	rig.want("d")
}

// TestExceptionExpires while the engine runs, by the clock.
func TestExceptionExpires(t *testing.T) {
	rig := newExceptRig(t)
	rig.rules(func(r *rule.Rule) { r.Exceptions[0].Expires = rig.clock.Add(time.Hour) }, backup)
	rig.feed(hostLine(1, "a", "backup"))
	if notes := rig.e.Tick(); len(notes) != 0 {
		t.Errorf("before its time: %v", notes)
	}
	rig.feed(hostLine(1, "b", "backup"))
	rig.want()
	rig.clock = rig.clock.Add(time.Hour)
	if notes := rig.e.Tick(); len(notes) != 1 {
		t.Errorf("at its time: %v", notes)
	}
	rig.feed(hostLine(2, "a", "backup"), hostLine(2, "c", "backup"))
	rig.want("c")
	if notes := rig.e.Tick(); len(notes) != 0 {
		t.Errorf("twice: %v", notes)
	}
}

// TestExceptionOfAnotherQuery: when the query changes, what was seen under its
// exceptions is of another rule.
func TestExceptionOfAnotherQuery(t *testing.T) {
	rig := newExceptRig(t)
	rig.rules(nil, backup)
	rig.feed(hostLine(1, "a", "backup"))
	rig.rules(func(r *rule.Rule) {
		other := exceptionsOf(t, `event.dataset: app and host.name: *`)
		r.Filter = other[0].Node
	})
	rig.feed(hostLine(2, "a", "backup"))
	rig.want("a")
}
