package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// pipeline is a Fluent Bit that tails a log somebody writes to. Its chunks are
// on disk, so what it had read it delivers after a crash.
type pipeline struct {
	l      *lab
	binary string
	dir    string
	state  string
	port   string
	book   *ledger

	mu     sync.Mutex
	events events
	log    *os.File
}

// byOutput is a file output of Fluent Bit's, which gets what the alerts input
// collects.
const byOutput = "Fluent Bit's file output"

func (l *lab) newPipeline(binary string, more ...string) (*pipeline, error) {
	dir, err := l.folder("fluent-bit")
	if err != nil {
		return nil, err
	}
	f := &pipeline{l: l, binary: binary, dir: dir, state: filepath.Join(dir, "state"), book: newLedger(byFile, byOutput)}
	if f.port, err = freePort(); err != nil {
		return nil, err
	}
	if f.log, err = os.Create(f.file("audit.log")); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"plugins.conf": "[PLUGINS]\n    Path " + l.plugin + "\n    Path " + l.plugin + "\n",
		"parsers.conf": "[PARSER]\n    Name json\n    Format json\n",
		"fluent-bit.conf": section("SERVICE", "Flush 0.2", "Grace 2", "Log_Level info", "Hot_Reload On",
			"HTTP_Server On", "HTTP_Listen 127.0.0.1", "HTTP_Port "+f.port,
			"Plugins_File "+f.file("plugins.conf"), "Parsers_File "+f.file("parsers.conf"),
			"storage.path "+f.file("storage"), "storage.backlog.mem_limit 64M") +
			section("INPUT", "Name tail", "Path "+f.file("audit.log"), "Tag kube.audit", "Parser json", "Read_from_Head On",
				"DB "+f.file("tail.db"), "Refresh_Interval 1", "storage.type filesystem") +
			f.attacked(more) +
			section("OUTPUT", "Name file", "Match alert.*", "Path "+dir, "File alerts", "Format plain", "Retry_Limit no_limits"),
	} {
		if err := os.WriteFile(f.file(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// attacked is the part of the configuration that is ours. With plugins of its
// own in their place, the pipeline shows what Fluent Bit does by itself.
func (f *pipeline) attacked(more []string) string {
	if slices.Contains(more, bare) {
		return section("INPUT", "Name dummy", "Tag alert.none") + section("OUTPUT", "Name null", "Match kube.*")
	}
	return alertsInput("storage.type filesystem") +
		newterms(f.state, append([]string{"Alert_File " + f.file("direct"), "Retry_Limit no_limits"}, more...)...)
}

// bare asks for a pipeline without the plugin.
const bare = "bare"

func (f *pipeline) file(name string) string { return filepath.Join(f.dir, name) }

func (f *pipeline) start() (*process, error) {
	return launch(f.l.ctx, f.binary, "-c", f.file("fluent-bit.conf"))
}

// write appends events of n tuples to the log.
func (f *pipeline) write(n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		t := f.events.fresh()
		f.book.fed[t], f.book.owed[t] = true, true
		if _, err := f.log.WriteString(line(t) + line(t)); err != nil {
			return err
		}
	}
	return nil
}

// load writes to the log until stop is closed: as much as still fits in the
// outbox if Fluent Bit never lives for long enough to deliver any of it.
func (f *pipeline) load(stop <-chan struct{}) (done func()) {
	var work sync.WaitGroup
	work.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(10+rand.IntN(60)) * time.Millisecond):
				_ = f.write(1)
			}
		}
	})
	return work.Wait
}

// read takes in the alerts so far.
func (f *pipeline) read() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.book.read(byFile, f.file("direct"), nil), f.book.read(byOutput, f.file("alerts"), nil))
}

// settle runs Fluent Bit until everything has alerted, and balances the book.
func (f *pipeline) settle() error {
	p, err := f.start()
	if err != nil {
		return err
	}
	defer p.kill()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if err := f.read(); err != nil {
			return err
		}
		if f.book.lost() == 0 && waiting(f.state) == 0 {
			break
		}
	}
	if err := p.stop(); err != nil {
		return err
	}
	if err := f.read(); err != nil {
		return err
	}
	f.l.sawPeak(p)
	f.book.complete()
	f.book.remembered(f.state, byFile, byOutput)
	f.book.empty(f.state)
	return f.l.account(f.book)
}

// eachFluentBit runs something with every Fluent Bit there is.
func (l *lab) eachFluentBit(do func(binary string) (string, error)) (string, error) {
	if len(l.fluentBits) == 0 {
		return "SKIPPED, there is no fluent-bit on the PATH", nil
	}
	var notes []string
	for _, binary := range l.fluentBits {
		out, _ := exec.Command(binary, "--version").Output()
		version, _, _ := strings.Cut(string(out), "\n")
		if help, _ := exec.Command(binary, "-i", "tail", "-h").CombinedOutput(); !strings.Contains(string(help), "\ndb ") {
			notes = append(notes, version+": SKIPPED, it was built without SQLite, so its tail input would read everything anew")
			continue
		}
		note, err := do(binary)
		if err != nil {
			return strings.Join(notes, "; "), fmt.Errorf("%s: %w", version, err)
		}
		notes = append(notes, strings.TrimPrefix(version, "Fluent Bit ")+": "+note)
	}
	return strings.Join(notes, "; "), nil
}

