package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluent-bit-newterms/detector/limits"
	"fluent-bit-newterms/test/fluentbit"
)

// agents makes events, each of a user agent of its own.
func agents(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(agent(fmt.Sprint("agent/", i)))
	}
	return b.String()
}

// agent makes an event of a user agent.
func agent(name string) string {
	text, _ := json.Marshal(name)
	return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1","stage":"ResponseComplete","verb":"get","user":{"username":"ann"},"userAgent":` +
		string(text) + `,"requestReceivedTimestamp":"` + time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") + `"}` + "\n"
}

// newAgent is an output with a rule on user agents alone.
func newAgent(state string, more ...string) string {
	return fluentbit.Section("OUTPUT", append([]string{"Name newterms", "Match kube.*", "State_Path " + state, "Learn off", "Max_Alerts 100000",
		"Query kubernetes.audit.verb:*", "New_Terms_Fields user_agent.original", "History_Window 7d", "Rule_Name New agent"}, more...)...)
}

// tailFrom is an input that goes on after a restart where it was.
func tailFrom(dir, path string) string {
	return fluentbit.Tail(path) + "    DB " + filepath.Join(dir, "tail.db") + "\n    Refresh_Interval 1\n"
}

func create(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// shown returns a term as an alert shows it: what is kept of it, and if that is
// not the whole, its length and a hash.
func shown(term string) string {
	if len(term) <= limits.Term {
		return term
	}
	sum := sha256.Sum256([]byte(term))
	return fmt.Sprintf("%s… (%d bytes, sha256 %x…)", term[:limits.Term-64], len(term), sum[:16])
}

// TestBurst ends Fluent Bit in a burst of new terms: the alerts of the last
// flushes cannot leave through an input any more, and leave at the next start.
func TestBurst(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		fluentbit.NeedsDatabase(t, binary)
		dir := t.TempDir()
		log, out := filepath.Join(dir, "audit.log"), filepath.Join(dir, "alerts")
		create(t, log)
		config := fluentbit.Prelude(dir) + tailFrom(dir, log) + fluentbit.AlertsInput("alert.newterms") + newAgent(filepath.Join(dir, "state")) + fluentbit.ToFile("alert.*", out)
		total := 0
		for _, wait := range []time.Duration{20, 150, 400, 900} {
			fb := fluentbit.Start(t, binary, dir, config)
			fluentbit.Eventually(t, "the start", func() bool { return strings.Contains(fb.Log.String(), "1 rule;") })
			appendTo(t, log, []byte(agents(total, total+300)))
			total += 300
			time.Sleep(wait * time.Millisecond)
			fb.Stop()
		}
		fb := fluentbit.Start(t, binary, dir, config)
		have := func() int {
			data, _ := os.ReadFile(out)
			return len(once(t, fluentbit.ParseAlerts(t, data[:bytes.LastIndexByte(data, '\n')+1]))) // the last line may be half written
		}
		fluentbit.Eventually(t, fmt.Sprintf("%d alerts (there are %d)", total, have()), func() bool { return have() >= total })
		fb.Stop()
		if n := have(); n != total {
			t.Errorf("%d different alerts, want %d", n, total)
		}
	})
}

// TestTwoProcesses starts a second Fluent Bit on the same state.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir, other := t.TempDir(), t.TempDir()
		config := fluentbit.Section("INPUT", "Name dummy", "Tag kube.dummy") + newAgent(filepath.Join(dir, "state"), "Alert_Stdout on")
		first := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+config)
		fluentbit.Eventually(t, "the start", func() bool { return strings.Contains(first.Log.String(), "1 rule;") })
		fluentbit.Start(t, binary, other, fluentbit.Prelude(other)+config).Refused(fmt.Sprintf("the state is in use: process %d holds", first.Cmd.Process.Pid))
		first.Stop()
		third := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+config)
		fluentbit.Eventually(t, "the start after the first has ended", func() bool { return strings.Contains(third.Log.String(), "1 rule;") })
		// Killed, it leaves no lock.
		_ = third.Cmd.Process.Signal(syscall.SIGKILL)
		<-third.Done
		fourth := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+config)
		fluentbit.Eventually(t, "the start after a kill", func() bool { return strings.Contains(fourth.Log.String(), "1 rule;") })
		fourth.Stop()
	})
}

// TestHostile has user agents that are made to break something on their way
// through Fluent Bit and back.
func TestHostile(t *testing.T) {
	t.Parallel()
	hostile := []string{
		strings.Repeat("long ", 200_000), "a\nb\r\nc", `"quotes" \`, `"}` + "\n" + `{"forged":true}`, "\x1b[31mred\x01\x7f", "a\u2028b",
		"{rule_id}{tag}%s%n", "../../../../etc/passwd", "alert.* **", "user\u202Egnp.exe",
	}
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log, out, direct := filepath.Join(dir, "audit.log"), filepath.Join(dir, "alerts"), filepath.Join(dir, "direct")
		create(t, log)
		for _, h := range hostile {
			appendTo(t, log, []byte(agent(h)))
		}
		fb := fluentbit.Start(t, binary, dir, fluentbit.Prelude(dir)+strings.Replace(fluentbit.Tail(log), "Buffer_Max_Size  1M", "Buffer_Max_Size  8M\n    Buffer_Chunk_Size 2M", 1)+
			fluentbit.AlertsInput("alert.newterms")+newAgent(filepath.Join(dir, "state"), "Alert_File "+direct, "Alert_Tag alert.{rule_id}.{tag}")+fluentbit.ToFile("alert.*", out))
		fluentbit.Settled(t, out, len(hostile))
		fluentbit.Settled(t, direct, len(hostile))
		fb.Stop()
		for _, path := range []string{out, direct} {
			want := make(map[string]bool)
			for _, h := range hostile {
				want[shown(h)] = true
			}
			for _, a := range fluentbit.Alerts(t, path) { // which fails if a line is no JSON
				if len(a.Terms) != 1 || !want[fmt.Sprint(a.Terms[0])] {
					t.Errorf("%s: terms %.200q", filepath.Base(path), a.Terms)
					continue
				}
				delete(want, fmt.Sprint(a.Terms[0]))
			}
			for h := range want {
				t.Errorf("%s: no alert on %.100q", filepath.Base(path), h)
			}
		}
		if info, err := os.Stat(direct); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("alert_file: %v, %v", info.Mode(), err)
		}
		if info, err := os.Stat(filepath.Join(dir, "state")); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("state_path: %v, %v", info.Mode(), err)
		}
	})
}

// TestNoSecretsInLogs: what is configured as a secret is in no line of the
// log, at the highest level, though everything goes wrong.
func TestNoSecretsInLogs(t *testing.T) {
	t.Parallel()
	fluentbit.Each(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		log := filepath.Join(dir, "audit.log")
		create(t, log)
		appendTo(t, log, []byte(agents(0, 3)))
		fb := fluentbit.Start(t, binary, dir, strings.Replace(fluentbit.Prelude(dir), "Log_Level info", "Log_Level debug", 1)+fluentbit.Tail(log)+
			newAgent(filepath.Join(dir, "state"), "Alert_Forward tcp://127.0.0.1:"+fluentbit.FreePort(t),
				"Alert_Forward_Shared_Key sekrit-key", "Alert_Forward_User ann", "Alert_Forward_Password sekrit-word"))
		fluentbit.Eventually(t, "the failure to forward", func() bool { return strings.Contains(fb.Log.String(), "alerts cannot leave") })
		fb.Stop()
		if strings.Contains(fb.Log.String(), "sekrit") {
			t.Error("the log holds a secret")
		}
	})
}
