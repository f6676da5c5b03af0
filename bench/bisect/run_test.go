package bisect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/gittest"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// fakeDir is a small module with a suite whose times follow from constants of its code.
const fakeDir = "../compare/testdata/fake"

const fakeCase = compare.Case("Pipeline/rows=10/load=copy")

// fakeHistory is a git repository with the fake module.
type fakeHistory struct{ *gittest.Repo }

func newHistory(t *testing.T) fakeHistory {
	t.Helper()
	if testing.Short() {
		t.Skip("builds some commits")
	}
	h := fakeHistory{gittest.New(t, os.DirFS(fakeDir))}
	h.Commit("start")
	return h
}

func (h fakeHistory) options(good, bad string) Options {
	return Options{
		Good: good, Bad: bad, Case: fakeCase, Seed: 1,
		Session: compare.Config{Refs: refs.Options{Repo: h.Dir, Temp: h.Temp, Cache: h.Cache}},
	}
}

// Real commits, real builds: a comment, a commit that does not build, unrelated code, and a merge that brings the
// slowdown in.
func TestRun(t *testing.T) {
	h := newHistory(t)
	h.Edit("lib/lib.go", "// Calls is", "// Calls, all alike, is")
	h.Commit("a comment")
	for i := range 3 {
		h.Edit("lib/lib.go", "const Calls", fmt.Sprintf("const Unused%d = %d\n\nconst Calls", i, i))
		h.Commit(fmt.Sprintf("unrelated %d", i))
	}
	h.Git("checkout", "--quiet", "-b", "side", "HEAD~1")
	h.Edit("lib/lib.go", "Factor = 1.00", "Factor = 1.20")
	h.Commit("slower")
	h.Git("checkout", "--quiet", "main")
	h.Git("merge", "--quiet", "--no-ff", "-m", "merge what is slower", "side")
	slow := h.Git("rev-parse", "HEAD")
	h.Edit("lib/lib.go", "const Calls = 40", "const Calls = forty")
	h.Commit("broken")
	h.Edit("lib/lib.go", "const Calls = forty", "const Calls = 40")
	h.Commit("mended")
	for i := 3; i < 5; i++ {
		h.Edit("lib/lib.go", "const Calls", fmt.Sprintf("const Unused%d = %d\n\nconst Calls", i, i))
		h.Commit(fmt.Sprintf("unrelated %d", i))
	}

	o := h.options("main~9", "main")
	o.Command = "go tool mage bisect main~9 main"
	servers, graphs := 0, 0
	o.Session.Server = func(context.Context) (compare.Server, error) {
		servers++
		return compare.Server{Env: []string{"FAKE_PG=quiet"}, Close: func() error { servers -= 10; return nil }}, nil
	}
	o.FlameGraph = func(_ context.Context, before, after string, c compare.Case) (string, error) {
		graphs++
		if before != h.Git("rev-parse", slow+"^") || after != slow || c != fakeCase {
			t.Errorf("a flame graph of %s and %s in %s", before, after, c)
		}
		return "diff.svg", nil
	}
	var last Progress
	o.Progress = func(p Progress) { last = p }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Exit() != compare.ExitRegressed || r.Found == nil || r.Found.Commit != slow || r.Commits != 10 || r.Config["pg-conf"] != "quiet" {
		t.Errorf("%+v", r)
	}
	if last.Ref.Commit == "" || last.Bracket.Slow == 0 {
		t.Errorf("progress %+v", last)
	}
	if servers != -9 || graphs != 1 {
		t.Errorf("servers %d, flame graphs %d", servers, graphs)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
	for _, want := range []string{"it became slower with " + slow, `"merge what is slower"`, "100 % of +20.0 % is dest guest",
		"differential flame graph: diff.svg", "to look inside, bisect ", "undefined: forty", "again: go tool mage bisect main~9 main"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if data, err := r.JSON(); err != nil || !bytes.Contains(data, []byte(`"answer": "slow"`)) {
		t.Errorf("%v\n%s", err, data)
	}
	h.CheckClean()
}

func TestRunRefuses(t *testing.T) {
	h := newHistory(t)
	h.Edit("lib/lib.go", "Factor = 1.00", "Factor = 1.30")
	h.Commit("slower")
	h.Git("checkout", "--quiet", "-b", "renamed")
	h.Edit("bench/bench_test.go", `"rows=10/load="`, `"rows=20/load="`)
	h.Commit("another case")
	h.Git("checkout", "--quiet", "-b", "broken", "main")
	h.Edit("lib/lib.go", "Factor = 1.30", "Factor = missing")
	h.Commit("broken")
	h.Git("checkout", "--quiet", "-b", "bare", "main")
	h.Git("rm", "--quiet", "-r", "bench")
	h.Commit("no suite")

	for _, c := range []struct {
		name      string
		good, bad string
		change    func(*Options)
		is        error
		exit      compare.Exit
		says      string
	}{
		{"one name", "main", "", nil, compare.ErrUsage, 2, "two refs"},
		{"no case", "main", "main~1", func(o *Options) { o.Case = "" }, compare.ErrUsage, 2, "a case is needed"},
		{"a negative number", "main~1", "main", func(o *Options) { o.Rounds = -1 }, compare.ErrUsage, 2, "cannot be negative"},
		{"an absurd threshold", "main~1", "main", func(o *Options) { o.Threshold = 50 }, compare.ErrUsage, 2, "the threshold 50"},
		{"an unknown name", "main", "nonsense", nil, refs.ErrUnknown, 1, `"nonsense"`},
		{"the same commit", "main", "HEAD~1", nil, refs.ErrSameCommit, 2, "the same commit"},
		{"the wrong way round", "main", "main~1", nil, refs.ErrNotAncestor, 2, "other way round"},
		{"side by side", "broken", "renamed", nil, refs.ErrNotAncestor, 2, "latest common commit"},
		{"an unknown case", "main~1", "main", func(o *Options) { o.Case = "Pipeline/rows=11/load=copy" }, compare.ErrUsage, 2, "neither main~1"},
		{"half a case", "main~1", "main", func(o *Options) { o.Case = "Pipeline/rows=10" }, compare.ErrUsage, 2,
			"; there is Pipeline/rows=10/load=copy, Pipeline/rows=10/load=insert"},
		{"a case that came later", "main", "renamed", func(o *Options) { o.Case = "Pipeline/rows=20/load=copy" }, compare.ErrNothing, 1, "a later good"},
		{"a case that went", "main", "renamed", nil, compare.ErrNothing, 1, "an earlier bad"},
		{"a bad commit that does not build", "main", "broken", nil, nil, 1, "undefined: missing"},
		{"a bad commit without a suite", "main", "bare", nil, refs.ErrNoSuite, 1, "no folder bench"},
		{"too few rounds", "main~1", "main", func(o *Options) { o.Rounds = 2 }, compare.ErrTooFewPairs, 1, "2 pairs"},
		{"wrong data", "main~1", "main", func(o *Options) { o.Session.Env = []string{"FAKE=wrong data"} }, compare.ErrWrongData, 5, "9 rows"},
		{"no server", "main~1", "main", func(o *Options) {
			o.Session.Server = func(context.Context) (compare.Server, error) { return compare.Server{}, errors.New("no Postgres") }
		}, nil, 1, "starting the server: no Postgres"},
	} {
		o := h.options(c.good, c.bad)
		if c.change != nil {
			c.change(&o)
		}
		r, err := Run(t.Context(), o)
		if r != nil || err == nil || c.is != nil && !errors.Is(err, c.is) || compare.ExitOf(err) != c.exit || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (exit %d), want exit %d and %q", c.name, err, compare.ExitOf(err), c.exit, c.says)
		}
	}

	// Interrupted in the middle.
	ctx, cancel := context.WithCancel(t.Context())
	o := h.options("main~1", "main")
	closed := false
	o.Session.Server = func(context.Context) (compare.Server, error) {
		return compare.Server{Close: func() error { closed = true; return nil }}, nil
	}
	o.Progress = func(Progress) { cancel() }
	if r, err := Run(ctx, o); r != nil || !errors.Is(err, context.Canceled) || compare.ExitOf(err) != compare.ExitError || !closed {
		t.Errorf("interrupted: %v, server closed: %v", err, closed)
	}
	h.CheckClean()
}
