package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	jsoniter "github.com/json-iterator/go"
	"golang.org/x/sys/unix"
)

// bit is a folder to run a real Fluent Bit in.
type bit struct {
	binary string
	plugin string
	rules  string // property rules: the nine Kubernetes rules, or the seed's
	dir    string
	log    string // the file that it tails
}

func newBit() (*bit, error) {
	binary, err := exec.LookPath("fluent-bit")
	if err != nil {
		return nil, errMissing("no fluent-bit on the PATH")
	}
	plugin, err := filepath.Abs("build/out_newterms.so")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(plugin); err != nil {
		return nil, errMissing("no build/out_newterms.so: make build")
	}
	dir, err := os.MkdirTemp("", "newterms-bench-")
	if err != nil {
		return nil, err
	}
	f := &bit{binary: binary, plugin: plugin, dir: dir, log: filepath.Join(dir, "audit.log")}
	rules, err := rulesNine.load()
	var missing errMissing
	if errors.As(err, &missing) {
		rules, err = rulesSeed.load()
	}
	if err != nil {
		return nil, errors.Join(err, f.remove())
	}
	var paths []string
	for _, r := range rules {
		path, err := filepath.Abs(r.Source.File)
		if err != nil {
			return nil, errors.Join(err, f.remove())
		}
		paths = append(paths, path)
	}
	f.rules = strings.Join(paths, ",")
	return f, errors.Join(
		f.write("plugins.conf", "[PLUGINS]\n    Path "+plugin+"\n    Path "+plugin+"\n"),
		f.write("parsers.conf", `[PARSER]
    Name        audit
    Format      json
    Time_Key    requestReceivedTimestamp
    Time_Format %Y-%m-%dT%H:%M:%S.%LZ
    Time_Keep   On
`))
}

func (f *bit) remove() error {
	err := os.Remove(f.log)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(f.dir))
}

func (f *bit) path(name string) string { return filepath.Join(f.dir, name) }

func (f *bit) write(name, text string) error {
	return os.WriteFile(f.path(name), []byte(text), 0o644)
}

// start runs Fluent Bit. The configuration gets the service section before it,
// and may begin with more of that.
func (f *bit) start(config string, stdin io.Reader) (*exec.Cmd, *bytes.Buffer, error) {
	head := "[SERVICE]\n    Flush 1\n    Grace 5\n    Log_Level warn\n    Plugins_File " + f.path("plugins.conf") +
		"\n    Parsers_File " + f.path("parsers.conf") + "\n"
	if err := f.write("fluent-bit.conf", head+config); err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(f.binary, "-c", f.path("fluent-bit.conf"))
	said := new(bytes.Buffer)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, said, said
	return cmd, said, cmd.Start()
}

