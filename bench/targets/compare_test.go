//go:build unix

package targets

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/magefile/mage/mg"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page/pagetest"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// clone is a scratch clone of this repository with a commit on top that slows the
// source's guest down, and one that only says more.
type clone struct {
	dir string
	env []string // of programs that run in it
}

func newClone(t *testing.T) *clone {
	t.Helper()
	if testing.Short() {
		t.Skip("builds three commits")
	}
	r, _, _ := here(t)
	if _, err := os.Stat(filepath.Join(r.Dir, ".git")); err != nil {
		t.Skip("not in a git repository")
	}
	server := pgtest.Shared(t)
	ownHome(t)
	c := &clone{dir: filepath.Join(t.TempDir(), "clone"), env: []string{
		"XDG_CACHE_HOME=" + t.TempDir(), "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull,
		"BENCH_NOISE=" + filepath.Join(t.TempDir(), "noise.json"), "BENCH_ROWS=", "BENCH_LOAD=", "BENCH_COMPRESSION=", "BENCH_RUNTIME=",
	}}
	// A server of its own can be restarted between the blocks.
	if server.Provider == "local" {
		c.env = append(c.env, "RAPIDBYTE_PG=local", "RAPIDBYTE_PG_DSN=", "RAPIDBYTE_PG_HANDED=")
	}

	if out, err := exec.Command("git", "-c", "safe.directory=*", "clone", "--quiet", "--shared", r.Dir, c.dir).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	c.git(t, "config", "user.name", "test")
	c.git(t, "config", "user.email", "test@example.com")
	c.git(t, "branch", "base")
	const file = "connectors/postgres/copyout.go"
	const walk = "func (c *copyReader) walk(b *bounds) (full bool, err error) {\n"
	c.branch(t, "slow", file, walk, `
var planted uint64

`+walk+`	for range 10_000_000 {
		planted = planted*6364136223846793005 + 1
	}
`)
	c.branch(t, "comment", file, walk, "\n// It is called for what comes from the server.\n"+walk)
	c.git(t, "checkout", "--quiet", "base")
	return c
}

// branch commits one change on top of base.
func (c *clone) branch(t *testing.T, name, file, old, new string) {
	t.Helper()
	c.git(t, "checkout", "--quiet", "-b", name, "base")
	c.change(t, name, file, old, new)
}

