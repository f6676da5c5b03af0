package compare

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const fakeCopy Case = "Pipeline/rows=10/load=copy"

// suite returns a runner of the fake suite that misbehaves as told.
func suite(t *testing.T, misbehave string) *Binaries {
	t.Helper()
	path, err := fakeSuite()
	if err != nil {
		t.Fatal(err)
	}
	b := Binary{Path: path, Dir: t.TempDir(), Env: []string{"FAKE=" + misbehave}}
	return &Binaries{Base: b, Head: b}
}

func TestCases(t *testing.T) {
	b := suite(t, "")
	got, err := b.Cases(t.Context(), Base)
	want := []Case{"Pipeline/rows=10/load=insert", fakeCopy, "Floor/rows=10/load=copy/via=pgx"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("cases %q, %v; want %q", got, err, want)
	}
	b.Select = "Pipeline/rows=10/load=copy"
	if got, err := b.Cases(t.Context(), Head); err != nil || !slices.Equal(got, []Case{fakeCopy}) {
		t.Errorf("selected cases %q, %v", got, err)
	}
	b.Select = "Nothing"
	if got, err := b.Cases(t.Context(), Head); err == nil || !strings.Contains(err.Error(), "no result") {
		t.Errorf("a pattern that matches nothing: %q, %v", got, err)
	}

	b = suite(t, "")
	b.Base.Path = filepath.Join(t.TempDir(), "missing")
	if _, err := b.Cases(t.Context(), Base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing binary: %v", err)
	}
}

// A process's values come from the samples where there are any, tidied, with their median as the value; units and
// conditions come from the output.
func TestRun(t *testing.T) {
	b := suite(t, "")
	turn := Turn{Side: Head, Case: fakeCopy, Iterations: 3, Seed: 5}
	p, err := b.Run(t.Context(), turn)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Values["sec/op"]) != 3 || len(p.Values["cpu-sec/op"]) != 3 || p.Values["hostcalls/op"][2] != 40 {
		t.Errorf("values %v, want three iterations", p.Values)
	}
	if v, ok := p.Value("sec/op"); !ok || v < 0.1 || v > 0.11 {
		t.Errorf("sec/op is %v", v)
	}
	if p.Config["machine"] != "fake" || !isExact(p.Units, "hostcalls/op") || p.Units.GetBetter("cpu-sec/op") != -1 {
		t.Errorf("config %v, units %v", p.Config, p.Units)
	}
	if p.Duration <= 0 || p.Started.IsZero() || len(p.Contaminated) > 0 {
		t.Errorf("%+v", p)
	}
	again, err := b.Run(t.Context(), turn)
	if err != nil || again.Values["sec/op"][0] != p.Values["sec/op"][0] {
		t.Errorf("the same seed gave %v and %v (%v)", p.Values["sec/op"], again.Values["sec/op"], err)
	}

	p, err = suite(t, "disturbed").Run(t.Context(), turn)
	if err != nil || !slices.Equal(p.Contaminated, []string{"checkpoint"}) {
		t.Errorf("a disturbed iteration: %v, %v", p, err)
	}
	p, err = suite(t, "no samples").Run(t.Context(), turn)
	if err != nil || len(p.Values["sec/op"]) != 1 {
		t.Errorf("without samples: %v, %v; want the mean alone", p, err)
	}
}

func TestRunFailures(t *testing.T) {
	for _, c := range []struct {
		misbehave string
		is        error
		exit      Exit
		says      []string
	}{
		{"wrong data", ErrWrongData, ExitWrongData, []string{"9 rows instead of 10", string(fakeCopy) + " of head"}},
		{"failure", nil, ExitError, []string{"dial: connection refused", "exit status 1"}},
		{"skip", ErrSkipped, ExitError, []string{"no server on this machine"}},
		{"panic", nil, ExitError, []string{"index out of range"}},
		{"exit", nil, ExitError, []string{"no result"}},
		{"torn samples", nil, ExitError, []string{"samples.jsonl:1"}},
		{"torn last sample", nil, ExitError, []string{"samples.jsonl:3: the last line is torn"}},
	} {
		p, err := suite(t, c.misbehave).Run(t.Context(), Turn{Side: Head, Case: fakeCopy, Iterations: 2})
		if p != nil || err == nil || c.is != nil && !errors.Is(err, c.is) || ExitOf(err) != c.exit {
			t.Errorf("%s: %v, %v (exit %d)", c.misbehave, p, err, ExitOf(err))
			continue
		}
		var failed *CaseError
		if !errors.As(err, &failed) || failed.Case != fakeCopy || failed.Side != Head {
			t.Errorf("%s: %v is not a CaseError of the case", c.misbehave, err)
		}
		for _, says := range c.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v does not say %q", c.misbehave, err, says)
			}
		}
	}

	_, err := suite(t, "").Run(t.Context(), Turn{Case: "Pipeline/rows=10", Iterations: 1})
	if err == nil || !strings.Contains(err.Error(), "measured Pipeline/rows=10/load=insert instead") {
		t.Errorf("a case that is several: %v", err)
	}
	_, err = suite(t, "").Run(t.Context(), Turn{Case: "Gone", Iterations: 1})
	if !errors.Is(err, errNoResult) {
		t.Errorf("a case that does not exist: %v", err)
	}
	b := suite(t, "hang")
	b.Timeout = 100 * time.Millisecond
	b.Base.Env = append(b.Base.Env, "FAKE_PIDS="+filepath.Join(t.TempDir(), "pids"))
	_, err = b.Run(t.Context(), Turn{Side: Base, Case: fakeCopy, Iterations: 1})
	if err == nil || !strings.Contains(err.Error(), "did not end within the limit of 100ms") {
		t.Errorf("a case that hangs: %v", err)
	}
}

