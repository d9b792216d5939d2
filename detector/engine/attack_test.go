package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// auditEvent is a raw audit event as a line. edit may change it.
func auditEvent(user, agent, at string, edit func(e map[string]any)) []byte {
	e := map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "x-1", "stage": "ResponseComplete",
		"requestURI": "/api", "verb": "list", "user": map[string]any{"username": user, "groups": []any{"system:authenticated"}},
		"sourceIPs": []any{"10.0.0.1"}, "userAgent": agent, "objectRef": map[string]any{"resource": "secrets"},
		"responseStatus": map[string]any{"code": 200}, "requestReceivedTimestamp": at, "stageTimestamp": at,
		"annotations": map[string]any{"authorization.k8s.io/decision": "allow"},
	}
	if edit != nil {
		edit(e)
	}
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return line
}

// accessRule is like Elastic's: a user with a user agent from an address.
func accessRule(t *testing.T) *rule.Rule {
	return ruleOf(t, "kubernetes.audit.verb: *", "source.ip, user.name, user_agent.original")
}

// TestFloodHidesNobody: whatever floods a rule with new combinations, one from
// elsewhere alerts in the same interval, or is named in the summary.
func TestFloodHidesNobody(t *testing.T) {
	const at, later = "2026-11-23T01:12:00.000000Z", "2026-11-23T03:12:00.000000Z"
	stolen := func(at string) []byte {
		return auditEvent("system:serviceaccount:prod:ci", "STOLEN-token", at, nil)
	}
	var flood, upgrade [][]byte
	for i := range 1100 {
		flood = append(flood, auditEvent("system:anonymous", fmt.Sprint("x", i), at, nil))
	}
	flood = append(flood, stolen(at))
	for k, version := range []string{"v1.35.0", "v1.35.1"} {
		for i := range 2000 {
			if k == 1 && i == 1500 {
				upgrade = append(upgrade, stolen(later))
			}
			upgrade = append(upgrade, auditEvent(fmt.Sprint("system:node:node-", i), "kubelet/"+version, []string{at, later}[k], nil))
		}
	}
	for name, lines := range map[string][][]byte{"flood": flood, "upgrade": upgrade} {
		for _, most := range []int{0, 3} {
			for _, size := range []int{1, 100, 10_000} {
				t.Run(fmt.Sprintf("%s, %d alerts, %d events a flush", name, most, size), func(t *testing.T) {
					alerted, named, noisy := false, false, uint64(0)
					e := newTestEngine(t, Options{MaxAlerts: most, Alert: func(a *Alert) {
						var body struct {
							Terms    []any `json:"kibana.alert.new_terms"`
							Newterms struct {
								Summary string
								Terms   [][]any
								Noisy   []struct {
									Count  uint64
									Sample []any
								} `json:"noisy_groups"`
							}
						}
						if err := json.Unmarshal(a.Body, &body); err != nil {
							t.Fatal(err)
						}
						alerted = alerted || strings.Contains(fmt.Sprint(body.Terms), "STOLEN")
						named = named || strings.Contains(fmt.Sprint(body.Newterms.Terms), "STOLEN")
						for _, g := range body.Newterms.Noisy {
							noisy += g.Count
							named = named || strings.Contains(fmt.Sprint(g.Sample), "STOLEN")
						}
					}}, []*rule.Rule{accessRule(t)}, seen.OpenMemory(seen.Options{}))
					feed(t, e, lines, 0, size)
					if err := e.Finish(); err != nil {
						t.Fatal(err)
					}
					if !alerted && (most == 0 || !named) {
						t.Errorf("the stolen token is alerted: %v, named: %v", alerted, named)
					}
					if noisy < 500 {
						t.Errorf("%d combinations are in noisy groups, want most of them", noisy)
					}
				})
			}
		}
	}
}

// TestTimeZero: a record whose time is 0 is a record like any other.
func TestTimeZero(t *testing.T) {
	var users []string
	for i := range 5 {
		users = append(users, fmt.Sprint("zero ", i))
	}
	for name, run := range map[string]func(e *Engine){
		"lines": func(e *Engine) {
			b := e.NewBatch()
			for _, u := range users {
				if err := b.Line(auditEvent(u, "a", "1970-01-01T00:00:00Z", nil), 0, 0); err != nil {
					t.Fatal(err)
				}
			}
			_ = b.End("")
		},
		"records": func(e *Engine) {
			for _, u := range users {
				if _, err := e.Chunk("x", chunkOf(time.Unix(0, 0), u)); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			alerts := 0
			o := Options{Alert: func(*Alert) { alerts++ }}
			if name == "records" {
				o.Clock = time.Now
			}
			e := newTestEngine(t, o, []*rule.Rule{ruleOf(t, "event.dataset: *", "user.name")}, seen.OpenMemory(seen.Options{}))
			run(e)
			if alerts != len(users) {
				t.Errorf("%d alerts, want %d", alerts, len(users))
			}
		})
	}
}

// TestFarFuture: an event of the year 2199 in a log of the past ends no window.
func TestFarFuture(t *testing.T) {
	var lines [][]byte
	for i := range 20 {
		if i == 10 {
			lines = append(lines, auditEvent("future", "a", "2199-01-01T00:00:00Z", nil))
		}
		lines = append(lines, auditEvent(fmt.Sprint("user ", i), "a", "2026-01-01T00:00:00Z", nil))
	}
	e := newTestEngine(t, Options{}, []*rule.Rule{ruleOf(t, "user.name: *", "user.name")}, seen.OpenMemory(seen.Options{}))
	feed(t, e, lines, 0, 3)
	if e.Known() != 21 || e.Counts().Clamped.Load() != 1 {
		t.Errorf("%d known, %d times clamped; want 21 and 1", e.Known(), e.Counts().Clamped.Load())
	}
}

// TestClockWasAhead: a clock that is years ahead at the first match does not make
// the learning last for years.
func TestClockWasAhead(t *testing.T) {
	now := time.Now().AddDate(10, 0, 0)
	alerts := 0
	e := newTestEngine(t, Options{Learn: time.Hour, Clock: func() time.Time { return now }, Alert: func(a *Alert) {
		if !strings.Contains(string(a.Body), `"summary"`) {
			alerts++
		}
	}},
		[]*rule.Rule{inlineRule(t, nil)}, seen.OpenMemory(seen.Options{}))
	flush := func(user string) {
		if _, err := e.Chunk("x", chunkOf(now, user)); err != nil {
			t.Fatal(err)
		}
	}
	flush("a")
	now = time.Now()
	flush("b") // learned: the learning begins anew
	now = now.Add(2 * time.Hour)
	flush("c")
	e.Tick()
	if alerts != 1 {
		t.Errorf("%d alerts, want 1", alerts)
	}
}
