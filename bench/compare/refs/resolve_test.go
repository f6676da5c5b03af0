package refs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestResolveNames(t *testing.T) {
	f := newFixture(t)
	first := f.Git("rev-parse", "HEAD")
	f.Git("tag", "v1")
	f.Git("tag", "-a", "v1-annotated", "-m", "with a message")
	f.Edit("lib/lib.go", "n + 1", "n + 2")
	second := f.Commit("second")
	f.Git("branch", "feature/x")

	r := f.open()
	for _, c := range []struct{ name, commit, text string }{
		{"main", second, "main (" + second[:7] + ")"},
		{"HEAD", second, "HEAD (" + second[:7] + ")"},
		{"feature/x", second, "feature/x (" + second[:7] + ")"},
		{"HEAD~1", first, "HEAD~1 (" + first[:7] + ")"},
		{"v1", first, "v1 (" + first[:7] + ")"},
		{"v1-annotated", first, "v1-annotated (" + first[:7] + ")"},
		{first, first, first[:7]},
		{first[:9], first, first[:7]},
		{".", second, ". (" + second[:7] + ")"},
	} {
		ref := f.resolve(r, c.name)
		if ref.Commit != c.commit || ref.Dirty || ref.String() != c.text {
			t.Errorf("%s: %s %q dirty=%v, want %s %q", c.name, ref.Commit, ref, ref.Dirty, c.commit, c.text)
		}
	}
	if a, b := f.resolve(r, "HEAD~1"), f.resolve(r, "HEAD"); a.Tree == b.Tree || a.Suite != b.Suite || a.Subject != "first" {
		t.Errorf("a commit that changes the library only: %+v and %+v", a, b)
	}
}

func TestResolveRefuses(t *testing.T) {
	f := newFixture(t)
	f.Git("update-ref", "refs/remotes/origin/topic", "HEAD")
	f.Git("checkout", "--quiet", "-b", "bare")
	f.Git("rm", "--quiet", "-r", "bench")
	f.Commit("no suite")
	f.Git("checkout", "--quiet", "-b", "untested")
	f.Write("bench/doc.go", "package bench\n")
	f.Commit("no tests in it")

	r := f.open()
	for _, c := range []struct {
		name string
		is   error
		says string
	}{
		{"nonsense", ErrUnknown, `"nonsense": no branch, tag or commit of ` + r.top},
		{"HEAD~99", ErrUnknown, `"HEAD~99"`},
		{"topic", ErrUnknown, "is it origin/topic?"},
		{"", ErrUnknown, `""`},
		{"--all", ErrUnknown, `"--all"`},
		{"main:lib", ErrUnknown, `"main:lib"`},
		{"bare", ErrNoSuite, "no folder bench to compare with"},
		{"untested", ErrNoSuite, "bench has no _test.go file"},
		{".", ErrNoSuite, "bench has no _test.go file"},
	} {
		_, err := r.Resolve(t.Context(), c.name)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %v with %q", c.name, err, c.is, c.says)
		}
	}
}

func TestResolveHintsAtAShallowClone(t *testing.T) {
	f := newFixture(t)
	f.Commit("second")
	clone := newFixture(t)
	os.RemoveAll(clone.Dir)
	f.Git("clone", "--quiet", "--depth=1", "file://"+f.Dir, clone.Dir)
	_, err := clone.open().Resolve(t.Context(), "HEAD~1")
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "git fetch --unshallow") {
		t.Errorf("HEAD~1 of a shallow clone: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	f := newFixture(t)
	if _, err := Open(t.Context(), Options{Repo: t.TempDir(), Temp: f.Temp, Cache: f.Cache}); !errors.Is(err, ErrNoRepository) {
		t.Errorf("a folder without a repository: %v", err)
	}
	inside := filepath.Join(f.Dir, "tmp")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Repo: f.Dir, Temp: inside, Cache: f.Cache}); err == nil {
		t.Error("worktrees inside the repository were accepted")
	}
	if _, err := Open(t.Context(), Options{Repo: f.Dir, Temp: filepath.Join(f.Temp, "missing"), Cache: f.Cache}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder for the worktrees: %v", err)
	}
}

