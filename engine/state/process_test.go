package state

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

// TestMain makes the test binary the other processes, too.
func TestMain(m *testing.M) {
	role, path := os.Getenv("STATE_TEST_ROLE"), os.Getenv("STATE_TEST_FILE")
	if role == "" {
		os.Exit(m.Run())
	}
	if err := other(role, path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func other(role, path string) error {
	ctx := context.Background()
	s, err := Open(path)
	if err != nil {
		return err
	}
	switch role {
	case "count":
		for range increments {
			if err := increment(ctx, s); err != nil {
				return err
			}
		}
		return s.Close()

	default: // start a run, say so, and be killed
		if err := s.Start(ctx, engine.RunRecord{ID: "1", Stream: "a", Status: engine.StatusRunning, Started: time.Now()}); err != nil {
			return err
		}
		fmt.Println("started")
		time.Sleep(time.Minute)
		return nil
	}
}

const increments = 40

func increment(ctx context.Context, s *Store) error {
	for {
		old, ok, err := s.Get(ctx, "n")
		if err != nil {
			return err
		}
		n := 0
		if ok {
			if n, err = strconv.Atoi(string(old)); err != nil {
				return err
			}
		} else {
			old = nil
		}
		if done, err := s.CAS(ctx, "n", old, []byte(strconv.Itoa(n+1))); done || err != nil {
			return err
		}
	}
}

func command(t *testing.T, role, path string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "STATE_TEST_ROLE="+role, "STATE_TEST_FILE="+path)
	return c
}

// Processes that start on a file that is not there yet, all at once.
func TestProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state.db")
	var all [4]*exec.Cmd
	var output [len(all)]bytes.Buffer
	for i := range all {
		all[i] = command(t, "count", path)
		all[i].Stderr = &output[i]
		if err := all[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range all {
		if err := c.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, &output[i])
		}
	}

	got, _, err := open(t, path).Get(t.Context(), "n")
	if want := strconv.Itoa(increments * len(all)); err != nil || string(got) != want {
		t.Errorf("the counter stands at %q (%v), want %s", got, err, want)
	}
}

func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	c := command(t, "run", path)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	s := open(t, path)
	status := func() engine.RunStatus {
		runs, err := s.Runs(t.Context(), Filter{})
		if err != nil || len(runs) != 1 {
			t.Fatalf("Runs = %v, %v", runs, err)
		}
		return runs[0].Status
	}
	if got := status(); got != engine.StatusRunning {
		t.Errorf("while its process runs the run is %q", got)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wait := sync.OnceFunc(func() { _ = c.Wait() }) // it was killed
	defer wait()
	if runtime.GOOS != "linux" {
		wait()
	}
	// Nobody has waited for it on Linux: it is a zombie then, which runs no more.
	for deadline := time.Now().Add(10 * time.Second); status() == engine.StatusRunning && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := status(); got != StatusInterrupted {
		t.Errorf("after its process was killed the run is %q", got)
	}
}
