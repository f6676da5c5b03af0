package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero/sys"
)

// A guest that was refused memory and lived on dies of what it says.
func TestFailureAfterRefusedMemory(t *testing.T) {
	trap := errors.New("wasm error: unreachable\nwasm stack trace:\n\t.main()")
	for _, c := range []struct {
		said   string
		err    error
		denied bool
		want   GuestFailure
	}{
		{"fatal error: out of memory\n\ngoroutine 1", trap, true, GuestOutOfMemory},
		{"runtime: out of memory: cannot allocate 4194304-byte block\nfatal error: out of memory", sys.NewExitError(2), true, GuestOutOfMemory},
		{"", trap, true, GuestOutOfMemory},
		{"", trap, false, GuestTrap},
		{"panic: runtime error: invalid memory address or nil pointer dereference", sys.NewExitError(2), true, GuestPanic},
		{"fatal error: all goroutines are asleep - deadlock!", trap, true, GuestTrap},
		{"", sys.NewExitError(3), true, GuestExit},
		{"", errors.New("wasm error: integer divide by zero"), true, GuestTrap},
	} {
		g := &wasmGuest{ctx: context.Background(), output: &tail{limit: 1000}, mem: &guestMemory{allowance: &allowance{}, denied: c.denied}}
		g.output.Write([]byte(c.said))
		var failed *GuestError
		if err := g.failure("rb_run", c.err); !errors.As(err, &failed) || failed.Failure != c.want {
			t.Errorf("%q, %v: %v, want failure %d", c.said, c.err, err, c.want)
		}
	}
}