// The working tree as the user sees it: changed, staged, deleted and new files are in the snapshot, ignored ones are not,
// and nothing of the user's moves.
func TestSnapshot(t *testing.T) {
	f := newFixture(t)
	f.Write("gone.txt", "x")
	f.Write("staged.txt", "old")
	f.Commit("more files")
	f.Edit("lib/lib.go", "n + 1", "n + 7")
	f.Write("new file.txt", "untracked")
	f.Write("ignored.txt", "ignored")
	f.Write("staged.txt", "staged")
	f.Git("add", "staged.txt")
	f.Write("staged.txt", "and changed again")
	if err := os.Remove(filepath.Join(f.Dir, "gone.txt")); err != nil {
		t.Fatal(err)
	}
	before := f.state()
	index := read(t, filepath.Join(f.Dir, ".git", "index"))

	r := f.open()
	ref := f.resolve(r, ".")
	if !ref.Dirty || !strings.HasPrefix(ref.String(), "the working tree (") {
		t.Errorf("a changed working tree resolved to %q", ref)
	}
	if again := f.resolve(r, "."); again != ref {
		t.Errorf("the same content resolved to %+v, then to %+v", ref, again)
	}
	dir := f.checkout(r, ".").Dir
	for name, want := range map[string]string{"new file.txt": "untracked", "staged.txt": "and changed again"} {
		if got := read(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s in the snapshot: %q, want %q", name, got, want)
		}
	}
	if text := read(t, filepath.Join(dir, "lib/lib.go")); !strings.Contains(text, "n + 7") {
		t.Errorf("the snapshot has the committed library:\n%s", text)
	}
	for _, name := range []string{"ignored.txt", "gone.txt"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is in the snapshot", name)
		}
	}

	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if read(t, filepath.Join(f.Dir, ".git", "index")) != index {
		t.Error("the user's index changed")
	}
	f.unchanged(before)
}

// A change of equal length, made in the moment after git has looked at the file, has the size and time that the index
// remembers. git sees it because the index is not newer than the file.
func TestSnapshotSeesAChangeWithinTheClocksResolution(t *testing.T) {
	f := newFixture(t)
	r := f.open()
	lib, index := filepath.Join(f.Dir, "lib/lib.go"), filepath.Join(f.Dir, ".git/index")
	moment := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(lib, moment, moment); err != nil {
		t.Fatal(err)
	}
	f.Git("update-index", "--refresh")
	if err := os.Chtimes(index, moment, moment); err != nil {
		t.Fatal(err)
	}
	f.Edit("lib/lib.go", "n + 1", "n + 2")
	if err := os.Chtimes(lib, moment, moment); err != nil {
		t.Fatal(err)
	}
	f.Git("config", "core.trustctime", "false")
	if ref := f.resolve(r, "."); !ref.Dirty {
		t.Error("the change is not in the snapshot")
	}
}

// A commit hook runs with variables that point git at a repository, an index and a work tree.
func TestVariablesOfAHookDoNotMatter(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	want := f.Git("rev-parse", "HEAD")
	other.Commit("another repository")
	t.Setenv("GIT_DIR", filepath.Join(other.Dir, ".git"))
	t.Setenv("GIT_WORK_TREE", other.Dir)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other.Dir, ".git", "index"))
	if ref := f.resolve(f.open(), "HEAD"); ref.Commit != want {
		t.Errorf("HEAD is %s, want %s: the variables won", ref.Commit, want)
	}
}

func TestModuleBelowTheRepositoryRoot(t *testing.T) {
	f := newFixture(t)
	if err := os.Mkdir(filepath.Join(f.Dir, "keep"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.Git("mv", "go.mod", "lib", "bench", "keep/")
	f.Commit("moved")
	r, err := Open(t.Context(), Options{Repo: filepath.Join(f.Dir, "keep"), Temp: f.Temp, Cache: f.Cache})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := f.checkout(r, "main")
	if _, err := os.Stat(filepath.Join(w.Dir, "go.mod")); err != nil {
		t.Errorf("the worktree's module root: %v", err)
	}
}
