package refs

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fixture is a git repository with a small module that has a suite, made for one test.
type fixture struct {
	t     *testing.T
	dir   string
	temp  string
	cache string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	// Neither the machine's git settings nor the variables of a hook that runs this test may matter.
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)

	f := &fixture{t: t, dir: t.TempDir(), temp: t.TempDir(), cache: t.TempDir()}
	f.git("init", "--quiet", "--initial-branch=main")
	f.git("config", "user.name", "test")
	f.git("config", "user.email", "test@example.com")
	f.write("go.mod", "module example.com/fake\n\ngo 1.26\n")
	f.write("lib/lib.go", "package lib\n\nfunc Work(n int) int {\n\treturn n + 1\n}\n")
	f.write("bench/bench_test.go", `package bench

import (
	"testing"

	"example.com/fake/lib"
)

func BenchmarkWork(b *testing.B) {
	for b.Loop() {
		lib.Work(1)
	}
}
`)
	f.write(".gitignore", "ignored.txt\n")
	f.commit("first")
	return f
}

// git runs git in the user's checkout, as the user would.
func (f *fixture) git(args ...string) string {
	f.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = f.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (f *fixture) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) edit(name, old, new string) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		f.t.Fatalf("%s does not contain %q", name, old)
	}
	f.write(name, strings.Replace(string(text), old, new, 1))
}

// commit records everything and returns the hash.
func (f *fixture) commit(message string) string {
	f.t.Helper()
	f.git("add", "--all")
	f.git("commit", "--quiet", "--allow-empty", "-m", message)
	return f.git("rev-parse", "HEAD")
}

func (f *fixture) options() Options {
	return Options{Repo: f.dir, Temp: f.temp, Cache: f.cache, Log: testLog{f.t}}
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
		s.WriteString(strings.Join(args, " ") + ":\n" + f.git(args...) + "\n")
	}
	left, err := os.ReadDir(f.temp)
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
