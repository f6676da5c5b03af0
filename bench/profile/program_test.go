//go:build unix

package profile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
)

var smallCase = lab.NewCase("Pipeline", "10", "copy", "none")

// program returns a suite that is a shell script.
func program(t *testing.T, text string) Program {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "bench.test")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return Program{Path: path, Dir: dir}
}

// profiled returns a suite that leaves the example's profile.
func profiled(t *testing.T) Program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "example")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(example().Write(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	return program(t, `for a; do case $a in -test.cpuprofile=*) cp '`+file+`' "${a#*=}";; esac; done
mkdir "$BENCH_SAMPLES"
echo '{"start":"2026-11-23T02:28:09.5Z","values":{"ns/op":1e9,"cpu-ns/op":7e7}}' >"$BENCH_SAMPLES/samples.jsonl"
echo "Benchmark`+smallCase.String()+`"`)
}

func TestCPU(t *testing.T) {
	c, err := profiled(t).CPU(t.Context(), smallCase, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Profile.Sample) != 6 || c.Runs != 1 || c.Rows != 10 || c.Process != 7e6 || len(c.Windows) != 1 || c.Windows[0].End.Sub(c.Windows[0].Start) != 1e9 {
		t.Errorf("got %+v", c)
	}
}

func TestProgramFails(t *testing.T) {
	name := "echo Benchmark" + smallCase.String() + "\n"
	for text, want := range map[string]string{
		"echo no server here; exit 1": "no server here",
		"echo PASS":                   "no such case",
		name + `for a; do case $a in *profile=*) : >"${a#*=}";; esac; done`:      "did not get to its end",
		name + `for a; do case $a in *profile=*) echo x >"${a#*=}";; esac; done`: "cpu: ",
		name: "no such file",
	} {
		if _, err := program(t, text).CPU(t.Context(), smallCase, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
	if _, err := profiled(t).CPU(t.Context(), smallCase, 0); err == nil || !strings.Contains(err.Error(), "want 1 or more") {
		t.Errorf("no runs: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := profiled(t).CPU(ctx, smallCase, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestObserveWithoutPerf(t *testing.T) {
	seen, err := Observer{}.Observe(t.Context(), profiled(t), smallCase, 1)
	if err != nil || seen.Tree.Value != 7e6 {
		t.Fatalf("%+v, %v", seen, err)
	}
	if len(seen.Notes) != 1 || !strings.Contains(seen.Notes[0], "do not run on this machine") {
		t.Errorf("notes %q", seen.Notes)
	}
	if shares := Shares(seen.Tree); !slices.Contains(shares, Share{unlabelled, "Go runtime", 1e6}) {
		t.Errorf("what has no label is missing: %+v", shares)
	}
	seen, err = Observer{Postmaster: 1, NoPerf: ErrNoPerf}.Observe(t.Context(), profiled(t), smallCase, 1)
	if err != nil || !strings.Contains(seen.Notes[0], "backends are not in it: no perf") {
		t.Errorf("%q, %v", seen.Notes, err)
	}
	// Runs too short for a hundredth of a second.
	idle := profiled(t)
	text, err := os.ReadFile(idle.Path)
	if err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(idle.Dir, "empty")
	f, err := os.Create(empty)
	if err == nil {
		err = errors.Join(cpuProfile().Write(f), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	idle = program(t, regexp.MustCompile(`cp '.*?'`).ReplaceAllString(string(text), "cp '"+empty+"'"))
	if _, err := (Observer{}).Observe(t.Context(), idle, smallCase, 1); !errors.Is(err, ErrEmpty) || !strings.Contains(err.Error(), "more rows or runs") {
		t.Errorf("no samples: %v", err)
	}
	if _, err := Compare(t.Context(), Version{"old", idle}, Version{"new", idle}, smallCase, 1); !errors.Is(err, ErrEmpty) || !strings.Contains(err.Error(), "old") {
		t.Errorf("no samples to compare: %v", err)
	}
}

// Both sides are the same program: nothing may look changed. And a side without samples is an error with its name.
func TestCompare(t *testing.T) {
	same := profiled(t)
	c, err := Compare(t.Context(), Version{"old", same}, Version{"new", same}, smallCase, 2)
	if err != nil {
		t.Fatal(err)
	}
	if g := c.Graph; g.Tree.Value != g.Tree.Base || len(g.Tree.Changes(10)) != 0 || c.Base.Runs != 4 || g.Tree.Value != 12*1e7/(4*10) {
		t.Errorf("%+v", g.Tree)
	}
	if !strings.HasPrefix(c.Graph.Title, "new against old") {
		t.Errorf("title %q", c.Graph.Title)
	}
	_, err = Compare(t.Context(), Version{"old", program(t, "exit 3")}, Version{"new", same}, smallCase, 2)
	if err == nil || !strings.HasPrefix(err.Error(), "old: ") {
		t.Errorf("a side that fails: %v", err)
	}
}
