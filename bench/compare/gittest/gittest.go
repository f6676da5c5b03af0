// Package gittest makes scratch git repositories for tests.
package gittest

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Repo is a git repository that is there for one test and goes with it. What git refuses fails the test.
type Repo struct {
	Dir   string // the checkout
	Temp  string // folder for the temporary files of what is tested
	Cache string // folder for what that keeps

	tb testing.TB
}

// New makes a repository with the files in its checkout, none of them committed. It skips the test where there is no git.
func New(tb testing.TB, files fs.FS) *Repo {
	tb.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		tb.Skip("no git")
	}
	// Neither the machine's git settings nor the variables of a hook that runs this test may matter.
	tb.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	tb.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)

	r := &Repo{Dir: tb.TempDir(), Temp: tb.TempDir(), Cache: tb.TempDir(), tb: tb}
	if err := os.CopyFS(r.Dir, files); err != nil {
		tb.Fatal(err)
	}
	r.Git("init", "--quiet", "--initial-branch=main")
	r.Git("config", "user.name", "test")
	r.Git("config", "user.email", "test@example.com")
	return r
}

// Git runs git in the checkout, as its user would, and returns its output without the end of the last line.
func (r *Repo) Git(args ...string) string {
	r.tb.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.Dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.tb.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// Commit records everything, or nothing new, and returns the hash.
func (r *Repo) Commit(message string) string {
	r.tb.Helper()
	r.Git("add", "--all")
	r.Git("commit", "--quiet", "--allow-empty", "-m", message)
	return r.Git("rev-parse", "HEAD")
}

// Write writes a file of the checkout, whose name has slashes.
func (r *Repo) Write(name, text string) {
	r.tb.Helper()
	path := filepath.Join(r.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.tb.Fatal(err)
	}
}

// Edit replaces a text in a file, which must have it, where it is first.
func (r *Repo) Edit(name, old, new string) {
	r.tb.Helper()
	text, err := os.ReadFile(filepath.Join(r.Dir, filepath.FromSlash(name)))
	if err != nil {
		r.tb.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		r.tb.Fatalf("%s does not contain %q", name, old)
	}
	r.Write(name, strings.Replace(string(text), old, new, 1))
}

// CheckClean fails the test if a worktree or anything in Temp was left behind.
func (r *Repo) CheckClean() {
	r.tb.Helper()
	if trees := r.Git("worktree", "list", "--porcelain"); strings.Count(trees, "worktree ") != 1 {
		r.tb.Errorf("worktrees left:\n%s", trees)
	}
	left, err := os.ReadDir(r.Temp)
	if err != nil {
		r.tb.Fatal(err)
	}
	for _, e := range left {
		r.tb.Errorf("left %s", e.Name())
	}
}
