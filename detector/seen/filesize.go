package seen

import (
	"os/signal"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// surviveFileSize keeps a limit on the size of files (RLIMIT_FSIZE) from ending
// the process: a write over it then fails with EFBIG, like any other write. The
// kernel says so with SIGXFSZ first, which ends a process that does nothing
// about it. In a library it is ignored only if the host does nothing about it
// either; a program of ours has Go's own handler, which would end it, too.
func surviveFileSize() {
	if library() && !defaultAction(syscall.SIGXFSZ) {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
}

// library reports whether this code runs inside a host.
func library() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return true
	}
	for _, s := range info.Settings {
		if s.Key == "-buildmode" {
			return s.Value == "c-shared" || s.Value == "c-archive"
		}
	}
	return false
}

// defaultAction reports whether nobody handles or ignores a signal.
func defaultAction(sig syscall.Signal) bool {
	var action [16]uintptr // the kernel's struct, which begins with the handler
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&action)), 8, 0, 0)
	const sigDefault = 0
	return errno == 0 && action[0] == sigDefault
}
