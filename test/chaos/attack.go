package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/test/fluentbit"
)

// The attack sends what someone without credentials can have an API server
// write to its audit log, mixed with ordinary traffic, to the plugin under the
// limits of the shipped DaemonSet. From time to time a stolen token is used.
// The process must stay alive and inside its memory limit, each use of the
// token must alert, or be named in the summary of its interval, and ordinary
// traffic must not alert again.

// decisionRule is the name of the shipped rule that must alert on the stolen
// token.
const decisionRule = "Kubernetes Unusual Decision by User Agent"

const (
	// attackLearn is how long the rules learn ordinary traffic before the attack.
	attackLearn = 4 * time.Second
	// attackInterval is the rules' interval: a limit acts on it, and a summary
	// follows it. It is a twentieth of the rules' own, so that the run is short.
	attackInterval = 15 * time.Second
	// attackPatience is how long an alert on a stolen token, or a summary that
	// names it, may take.
	attackPatience = 2 * attackInterval
)

// writeAttackRules makes a folder with the rules.
func (l *lab) writeAttackRules(dir string) (string, error) {
	rules := filepath.Join(dir, "rules")
	if err := os.Mkdir(rules, 0o700); err != nil {
		return "", err
	}
	shipped, err := os.ReadFile(filepath.Join(fluentbit.Rules, "kubernetes_unusual_decision_by_user_agent.toml"))
	if err != nil {
		return "", err
	}
	for i, rule := range append(strings.Split(attackRules, "\n---\n"), string(shipped)) {
		if err := os.WriteFile(filepath.Join(rules, fmt.Sprintf("%d.toml", i)), []byte(rule), 0o600); err != nil {
			return "", err
		}
	}
	return rules, nil
}

// attackReport follows the alerts of an attack.
type attackReport struct {
	alerts    int
	ordinary  []string             // alerts on ordinary traffic, after the learning
	found     map[string]time.Time // by the stolen token's client: when its alert came
	summaries int
	broken    int // lines that are no alert
}

// line takes in one alert or summary, as a line of JSON.
func (v *attackReport) line(line []byte) {
	var a struct {
		Name     string `json:"kibana.alert.rule.name"`
		Terms    []any  `json:"kibana.alert.new_terms"`
		UUID     string `json:"kibana.alert.uuid"`
		Newterms struct {
			Summary string  `json:"summary"`
			Terms   [][]any `json:"terms"`
		} `json:"newterms"`
	}
	if err := json.Unmarshal(line, &a); err != nil || a.UUID == "" {
		v.broken++
		return
	}
	combinations := a.Newterms.Terms
	if a.Newterms.Summary != "" {
		v.summaries++
	} else {
		v.alerts++
		combinations = [][]any{a.Terms}
	}
	for _, terms := range combinations {
		for _, term := range terms {
			s, _ := term.(string)
			if _, ok := v.found[s]; !ok && strings.HasPrefix(s, "STOLEN-") && a.Name == decisionRule {
				v.found[s] = time.Now()
			}
			if strings.HasPrefix(s, "app/") && a.Newterms.Summary == "" {
				v.ordinary = append(v.ordinary, fmt.Sprintf("%s: %v", a.Name, terms))
			}
		}
	}
}

// limits returns the memory limit of the shipped DaemonSet, in bytes, and its
// GOMEMLIMIT.
func shippedLimits() (memory int64, goLimit string, err error) {
	manifest, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf/kubernetes/base/daemonset.yaml"))
	if err != nil {
		return 0, "", err
	}
	limit := regexp.MustCompile(`limits:\s+memory: (\d+)Mi`).FindSubmatch(manifest)
	goEnv := regexp.MustCompile(`name: GOMEMLIMIT\s+value: "?(\w+)"?`).FindSubmatch(manifest)
	if limit == nil || goEnv == nil {
		return 0, "", errors.New("the shipped DaemonSet has no memory limit, or no GOMEMLIMIT")
	}
	mib, err := strconv.ParseInt(string(limit[1]), 10, 64)
	return mib << 20, string(goEnv[1]), err
}

