package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// soak runs a real Fluent Bit at full speed, fed through its standard input,
// and looks at its memory, threads, descriptors and goroutines once a second.
func soak(limit time.Duration) error {
	l, err := readLog(auditLog)
	if err != nil {
		return err
	}
	f, err := newBit()
	if err != nil {
		return err
	}
	defer f.remove()
	alerts := f.path("alerts.json")
	port, err := freePort()
	if err != nil {
		return err
	}
	config := "    HTTP_Server On\n    HTTP_Listen 127.0.0.1\n    HTTP_Port " + port +
		"\n[INPUT]\n    Name             stdin\n    Tag              kube.audit\n    Buffer_Size      1M\n    Mem_Buf_Limit    32M\n" +
		f.outNewterms("    Alert_File  "+alerts+"\n    Max_Terms   500\n")
	r, w := io.Pipe()
	cmd, said, err := f.start(config, r)
	if err != nil {
		return err
	}
	var fed atomic.Int64
	go feedSoak(w, l, &fed)
	all := [...]series{{name: "resident memory, MB"}, {name: "descriptors"}, {name: "threads"}, {name: "goroutines"}, {name: "memory of Go's runtime, MB"}}
	for tries := 0; ; tries++ { // until it serves its metrics, with ours among them
		time.Sleep(time.Second)
		if _, err := look(cmd.Process.Pid, port); err == nil {
			break
		} else if tries == 10 {
			return errors.Join(fmt.Errorf("%w; Fluent Bit said: %s", err, said), cmd.Process.Kill())
		}
	}
	begin := time.Now()
	for time.Since(begin) < limit {
		time.Sleep(time.Second)
		values, err := look(cmd.Process.Pid, port)
		if err != nil {
			return fmt.Errorf("%w; Fluent Bit said: %s", err, said)
		}
		x := time.Since(begin).Seconds()
		for i, y := range values {
			all[i].points = append(all[i].points, point{x, y})
		}
	}
	events := fed.Load()
	w.Close()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w; Fluent Bit said: %s", err, said)
	}
	text, err := os.ReadFile(alerts)
	if err != nil {
		return err
	}
	fmt.Printf("%d million events in %s, %.0f a second; %d alerts\n", events/1e6, limit, float64(events)/limit.Seconds(), bytes.Count(text, []byte("\n")))
	for _, s := range all {
		early, late := span(s.points, 60, 120), span(s.points, limit.Seconds()-60, limit.Seconds())
		fmt.Printf("%-26s second minute: %.1f to %.1f, last minute: %.1f to %.1f\n", s.name, early[0], early[1], late[0], late[1])
	}
	p := plot{title: "Ten minutes at full speed: resident memory of Fluent Bit with newterms", x: "seconds", y: "MB", lines: all[:1]}
	p.title = strings.Replace(p.title, "Ten minutes", limit.String(), 1)
	return p.write(filepath.Join(plots, "soak.svg"))
}

// feedSoak writes the log again and again. One event in 200 has a user agent
// that was never seen, so that there is always something to write, and the
// rules' memories are full within the first minute.
func feedSoak(w io.Writer, l *log, fed *atomic.Int64) {
	out := bufio.NewWriterSize(w, 1<<20)
	for n := 0; ; n++ {
		line := l.lines[n%len(l.lines)]
		if n%200 == 0 {
			line = bytes.Replace(line, []byte(`"userAgent":"`), fmt.Appendf(nil, `"userAgent":"soak-%d `, n), 1)
		}
		out.Write(line)
		if err := out.WriteByte('\n'); err != nil {
			return // the run is over
		}
		fed.Add(1)
	}
}

// look returns what a process uses, in the order of soak's series: the last two
// are what the plugin says of itself.
func look(pid int, port string) (values [5]float64, err error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return values, err
	}
	if v, ok := valueAfter(status, "VmRSS:"); ok {
		values[0] = v / 1000
	}
	values[2], _ = valueAfter(status, "Threads:")
	if values[0] == 0 {
		return values, errors.New("the process has ended")
	}
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		return values, err
	}
	values[1] = float64(len(fds))
	resp, err := http.Get("http://127.0.0.1:" + port + "/api/v2/metrics/prometheus")
	if err != nil {
		return values, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return values, err
	}
	values[3], _ = valueAfter(text, "newterms_goroutines{")
	bytes, ok := valueAfter(text, "newterms_memory_bytes{")
	if values[4] = bytes / 1e6; !ok {
		return values, errors.New("the plugin's metrics are not among Fluent Bit's")
	}
	return values, nil
}

// valueAfter returns the first number, behind labels if it has any, of the line
// that begins with name.
func valueAfter(text []byte, name string) (v float64, ok bool) {
	for _, ln := range lineSplit(text) {
		if rest, found := strings.CutPrefix(ln, name); found {
			if _, behind, labels := strings.Cut(rest, "}"); labels {
				rest = behind
			}
			_, err := fmt.Sscan(rest, &v)
			return v, err == nil
		}
	}
	return 0, false
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// span returns the least and the greatest value between two times.
func span(points []point, from, to float64) [2]float64 {
	var out [2]float64
	for _, p := range points {
		if p.x < from || p.x > to {
			continue
		}
		if out[0] == 0 || p.y < out[0] {
			out[0] = p.y
		}
		out[1] = max(out[1], p.y)
	}
	return out
}
