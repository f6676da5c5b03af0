package selftest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// realSuite returns options for the real suite over few rows, with a folder for worktrees that must be empty afterwards.
func realSuite(t *testing.T) (Options, *bytes.Buffer) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the suite and its guests")
	}
	pgtest.Shared(t) // handed down to the suite's processes
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("git", "-C", root, "rev-parse").Run(); err != nil {
		t.Skip("not in a git repository that this user may read")
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var log bytes.Buffer
	return Options{Rows: 300, Iterations: 1, Log: &log, Seed: 1, Refs: refs.Options{Repo: root, Temp: temp}}, &log
}

func clean(t *testing.T, o *Options) {
	t.Helper()
	left, err := os.ReadDir(o.Refs.Temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	trees, err := exec.Command("git", "-C", o.Refs.Repo, "worktree", "list").Output()
	if err != nil || strings.Contains(string(trees), o.Refs.Temp) {
		t.Errorf("worktrees: %v\n%s", err, trees)
	}
}

// Rows and outputs that are really spoiled, by the real suite.
func TestRun(t *testing.T) {
	o, log := realSuite(t)
	o.Only = []string{onlyData, onlyInput}
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if len(report.Trials) != 7 || report.Exit() != compare.ExitOK || report.Commit == "" || report.Config["machine"] == "" {
		t.Errorf("%+v", report)
	}
	for plant, why := range map[string]string{
		"output-torn": "torn output", "output-empty": "no result", "samples-torn": "the last line is torn", "row-nulled": "wrong data",
	} {
		for i := range report.Trials {
			if trial := &report.Trials[i]; trial.Plant == plant && !strings.Contains(trial.Error, why) {
				t.Errorf("%s broke off for another reason: %s", plant, trial.Error)
			}
		}
	}
	clean(t, &o)
}

// Ctrl-C in the middle keeps what was found and leaves nothing behind.
func TestInterrupted(t *testing.T) {
	o, log := realSuite(t)
	o.Only = []string{onlyData, onlyEqual}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// When the first trial of equal code has begun, with a process under way.
	o.busy = func(context.Context) (float64, bool) { time.AfterFunc(300*time.Millisecond, cancel); return 0, true }
	report, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) || compare.ExitOf(err) != compare.ExitError {
		t.Fatalf("%v\n%s", err, log)
	}
	if report == nil || len(report.Trials) != 4 || !strings.HasPrefix(report.Ended, "broke off after 4 of") {
		t.Errorf("%+v", report)
	}
	clean(t, &o)
}
