//go:build unix

package targets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/magefile/mage/mg"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
)

// Ten commits, one of which makes the source guest much slower: it is found, with its effect and where that lies. Of the
// others some say more, some change code that does not matter, and one does not build. As a user would ask, on a real
// server.
func TestBisectCommits(t *testing.T) {
	c := newClone(t)
	c.git(t, "checkout", "--quiet", "-b", "ten", "base")
	const walk = "func (c *copyReader) walk(b *bounds) (full bool, err error) {\n"
	const broken = "\nvar broken = missing\n\n"
	for i, change := range [][2]string{
		{walk, "\n// One.\n" + walk},
		{walk, "\nvar planted uint64\n\n" + walk},
		{walk, "\n// Three.\n" + walk},
		{walk, "\nvar unused = 4\n\n" + walk},
		{walk, "\n// Five.\n" + walk},
		{walk, walk + "\tfor range 6_000_000 {\n\t\tplanted = planted*6364136223846793005 + 1\n\t}\n"},
		{walk, broken + walk},
		{broken, ""},
		{walk, "\n// Nine.\n" + walk},
		{walk, "\n// Ten.\n" + walk},
	} {
		c.change(t, fmt.Sprintf("commit-%d", i+1), "connectors/postgres/copyout.go", change[0], change[1])
	}

	started := time.Now()
	code, out, problems := c.mage(t, "bisect", "ten~10", "ten", "-case=Pipeline/rows=300/load=copy/compression=none",
		"-unit=sec/op", "-rounds=6", "-json")
	t.Logf("took %v", time.Since(started))
	if code == int(compare.ExitInconclusive) && strings.Contains(out, "the machine was disturbed") {
		t.Skip("the machine is too busy to find anything, and the search says so")
	}
	if code != int(compare.ExitRegressed) {
		t.Fatalf("exit code %d, want %d", code, compare.ExitRegressed)
	}
	var report struct {
		Commits       int
		Found, Before *compare.Version
		FlameGraph    string `json:"flame_graph"`
		Steps         []struct{ Subject, Answer, Reason string }
		Effect        *struct {
			Change      struct{ Lo float64 }
			Explanation *compare.Explanation
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if report.Commits != 11 || report.Found == nil || report.Found.Subject != `"commit-6"` || report.Before.Subject != `"commit-5"` {
		t.Fatalf("found %+v after %+v among %d", report.Found, report.Before, report.Commits)
	}
	if e := report.Effect; e == nil || e.Change.Lo < 0.3 || e.Explanation == nil || e.Explanation.Parts[0].Name() != "source guest" {
		t.Errorf("its effect is %+v", e)
	}
	if graph, err := os.ReadFile(report.FlameGraph); err != nil || !bytes.Contains(graph, []byte("<svg")) {
		t.Errorf("no differential flame graph at %q: %v", report.FlameGraph, err)
	}
	steps := fmt.Sprint(report.Steps)
	for _, want := range []string{"{commit-5 fast", "{commit-7 unusable", "{commit-8 slow the code of ten (", "only comments and line numbers changed"} {
		if !strings.Contains(steps, want) {
			t.Errorf("no %q among the steps %s", want, steps)
		}
	}
	if !strings.Contains(problems, "steps") {
		t.Error("no progress is reported")
	}
	if trees := c.git(t, "worktree", "list", "--porcelain"); strings.Count(trees, "worktree ") != 1 {
		t.Errorf("worktrees left:\n%s", trees)
	}
}

func TestBisectRefusesBeforeItBuilds(t *testing.T) {
	r, stdout, stderr := here(t)
	const c = "Pipeline/rows=10/load=copy/compression=none"
	for name, o := range map[string]BisectOptions{
		"which benchmark":   {},
		"-rounds":           {Case: ptr(c), Rounds: ptr(0)},
		"-budget":           {Case: ptr(c), Budget: ptr(-time.Second)},
		"-threshold":        {Case: ptr(c), Threshold: ptr(0.0)},
		"BENCH_ROWS":        {Case: ptr("Pipeline/rows=ten/load=copy/compression=none")},
		"BENCH_LOAD":        {Case: ptr("Pipeline/rows=10/load=upsert/compression=none")},
		"BENCH_COMPRESSION": {Case: ptr("Pipeline/rows=10/load=copy/compression=gzip")},
		"the same commit":   {Case: ptr(c)},
	} {
		if err := r.Bisect(t.Context(), "HEAD", "HEAD", o); mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v with exit code %d, want its name and 2", name, err, mg.ExitStatus(err))
		}
	}
	if err := r.Bisect(t.Context(), "no-such-ref", "HEAD", BisectOptions{Case: ptr(c)}); mg.ExitStatus(err) != 1 || !strings.Contains(err.Error(), "no-such-ref") {
		t.Errorf("an unknown ref: %v with exit code %d", err, mg.ExitStatus(err))
	}
	if stdout.Len()+stderr.Len() > 0 {
		t.Errorf("something was started: %s%s", stdout, stderr)
	}
}

func TestBisectFlagsAreRepeated(t *testing.T) {
	o := BisectOptions{Case: ptr("Source/rows=10"), Unit: ptr("ns/op"), Rounds: ptr(5), Threshold: ptr(0.05), Budget: ptr(time.Minute), JSON: ptr(true)}
	if got, want := o.flags(), " -case=Source/rows=10 -unit=ns/op -rounds=5 -threshold=0.05 -budget=1m0s -json=true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
