package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Commit is the state of the source tree a measurement belongs to.
type Commit struct {
	SHA    string // short hash; "unknown" outside a repository
	Hash   string // the whole hash; "" if it is not known
	Branch string // "unknown" outside a repository, "HEAD" when detached
	Dirty  bool   // the tree differs from the commit
}

// CommitOf asks git about the tree dir lies in. BENCH_GIT_SHA and
// BENCH_GIT_BRANCH override it, for binaries that run outside their tree.
func CommitOf(dir string) Commit {
	git := func(args ...string) (string, bool) {
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).Output()
		return strings.TrimSpace(string(out)), err == nil
	}

	c := Commit{SHA: "unknown", Branch: "unknown"}
	if sha, ok := git("rev-parse", "--short", "HEAD"); ok {
		c.SHA = sha
	}
	if hash, ok := git("rev-parse", "HEAD"); ok {
		c.Hash = hash
	}
	if branch, ok := git("rev-parse", "--abbrev-ref", "HEAD"); ok {
		c.Branch = branch
	}
	status, ok := git("status", "--porcelain", "--untracked-files=no")
	c.Dirty = ok && status != ""

	if sha := os.Getenv("BENCH_GIT_SHA"); sha != "" {
		c.SHA, c.Hash, c.Dirty = sha, "", os.Getenv("BENCH_GIT_DIRTY") == "true"
		if wholeHash.MatchString(sha) {
			c.Hash = strings.ToLower(sha)
		}
	}
	if branch := os.Getenv("BENCH_GIT_BRANCH"); branch != "" {
		c.Branch = branch
	}
	return c
}

// wholeHash matches the hash of a commit that nothing was cut off from, SHA-1 or SHA-256.
var wholeHash = regexp.MustCompile(`^([[:xdigit:]]{40}|[[:xdigit:]]{64})$`)

// Root returns the folder of the module that holds the working directory, or
// the working directory itself if there is none above it: a compiled test
// binary may run anywhere.
func Root() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return wd, nil
		}
	}
}
