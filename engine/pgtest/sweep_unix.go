//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dirPrefix starts the name of every server's folder, so that a sweep can find what dead processes left.
const dirPrefix = "rapidbyte-pg-"

// socketLimit is how long the path of a unix socket may be: 103 bytes and a zero on macOS and the BSDs, 107 on Linux.
const socketLimit = 103

// makeDir makes a server's folder, owned by the account and closed to others, and returns it with its lock, after
// removing what dead processes left in the same place.
func makeDir(a account) (dir string, owner *os.File, err error) {
	parent, err := tempParent(a, os.TempDir(), "/tmp", "/var/tmp")
	if err != nil {
		return "", nil, err
	}
	sweep(parent)

	dir, err = os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return "", nil, err
	}
	file := filepath.Join(dir, "owner")
	owner, err = os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = errors.Join(syscall.Flock(int(owner.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), a.own(dir, file))
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, owner, nil
}

// tempParent picks the first folder that the account can enter and that leaves room for a socket's path.
func tempParent(a account, candidates ...string) (string, error) {
	for _, parent := range candidates {
		parent, err := filepath.Abs(parent)
		if err != nil {
			continue
		}
		longest := filepath.Join(parent, dirPrefix+"4294967295", ".s.PGSQL.65535.lock")
		if info, err := os.Stat(parent); err == nil && info.IsDir() && len(longest) <= socketLimit && a.canEnter(parent) {
			return parent, nil
		}
	}
	return "", fmt.Errorf("no folder for the server: of %s none can be entered by the server's user and is short enough for a socket's path; set TMPDIR", strings.Join(candidates, ", "))
}

// sweep removes the folders of servers whose process is dead, and stops servers that outlived it.
func sweep(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*")) // the only error is a bad pattern
	for _, dir := range dirs {
		file := filepath.Join(dir, "owner")
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			// Either its process has not come to making the file, or a removal was cut short.
			if info, err := os.Lstat(dir); err == nil && info.IsDir() && time.Since(info.ModTime()) > 10*time.Minute {
				_ = os.RemoveAll(dir)
			}
			continue
		}
		if abandoned(file) {
			stopOrphan(dir)
			_ = os.RemoveAll(dir) // what is left, the next sweep tries again
		}
	}
}

// abandoned reports whether the process that made an owner file is dead. A living one holds a lock on it, which the
// kernel drops however the process ends. Another user's file, which cannot be opened, is never abandoned.
func abandoned(file string) bool {
	owner, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer owner.Close()
	return syscall.Flock(int(owner.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// stopOrphan ends the server of a folder, if there is one. The number in its file may have gone to another process
// since, so the command line has to name the folder too.
func stopOrphan(dir string) {
	data := filepath.Join(dir, "data")
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid < 2 {
		return
	}
	args, err := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil || !strings.Contains(string(args), data) {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGQUIT)
	for range 50 {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}