// attackFluentBit attacks a real Fluent Bit with the shipped configuration.
func (l *lab) attackFluentBit() (string, error) {
	return l.eachFluentBit(func(binary string) (string, error) {
		dir, err := l.folder("attack")
		if err != nil {
			return "", err
		}
		rules, err := l.writeAttackRules(dir)
		if err != nil {
			return "", err
		}
		memory, goLimit, err := shippedLimits()
		if err != nil {
			return "", err
		}
		config, err := os.ReadFile(filepath.Join(fluentbit.Root, "conf/kubernetes/base/fluent-bit.yaml"))
		if err != nil {
			return "", err
		}
		port, err := freePort()
		if err != nil {
			return "", err
		}
		edited := string(config)
		for from, to := range map[string]string{
			"/etc/newterms/parsers.conf":              filepath.Join(fluentbit.Root, "conf/kubernetes/base/parsers.conf"),
			"/etc/newterms/rules":                     rules,
			"/var/lib/newterms":                       filepath.Join(dir, "lib"),
			"/var/log/kubernetes/audit/":              dir + "/",
			"/usr/local/lib/newterms/out_newterms.so": l.plugin,
			"http_port: 2020":                         "http_port: " + port,
			"http_listen: 0.0.0.0":                    "http_listen: 127.0.0.1",
			"learn: 24h\n":                            "learn: " + attackLearn.String() + "\n      interval: " + attackInterval.String() + "\n",
		} {
			if !strings.Contains(edited, from) {
				continue // the configuration has its own way; what matters fails below
			}
			edited = strings.ReplaceAll(edited, from, to)
		}
		path := filepath.Join(dir, "fluent-bit.yaml")
		log, err := os.Create(filepath.Join(dir, "audit.log"))
		if err != nil {
			return "", err
		}
		defer log.Close()
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "lib"), 0o700), os.WriteFile(path, []byte(edited), 0o600)); err != nil {
			return "", err
		}
		out, err := os.Create(filepath.Join(dir, "alerts"))
		if err != nil {
			return "", err
		}
		defer out.Close()
		cmd := exec.CommandContext(l.ctx, binary, "-c", path)
		cmd.Stdout = out
		cmd.Env = append(os.Environ(), "GOMEMLIMIT="+goLimit)
		p, err := launchCmd(cmd)
		if err != nil {
			return "", err
		}
		defer p.kill()
		v, worst, err := l.underAttack(p, log, out.Name(), time.Duration(l.choose(25, 60))*time.Second)
		l.sawPeak(p)
		note := fmt.Sprintf("%d alerts, %d summaries; the stolen token alerted or named within %s; peak memory %d of %d MiB",
			v.alerts, v.summaries, worst.Round(100*time.Millisecond), p.peakMemory()>>20, memory>>20)
		if err != nil {
			return note, err
		}
		if p.peakMemory() > memory {
			return note, errors.New("that is more than the shipped DaemonSet's limit")
		}
		l.tally(func(t *totals) { t.rounds++ })
		return note, p.stop()
	})
}

// underAttack writes the attack to the log, and returns what the alerts say and
// the longest time that an alert on the stolen token took.
func (l *lab) underAttack(p *process, log io.Writer, alerts string, long time.Duration) (v attackReport, worst time.Duration, err error) {
	v.found = make(map[string]time.Time)
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	lines := make(chan []byte)
	go follow(ctx, alerts, lines)
	used := make(map[string]time.Time)
	h := &hostile{}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	learned := began.Add(2*attackLearn + time.Second)
	over := learned.Add(long)
	n, last := 0, learned
	for {
		now := time.Now()
		if now.After(over) && len(v.found) == len(used) || now.After(over.Add(attackPatience)) {
			break
		}
		select {
		case <-p.done:
			return v, worst, fmt.Errorf("the process ended: %w\n%s", p.err, tail(p.log.String()))
		case line := <-lines:
			v.line(line)
			continue
		case <-tick.C:
		}
		if now.After(over) {
			continue
		}
		var b strings.Builder
		for range 20 {
			n++
			b.WriteString(ordinary(n))
		}
		if now.After(learned) {
			for range 30 {
				b.WriteString(h.flood())
			}
			b.WriteString(h.heavy())
			b.WriteString(broken())
			if now.Sub(last) > 5*time.Second {
				last = now
				used[stolenAgent(len(used))] = now
				b.WriteString(stolen(len(used) - 1))
			}
		}
		if _, err := io.WriteString(log, b.String()); err != nil {
			return v, worst, err
		}
	}
	for agent, at := range used {
		when, ok := v.found[agent]
		if !ok {
			return v, worst, fmt.Errorf("the stolen token's %s has no alert, and no summary names it, within %s:\n%s", agent, attackPatience, tail(p.log.String()))
		}
		worst = max(worst, when.Sub(at))
	}
	switch {
	case len(used) == 0:
		return v, worst, errors.New("the stolen token was never used")
	case worst > attackPatience:
		return v, worst, fmt.Errorf("an alert on the stolen token took %s", worst)
	case len(v.ordinary) > 0:
		return v, worst, fmt.Errorf("%d alerts on ordinary traffic, the first: %s", len(v.ordinary), v.ordinary[0])
	}
	return v, worst, nil
}