// Output that is not exactly one whole result of the case is never taken for one.
func TestParseOutputRefuses(t *testing.T) {
	for _, c := range []struct{ name, output, says string }{
		{"nothing", "goos: linux\nPASS\n", "no result"},
		{"a log line within the result", "BenchmarkX-2\tlog: connected\n       3\t 100 ns/op\n", "torn output"},
		{"a number that is none", "BenchmarkX-2 3 abc ns/op\n", "torn output"},
		{"cut off", "BenchmarkX-2 3 100\n", "torn output"},
		{"twice", "BenchmarkX-2 3 100 ns/op\nBenchmarkX-2 3 100 ns/op\n", "more than one"},
		{"another", "BenchmarkY-2 3 100 ns/op\n", "measured Y instead"},
	} {
		if p, err := parseOutput([]byte(c.output), "X"); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v; want an error with %q", c.name, p, err, c.says)
		}
	}
	p, err := parseOutput([]byte("a: b\nBenchmarkX-2 3 100 hops\nPASS\n"), "X")
	if err != nil || p.Values["hops"][0] != 100 || p.Procs != "2" || p.Config["a"] != "b" {
		t.Errorf("a good result: %+v, %v", p, err)
	}
}

// Cancelling ends the test binary and what it started, at once.
func TestRunCancelled(t *testing.T) {
	b := suite(t, "hang")
	pids := filepath.Join(t.TempDir(), "pids")
	b.Base.Env = append(b.Base.Env, "FAKE_PIDS="+pids)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := b.Run(ctx, Turn{Side: Base, Case: fakeCopy, Iterations: 1})
		done <- err
	}()
	processes := waitForPids(t, pids)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || ExitOf(err) != ExitError {
		t.Errorf("cancelled: %v", err)
	}
	gone(t, processes)
}

// waitForPids returns the processes that the hanging suite writes down.
func waitForPids(t *testing.T, path string) []int {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			var pids []int
			for field := range strings.FieldsSeq(string(text)) {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				pids = append(pids, pid)
			}
			return pids
		}
		if time.Now().After(deadline) {
			t.Fatal("the suite never started")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// gone waits until none of the processes runs.
func gone(t *testing.T, pids []int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for _, pid := range pids {
		for running(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d was left behind", pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestCaseNames(t *testing.T) {
	for _, c := range []struct{ name, want, procs string }{
		{"BenchmarkPipeline/rows=10/load=copy-2", "Pipeline/rows=10/load=copy", "2"},
		{"Pipeline/rows=10/load=copy", "Pipeline/rows=10/load=copy", ""},
		{"BenchmarkX-16", "X", "16"},
		{"BenchmarkY/sub", "Y/sub", ""},
	} {
		if got, procs := caseOf([]byte(c.name)); string(got) != c.want || procs != c.procs {
			t.Errorf("%s: %q with %q processors", c.name, got, procs)
		}
	}
	c := Case("Pipeline/rows=1000/ratio=1.5")
	if got, want := c.Pattern(), `^BenchmarkPipeline$/^rows=1000$/^ratio=1\.5$`; got != want {
		t.Errorf("pattern %s, want %s", got, want)
	}
	if c.Family() != "Pipeline" || c.Param("rows") != "1000" || c.Param("load") != "" {
		t.Errorf("family %q, rows %q, load %q", c.Family(), c.Param("rows"), c.Param("load"))
	}
}
