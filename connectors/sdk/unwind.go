package sdk

import "runtime"

// Unwind takes a guest's calls off the machine's stack, but for the caller's, so
// that what is called next lies at the top of it. Call it before loops over some
// hundred rows or more: it costs as much as 10,000 instructions of the guest, a
// few microseconds. Other goroutines of the guest may run meanwhile.
//
// The runtime of guests, wazero, keeps what does not fit into registers in a
// function's frame, often at places that are no multiples of 8. Where a frame
// lies across the border of two pages of memory, a value may lie on both, and to
// write and read it takes 20 ns instead of one. The first border is 2 KiB below
// the top at least, room for some five calls, as long as the guest has not
// outgrown the 10 KiB that its stack has at first; those of this repository do
// not.
//
// In a program that is no wasm module Unwind does nothing.
func Unwind() {
	if runtime.GOARCH == "wasm" {
		// A goroutine that has its turn again is called by the scheduler, in the
		// function it was in. The others have their frames in Go's stack, and are
		// called when they are returned to.
		runtime.Gosched()
	}
}