// follow sends the lines of a file that grows until ctx ends.
func follow(ctx context.Context, path string, lines chan<- []byte) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	var line []byte
	for {
		part, err := r.ReadBytes('\n')
		line = append(line, part...)
		if err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(50 * time.Millisecond):
				continue
			}
		}
		if bytes.HasPrefix(line, []byte("{")) {
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
		}
		line = nil
	}
}

// attackHost attacks the plugin in the host, in as many chunks.
func (l *lab) attackHost() (string, error) {
	memory, goLimit, err := shippedLimits()
	if err != nil {
		return "", err
	}
	dir, err := l.folder("attack")
	if err != nil {
		return "", err
	}
	rules, err := l.writeAttackRules(dir)
	if err != nil {
		return "", err
	}
	config := filepath.Join(dir, "host.conf")
	records := filepath.Join(dir, "records")
	err = os.WriteFile(config, []byte("[SERVICE]\n    log_level info\n"+alertsInput()+section("OUTPUT", "Name newterms", "Match kube.*",
		"Rules "+rules, "State_Path "+filepath.Join(dir, "state"), "Learn 1s", "Interval 2s")), 0o600)
	if err != nil {
		return "", err
	}
	h := &hostile{}
	steps := []string{}
	chunk := func(make func(b *strings.Builder)) error {
		var b strings.Builder
		make(&b)
		path := filepath.Join(dir, fmt.Sprintf("chunk-%d", len(steps)))
		steps = append(steps, "events="+path)
		return os.WriteFile(path, []byte(b.String()), 0o600)
	}
	calm := func(b *strings.Builder) {
		for i := range 40 {
			b.WriteString(ordinary(i))
		}
	}
	if err := chunk(calm); err != nil {
		return "", err
	}
	steps = append(steps, "sleep=2500")
	rounds, used := l.choose(54, 540), 0
	for i := range rounds {
		err := chunk(func(b *strings.Builder) {
			calm(b)
			for range 40 {
				b.WriteString(h.flood())
			}
			b.WriteString(h.heavy())
			if i%9 == 8 {
				b.WriteString(stolen(used))
				used++
			}
		})
		if err != nil {
			return "", err
		}
	}
	steps = append(steps, "sleep=5000")
	script := filepath.Join(dir, "steps")
	if err := os.WriteFile(script, []byte(strings.Join(steps, "\n")), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(l.ctx, l.host, "-p", l.plugin, "-p", l.plugin, "-c", config, "-r", records, "@"+script)
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+goLimit)
	p, err := launchCmd(cmd)
	if err != nil {
		return "", err
	}
	err = p.wait(10 * time.Minute)
	l.sawPeak(p)
	v := attackReport{found: make(map[string]time.Time)}
	note := func() string {
		return fmt.Sprintf("%d chunks, %d alerts, %d summaries; %d of %d uses of the stolen token alerted or named; peak memory %d of %d MiB",
			rounds, v.alerts, v.summaries, len(v.found), used, p.peakMemory()>>20, memory>>20)
	}
	if err != nil {
		return note(), err
	}
	data, err := os.ReadFile(records)
	if err != nil {
		return note(), err
	}
	for line := range bytes.Lines(data) {
		var r struct{ Record [2]jsoniter.RawMessage } // time, body
		if json.Unmarshal(line, &r) == nil && r.Record[1] != nil {
			v.line(r.Record[1])
		}
	}
	switch {
	case len(v.found) != used:
		return note(), fmt.Errorf("the stolen token was used %d times and alerted or named %d times:\n%s", used, len(v.found), tail(p.log.String()))
	case len(v.ordinary) > 0:
		return note(), fmt.Errorf("%d alerts on ordinary traffic, the first: %s", len(v.ordinary), v.ordinary[0])
	case p.peakMemory() > memory:
		return note(), errors.New("that is more than the shipped DaemonSet's limit")
	}
	l.tally(func(t *totals) { t.rounds++ })
	return note(), nil
}
