package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a host or a Fluent Bit that runs.
type process struct {
	cmd  *exec.Cmd
	log  *safeBuffer
	done chan struct{} // closed when it has ended
	err  error         // how, once done is closed

	mu   sync.Mutex
	peak int64 // bytes of memory, at most
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// launch starts a command. It ends with ctx.
func launch(ctx context.Context, path string, args ...string) (*process, error) {
	return launchCmd(exec.CommandContext(ctx, path, args...))
}

func launchCmd(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, log: &safeBuffer{}, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.log
	}
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go p.watch()
	go func() {
		p.err = cmd.Wait()
		if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			p.reached(use.Maxrss << 10)
		}
		close(p.done)
	}()
	return p, nil
}

// watch samples the memory.
func (p *process) watch() {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-t.C:
			p.reached(p.status("VmHWM:") << 10)
		}
	}
}

func (p *process) reached(n int64) {
	p.mu.Lock()
	p.peak = max(p.peak, n)
	p.mu.Unlock()
}

func (p *process) peakMemory() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peak
}

// status returns a number of /proc/PID/status, 0 if it cannot be had.
func (p *process) status(key string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), "\n"+key)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n
}

// descriptors returns how many files the process has open.
func (p *process) descriptors() int {
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
	return len(list)
}

// threads returns how many threads the process has.
func (p *process) threads() int { return int(p.status("Threads:")) }

// kill ends the process at once, as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// wait waits for the end of the process; if it takes too long, it is killed,
// and that is an error.
func (p *process) wait(most time.Duration) error {
	select {
	case <-p.done:
	case <-time.After(most):
		p.kill()
		return fmt.Errorf("it does not end within %s:\n%s", most, tail(p.log.String()))
	}
	if p.err != nil {
		return fmt.Errorf("it ended with %w:\n%s", p.err, tail(p.log.String()))
	}
	return nil
}

// stop ends the process as an init system does.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.wait(40 * time.Second)
}

// running tells whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// tail returns the end of a log.
func tail(s string) string {
	const most = 4000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}
