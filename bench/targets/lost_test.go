//go:build unix

package targets

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A server that dies while two commits are measured ends the comparison: exit code 1, what the suite said, and nothing
// left behind.
func TestServerLostInTheMiddle(t *testing.T) {
	r, _, _ := here(t)
	if _, err := os.Stat("/proc/self"); err != nil || testing.Short() {
		t.Skip("needs the proc file system to look for processes, and some time")
	}
	if _, err := os.Stat(filepath.Join(r.Dir, ".git")); err != nil {
		t.Skip("not in a git repository")
	}
	temp, err := os.MkdirTemp("/tmp", "lost-") // t.TempDir is closed to the server's account
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o1777); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command("go", "tool", "mage", "compare", "HEAD", "HEAD", "-force", "-rows=300", "-cases=^BenchmarkSource$", "-rounds=500")
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "GOTMPDIR="+t.TempDir(), "RAPIDBYTE_PG=local", "RAPIDBYTE_PG_DSN=", "RAPIDBYTE_PG_HANDED=")
	output := &watch{text: "round 1", seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if strings.Contains(output.String(), "no Postgres available") {
			t.Skip("no local Postgres")
		}
		t.Fatalf("mage ended by itself: %v\n%s", err, output)
	case <-output.seen:
	}
	postmaster := postmasterIn(t, temp)
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	<-done
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(output.String(), "compare: Source/rows=300 of ") {
		t.Errorf("exit code %d, want 1 and the case:\n%s", code, output)
	}
	waitFor(t, "the server's processes to end", func() bool { return servers(temp) == 0 })
	waitFor(t, "its files to go", func() bool {
		left, err := filepath.Glob(filepath.Join(temp, "rapidbyte-*"))
		return err == nil && len(left) == 0
	})
}

// postmasterIn returns the process of the server whose data lies below dir.
func postmasterIn(t *testing.T, dir string) int {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file)
		program, _, _ := bytes.Cut(line, []byte{0})
		if bytes.Contains(line, []byte(dir)) && filepath.Base(string(program)) == "postgres" {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no server is running under %s", dir)
	return 0
}
