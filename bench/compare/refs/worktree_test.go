package refs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain runs as the victim of TestSweepAfterAKill when asked to.
func TestMain(m *testing.M) {
	if repo := os.Getenv("REFS_TEST_VICTIM"); repo != "" {
		victim(repo, os.Getenv("REFS_TEST_TEMP"))
	}
	os.Exit(m.Run())
}

// victim makes a worktree, says where, and waits to be killed.
func victim(repo, temp string) {
	r, err := Open(context.Background(), Options{Repo: repo, Temp: temp, Cache: temp})
	if err != nil {
		panic(err)
	}
	ref, err := r.Resolve(context.Background(), "HEAD")
	if err != nil {
		panic(err)
	}
	w, err := r.Checkout(context.Background(), ref)
	if err != nil {
		panic(err)
	}
	fmt.Println(w.Dir)
	time.Sleep(time.Hour)
	r.Close()
}

// startVictim returns the running victim and its worktree.
func (f *fixture) startVictim() (*exec.Cmd, string) {
	f.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REFS_TEST_VICTIM="+f.Dir, "REFS_TEST_TEMP="+f.Temp)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var dir string
	if _, err := fmt.Fscanln(out, &dir); err != nil {
		f.t.Fatal(err)
	}
	return cmd, dir
}

// age makes every folder of ours older than the grace that young ones have.
func (f *fixture) age() {
	f.t.Helper()
	folders, err := filepath.Glob(filepath.Join(f.Temp, dirPrefix+"*"))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, folder := range folders {
		old := time.Now().Add(-2 * grace)
		if err := os.Chtimes(folder, old, old); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestCheckoutAndClose(t *testing.T) {
	f := newFixture(t)
	f.Edit("lib/lib.go", "n + 1", "n + 2")
	f.Commit("second")
	f.Write("lib/lib.go", "package lib // broken and dirty, which is nobody's business")
	before := f.state()

	r := f.open()
	base, head := f.checkout(r, "HEAD~1"), f.checkout(r, "HEAD")
	for w, want := range map[*Worktree]string{base: "n + 1", head: "n + 2"} {
		if text := read(t, filepath.Join(w.Dir, "lib/lib.go")); !strings.Contains(text, want) {
			t.Errorf("worktree of %s lacks %q:\n%s", w.Ref, want, text)
		}
	}
	if again := f.checkout(r, "main"); again.Dir != head.Dir || again.Ref.Name != "main" {
		t.Errorf("main is checked out in %s though %s has the same commit", again.Dir, head.Dir)
	}

	// Files that a build or a run left in a worktree do not keep it from being removed.
	if err := os.WriteFile(filepath.Join(head.Dir, "lib", "left"), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f.unchanged(before)
}

func TestCheckoutLeavesAnExistingFolderAlone(t *testing.T) {
	f := newFixture(t)
	r := f.open()
	ref := f.resolve(r, "main")
	precious := filepath.Join(r.dir, ref.Commit[:12], "precious")
	if err := os.MkdirAll(filepath.Dir(precious), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(precious, []byte("data"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := r.Checkout(t.Context(), ref)
	if !errors.Is(err, ErrFolderExists) || !strings.Contains(err.Error(), filepath.Dir(precious)) {
		t.Errorf("checkout over an existing folder: %v", err)
	}
	if read(t, precious) != "data" {
		t.Error("the folder's content was touched")
	}
}

func TestCheckoutRunsNoHooks(t *testing.T) {
	f := newFixture(t)
	proof := filepath.Join(f.Temp, "hook ran")
	f.Write(".git/hooks/post-checkout", "#!/bin/sh\ntouch '"+proof+"'\n")
	if err := os.Chmod(filepath.Join(f.Dir, ".git/hooks/post-checkout"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.checkout(f.open(), "main")
	if _, err := os.Stat(proof); err == nil {
		t.Error("the user's post-checkout hook ran")
	}
}

func TestCancelledCheckoutLeavesNothing(t *testing.T) {
	f := newFixture(t)
	before := f.state()
	r := f.open()
	ref := f.resolve(r, "main")
	if _, err := r.Checkout(canceled(), ref); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled checkout: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	f.unchanged(before)
}

// What a killed run leaves is removed by the next one; what a living run uses is not; and what the user made stays, even
// when its folder is missing.
func TestSweepAfterAKill(t *testing.T) {
	f := newFixture(t)
	users := filepath.Join(t.TempDir(), "users")
	f.Git("worktree", "add", "--quiet", "--detach", users)
	if err := os.RemoveAll(users); err != nil {
		t.Fatal(err)
	}
	before := f.state()

	_, alive := f.startVictim()
	dead, gone := f.startVictim()
	if err := dead.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dead.Wait()

	// Within the grace nothing is touched: the owner of a young folder may be about to lock it.
	r := f.open()
	if _, err := os.Stat(gone); err != nil {
		t.Errorf("a young folder was swept: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	f.age()
	if err := f.open().Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(gone)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a killed run is still there: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("the worktree of a living run was swept: %v", err)
	}
	list := f.Git("worktree", "list", "--porcelain")
	if strings.Contains(list, gone) || !strings.Contains(list, alive) || !strings.Contains(list, users) {
		t.Errorf("worktrees after the sweep, want %s and %s:\n%s", alive, users, list)
	}
	if strings.Contains(before, gone) {
		t.Fatal("the test is wrong: the worktree was there before")
	}
}

// A folder that the system's cleaner has already removed still has an entry in git's books.
func TestSweepOfAFolderThatIsGone(t *testing.T) {
	f := newFixture(t)
	before := f.state()
	dead, gone := f.startVictim()
	if err := dead.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dead.Wait()
	if err := os.RemoveAll(filepath.Dir(gone)); err != nil {
		t.Fatal(err)
	}
	if err := f.open().Close(); err != nil {
		t.Fatal(err)
	}
	f.unchanged(before)
}
