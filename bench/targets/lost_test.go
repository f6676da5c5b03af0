//go:build unix

package targets

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A server that dies while two commits are measured ends the comparison: exit code 1, what the suite said, and nothing
// left behind.
func TestServerLostInTheMiddle(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some time")
	}
	m := startMage(t, said("round 1"), "compare", "HEAD", "HEAD", "-force", "-rows=300", "-cases=^BenchmarkSource$", "-rounds=500")
	postmaster := postmasterIn(t, m.temp)
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	<-m.ended
	if code := m.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(m.output.String(), "compare: Source/rows=300 of ") {
		t.Errorf("exit code %d, want 1 and the case:\n%s", code, &m.output)
	}
	m.checkNothingLeft(t)
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
