// Command demo shows the main job on a real cluster's audit log: the command
// makes a baseline of the log's first part, the plugin then takes the rest,
// and what was new is shown. With fluent-bit on the PATH the plugin runs in
// it, else in test/host, which loads it in the same way.
//
//	go run ./test/demo build
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// baseline is how many lines of the log are of a cluster at work, with nobody
// in it who should not be.
const baseline = 20_000

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo BUILD-FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(build string) error {
	dir, err := os.MkdirTemp("", "newterms-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	before, after, total, err := split("test/testdata/k8s-audit.jsonl.gz", dir)
	if err != nil {
		return err
	}
	state := filepath.Join(dir, "state")

	fmt.Printf("A baseline from the first %d events of a real audit log:\n\n", baseline)
	learn := exec.Command(filepath.Join(build, "newterms"), "learn", "--rules", "conf/rules", "--state", state, before)
	learn.Stdout, learn.Stderr = os.Stdout, os.Stdout
	if err := learn.Run(); err != nil {
		return fmt.Errorf("newterms learn: %w", err)
	}

	so, err := filepath.Abs(filepath.Join(build, "out_newterms.so"))
	if err != nil {
		return err
	}
	var alerts []byte
	if fluentBit, err := exec.LookPath("fluent-bit"); err == nil {
		fmt.Printf("\nThe other %d events through Fluent Bit with the plugin:\n\n", total-baseline)
		alerts, err = throughFluentBit(fluentBit, so, dir, state, after)
		if err != nil {
			return err
		}
	} else {
		fmt.Printf("\nThe other %d events through the plugin (there is no fluent-bit on the PATH: test/host loads it):\n\n", total-baseline)
		alerts, err = throughHost(filepath.Join(build, "host"), so, dir, state, after)
		if err != nil {
			return err
		}
	}
	return show(alerts)
}

// split writes the two parts of the log to files.
func split(path, dir string) (before, after string, total int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", 0, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", "", 0, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return "", "", 0, err
	}
	cut := 0
	for range baseline {
		cut += bytes.IndexByte(data[cut:], '\n') + 1
	}
	before, after = filepath.Join(dir, "before.jsonl"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(before, data[:cut], 0o600); err != nil {
		return "", "", 0, err
	}
	return before, after, bytes.Count(data, []byte("\n")), os.WriteFile(after, data[cut:], 0o600)
}

// output is the section that both ways share.
func output(state string) string {
	rules, _ := filepath.Abs("conf/rules")
	return fmt.Sprintf(`
[INPUT]
    Name        newterms_alerts
    Tag         alert.newterms

[OUTPUT]
    Name        newterms
    Match       kube.audit
    Rules       %s
    State_Path  %s
    Workers     1
`, rules, state)
}

func throughFluentBit(binary, so, dir, state, log string) ([]byte, error) {
	plugins := "[PLUGINS]\n    Path " + so + "\n    Path " + so + "\n"
	parsers := "[PARSER]\n    Name audit\n    Format json\n    Time_Key requestReceivedTimestamp\n    Time_Format %Y-%m-%dT%H:%M:%S.%LZ\n    Time_Keep On\n"
	config := "[SERVICE]\n    Flush 0.5\n    Grace 5\n    Log_Level warn\n    Plugins_File plugins.conf\n    Parsers_File parsers.conf\n" +
		"\n[INPUT]\n    Name tail\n    Tag kube.audit\n    Path " + log + "\n    Parser audit\n    Read_from_Head On\n    Buffer_Max_Size 2M\n" +
		output(state) +
		"\n[OUTPUT]\n    Name file\n    Match alert.*\n    Path " + dir + "\n    File alerts\n    Format plain\n"
	for name, text := range map[string]string{"plugins.conf": plugins, "parsers.conf": parsers, "fluent-bit.conf": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	var said bytes.Buffer
	cmd := exec.Command(binary, "-q", "-c", filepath.Join(dir, "fluent-bit.conf"))
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	alerts := quiet(filepath.Join(dir, "alerts"))
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", binary, err, &said)
	}
	return alerts, nil
}

// quiet waits until a file has something in it and has not grown for a while,
// and returns what it holds.
func quiet(path string) []byte {
	var data []byte
	still := 0
	for range 300 {
		time.Sleep(100 * time.Millisecond)
		now, _ := os.ReadFile(path)
		if still++; len(now) != len(data) || len(now) == 0 {
			still = 0
		}
		if data = now; still > 30 {
			break
		}
	}
	return data
}

func throughHost(host, so, dir, state, log string) ([]byte, error) {
	config := filepath.Join(dir, "host.conf")
	if err := os.WriteFile(config, []byte("[SERVICE]\n    log_level warn\n"+output(state)), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(host, "-p", so, "-p", so, "-c", config, "time-key=requestReceivedTimestamp", "events="+log, "sleep=500")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", host, err)
	}
	var alerts []byte
	for _, line := range bytes.Split(bytes.TrimSpace(out), []byte("\n")) {
		var r struct{ Record [2]json.RawMessage } // time and body
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", host, err)
		}
		alerts = append(append(alerts, r.Record[1]...), '\n')
	}
	return alerts, nil
}

// show prints alerts as a table.
func show(alerts []byte) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME\tDECISION\tUSER\tUSER AGENT\tWHAT IS NEW")
	n := 0
	lines := bufio.NewScanner(bytes.NewReader(alerts))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var a struct {
			Time     string   `json:"kibana.alert.original_time"`
			Terms    []string `json:"kibana.alert.new_terms"`
			Newterms struct {
				Fields []string `json:"fields"`
				Novel  []string `json:"novel_fields"`
			} `json:"newterms"`
		}
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return fmt.Errorf("an alert cannot be read: %w", err)
		}
		if len(a.Terms) != 3 {
			continue
		}
		n++
		what := "the combination"
		if len(a.Newterms.Novel) > 0 {
			what = strings.Join(a.Newterms.Novel, ", ")
		}
		clock := a.Time
		if t, err := time.Parse(time.RFC3339, a.Time); err == nil {
			clock = t.Format(time.TimeOnly)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.38s\t%s\n", clock, a.Terms[0], a.Terms[1], a.Terms[2], what)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("no alert came; expected some")
	}
	fmt.Printf("\n%d alerts. Everything else in these events had been seen before.\n", n)
	return nil
}
