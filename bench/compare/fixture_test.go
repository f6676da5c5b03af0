package compare

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/gittest"
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
type repository struct{ *gittest.Repo }

func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{gittest.New(t, os.DirFS(fakeDir))}
	r.Commit("start")
	return r
}

func (r repository) config(base, head string) Config {
	return Config{Base: base, Head: head, Options: Options{Seed: 1}, Refs: refs.Options{Repo: r.Dir, Temp: r.Temp, Cache: r.Cache}}
}