// cpu runs Fluent Bit to the end of a file and returns the processor time that
// it took, on one processor: where two are threads of one core, what runs on the
// one makes the other's seconds longer, and a pipeline that ends in nothing would
// be spared that.
func (f *bit) cpu(config string) (time.Duration, error) {
	var cmd *exec.Cmd
	var said *bytes.Buffer
	err := onOneProcessor(func() (err error) {
		cmd, said, err = f.start(config, nil)
		return err
	})
	if err != nil {
		return 0, err
	}
	timeout := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%w; Fluent Bit said: %s", err, said)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// onOneProcessor calls start, which starts a process, so that this has one
// processor to run on.
func onOneProcessor(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return err
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if may.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	return errors.Join(start(), unix.SchedSetaffinity(0, &may))
}

// copies is how often the log is in the file that Fluent Bit reads: often enough
// that the start of the plugin, 20 ms, does not count for much.
const copies = 30

// writeLog writes the file that Fluent Bit reads, in memory where that can be
// had: what a disk takes is not what is compared, and never twice the same.
func (f *bit) writeLog(l *log, copies int) error {
	const memory = "/dev/shm"
	if _, err := os.Stat(memory); err == nil {
		f.log = filepath.Join(memory, filepath.Base(f.dir)+".log")
	}
	out, err := os.Create(f.log)
	if err != nil {
		return err
	}
	text := append(bytes.Join(l.lines, []byte("\n")), '\n')
	for range copies {
		if _, err := out.Write(text); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return out.Close()
}

func (f *bit) tail() string {
	return `[INPUT]
    Name             tail
    Tag              kube.audit
    Path             ` + f.log + `
    Parser           audit
    Read_from_Head   On
    Exit_On_Eof      On
    Buffer_Max_Size  2M
`
}

const outNull = "[OUTPUT]\n    Name     null\n    Match    *\n    Workers  1\n"

func (f *bit) outNewterms(more string) string {
	return `[OUTPUT]
    Name        newterms
    Match       kube.audit
    Rules       ` + f.rules + `
    Mapping     kubernetes_audit
    Learn       off
    Max_Alerts  100000
    State_Path  ` + f.path("state") + `
    Workers     1
` + more
}

// compare runs a configuration in turn with one that ends in nothing, and
// returns the ratio of their least processor times.
func (f *bit) compare(config string, rounds int, check func() error) (result, float64, error) {
	var ours, null []time.Duration
	for range rounds {
		t, err := f.cpu(f.tail() + outNull)
		if err != nil {
			return result{}, 0, err
		}
		null = append(null, t)
		if t, err = f.cpu(config); err != nil {
			return result{}, 0, err
		}
		ours = append(ours, t)
		if err := check(); err != nil {
			return result{}, 0, err
		}
	}
	x := ratio(least(ours), least(null))
	return result{value: fmt.Sprintf("%.2f", x), note: fmt.Sprintf("%.2f s of CPU, null %.2f s", least(ours).Seconds(), least(null).Seconds())}, x, nil
}

// fluentBit compares a pipeline that ends in newterms with one that ends in
// nothing.
func (b *bench) fluentBit() (result, error) {
	f, err := newBit()
	if err != nil {
		return result{}, err
	}
	defer f.remove()
	if err := f.writeLog(b.log, copies); err != nil {
		return result{}, err
	}
	alerts := f.path("alerts.json")
	want := -1
	r, x, err := f.compare(f.tail()+f.outNewterms("    Alert_File  "+alerts+"\n"), 3, func() error {
		text, err := os.ReadFile(alerts)
		if err != nil {
			return fmt.Errorf("no alerts: %w", err)
		}
		n := bytes.Count(text, []byte("\n"))
		if want < 0 {
			want = n
		}
		if n == 0 || n != want {
			return fmt.Errorf("%d alerts, want %d", n, want)
		}
		return errors.Join(os.Remove(alerts), os.RemoveAll(f.path("state")))
	})
	r.reached = x <= 1.08
	r.note += fmt.Sprintf(" for %d events; %d alerts", copies*len(b.log.lines), want)
	return r, err
}

// luaFilter is the seed rule, as somebody would write it as a Lua filter: its
// memory neither ages nor survives a restart.
const luaFilter = `
local seen = {}
local count = 0
function new_terms(tag, timestamp, record)
    if record["stage"] ~= "ResponseComplete" then return 0, timestamp, record end
    local agent, user, notes = record["userAgent"], record["user"], record["annotations"]
    if not agent or not user or not notes then return 0, timestamp, record end
    local decision = notes["authorization.k8s.io/decision"]
    if not decision or not user["username"] then return 0, timestamp, record end
    local key = decision .. "\0" .. user["username"] .. "\0" .. agent
    if not seen[key] then
        seen[key] = true
        count = count + 1
        local f = io.open(os.getenv("LUA_FOUND"), "w")
        f:write(count)
        f:close()
    end
    return 0, timestamp, record
end
`

// lua compares the seed rule as a Lua filter with no filter.
func (b *bench) lua() (result, error) {
	f, err := newBit()
	if err != nil {
		return result{}, err
	}
	defer f.remove()
	found := f.path("found")
	if err := errors.Join(f.writeLog(b.log, copies/6), f.write("filter.lua", luaFilter), os.Setenv("LUA_FOUND", found)); err != nil {
		return result{}, err
	}
	filter := "[FILTER]\n    Name    lua\n    Match   *\n    script  " + f.path("filter.lua") + "\n    call    new_terms\n"
	var n string
	r, _, err := f.compare(f.tail()+filter+outNull, 1, func() error {
		text, err := os.ReadFile(found)
		n = string(text)
		return err
	})
	r.noGoal = true
	r.note += ", " + n + " tuples"
	return r, err
}

// latency is the time from a line being written to the alert being in a file,
// beside the time until the line itself is in one.
func (b *bench) latency() (result, error) {
	f, err := newBit()
	if err != nil {
		return result{}, err
	}
	defer f.remove()
	in, err := os.Create(f.log)
	if err != nil {
		return result{}, err
	}
	defer in.Close()
	alerts, plain := f.path("alerts"), f.path("plain")
	config := strings.Replace(f.tail(), "    Exit_On_Eof      On\n", "", 1) + f.outNewterms("") +
		"[INPUT]\n    Name  newterms_alerts\n    Tag   alert.newterms\n" +
		"[OUTPUT]\n    Name    file\n    Match   alert.*\n    File    " + alerts + "\n" +
		"[OUTPUT]\n    Name    file\n    Match   kube.audit\n    File    " + plain + "\n"
	cmd, said, err := f.start(config, nil)
	if err != nil {
		return result{}, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	time.Sleep(2 * time.Second)
	var ours, theirs []time.Duration
	for i := range 6 {
		time.Sleep(time.Duration(i*167) * time.Millisecond) // at all phases of the flush
		name := fmt.Sprintf("latency-%d", i)
		var event map[string]any
		if err := jsoniter.Unmarshal(b.log.lines[len(b.log.lines)/2], &event); err != nil {
			return result{}, err
		}
		event["stage"], event["userAgent"] = "ResponseComplete", name
		event["annotations"] = map[string]any{"authorization.k8s.io/decision": "allow"}
		line, err := jsoniter.Marshal(event)
		if err != nil {
			return result{}, err
		}
		start := time.Now()
		if _, err := in.Write(append(line, '\n')); err != nil {
			return result{}, err
		}
		var a, p time.Duration
		for a == 0 || p == 0 {
			if time.Since(start) > 15*time.Second {
				return result{}, fmt.Errorf("no alert within 15 s; Fluent Bit said: %s", said)
			}
			time.Sleep(5 * time.Millisecond)
			if a == 0 && holds(alerts, name) {
				a = time.Since(start)
			}
			if p == 0 && holds(plain, name) {
				p = time.Since(start)
			}
		}
		ours, theirs = append(ours, a), append(theirs, p)
	}
	return result{
		value: fmt.Sprintf("%.2f", median(ours).Seconds()), noGoal: true,
		note: fmt.Sprintf("median; worst %.2f. The line itself: median %.2f, worst %.2f",
			worst(ours).Seconds(), median(theirs).Seconds(), worst(theirs).Seconds()),
	}, nil
}

func holds(path, text string) bool {
	data, err := os.ReadFile(path)
	return err == nil && bytes.Contains(data, []byte(text+"\""))
}
