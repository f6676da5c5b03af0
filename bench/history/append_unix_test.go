//go:build unix

package history

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The limit lets half of the second record through, which must be taken back.
// It holds for a whole process, so a child runs into it.
func TestAppendToFullDiskLeavesNoHalfLine(t *testing.T) {
	if path := os.Getenv("HISTORY_TEST_FULL"); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 1000, Max: 1000}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		err := Append(path, sample("r2", "abc1234", 20))
		if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "make room") {
			t.Fatalf("got %v, want EFBIG, the path and what to do", err)
		}
		return
	}

	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := Append(path, sample("r1", "abc1234", 10)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) >= 1000 || 2*len(before) <= 1000 {
		t.Fatalf("a record has %d bytes: the limit of 1000 does not cut the second one", len(before))
	}
	child := exec.Command(os.Args[0], "-test.run=^TestAppendToFullDiskLeavesNoHalfLine$")
	child.Env = append(os.Environ(), "HISTORY_TEST_FULL="+path)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(before) {
		t.Errorf("the file changed from\n%s\nto\n%s", before, after)
	}
}

// Taking back half a line is safe only while no other process can append.
func TestAppendWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	other, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := lock(other); err != nil {
		t.Fatal(err)
	}

	done := make(chan error, 1)
	go func() { done <- Append(path, sample("r1", "abc1234", 10)) }()
	select {
	case err := <-done:
		t.Fatalf("Append returned %v while another process held the lock", err)
	case <-time.After(50 * time.Millisecond):
	}
	other.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
