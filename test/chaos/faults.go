package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Faults are injected into the system calls of a process, which is the one
// place where the disk of a whole shared object can be made to fail: Go makes
// its system calls itself, so a preloaded library would see none of them. A
// seccomp filter hands the calls that write, sync, rename and remove to this
// process, which answers them with an error, later, or not at all.

// op is one such call that concerns the folder under attack.
type op struct {
	name string // of the system call
	path string
}

// verdict is what happens to an op: it fails with err if that is not 0, after
// delay.
type verdict struct {
	err   syscall.Errno
	delay time.Duration
}

// watched are the calls that the filter hands over.
var watched = map[int32]string{
	unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite64",
	unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fdatasync", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_FALLOCATE: "fallocate",
	unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_LINKAT: "linkat", unix.SYS_UNLINKAT: "unlinkat",
	unix.SYS_MKDIRAT: "mkdirat",
}

// byName are those whose second argument is a path; the others begin with a
// descriptor.
var byName = map[int32]bool{
	unix.SYS_RENAMEAT: true, unix.SYS_RENAMEAT2: true, unix.SYS_LINKAT: true, unix.SYS_UNLINKAT: true, unix.SYS_MKDIRAT: true,
}

// faultyDisk attacks the calls of one process that concern files in a folder.
type faultyDisk struct {
	folder string
	decide func(n int, o op) verdict // n counts from 1; called by one goroutine

	mu  sync.Mutex
	ops int
	hit int // of them, those that failed or were delayed

	listener int
	pending  sync.WaitGroup
}

// count returns how many ops there were, and how many were attacked.
func (d *faultyDisk) count() (ops, hit int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops, d.hit
}

// launchHelper is the argument under which chaos runs itself to install the
// filter and become the program to attack.
const launchHelper = "launch-faulty"

// The filter's instructions, and what a notification looks like (seccomp.h).
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	data  struct {
		nr   int32
		arch uint32
		ip   uint64
		args [6]uint64
	}
}

type answer struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// launchFaulty runs in the child: it installs the filter, passes its listener
// to the parent over descriptor 3, and becomes the program in args.
func launchFaulty(args []string) {
	runtime.LockOSThread() // the filter is this thread's, and so exec must be
	fail := func(what string, err error) {
		fmt.Fprintf(os.Stderr, "%s: %s: %v\n", launchHelper, what, err)
		os.Exit(125)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fail("no_new_privs", err)
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the number of the call
	left := uint8(len(watched))
	for nr := range watched {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jt: left})
		left--
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		fail("seccomp", errno)
	}
	if err := unix.Sendmsg(3, []byte{1}, unix.UnixRights(int(fd)), nil, 0); err != nil {
		fail("passing the listener", err)
	}
	unix.Close(int(fd))
	unix.Close(3)
	fail("exec", syscall.Exec(args[0], args, os.Environ()))
}

// launch starts a command with its disk under attack.
func (d *faultyDisk) launch(args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "listener")
	cmd := exec.Command(self, append([]string{launchHelper}, args...)...)
	cmd.ExtraFiles = []*os.File{theirs}
	p, err := launchCmd(cmd)
	theirs.Close()
	if err != nil {
		return nil, err
	}
	if d.listener, err = receive(pair[0]); err != nil {
		p.kill()
		return nil, fmt.Errorf("%w: %s", err, p.log)
	}
	go d.serve(p)
	return p, nil
}

// receive reads a descriptor from a socket.
func receive(socket int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, 0)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return 0, errors.New("the launcher passed no listener")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}

// serve answers calls until the process has ended.
func (d *faultyDisk) serve(p *process) {
	defer func() {
		d.pending.Wait()
		unix.Close(d.listener)
	}()
	for {
		poll := []unix.PollFd{{Fd: int32(d.listener), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, 50); n == 0 || err == unix.EINTR {
			if !p.running() {
				return
			}
			continue
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return // nobody is left who could call
		}
		var n notification
		if !d.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) {
			continue // the caller is gone
		}
		o := op{watched[n.data.nr], target(&n)}
		var v verdict
		if within(o.path, d.folder) {
			d.mu.Lock()
			d.ops++
			count := d.ops
			d.mu.Unlock()
			if v = d.decide(count, o); v != (verdict{}) {
				d.mu.Lock()
				d.hit++
				d.mu.Unlock()
			}
		}
		d.pending.Go(func() { d.answer(&n, v, p) })
	}
}

func (d *faultyDisk) answer(n *notification, v verdict, p *process) {
	if v.delay > 0 {
		select {
		case <-time.After(v.delay):
		case <-p.done:
			return
		}
	}
	a := answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	if v.err != 0 {
		a = answer{id: n.id, error: -int32(v.err)}
	}
	d.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)) // the caller may be gone
}

func (d *faultyDisk) ioctl(request uint, arg unsafe.Pointer) bool {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.listener), uintptr(request), uintptr(arg))
	return errno == 0
}

// target returns the file that a call is about.
func target(n *notification) string {
	if !byName[n.data.nr] {
		path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.pid, int32(n.data.args[0])))
		return path
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", n.pid))
	if err != nil {
		return ""
	}
	defer mem.Close()
	buf := make([]byte, 4096)
	k, _ := mem.ReadAt(buf, int64(n.data.args[1]))
	name, _, _ := bytes.Cut(buf[:k], []byte{0})
	return string(name)
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+string(filepath.Separator))
}
