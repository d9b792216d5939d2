package seen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What is in a state folder.
const (
	stateName = "journal"     // the state
	newName   = "journal.new" // a journal being made; never read
	lockName  = "lock"        // locked as long as a process uses the folder; holds its pid
	oldName   = "state.db"    // the state of version 1
)

// folder is a state folder that this process holds.
type folder struct {
	path string
	lock *os.File // nil if the folder is only read
}

func (d *folder) file(name string) string { return filepath.Join(d.path, name) }

// openFile opens a file of the folder. Symbolic links are not followed: a link
// in a folder that somebody else can write to would point the detector, which
// often runs as root, at any file of the host. Nor is anything opened that
// could block, such as a named pipe.
func openFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, perm)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a symbolic link, which is not followed; remove it", ErrNotWritable, path)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is not a regular file; remove it", ErrNotWritable, path)
	}
	if err == nil && flag&(os.O_WRONLY|os.O_RDWR) != 0 && info.Mode().Perm()&0o077 != 0 {
		f.Chmod(0o600) // not ours to change, perhaps; then it stays as it is
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// notWritable says what to do about a folder that cannot be written.
func notWritable(path string, err error) error {
	what := "check the state path"
	switch {
	case errors.Is(err, ErrNotWritable):
		return err
	case errors.Is(err, fs.ErrPermission):
		what = fmt.Sprintf("make it writable for user %d, or choose another state path", os.Geteuid())
	case errors.Is(err, syscall.EROFS):
		what = "its file system is read-only: mount a writable volume there, or choose another state path"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		what = "its file system is full: make room"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		what = "a file is where the folder should be: choose another state path"
	}
	return fmt.Errorf("%w: %s: %w; %s", ErrNotWritable, path, err, what)
}

// holdFolder makes the folder if need be and locks it. The lock is the kernel's
// (flock), so it is gone with the process, however that ends.
func holdFolder(path string, notes *[]string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, notWritable(path, err)
	}
	d := &folder{path: path}
	if err := d.hold(); err != nil {
		return nil, err
	}
	d.tighten(notes)
	os.Remove(d.file(newName)) // left by a crash; nothing refers to it
	return d, nil
}

// hold makes the folder if need be and locks it.
func (d *folder) hold() error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return notWritable(d.path, err)
	}
	lock, err := openFile(d.file(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return notWritable(d.file(lockName), err)
	}
	if err := flockSoon(lock); err != nil {
		pid := readPID(lock)
		lock.Close()
		return lockedError(d.path, pid, err)
	}
	// The pid is for people; a full disk must not keep the detector from
	// starting, so it is allowed to fail.
	lock.Truncate(0)
	lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	d.release()
	d.lock = lock
	return nil
}

// held reports whether the lock file in the folder is still the one that is
// locked.
func (d *folder) held() bool {
	if d.lock == nil {
		return false
	}
	have, err := os.Lstat(d.file(lockName))
	if err != nil {
		return false
	}
	mine, err := d.lock.Stat()
	return err == nil && os.SameFile(have, mine)
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			return err
		}
	}
}

// flockSoon locks f, or gives up after a fifth of a second: the lock may be
// with somebody who only looks whether it is free (see holder), or who is about
// to end.
func flockSoon(f *os.File) (err error) {
	for range 10 {
		if err = flock(f); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func lockedError(path string, pid int, err error) error {
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w: locking %s: %w; the state path must be on a file system with locks", ErrNotWritable, path, err)
	}
	who := "another process"
	switch {
	case pid == os.Getpid():
		who = "another instance in this process"
	case pid > 0:
		who = fmt.Sprintf("process %d", pid)
	}
	return fmt.Errorf("%w: %s holds %s; give each instance a state path of its own", ErrLocked, who, path)
}

// readPID returns the pid in a lock file, 0 if it cannot be told.
func readPID(f *os.File) int {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// tighten makes a folder that holds nothing but our files private, and says so
// of any other that strangers can write to: state_path may be /tmp by mistake,
// and that must not lose its mode.
func (d *folder) tighten(notes *[]string) {
	info, err := os.Stat(d.path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return
	}
	entries, err := os.ReadDir(d.path)
	ours := err == nil && info.Mode()&fs.ModeSticky == 0
	for _, e := range entries {
		if n := e.Name(); n != lockName && !strings.HasPrefix(n, stateName) && !strings.HasPrefix(n, oldName) {
			ours = false
		}
	}
	if ours && os.Chmod(d.path, 0o700) == nil {
		return
	}
	if info.Mode().Perm()&0o022 != 0 {
		*notes = append(*notes, fmt.Sprintf("other users can write to the state folder %s (mode %o): give newterms a folder of its own",
			d.path, info.Mode().Perm()))
	}
}

// release gives the folder back.
func (d *folder) release() {
	if d.lock != nil {
		d.lock.Close() // and with it the lock
		d.lock = nil
	}
}

// aside returns a free name for a file that is moved out of the way, which says
// when and why: journal.damaged-20260102T150405Z.
func (d *folder) aside(file, why string, now time.Time) string {
	name := d.file(file + "." + why + "-" + now.UTC().Format("20060102T150405Z"))
	for i, free := 2, name; ; i++ {
		if _, err := os.Lstat(free); errors.Is(err, fs.ErrNotExist) {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, i)
	}
}

// install puts the finished file newName in the place of the journal, which is
// kept under the name aside unless that is empty. A crash at any point leaves
// a journal in place, the old or the new.
func (d *folder) install(aside string) error {
	state := d.file(stateName)
	if aside != "" {
		// A second name first, so that there is no moment without a
		// journal; on file systems without hard links there is one.
		if err := os.Link(state, aside); err != nil {
			if err := os.Rename(state, aside); err != nil {
				return err
			}
		}
	}
	if err := os.Rename(d.file(newName), state); err != nil {
		return err
	}
	return d.sync()
}

// sync makes renames in the folder durable.
func (d *folder) sync() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
