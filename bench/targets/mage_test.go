//go:build unix

package targets

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
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

// Ctrl-C and the end of a CI job reach every process of the group, which is mage's; what it started must be gone with it,
// the server above all.
func TestMageLeavesNothingBehind(t *testing.T) {
	bench := []string{"bench", "-rows=2000", "-iters=100000"}
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		when   func(*underWay) bool
		args   []string
	}{
		{"Ctrl-C while bench measures", syscall.SIGINT, said("pg-version:"), bench},
		{"SIGTERM while bench measures", syscall.SIGTERM, said("pg-version:"), bench},
		{"SIGTERM while bench starts its server", syscall.SIGTERM, func(m *underWay) bool { return servers(m.temp) > 0 }, bench},
		{"SIGTERM while matrix measures", syscall.SIGTERM, said("pg-version:"), []string{"matrix", "-rows=100000", "-iters=1000"}},
		{"Ctrl-C while compare measures", syscall.SIGINT, said("round 1"),
			[]string{"compare", "HEAD", "HEAD", "-force", "-rows=2000", "-load=copy", "-compression=none", "-rounds=500"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := startMage(t, tt.when, tt.args...)
			waitFor(t, "a server", func() bool { return servers(m.temp) > 0 })
			if err := syscall.Kill(-m.cmd.Process.Pid, tt.signal); err != nil {
				t.Fatal(err)
			}
			// SIGTERM ends mage itself, and go reports success for a tool that a signal ended.
			if err := <-m.ended; err == nil && tt.signal == syscall.SIGINT {
				t.Error("a target that was stopped reports success")
			}
			m.checkNothingLeft(t)
		})
	}
}
