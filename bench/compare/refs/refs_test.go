package refs

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/gittest"
)

// fixture is a git repository with a small module that has a suite, made for one test.
type fixture struct {
	*gittest.Repo
	t *testing.T
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{gittest.New(t, fstest.MapFS{
		"go.mod":     {Data: []byte("module example.com/fake\n\ngo 1.26\n")},
		"lib/lib.go": {Data: []byte("package lib\n\nfunc Work(n int) int {\n\treturn n + 1\n}\n")},
		"bench/bench_test.go": {Data: []byte(`package bench

import (
	"testing"

	"example.com/fake/lib"
)

func BenchmarkWork(b *testing.B) {
	for b.Loop() {
		lib.Work(1)
	}
}
`)},
		".gitignore": {Data: []byte("ignored.txt\n")},
	}), t}
	f.Commit("first")
	return f
}

func (f *fixture) options() Options {
	return Options{Repo: f.Dir, Temp: f.Temp, Cache: f.Cache, Log: testLog{f.t}}
}

// testLog shows the lines in the test's log.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (f *fixture) open() *Repo {
	f.t.Helper()
	r, err := Open(f.t.Context(), f.options())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { r.Close() })
	return r
}

func (f *fixture) resolve(r *Repo, name string) Ref {
	f.t.Helper()
	ref, err := r.Resolve(f.t.Context(), name)
	if err != nil {
		f.t.Fatal(err)
	}
	return ref
}

func (f *fixture) checkout(r *Repo, name string) *Worktree {
	f.t.Helper()
	w, err := r.Checkout(f.t.Context(), f.resolve(r, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return w
}

func (f *fixture) build(r *Repo, name string) *Build {
	f.t.Helper()
	b, err := f.checkout(r, name).Build(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// state is everything of the user's that must be the same before and after: the checkout, the index, the refs, the
// worktrees, the configuration, and what is left among the temporary files.
func (f *fixture) state() string {
	f.t.Helper()
	var s strings.Builder
	for _, args := range [][]string{
		{"status", "--porcelain", "--ignored"},
		{"for-each-ref"},
		{"symbolic-ref", "HEAD"},
		{"worktree", "list", "--porcelain"},
		{"stash", "list"},
		{"config", "--local", "--list"},
		{"diff"},
		{"diff", "--cached"},
	} {
		s.WriteString(strings.Join(args, " ") + ":\n" + f.Git(args...) + "\n")
	}
	left, err := os.ReadDir(f.Temp)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range left {
		s.WriteString("left: " + e.Name() + "\n")
	}
	return s.String()
}

// unchanged fails the test if the state differs from what it was.
func (f *fixture) unchanged(before string) {
	f.t.Helper()
	if after := f.state(); after != before {
		f.t.Errorf("something of the user's changed\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
