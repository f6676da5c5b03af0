package abi_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// One 32-bit result holds a count, a code or a size, and none can be taken for
// another.
func TestResultsDoNotCollide(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 1 << 20, math.MaxInt32} {
		r := abi.Need(n)
		got, ok := abi.Needs(r)
		if !ok || got < n || got > max(n, 4096) {
			t.Errorf("Needs(Need(%d)) = %d, %t", n, got, ok)
		}
		if _, err := abi.Check(r); !errors.Is(err, abi.TooLarge) {
			t.Errorf("Check(Need(%d)) = %v, want TooLarge", n, err)
		}
		if got, err := abi.Check(int32(n)); err != nil || got != n {
			t.Errorf("Check(%d) = %d, %v", n, got, err)
		}
	}
	for s := abi.Unsupported; s < abi.OK; s++ {
		if _, ok := abi.Needs(int32(s)); ok {
			t.Errorf("code %d is taken for a size", s)
		}
		if _, err := abi.Check(int32(s)); !errors.Is(err, s) {
			t.Errorf("Check(%d) = %v, want %v", s, err, s)
		}
		if s.String() == "unknown status" {
			t.Errorf("code %d has no text", s)
		}
	}
}

func ExampleCheck() {
	for _, r := range []int32{42, int32(abi.Cancelled), abi.Need(100_000)} {
		n, err := abi.Check(r)
		fmt.Println(n, err)
	}
	// Output:
	// 42 <nil>
	// 0 abi: cancelled
	// 0 abi: too large
}
