//go:build unix

package lab

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func lookup(value string) func(string) (string, bool) {
	return func(name string) (string, bool) { return value, name == turnsVariable && value != "" }
}

func TestTurnsFromEnv(t *testing.T) {
	if turns, err := turnsFromEnv(lookup("")); turns != nil || err != nil {
		t.Errorf("no turns asked for: %v, %v", turns, err)
	}
	for _, bad := range []string{"x", "3", "3,", "3,3", "0,1", "3,4,5", "3;4"} {
		if _, err := turnsFromEnv(lookup(bad)); err == nil || !strings.Contains(err.Error(), turnsVariable) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// inherited returns descriptors of the files as a process inherits them: its own, which it may close.
func inherited(t *testing.T, in, out *os.File) string {
	t.Helper()
	from, err := syscall.Dup(int(in.Fd()))
	to, err2 := syscall.Dup(int(out.Fd()))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(from) + "," + strconv.Itoa(to)
}

// A process says that it waits, and goes on when it is told to; without turns it goes on at once. What ends the other end
// ends the waiting.
func TestTurns(t *testing.T) {
	var none *turns
	if err := none.wait(); err != nil {
		t.Error(err)
	}

	in, give, err := os.Pipe()
	take, out, err2 := os.Pipe()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	defer take.Close()
	own, err := turnsFromEnv(lookup(inherited(t, in, out)))
	if err := errors.Join(err, in.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}

	done := make(chan error)
	go func() { done <- own.wait() }()
	if _, err := io.ReadFull(take, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	if _, err := give.Write([]byte{'.'}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}

	give.Close()
	if err := own.wait(); err == nil || !strings.Contains(err.Error(), "turn") {
		t.Errorf("nobody left to give turns: %v", err)
	}
}

// Two suites that take turns share a server, a third one that does not is refused; the first to end leaves the databases
// to the other.
func TestTurnsShareTheServer(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the lock")
	}
	server := pgtest.Shared(t)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	open := func(turns bool) *Env {
		t.Helper()
		t.Setenv(turnsVariable, "")
		if turns {
			t.Setenv(turnsVariable, inherited(t, in, out))
		}
		e, err := Open(t.Context(), server, DefaultGrid())
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	first, second := open(true), open(true)
	defer second.Close()
	t.Setenv(turnsVariable, "")
	if _, err := Open(t.Context(), server, DefaultGrid()); err == nil {
		t.Error("a suite that takes no turns may join")
	}

	for _, e := range []*Env{first, second} {
		e.drop = true // as on a server of the user's
		if _, err := e.Source(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	source := second.sources[events(10).database]
	if err := source.Reset(t.Context()); err != nil {
		t.Errorf("the first to end took the databases along: %v", err)
	}
	if err := source.settle(t.Context()); err != nil {
		t.Error(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	var left int
	third := open(false)
	defer third.Close()
	if err := third.lock.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname = $1", source.database).Scan(&left); err != nil || left > 0 {
		t.Errorf("%d databases left, %v", left, err)
	}
}
