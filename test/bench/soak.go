package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// soak runs a real Fluent Bit at full speed, fed through its standard input,
// and looks at its memory, threads and descriptors once a second.
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
	config := "[INPUT]\n    Name             stdin\n    Tag              kube.audit\n    Parser           audit\n    Buffer_Size      1M\n    Mem_Buf_Limit    32M\n" +
		f.outNewterms("    Alert_File  "+alerts+"\n    Max_Terms   20000\n")
	r, w := io.Pipe()
	cmd, said, err := f.start(config, r)
	if err != nil {
		return err
	}
	var fed atomic.Int64
	go feedSoak(w, l, &fed)
	var rss, files, threads series
	rss.name, files.name, threads.name = "resident memory, MB", "descriptors", "threads"
	begin := time.Now()
	for time.Since(begin) < limit {
		time.Sleep(time.Second)
		s, err := look(cmd.Process.Pid)
		if err != nil {
			return fmt.Errorf("%w; Fluent Bit said: %s", err, said)
		}
		x := time.Since(begin).Seconds()
		rss.points = append(rss.points, point{x, s.rss})
		files.points = append(files.points, point{x, s.files})
		threads.points = append(threads.points, point{x, s.threads})
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
	for _, s := range []series{rss, files, threads} {
		early, late := span(s.points, 60, 120), span(s.points, limit.Seconds()-60, limit.Seconds())
		fmt.Printf("%-22s second minute: %.1f to %.1f, last minute: %.1f to %.1f\n", s.name, early[0], early[1], late[0], late[1])
	}
	p := plot{title: "Ten minutes at full speed: resident memory of Fluent Bit with newterms", x: "seconds", y: "MB", lines: []series{rss}}
	p.title = strings.Replace(p.title, "Ten minutes", limit.String(), 1)
	return p.write(filepath.Join(plots, "soak.svg"))
}

// feedSoak writes the log again and again. Every thousandth event has a user
// agent that was never seen, so that there is always something to write.
func feedSoak(w io.Writer, l *log, fed *atomic.Int64) {
	out := bufio.NewWriterSize(w, 1<<20)
	for n := 0; ; n++ {
		line := l.lines[n%len(l.lines)]
		if n%1000 == 0 {
			line = bytes.Replace(line, []byte(`"userAgent":"`), fmt.Appendf(nil, `"userAgent":"soak-%d `, n), 1)
		}
		out.Write(line)
		if err := out.WriteByte('\n'); err != nil {
			return // the run is over
		}
		fed.Add(1)
	}
}

// sample is what a process uses.
type sample struct{ rss, files, threads float64 }

func look(pid int) (s sample, err error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return s, err
	}
	for _, ln := range lineSplit(status) {
		var n float64
		if _, err := fmt.Sscanf(ln, "VmRSS: %f", &n); err == nil {
			s.rss = n / 1000
		}
		if _, err := fmt.Sscanf(ln, "Threads: %f", &n); err == nil {
			s.threads = n
		}
	}
	if s.rss == 0 {
		return s, errors.New("the process has ended")
	}
	fds, err := os.ReadDir(dir + "fd")
	s.files = float64(len(fds))
	return s, err
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
