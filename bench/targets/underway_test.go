//go:build unix

package targets

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// underWay is a target that a user has started, at work in a folder for temporary files and with a server of its own.
type underWay struct {
	cmd    *exec.Cmd // mage, at the head of a process group
	output output
	temp   string     // the folder
	ended  chan error // gets how mage ended
}

// startMage starts a target and waits until something is so. It skips the test where no such server can be started.
func startMage(t *testing.T, until func(*underWay) bool, args ...string) *underWay {
	t.Helper()
	r, _, _ := here(t)
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("needs the proc file system to look for processes")
	}
	if _, err := os.Stat(filepath.Join(r.Dir, ".git")); err != nil && args[0] == "compare" {
		t.Skip("not in a git repository")
	}
	newFiles(t, r, "matrix")
	temp, err := os.MkdirTemp("/tmp", "mage-") // t.TempDir is closed to the server's account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	if err := os.Chmod(temp, 0o1777); err != nil {
		t.Fatal(err)
	}

	m := &underWay{cmd: exec.Command("go", append([]string{"tool", "mage"}, args...)...), temp: temp, ended: make(chan error, 1)}
	m.cmd.Dir = r.Dir
	m.cmd.Env = append(os.Environ(), "TMPDIR="+temp, "GOTMPDIR="+t.TempDir(), "BENCH_RESULTS=off",
		"RAPIDBYTE_PG=local", "RAPIDBYTE_PG_DSN=", "RAPIDBYTE_PG_HANDED=")
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	m.cmd.Stdout, m.cmd.Stderr = &m.output, &m.output
	m.cmd.WaitDelay = time.Minute // what outlives mage holds its output; the checks find it
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { m.ended <- m.cmd.Wait() }()
	for !until(m) {
		select {
		case err := <-m.ended:
			if strings.Contains(m.output.String(), "no Postgres available") {
				t.Skip("no local Postgres")
			}
			t.Fatalf("mage ended by itself: %v\n%s", err, &m.output)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return m
}

// said returns the condition that a text has been printed.
func said(text string) func(*underWay) bool {
	return func(m *underWay) bool { return strings.Contains(m.output.String(), text) }
}

// checkNothingLeft waits until all that mage, which has ended, left is gone, and fails the test if that never is.
func (m *underWay) checkNothingLeft(t *testing.T) {
	t.Helper()
	waitFor(t, "the server to end", func() bool { return servers(m.temp) == 0 })
	waitFor(t, "its files to go", func() bool {
		left, err := filepath.Glob(filepath.Join(m.temp, "rapidbyte-*"))
		return err == nil && len(left) == 0
	})
	waitFor(t, "its processes to end", func() bool { return processes(m.temp) == 0 })
	trees := exec.Command("git", "-c", "safe.directory=*", "worktree", "list")
	trees.Dir = m.cmd.Dir
	if out, err := trees.Output(); err == nil && bytes.Contains(out, []byte(m.temp)) {
		t.Errorf("a worktree is left:\n%s", out)
	}
}

// servers counts the processes whose command line names dir and Postgres.
func servers(dir string) int {
	return count(func(process string) bool {
		line, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		return bytes.Contains(line, []byte(dir)) && bytes.Contains(line, []byte("postgres"))
	})
}

// processes counts the processes that work in dir or below, or were told of it.
func processes(dir string) int {
	return count(func(process string) bool {
		cwd, _ := os.Readlink(filepath.Join(process, "cwd"))
		line, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		return strings.HasPrefix(cwd, dir) || bytes.Contains(line, []byte(dir))
	})
}

// count returns for how many of the system's processes, given as folders, something is so.
func count(is func(process string) bool) int {
	n := 0
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range found {
		if is(process) {
			n++
		}
	}
	return n
}

// output keeps what is written, for several goroutines.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}
