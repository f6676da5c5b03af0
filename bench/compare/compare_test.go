package compare

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// Two commits, for real: git, the compiler, one process for each observation. A tenth more work is found and confirmed, on
// both cases and in nothing else, and the exact counter decides by itself.
func TestRefsFindsARegression(t *testing.T) {
	r := newRepository(t)
	r.Git("checkout", "--quiet", "-b", "feature")
	r.Edit("lib/lib.go", "Factor = 1.00", "Factor = 1.10")
	r.Commit("slower")
	r.Edit("lib/lib.go", "Calls = 40", "Calls = 39")

	started, closed, restarted := 0, 0, 0
	c := r.config("main", "feature")
	c.Env = []string{"FAKE_PG=local"}
	c.Command = "go tool mage compare main feature"
	c.Server = func(context.Context) (Server, error) {
		started++
		return Server{
			Env:     []string{"FAKE_PG=quiet"},
			Restart: func(context.Context) error { restarted++; return nil },
			Close:   func() error { closed++; return nil },
		}, nil
	}
	report, err := Refs(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if report.Exit(false) != ExitRegressed || report.Counts.Improved != 0 || report.Counts.Inconclusive != 0 {
		t.Errorf("exit %d, %+v", report.Exit(false), report.Counts)
	}
	for _, k := range []Case{fakeCopy, "Pipeline/rows=10/load=insert"} {
		v := verdict(t, report, k, "sec/op")
		if v.Outcome != Regressed || v.Change.Estimate < 0.095 || v.Change.Estimate > 0.105 || v.Change.Block != 2 {
			t.Errorf("%s: %+v", k, v)
		}
		if got, want := v.Explanation.Text(0.1), "100 % of +10.0 % is dest guest"; got != want {
			t.Errorf("%s: explained by %q, want %q", k, got, want)
		}
		if v := verdict(t, report, k, "hostcalls/op"); v.Outcome != Same {
			t.Errorf("%s: the counter of the committed code is %s", k, v.Outcome)
		}
	}
	if report.Tax == nil || report.Tax.Base < 1.9 || report.Tax.Base > 2.1 {
		t.Errorf("tax %+v", report.Tax)
	}
	if report.Base.Name != "main" || report.Head.Subject != `"slower"` || report.Reproduce != c.Command+" -seed=1" || report.Config["pg-conf"] != "quiet" {
		t.Errorf("header: %+v %+v %q %v", report.Base, report.Head, report.Reproduce, report.Config)
	}
	if started != 1 || closed != 1 || restarted != 1 {
		t.Errorf("the server was started %d, restarted %d and closed %d times", started, restarted, closed)
	}

	// The working tree, with a change that is not committed.
	c.Base, c.Head = "feature", "."
	report, err = Refs(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if v := verdict(t, report, fakeCopy, "hostcalls/op"); v.Outcome != Improved || v.Head != 39 || !report.Head.Dirty {
		t.Errorf("the working tree: %+v", v)
	}
	if v := verdict(t, report, fakeCopy, "sec/op"); v.Outcome != Same || report.Exit(true) != ExitOK {
		t.Errorf("the time of the working tree: %s", v.Outcome)
	}
	r.CheckClean()
}

// Equal code is not measured, so no server is started for it; unless it is asked for, which is how noise is measured.
func TestRefsOfEqualCode(t *testing.T) {
	r := newRepository(t)
	r.Git("checkout", "--quiet", "-b", "comment")
	r.Edit("lib/lib.go", "// Calls is", "// Calls, all of them of the same kind, is")
	r.Edit("lib/lib.go", "\nconst Calls", "\n//\n// There used to be more.\nconst Calls")
	r.Commit("a comment")

	c := r.config("main", "comment")
	c.Server = func(context.Context) (Server, error) { return Server{}, errors.New("must not be started") }
	report, err := Refs(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(report.Identical, "no difference in the built code") || len(report.Verdicts) > 0 || report.Exit(true) != ExitOK {
		t.Errorf("%q, %d verdicts, exit %d", report.Identical, len(report.Verdicts), report.Exit(true))
	}

	c = r.config("main", "main")
	c.Force, c.Options.Every, c.Options.Rounds = true, true, 8
	if report, err = Refs(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	noise, err := report.Noise(nil)
	if err != nil || noise.Machine != "fake" || len(noise.Cells) != 3*2 {
		t.Errorf("noise %+v, %v", noise, err)
	}
	r.CheckClean()
}

func TestRefsErrors(t *testing.T) {
	r := newRepository(t)
	r.Git("checkout", "--quiet", "-b", "broken")
	r.Edit("lib/lib.go", "Factor = 1.00", "Factor = missing")
	r.Commit("broken")
	r.Git("checkout", "--quiet", "-b", "changed", "main")
	r.Edit("lib/lib.go", "Factor = 1.00", "Factor = 1.01")
	r.Commit("changed")
	r.Git("checkout", "--quiet", "-b", "bare", "main")
	r.Git("rm", "--quiet", "-r", "bench")
	r.Commit("no suite")

	for _, c := range []struct {
		name       string
		base, head string
		misbehave  string
		is         error
		exit       Exit
		says       string
	}{
		{"one name", "main", "", "", ErrUsage, ExitUsage, "two refs are needed"},
		{"an unknown name", "main", "nonsense", "", refs.ErrUnknown, ExitError, `"nonsense"`},
		{"a commit without a suite", "main", "bare", "", refs.ErrNoSuite, ExitError, "no folder bench"},
		{"a commit that does not build", "main", "broken", "", nil, ExitError, "undefined: missing"},
		{"wrong data", "main", "changed", "wrong data", ErrWrongData, ExitWrongData, "9 rows instead of 10"},
		{"no server", "main", "changed", "skip", ErrSkipped, ExitError, "no server on this machine"},
		{"a server lost", "main", "changed", "failure", nil, ExitError, "connection refused"},
	} {
		config := r.config(c.base, c.head)
		config.Env = []string{"FAKE=" + c.misbehave}
		report, err := Refs(t.Context(), config)
		if report != nil || err == nil || c.is != nil && !errors.Is(err, c.is) || ExitOf(err) != c.exit || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (exit %d), want exit %d and %q", c.name, err, ExitOf(err), c.exit, c.says)
		}
	}

	config := r.config("main", "changed")
	closed := false
	config.Server = func(context.Context) (Server, error) {
		return Server{Env: []string{"FAKE=failure"}, Close: func() error { closed = true; return nil }}, nil
	}
	if _, err := Refs(t.Context(), config); err == nil || !closed {
		t.Errorf("after %v the server was closed: %v", err, closed)
	}
	config.Env = nil
	config.Server = func(context.Context) (Server, error) {
		return Server{Close: func() error { return errors.New("still running") }}, nil
	}
	if report, err := Refs(t.Context(), config); report == nil || ExitOf(err) != ExitError || !strings.Contains(err.Error(), "closing the server: still running") {
		t.Errorf("a server that cannot be stopped: %v with a report %v", err, report != nil)
	}
	config.Server = func(context.Context) (Server, error) { return Server{}, errors.New("no postgres found") }
	if _, err := Refs(t.Context(), config); err == nil || !strings.Contains(err.Error(), "starting the server: no postgres found") {
		t.Errorf("without a server: %v", err)
	}
	config.Server = func(context.Context) (Server, error) {
		return Server{Noise: &Noise{Machine: "fake", Taken: time.Now(), Cells: []NoiseCell{{fakeCopy, "sec/op", []float64{0.1, -0.2, 0.3}}}}}, nil
	}
	config.Options.Threshold = 0.01
	if _, err := Refs(t.Context(), config); !errors.Is(err, ErrTighter) {
		t.Errorf("a threshold below the noise that the server's machine is known for: %v", err)
	}
	config.Options.Threshold = 0
	if _, err := Refs(canceled(), config); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before the start: %v", err)
	}
	r.CheckClean()
}

// Ctrl-C in the middle of a measurement: no worktree, no folder and no process stays behind, not even what the suite had
// started by itself.
func TestInterrupt(t *testing.T) {
	r := newRepository(t)
	r.Edit("lib/lib.go", "Factor = 1.00", "Factor = 1.01")
	r.Commit("changed")
	r.Edit("lib/lib.go", "Factor = 1.01", "Factor = 1.02") // and "." is dirty
	status := r.Git("status", "--porcelain")

	pids := filepath.Join(t.TempDir(), "pids")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "COMPARE_TEST_VICTIM="+r.Dir, "COMPARE_TEST_TEMP="+r.Temp, "COMPARE_TEST_CACHE="+r.Cache,
		"TMPDIR="+r.Temp, "FAKE=hang", "FAKE_PIDS="+pids)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	processes := waitForPids(t, pids)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != int(ExitError) || !strings.Contains(stderr.String(), "interrupt") {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	gone(t, processes)
	r.CheckClean()
	if now := r.Git("status", "--porcelain"); now != status {
		t.Errorf("the working tree was %q and is %q", status, now)
	}
}

// A suite that needs what base does not have yet says so, and whose suite it is.
func TestRefsHeadSuiteMustFit(t *testing.T) {
	r := newRepository(t)
	r.Edit("lib/lib.go", "const Calls", "const Extra = 1\n\nconst Calls")
	r.Edit("bench/bench_test.go", "lib.Calls", "lib.Calls + lib.Extra")
	r.Commit("a new counter")
	c := r.config("HEAD~1", "HEAD")
	c.HeadSuite = true
	_, err := Refs(t.Context(), c)
	if err == nil || ExitOf(err) != ExitError || !strings.Contains(err.Error(), "undefined: lib.Extra") || !strings.Contains(err.Error(), " with the suite of ") {
		t.Errorf("%v", err)
	}
	r.CheckClean()
}

// Only what is chosen is measured.
func TestRefsSelect(t *testing.T) {
	r := newRepository(t)
	r.Edit("lib/lib.go", "Factor = 1.00", "Factor = 1.01")
	r.Edit("bench/bench_test.go", "rows=10/load=copy/via=pgx", "rows=10/load=copy/via=psql")
	r.Commit("changed")
	c := r.config("HEAD~1", "HEAD")
	c.Select = "Pipeline/load=insert|Pipeline/rows=10/load=insert|Floor"
	report, err := Refs(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Blocks[0].Series) != 1 { // the floor goes by two names
		t.Errorf("measured %d cases", len(report.Blocks[0].Series))
	}
	const want = "the two sides have different benchmark suites: a change may come from how it is measured"
	if !slices.Contains(report.Warnings, want) || report.OnlyBase == nil {
		t.Errorf("warnings %q, only in base %v", report.Warnings, report.OnlyBase)
	}

	// One suite for both, that of head.
	c.HeadSuite, c.Select = true, "Pipeline|Floor"
	if report, err = Refs(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(report.Warnings, want) || report.OnlyBase != nil || report.OnlyHead != nil || report.Base.Harness != report.Head.Harness {
		t.Errorf("with one suite: warnings %q, only in base %v, only in head %v", report.Warnings, report.OnlyBase, report.OnlyHead)
	}
	if v := verdict(t, report, fakeCopy, "sec/op"); !(v.Change.Estimate > 0.009) {
		t.Errorf("what base measures is not its own code: %+v", v.Change)
	}
	if !strings.HasSuffix(report.Base.Text, " with the suite of "+report.Head.Commit[:7]) {
		t.Errorf("base is called %q", report.Base.Text)
	}
	r.CheckClean()
}
