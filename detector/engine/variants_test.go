package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fluent-bit-newterms/detector/normalize"
	"fluent-bit-newterms/detector/rule"
	"fluent-bit-newterms/detector/seen"
)

// upgraded returns lines of cluster-a in which every component has another
// version and another commit.
func upgraded(lines [][]byte) [][]byte {
	version := regexp.MustCompile(`/(v?\d+\.\d+\.)(\d+)`)
	commit := regexp.MustCompile(`kubernetes/([0-9a-f]{7})`)
	out := make([][]byte, len(lines))
	for i, l := range lines {
		l = version.ReplaceAll(l, []byte("/${1}9${2}"))
		out[i] = commit.ReplaceAll(l, []byte("kubernetes/1a2b3c4"))
	}
	return out
}

func kubernetesSet(t testing.TB) *normalize.Set {
	t.Helper()
	set, err := normalize.Load([]string{"kubernetes"}, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// attackFrom is the first line of the attacker's part of cluster-a.
const attackFrom = 20862

// outcomes are what an engine let out.
type outcomes struct {
	alerts, variants []string
	summaries        []map[string]any
}

func (o *outcomes) take(t testing.TB) func(a *Alert) {
	return func(a *Alert) {
		var body map[string]any
		if err := json.Unmarshal(a.Body, &body); err != nil {
			t.Fatal(err)
		}
		own := body["newterms"].(map[string]any)
		if own["summary"] != nil {
			o.summaries = append(o.summaries, body)
			return
		}
		text := fmt.Sprintf("%q", body["kibana.alert.new_terms"])
		if own["verdict"] == "variant" {
			o.variants = append(o.variants, text)
			return
		}
		o.alerts = append(o.alerts, text)
	}
}

func seedRule(t testing.TB) []*rule.Rule {
	t.Helper()
	set, err := rule.Load([]string{"../../conf/rules/kubernetes_unusual_decision_by_user_agent.toml"}, rule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules
}

// TestUpgrade learns a cluster's log, without normalization, turns it on, and
// runs the log again after an upgrade of everything. There is one summary, and
// nothing alerts but the attacker.
func TestUpgrade(t *testing.T) {
	lines := gunzip(t, sharedFile(t, "k8s-audit/cluster-a.jsonl.gz"))
	for _, learnedWith := range []*normalize.Set{nil, kubernetesSet(t)} {
		dir := t.TempDir()
		store, _, err := seen.Open(dir, seen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var learned outcomes
		e := newTestEngine(t, Options{Normalize: learnedWith, LearnUntil: 1 << 60, Alert: learned.take(t)}, seedRule(t), store)
		feed(t, e, lines[:attackFrom], 0, 1000)
		known := e.Known()
		if err := e.EndLearning(); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if store, _, err = seen.Open(dir, seen.Options{}); err != nil {
			t.Fatal(err)
		}
		var got outcomes
		e = newTestEngine(t, Options{Normalize: kubernetesSet(t), Alert: got.take(t)}, seedRule(t), store)
		if e.Known() != known || known < 35 {
			t.Errorf("%d combinations are known after the restart, %d before", e.Known(), known)
		}
		feed(t, e, upgraded(lines), 0, 1000)
		if err := e.Finish(); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if len(learned.alerts)+len(learned.summaries) > 0 {
			t.Errorf("learning let out %v", learned)
		}
		if len(got.alerts) != 8 || len(got.summaries) != 1 {
			t.Errorf("%d alerts and %d summaries, want 8 and 1: %s", len(got.alerts), len(got.summaries), strings.Join(got.alerts, "\n"))
		}
		for _, w := range []string{"ci-deployer\" \"curl", "python-requests", "peirates", "Go-http-client", "masscan", "Firefox", "ci-deployer\" \"kubectl", "forbid\" \"admin"} {
			if !slices.ContainsFunc(got.alerts, func(a string) bool { return strings.Contains(a, w) }) {
				t.Errorf("the attacker's %s raised no alert", w)
			}
		}
		for _, s := range got.summaries {
			own := s["newterms"].(map[string]any)
			if own["summary"] != "variants" || own["count"].(float64) < 35 || own["marked"].(float64) != 0 || s["kibana.alert.severity"] != "low" {
				t.Errorf("the summary is %.2000v", s)
			}
			if reason := s["kibana.alert.reason"].(string); !strings.Contains(reason, "kube-controller-manager v1.35.0 -> v1.35.90, 18 combinations") || strings.Contains(reason, "\n") {
				t.Errorf("the reason is %s", reason)
			}
		}
	}
}

// TestUpgradeOfKubelets upgrades 5,000 kubelets at once, in which somebody hides
// with a token that was stolen from one of them.
func TestUpgradeOfKubelets(t *testing.T) {
	var got outcomes
	e := newTestEngine(t, Options{Normalize: kubernetesSet(t), Alert: got.take(t)}, []*rule.Rule{accessRule(t)}, seen.OpenMemory(seen.Options{}))
	var before, after [][]byte
	const at, later = "2026-11-23T01:12:00.000000Z", "2026-11-23T03:12:00.000000Z"
	until, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	e.opts.LearnUntil = until.UnixMilli()
	for i := range 5000 {
		user := fmt.Sprintf("system:node:node-%d", i)
		before = append(before, auditEvent(user, "kubelet/v1.35.0 (linux/amd64) kubernetes/6645204", at, nil))
		after = append(after, auditEvent(user, "kubelet/v1.35.1 (linux/amd64) kubernetes/7f3a1c9", later, nil))
	}
	after = slices.Insert(after, 2500, auditEvent("system:node:node-7", "STOLEN-token/1.0", later, nil))
	feed(t, e, before, 0, 1000)
	feed(t, e, after, 0, 1000)
	if err := e.Finish(); err != nil {
		t.Fatal(err)
	}
	if len(got.alerts) != 1 || !strings.Contains(got.alerts[0], "STOLEN") {
		t.Errorf("alerts: %q", got.alerts)
	}
	if len(got.summaries) != 1 {
		t.Fatalf("%d summaries", len(got.summaries))
	}
	own := got.summaries[0]["newterms"].(map[string]any)
	changes := own["changes"].([]any)
	if own["count"].(float64) != 5000 || len(changes) != 1 || changes[0].(map[string]any)["count"].(float64) != 5000 {
		t.Errorf("the summary counts %v: %v", own["count"], changes)
	}
	if text, _ := json.Marshal(own); len(text) > 64<<10 {
		t.Errorf("the summary has %d bytes", len(text))
	}
}

// TestVariantIsNeverSilent runs events of few names, versions and users through an
// engine, and tells from a plain list of what was seen which verdict each must
// have: whatever is not known exactly is in an alert or counted in a summary.
func TestVariantIsNeverSilent(t *testing.T) {
	set, err := normalize.New(map[string]any{"user_agent.original": []any{"versions", "hashes"}})
	if err != nil {
		t.Fatal(err)
	}
	n := set.Field("user_agent.original")
	for _, alertOn := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			var got outcomes
			r, err := rule.Inline(rule.InlineConfig{RuleID: "test", RuleName: "New client", Query: "event.dataset: app", NewTermsFields: "user.name, user_agent.original", HistoryWindow: "7d"})
			if err != nil {
				t.Fatal(err)
			}
			e := New(Options{EventTime: true, MaxAlerts: -1, Normalize: set, AlertVariants: alertOn, Alert: func(a *Alert) {
				var body map[string]any
				_ = json.Unmarshal(a.Body, &body)
				own := body["newterms"].(map[string]any)
				text := fmt.Sprintf("%q", body["kibana.alert.new_terms"])
				switch {
				case own["summary"] == "variants":
					for _, terms := range own["terms"].([]any) {
						got.variants = append(got.variants, fmt.Sprintf("%q", terms))
					}
				case own["verdict"] == "variant":
					got.variants = append(got.variants, text)
				default:
					got.alerts = append(got.alerts, text)
				}
			}}, seen.OpenMemory(seen.Options{}))
			if _, err := e.SetRules([]*rule.Rule{r}); err != nil {
				t.Fatal(err)
			}
			var fresh, variants []string
			exact, forms := map[string]bool{}, map[string]bool{}
			var lines [][]byte
			for i := range rapid.IntRange(1, 60).Draw(t, "events") {
				user := rapid.SampledFrom([]string{"alice", "bob v1.0.0", "node-1"}).Draw(t, "user")
				agent := rapid.SampledFrom([]string{"kubectl", "kubelet"}).Draw(t, "program") + "/v1." + rapid.SampledFrom([]string{"1.0", "2.0", "2.0-rc.1", "2", "2.0-x"}).Draw(t, "version") +
					rapid.SampledFrom([]string{"", " 7f3a1c9", " facade", " 1"}).Draw(t, "more")
				form, _ := n.Split(agent)
				text := fmt.Sprintf("%q", []any{user, agent})
				switch {
				case exact[text]:
				case forms[user+"|"+form] && form != agent:
					variants = append(variants, text)
				default:
					fresh = append(fresh, text)
				}
				exact[text], forms[user+"|"+form] = true, true
				lines = append(lines, fmt.Appendf(nil, `{"@timestamp":"2026-01-01T00:00:%02dZ","event":{"dataset":"app"},"user":{"name":%q},"user_agent":{"original":%q}}`, i, user, agent))
			}
			b := e.NewBatch()
			for i, l := range lines {
				if err := b.Line(l, 0, i); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.End(""); err != nil {
				t.Fatal(err)
			}
			if err := e.Finish(); err != nil {
				t.Fatal(err)
			}
			slices.Sort(fresh)
			slices.Sort(variants)
			slices.Sort(got.alerts)
			slices.Sort(got.variants)
			if !slices.Equal(fresh, got.alerts) || !slices.Equal(variants, got.variants) {
				t.Fatalf("alerts %q, want %q; variants %q, want %q", got.alerts, fresh, got.variants, variants)
			}
		})
	}
}