// change commits one change on top of what is checked out.
func (c *clone) change(t *testing.T, message, file, old, new string) {
	t.Helper()
	path := filepath.Join(c.dir, file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s no longer has the text %q", file, old)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(new), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	c.git(t, "commit", "--quiet", "--all", "-m", message)
}

func (c *clone) git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.command("git", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (c *clone) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	return cmd
}

// mage runs a target in the clone as a user does.
func (c *clone) mage(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := c.command("go", append([]string{"tool", "mage"}, args...)...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Logf("mage %s: exit code %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out.String(), problems.String())
	return cmd.ProcessState.ExitCode(), out.String(), problems.String()
}

// A slower source guest is found, and found there; a comment is no change. Both
// as a user would ask, on real commits and a real server.
func TestCompareCommits(t *testing.T) {
	c := newClone(t)

	t.Run("comment", func(t *testing.T) {
		code, out, problems := c.mage(t, "compare", "base", "comment")
		if code != 0 || !strings.Contains(out, "only comments and line numbers changed") || strings.Contains(problems, "Postgres") {
			t.Errorf("exit code %d, want 0 without measuring", code)
		}
	})

	t.Run("slow", func(t *testing.T) {
		code, out, problems := c.mage(t, "compare", "base", "slow", "-rounds=8", "-rows=3000", "-load=copy", "-compression=none",
			"-cases=^BenchmarkPipeline$", "-threshold=0.1", "-json", "-html=target/pages/slow.html")
		if code == int(compare.ExitOK) && strings.Contains(out, "the machine was disturbed") {
			t.Skip("the machine is too busy to find anything, and the comparison says so")
		}
		if code != int(compare.ExitRegressed) {
			t.Errorf("exit code %d, want %d", code, compare.ExitRegressed)
		}
		if !json.Valid([]byte(out)) {
			t.Error("-json prints something else")
		}
		dir := regexp.MustCompile(`(?m)^files: (.*)$`).FindStringSubmatch(problems)
		if dir == nil {
			t.Fatal("no files are named")
		}
		for _, name := range []string{compare.OldFile, compare.NewFile, compare.SamplesFile, compare.ReportFile, compare.TextFile, pageFile} {
			if info, err := os.Stat(filepath.Join(dir[1], name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
		text, err := os.ReadFile(filepath.Join(dir[1], compare.TextFile))
		if want := `(?s)\nregressed \(\d+\)\n.*copy/compression=none +sec/op.*sec/op: \d+ % of \+[\d.]+ % is source guest`; err != nil ||
			!regexp.MustCompile(want).Match(text) {
			t.Errorf("%v: nothing matches %s in\n%s", err, want, text)
		}
	})

	t.Run("page", func(t *testing.T) {
		text := pagetest.Open(t, filepath.Join(c.dir, "target", "pages", "slow.html"))
		for _, want := range []string{
			`base \(\w+\) → slow \(\w+\)`, `(regressed|inconclusive) Pipeline/rows=3000/load=copy/compression=none`,
			`head against base, pair by pair`, `source: [\d.]+ ms → [\d.]+ ms`, `goos: \w+`, `go tool mage compare base slow -rounds=8 .*-html='target/pages/slow.html' -seed=\d+`,
		} {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("nothing matches %s in\n%.2000s", want, text)
			}
		}
		if strings.Contains(text, "regressed Pipeline/") && !strings.Contains(text, "What changed in Pipeline/rows=3000/load=copy/compression=none") {
			t.Error("there is no flame graph of the slower case")
		}
	})

	// The plain tools, without any of ours.
	t.Run("benchstat", func(t *testing.T) {
		var files []string
		for _, ref := range []string{"base", "slow"} {
			c.git(t, "checkout", "--quiet", ref)
			cmd := c.command("go", "test", "-run=^$", "-bench=^BenchmarkPipeline$", "-benchtime=1x", "-count=4", "./bench")
			cmd.Env = append(cmd.Env, "BENCH_ROWS=300", "BENCH_LOAD=copy", "BENCH_RESULTS=off")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			files = append(files, filepath.Join(t.TempDir(), ref+".txt"))
			if err := os.WriteFile(files[len(files)-1], out, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := c.command("go", "tool", "benchstat", "base="+files[0], "slow="+files[1]).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if n := strings.Count(string(out), "sec/op "); !regexp.MustCompile(`│ +base +│ +slow +│\n`).Match(out) ||
			!regexp.MustCompile(`│ +sec/op +│ +sec/op +vs base +│\n`).Match(out) || strings.Contains(string(out), "all samples are different") {
			t.Errorf("%d times sec/op, no comparison in\n%s", n, out)
		}
		// A set of tables has one head of configuration; a key in it twice is a split.
		for _, key := range []string{"machine:", "pg-conf:", "runtime:", "pkg:"} {
			if n := strings.Count("\n"+string(out), "\n"+key); n != 1 {
				t.Errorf("%s is there %d times, want one set of tables:\n%s", key, n, out)
			}
		}
	})
	if trees := c.git(t, "worktree", "list", "--porcelain"); strings.Count(trees, "worktree ") != 1 {
		t.Errorf("worktrees left:\n%s", trees)
	}
}

func TestCompareRefusesBeforeItBuilds(t *testing.T) {
	r, stdout, stderr := here(t)
	for name, o := range map[string]CompareOptions{
		"-rounds":                         {Rounds: ptr(0)},
		"-budget":                         {Budget: ptr(-time.Second)},
		"-threshold":                      {Threshold: ptr(0.0)},
		"-seed=-1":                        {Seed: ptr(-1)},
		"BENCH_ROWS":                      {Rows: ptr("ten")},
		"BENCH_LOAD":                      {Load: ptr("upsert")},
		"BENCH_COMPRESSIO":                {Compression: ptr("gzip")},
		"-html=compare_test.go/page.html": {HTML: ptr("compare_test.go/page.html")},
	} {
		if err := r.Compare(t.Context(), "HEAD", "HEAD", o); mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v with exit code %d, want its name and 2", name, err, mg.ExitStatus(err))
		}
	}
	if err := r.Compare(t.Context(), "no-such-ref", "HEAD", CompareOptions{}); mg.ExitStatus(err) != 1 || !strings.Contains(err.Error(), "no-such-ref") {
		t.Errorf("an unknown ref: %v with exit code %d", err, mg.ExitStatus(err))
	}
	if stdout.Len()+stderr.Len() > 0 {
		t.Errorf("something was started: %s%s", stdout, stderr)
	}
}

// A flame graph is drawn of the worst confirmed change of a pipeline's time, and of nothing else.
func TestDrawable(t *testing.T) {
	v := func(c compare.Case, unit string, o compare.Outcome, change compare.Number) *compare.Verdict {
		return &compare.Verdict{Case: c, Unit: unit, Outcome: o, Change: compare.Change{Estimate: change}}
	}
	none := []*compare.Verdict{v("Floor/rows=1", "sec/op", compare.Regressed, 2), v("Pipeline/rows=1", "B/op", compare.Regressed, 2), v("Pipeline/rows=1", "sec/op", compare.Inconclusive, 2)}
	if got := drawable(&compare.Report{Verdicts: none}); got != nil {
		t.Errorf("%v, want none", got.Case)
	}
	faster := v("Pipeline/rows=2", "sec/op", compare.Improved, -0.5)
	if got := drawable(&compare.Report{Verdicts: append(none, faster)}); got != faster {
		t.Errorf("%v, want the faster one", got)
	}
	little := v("Pipeline/rows=5", "sec/op", compare.Improved, -0.05)
	if got := drawable(&compare.Report{Verdicts: append(none, little, faster)}); got != faster {
		t.Errorf("of two that are faster, %v, want the one that changed most", got)
	}
	worst := v("Pipeline/rows=3", "cpu-sec/op", compare.Regressed, 0.3)
	if got := drawable(&compare.Report{Verdicts: append(none, faster, v("Pipeline/rows=4", "sec/op", compare.Regressed, 0.1), worst)}); got != worst {
		t.Errorf("%v, want the slowest one", got)
	}
}

// What is drawn is built again from commits: nothing is drawn that would be other code than was measured.
func TestUndrawable(t *testing.T) {
	for want, c := range map[string]struct {
		report  compare.Report
		options CompareOptions
	}{
		"":                {compare.Report{Config: map[string]string{"runtime": "compiled"}}, CompareOptions{AOT: ptr(true), Harness: ptr("own")}},
		"working tree":    {compare.Report{Head: compare.Version{Dirty: true}}, CompareOptions{}},
		"interpreted":     {compare.Report{}, CompareOptions{AOT: ptr(false)}},
		"native":          {compare.Report{Config: map[string]string{"runtime": "native"}}, CompareOptions{}},
		"both were measu": {compare.Report{}, CompareOptions{Harness: ptr("head")}},
	} {
		if got := undrawable(&c.report, c.options); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}

	// The names mean nothing any more, and nothing is built.
	r, stdout, stderr := here(t)
	changed := &compare.Verdict{Case: "Pipeline/rows=1", Unit: "sec/op", Outcome: compare.Regressed, Change: compare.Change{Estimate: 1}}
	c := &compare.Report{Base: compare.Version{Name: "HEAD", Commit: "HEAD"}, Head: compare.Version{Name: ".", Dirty: true}, Verdicts: []*compare.Verdict{changed}}
	if got := r.flames(t.Context(), c, CompareOptions{HTML: ptr("x.html")}); got != nil || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), "warning: no flame graph: ") {
		t.Errorf("got %d, %s%s", len(got), stdout, stderr)
	}
}

func TestCompareFlagsAreRepeated(t *testing.T) {
	o := CompareOptions{Rounds: ptr(5), Rows: ptr("10,20"), Threshold: ptr(0.05), Budget: ptr(time.Minute), Strict: ptr(true), AOT: ptr(false), Cases: ptr("^A$"), HTML: ptr("a b.html")}
	if got, want := o.flags(), " -rounds=5 -rows=10,20 -threshold=0.05 -budget=1m0s -strict=true -aot=false -cases='^A$' -html='a b.html'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The counts that are checked in are those of this code, or the toolchain is named.
func TestGateOfThisRepository(t *testing.T) {
	r, stdout, _ := here(t)
	if err := r.Gate(t.Context(), false); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	for _, want := range []string{`(?m)^copy +source +\d+\.\d instructions/row`, `(?m)^insert +dest +\d+\.\d instructions/row`} {
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("nothing matches %s in\n%s", want, stdout)
		}
	}
}
