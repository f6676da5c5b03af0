package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommitOf(t *testing.T) {
	for _, name := range []string{"BENCH_GIT_SHA", "BENCH_GIT_BRANCH", "BENCH_GIT_DIRTY"} {
		t.Setenv(name, "")
	}
	dir := t.TempDir()
	if got, want := CommitOf(dir), (Commit{SHA: "unknown", Branch: "unknown"}); got != want {
		t.Errorf("outside a repository: %+v, want %+v", got, want)
	}

	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	git("init", "-q", "-b", "feature")
	git("add", "file")
	git("commit", "-q", "-m", "one")
	sha, hash := git("rev-parse", "--short", "HEAD"), git("rev-parse", "HEAD")
	if got, want := CommitOf(dir), (Commit{SHA: sha, Hash: hash, Branch: "feature"}); got != want {
		t.Errorf("clean: %+v, want %+v", got, want)
	}
	if err := os.WriteFile(file, []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := CommitOf(dir), (Commit{SHA: sha, Hash: hash, Branch: "feature", Dirty: true}); got != want {
		t.Errorf("changed: %+v, want %+v", got, want)
	}

	t.Setenv("BENCH_GIT_SHA", "abc1234")
	t.Setenv("BENCH_GIT_BRANCH", "other")
	if got, want := CommitOf(dir), (Commit{SHA: "abc1234", Branch: "other"}); got != want {
		t.Errorf("overridden: %+v, want %+v", got, want)
	}
	t.Setenv("BENCH_GIT_SHA", hash)
	if got := CommitOf(t.TempDir()); got.SHA != hash || got.Hash != hash {
		t.Errorf("overridden by a whole hash: %+v, want it as both", got)
	}
}

func TestRoot(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Error(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if got, err := Root(); got != dir || err != nil {
		t.Errorf("outside a module: %q, %v; want the working directory", got, err)
	}
}
