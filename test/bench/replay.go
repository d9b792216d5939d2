package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	command     = "build/newterms"
	replayTimes = 8 // the log, one after the other
	seedTuples  = 45
)

// replay measures the rate of newterms replay against that of the program
// that only decompresses the same file.
func (b *bench) replay(suffix string, decompress ...string) (result, error) {
	if _, err := os.Stat(command); err != nil {
		return result{}, errMissing("no " + command + "; make build")
	}
	if _, err := exec.LookPath(decompress[0]); err != nil {
		return result{}, errMissing("no " + decompress[0])
	}
	dir, err := os.MkdirTemp("", "newterms-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "audit.log"+suffix)
	size, err := b.compressed(file, replayTimes)
	if err != nil {
		return result{}, err
	}
	var alone, whole []time.Duration
	for range 5 {
		begin := time.Now()
		if err := exec.Command(decompress[0], append(decompress[1:], file)...).Run(); err != nil {
			return result{}, fmt.Errorf("%s: %w", decompress[0], err)
		}
		alone = append(alone, time.Since(begin))
		d, _, err := replayed(file)
		if err != nil {
			return result{}, err
		}
		whole = append(whole, d)
	}
	x := least(alone).Seconds() / least(whole).Seconds()
	return result{
		value: fmt.Sprintf("%.2f", x), reached: x >= 0.5,
		note: fmt.Sprintf("%.0f MB/s of JSON, %s alone %.0f", float64(size)/1e6/least(whole).Seconds(), decompress[0], float64(size)/1e6/least(alone).Seconds()),
	}, nil
}

func (b *bench) replayGzip() (result, error) { return b.replay(".gz", "gzip", "-dc") }

// replayZstd has no goal: zstd decompresses faster than two cores can read
// JSON.
func (b *bench) replayZstd() (result, error) {
	r, err := b.replay(".zst", "zstd", "-dcq")
	r.noGoal = true
	return r, err
}

// replayMemory compares the memory that a replay of a long file takes at most
// with that of a short one.
func (b *bench) replayMemory() (result, error) {
	if _, err := os.Stat(command); err != nil {
		return result{}, errMissing("no " + command + "; make build")
	}
	dir, err := os.MkdirTemp("", "newterms-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	var peak [2]int64 // KiB
	for i, times := range []int{1, 2 * replayTimes} {
		file := filepath.Join(dir, fmt.Sprint(times, ".gz"))
		if _, err := b.compressed(file, times); err != nil {
			return result{}, err
		}
		for range 3 {
			_, most, err := replayed(file)
			if err != nil {
				return result{}, err
			}
			if peak[i] == 0 || most < peak[i] {
				peak[i] = most
			}
		}
	}
	if peak[0] == 0 || peak[1] == 0 {
		return result{}, errMissing("no /proc to read memory from")
	}
	x := float64(peak[1]) / float64(peak[0])
	return most(x, 1.5, "%.0f MB, and %.0f MB of %d times the input", float64(peak[0])/1e3, float64(peak[1])/1e3, 2*replayTimes), nil
}

// replayed runs a replay, checks what it found, and returns how long it took
// and the memory that it took at most, in KiB.
func replayed(file string) (time.Duration, int64, error) {
	cmd := exec.Command(command, "replay", "-q", "--rules", seedRule, file)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	exited := make(chan struct{})
	peak := make(chan int64)
	go watchPeak(cmd.Process.Pid, exited, peak)
	err := cmd.Wait()
	d := time.Since(begin)
	close(exited)
	most := <-peak
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", command, err)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != seedTuples {
		return 0, 0, fmt.Errorf("replay gave %d alerts, want %d", n, seedTuples)
	}
	return d, most, nil
}

// watchPeak sends the most memory that a process has held, in KiB, once it has
// exited. What wait tells of it counts the process that it was forked from.
func watchPeak(pid int, exited <-chan struct{}, peak chan<- int64) {
	var most int64
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-exited:
			peak <- most
			return
		case <-tick.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // empty when it is gone
			if _, after, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
				var n int64
				fmt.Sscan(string(after), &n)
				most = max(most, n)
			}
		}
	}
}

// compressed writes the log, so many times, to a file that is compressed by
// its suffix, and returns its size before.
func (b *bench) compressed(path string, times int) (size int, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var w io.WriteCloser = gzip.NewWriter(f)
	if filepath.Ext(path) == ".zst" {
		if w, err = zstd.NewWriter(f); err != nil {
			return 0, err
		}
	}
	text := append(bytes.Join(b.log.lines, []byte("\n")), '\n')
	for range times {
		n, err := w.Write(text)
		if size += n; err != nil {
			return size, err
		}
	}
	return size, w.Close()
}
