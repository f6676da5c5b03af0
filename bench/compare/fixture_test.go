package compare

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// TestMain runs as the victim of TestInterrupt when asked to: a comparison in a process of its own, the way a build tool
// runs one.
func TestMain(m *testing.M) {
	if repo := os.Getenv("COMPARE_TEST_VICTIM"); repo != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		_, err := Refs(ctx, Config{
			Base: "HEAD~1", Head: ".", Log: os.Stderr,
			Refs: refs.Options{Repo: repo, Temp: os.Getenv("COMPARE_TEST_TEMP"), Cache: os.Getenv("COMPARE_TEST_CACHE")},
		})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(int(ExitOf(err)))
	}
	code := m.Run()
	if fakeTemp != "" {
		os.RemoveAll(fakeTemp)
	}
	os.Exit(code)
}

// fakeTemp is the folder of the compiled fake suite, "" until it is built.
var fakeTemp string

// fakeDir is the module that the tests compare versions of.
const fakeDir = "testdata/fake"

// fakeSuite returns the compiled fake suite.
var fakeSuite = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "compare-test-")
	if err != nil {
		return "", err
	}
	fakeTemp = dir
	path := filepath.Join(dir, "bench.test")
	cmd := exec.Command("go", "test", "-c", "-o", path, "./bench")
	cmd.Dir = fakeDir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// repository is a git repository that holds the fake module.
type repository struct {
	t                *testing.T
	dir, temp, cache string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	r := &repository{t, t.TempDir(), t.TempDir(), t.TempDir()}
	if err := os.CopyFS(r.dir, os.DirFS(fakeDir)); err != nil {
		t.Fatal(err)
	}
	r.git("init", "--quiet", "--initial-branch=main")
	r.git("config", "user.name", "test")
	r.git("config", "user.email", "test@example.com")
	r.commit("start")
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (r *repository) commit(message string) {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "-m", message)
}

func (r *repository) edit(name, old, new string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		r.t.Fatalf("%s does not contain %q", name, old)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(new), 1), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repository) config(base, head string) Config {
	return Config{Base: base, Head: head, Options: Options{Seed: 1}, Refs: refs.Options{Repo: r.dir, Temp: r.temp, Cache: r.cache}}
}

// clean fails the test if anything was left behind.
func (r *repository) clean() {
	r.t.Helper()
	if trees := r.git("worktree", "list", "--porcelain"); strings.Count(trees, "worktree ") != 1 {
		r.t.Errorf("worktrees left:\n%s", trees)
	}
	left, err := os.ReadDir(r.temp)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range left {
		r.t.Errorf("left %s", e.Name())
	}
}
