package sdk

import "unsafe"

//go:wasmimport wasi_snapshot_preview1 clock_time_get
//go:noescape
func clockTimeGet(id int32, precision int64, time unsafe.Pointer) int32

// monotonic reads the clock as package time would, without the file functions
// that package adds to a guest's imports.
func monotonic() int64 {
	const monotonicClock = 1
	var t int64
	clockTimeGet(monotonicClock, 1, unsafe.Pointer(&t)) // this clock cannot fail
	return t
}
