//go:build unix

package targets

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// mage runs a target as a user does and returns its exit code and output.
func mage(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	return runHere(t, "go", append([]string{"tool", "mage"}, args...)...)
}

// runHere runs a program in this module's folder and returns its exit code and output.
func runHere(t *testing.T, program string, args ...string) (code int, output string) {
	t.Helper()
	r, _, _ := here(t)
	cmd := exec.Command(program, args...)
	cmd.Dir = r.Dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestMageListsTargets(t *testing.T) {
	code, out := mage(t, "-l")
	for _, want := range []string{"bench ", "bisect ", "build ", "compare ", "gate ", "matrix ", "noise ", "profile ", "results ", "run ", "selftest ", "test "} {
		if code != 0 || !strings.Contains(out, "\n  "+want) {
			t.Errorf("exit code %d and no %q in\n%s", code, want, out)
		}
	}
}

func TestMageDeliversExitCodesAndFlags(t *testing.T) {
	// What mage makes of the targets, made once: for each call it would be compiled anew.
	compiled := filepath.Join(t.TempDir(), "targets")
	if code, out := mage(t, "-compile", compiled); code != 0 {
		t.Fatalf("mage -compile gives %d and\n%s", code, out)
	}
	type call struct {
		args []string
		code int
		want string
	}
	check := func(how string, code int, out string, tt call) {
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s %q gives %d and\n%s\nwant %d and %q", how, tt.args, code, out, tt.code, tt.want)
		}
	}
	whole := call{[]string{"compare", "HEAD", "no-such-ref"}, 1, "no-such-ref"}
	code, out := mage(t, whole.args...)
	check("mage", code, out, whole)

	calls := []call{
		{[]string{"bench", "-rows=0"}, 2, "-rows=0: want 1 to"},
		{[]string{"bench", "-iters=-1"}, 2, "-iters=-1: want 1 or more"},
		{[]string{"bench", "-rows=x"}, 2, "can't convert"},
		{[]string{"matrix", "-rows=many"}, 2, `-rows="many"`},
		{[]string{"results", "-rows=-1"}, 2, "-rows=-1: want 1 to"},
		{[]string{"results", "-sha=zz"}, 2, "4 digits or more"},
		{[]string{"selftest", "-only=everything"}, 2, `no trial "everything"`},
		{[]string{"selftest", "-trials=-1"}, 2, "cannot be negative"},
		{[]string{"run", "none.yaml"}, 2, "none.yaml"},
		{[]string{"run"}, 2, "not enough arguments"},
		{[]string{"launch"}, 2, "launch"},
		{[]string{"compare", "HEAD"}, 2, "not enough arguments"},
		{[]string{"compare", "HEAD", "HEAD", "-rows=none"}, 2, `BENCH_ROWS="none"`},
		{[]string{"compare", "HEAD", "HEAD"}, 0, "the same commit"},
		{[]string{"noise", "-rounds=0"}, 2, "-rounds"},
		{[]string{"bisect", "HEAD~1"}, 2, "not enough arguments"},
		{[]string{"bisect", "HEAD~1", "HEAD"}, 2, "-case="},
		{[]string{"bisect", "HEAD", "HEAD", "-case=Codec/codec=lz4/op=compress"}, 2, "the same commit"},
		{[]string{"profile", "-rows=0"}, 2, "-rows=0: want 1 to"},
		{[]string{"profile", "-load=upsert"}, 2, "-load=upsert: want"},
		{[]string{"profile", "-diff=no-such-ref"}, 1, "no-such-ref"},
	}
	// A clone of the last commit alone has none before it.
	if code, _ := runHere(t, "git", "-c", "safe.directory=*", "rev-parse", "--verify", "--quiet", "HEAD~1^{commit}"); code == 0 {
		calls = append(calls, call{[]string{"bisect", "HEAD", "HEAD~1", "-case=Codec/codec=lz4/op=compress"}, 2, "other way round"})
	}
	for _, tt := range calls {
		code, out := runHere(t, compiled, tt.args...)
		check("targets", code, out, tt)
	}
}

// Ctrl-C goes to every process of the terminal's group, which is mage's; what it
// started must be gone with it, the server above all.
func TestMageLeavesNothingBehindOnInterrupt(t *testing.T) {
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("needs the proc file system to look for processes")
	}
	for _, tt := range []struct {
		args []string
		text string // that says it is under way
	}{
		{[]string{"bench", "-rows=2000", "-iters=100000"}, "pg-version:"},
		{[]string{"compare", "HEAD", "HEAD", "-force", "-rows=2000", "-load=copy", "-compression=none", "-rounds=500"}, "round 1"},
	} {
		t.Run(tt.args[0], func(t *testing.T) { testInterrupt(t, tt.text, tt.args...) })
	}
}

func testInterrupt(t *testing.T, text string, args ...string) {
	r, _, _ := here(t)
	if _, err := os.Stat(filepath.Join(r.Dir, ".git")); err != nil && args[0] == "compare" {
		t.Skip("not in a git repository")
	}
	temp, err := os.MkdirTemp("/tmp", "mage-") // t.TempDir is closed to the server's account
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o1777); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command("go", append([]string{"tool", "mage"}, args...)...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "GOTMPDIR="+t.TempDir(), "BENCH_RESULTS=off",
		"RAPIDBYTE_PG=local", "RAPIDBYTE_PG_DSN=", "RAPIDBYTE_PG_HANDED=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	started := &watch{text: text, seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = started, started
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if strings.Contains(started.String(), "no Postgres available") {
			t.Skip("no local Postgres")
		}
		t.Fatalf("mage ended by itself: %v\n%s", err, started)
	case <-started.seen:
	}
	if servers(temp) == 0 {
		t.Fatalf("no server is running under %s", temp)
	}

	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("an interrupted target reports success")
	}
	waitFor(t, "the server to end", func() bool { return servers(temp) == 0 })
	waitFor(t, "its files to go", func() bool {
		left, err := filepath.Glob(filepath.Join(temp, "rapidbyte-*"))
		return err == nil && len(left) == 0
	})
	waitFor(t, "its processes to end", func() bool { return processes(temp) == 0 })
	trees := exec.Command("git", "-c", "safe.directory=*", "worktree", "list")
	trees.Dir = r.Dir
	if out, err := trees.Output(); args[0] == "compare" && (err != nil || strings.Contains(string(out), temp)) {
		t.Errorf("%v: a worktree is left:\n%s", err, out)
	}
}

// servers counts the processes whose command line names dir.
func servers(dir string) int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	n := 0
	for _, file := range files {
		line, _ := os.ReadFile(file)
		if bytes.Contains(line, []byte(dir)) && bytes.Contains(line, []byte("postgres")) {
			n++
		}
	}
	return n
}

// processes counts the processes that work in dir or below, or were told of it.
func processes(dir string) int {
	found, _ := filepath.Glob("/proc/[0-9]*")
	n := 0
	for _, process := range found {
		cwd, _ := os.Readlink(filepath.Join(process, "cwd"))
		line, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		if strings.HasPrefix(cwd, dir) || bytes.Contains(line, []byte(dir)) {
			n++
		}
	}
	return n
}

// watch keeps what is written and tells when a text has come.
type watch struct {
	text string
	seen chan struct{}

	mu   sync.Mutex
	all  bytes.Buffer
	once sync.Once
}

var _ io.Writer = (*watch)(nil)

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	if strings.Contains(w.all.String(), w.text) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

func (w *watch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}