// crashFluentBit kills a Fluent Bit at random moments.
func (l *lab) crashFluentBit() (string, error) {
	return l.eachFluentBit(func(binary string) (string, error) {
		f, err := l.newPipeline(binary, "Workers 1")
		if err != nil {
			return "", err
		}
		defer f.log.Close()
		stop := make(chan struct{})
		done := f.load(stop)
		rounds := l.choose(8, 100)
		for range rounds {
			p, err := f.start()
			if err != nil {
				return "", err
			}
			time.Sleep(time.Duration(100+rand.IntN(1900)) * time.Millisecond)
			if !p.running() {
				return "", fmt.Errorf("it ended before it was killed: %w", p.wait(0))
			}
			p.kill()
			l.sawPeak(p)
			l.tally(func(t *totals) { t.rounds++; t.kills++ })
			if err := f.read(); err != nil {
				return "", err
			}
			f.mu.Lock()
			f.book.remembered(f.state, byFile) // the other way goes through Fluent Bit's chunks
			f.mu.Unlock()
		}
		close(stop)
		done()
		return fmt.Sprintf("%d kills, %d tuples", rounds, len(f.book.fed)), f.settle()
	})
}

// reloadFluentBit reloads a Fluent Bit, by signal and by HTTP in turn. It has
// no workers: those do not go together with reloads (see conf/README.md).
func (l *lab) reloadFluentBit() (string, error) {
	return l.eachFluentBit(func(binary string) (string, error) {
		f, err := l.newPipeline(binary)
		if err != nil {
			return "", err
		}
		defer f.log.Close()
		p, err := f.start()
		if err != nil {
			return "", err
		}
		defer p.kill()
		stop := make(chan struct{})
		done := f.load(stop)
		const warm = 3
		n := l.choose(6, 50)
		var before, after use
		for i := range n {
			if i == warm {
				before = measure(p)
			}
			if err := f.reload(p, i); err != nil {
				return "", fmt.Errorf("reload %d: %w", i+1, err)
			}
		}
		after = measure(p)
		close(stop)
		done()
		time.Sleep(time.Second)
		if err := p.stop(); err != nil {
			return "", err
		}
		l.sawPeak(p)
		l.tally(func(t *totals) { t.rounds++; t.reloads += n })
		leak := 0.0
		if after.grown(before) != nil {
			// Some versions leak pipes for each plugin at a reload, and the
			// connection that asked for it, by themselves.
			if leak, err = l.leak(binary); err != nil {
				return "", err
			}
		}
		before.descriptors += int(math.Ceil(leak * float64(n-warm)))
		if err := after.grown(before); err != nil {
			return "", err
		}
		return fmt.Sprintf("%d reloads, %d tuples, %s, of which Fluent Bit itself leaks %.1f a reload",
			n, len(f.book.fed), after, leak), f.settle()
	})
}

// leak returns how many descriptors a Fluent Bit without the plugin loses with
// each reload.
func (l *lab) leak(binary string) (float64, error) {
	f, err := l.newPipeline(binary, bare)
	if err != nil {
		return 0, err
	}
	defer f.log.Close()
	p, err := f.start()
	if err != nil {
		return 0, err
	}
	defer p.kill()
	const reloads = 9 // one to begin with, then as many by signal as by HTTP
	var before use
	for i := range reloads {
		if i == 1 {
			before = measure(p)
		}
		if err := f.reload(p, i); err != nil {
			return 0, err
		}
	}
	return float64(measure(p).descriptors-before.descriptors) / (reloads - 1), nil
}

// reload asks for the i. reload and waits until the new configuration runs.
func (f *pipeline) reload(p *process, i int) error {
	started := func() int { return strings.Count(p.log.String(), "stream processor started") }
	if err := f.l.await("the start", p, func() bool { return started() > i && f.up() }); err != nil {
		return err
	}
	time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
	if i%2 == 0 {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			return err
		}
	} else {
		resp, err := http.Post("http://127.0.0.1:"+f.port+"/api/v2/reload", "application/json", strings.NewReader("{}"))
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode >= 300 {
			return fmt.Errorf("reload: Fluent Bit answers %s", resp.Status)
		}
	}
	return f.l.await("the new configuration", p, func() bool { return started() > i+1 && f.up() })
}

// up tells whether the HTTP server answers.
func (f *pipeline) up() bool {
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get("http://127.0.0.1:" + f.port + "/api/v1/uptime")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// freePort returns a TCP port that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
