package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program starts the test binary as the program, with connectors that need no
// server, and returns once the run is under way. wait returns the exit code and
// what the program wrote to standard error after its first line.
func program(t *testing.T, args ...string) (p *os.Process, wait func() (code int, stderr string)) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, args...)
	c.Env = append(os.Environ(), "RAPIDBYTE_TEST_MAIN=1")
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	first, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(first, "started") {
		t.Fatalf("the program begins with %q, %v", first, err)
	}
	return c.Process, func() (int, string) {
		rest, err := io.ReadAll(lines)
		if err != nil {
			t.Error(err)
		}
		_ = c.Wait() // the code says it
		return c.ProcessState.ExitCode(), string(rest)
	}
}

func TestOneSignalStopsCleanly(t *testing.T) {
	workspace(t)
	for signal, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		p, wait := program(t, "run", "--runtime=native", "block.yaml")
		if err := p.Signal(signal); err != nil {
			t.Fatal(err)
		}
		code, stderr := wait()
		if code != want {
			t.Errorf("%v: exit code %d, want %d", signal, code, want)
		}
		if !strings.Contains(stderr, "once more to exit at once") || !strings.Contains(stderr, "the destination is as it was before") {
			t.Errorf("%v: stderr says %q", signal, stderr)
		}
	}
}

// A connector that does not listen cannot hold the program.
func TestTwoSignalsStopAtOnce(t *testing.T) {
	workspace(t)
	p, wait := program(t, "run", "--runtime=native", "stuck.yaml")
	// Two equal signals may arrive as one; two different ones do not.
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if err := p.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	code, stderr := wait()
	if code != 130 && code != 143 {
		t.Errorf("exit code %d, want that of a signal", code)
	}
	if strings.Contains(stderr, "cancelled") {
		t.Errorf("it has waited for the connector: %q", stderr)
	}
}

// The first collection comes late, and the later ones as ever; who sets GOGC
// has them all as it is set.
func TestCollectLater(t *testing.T) {
	percent := func() uint64 {
		sample := []gometrics.Sample{{Name: "/gc/gogc:percent"}}
		gometrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	usual := debug.SetGCPercent(70)
	defer debug.SetGCPercent(usual)

	t.Setenv("GOGC", "70")
	collectLater()
	if got := percent(); got != 70 {
		t.Errorf("with GOGC=70 in the environment it is %d", got)
	}

	t.Setenv("GOGC", "")
	collectLater()
	if got := percent(); got != 400 {
		t.Errorf("before the first collection GOGC is %d, want 400", got)
	}
	for range 1000 {
		if percent() == 70 {
			return
		}
		runtime.GC()
		time.Sleep(time.Millisecond) // the cleanup has a goroutine of its own
	}
	t.Errorf("after the first collections GOGC is %d, want 70 as before", percent())
}
