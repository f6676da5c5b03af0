package child

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A shell that starts a sleeping grandchild and waits: cancelling must end both.
func TestCancelKillsTheWholeGroup(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := Command(ctx, "sh", "-c", "sleep 600 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}

	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("a killed child reported success")
	}
	gone(t, grandchild)
}

// gone waits until the process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d survived", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A child that ends by itself but leaves something behind.
func TestRunSweepsTheGroup(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	cmd := Command(context.Background(), "sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!")
	var out strings.Builder
	cmd.Stdout = &out
	if err := Run(cmd); err != nil {
		t.Fatal(err)
	}
	left, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	gone(t, left)
}

func TestCancelAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := Command(ctx, "true")
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrNotFound) {
		t.Error(err)
	}
	cancel()
}

func TestEnviron(t *testing.T) {
	t.Setenv("CHILD_TEST_A", "1")
	t.Setenv("CHILD_TEST_B", "2")
	t.Setenv("CHILD_OTHER", "3")
	has := func(env []string, kv string) bool {
		for _, have := range env {
			if have == kv {
				return true
			}
		}
		return false
	}
	env := Environ("CHILD_TEST_*", "CHILD")
	if has(env, "CHILD_TEST_A=1") || has(env, "CHILD_TEST_B=2") {
		t.Error("a pattern did not remove its variables")
	}
	if !has(env, "CHILD_OTHER=3") {
		t.Error("a name removed a variable that only begins with it")
	}
}
