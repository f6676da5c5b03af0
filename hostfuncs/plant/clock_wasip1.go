//go:build plant && wasip1

package plant

import "unsafe"

//go:wasmimport wasi_snapshot_preview1 clock_time_get
//go:noescape
func clockTimeGet(id int32, precision int64, time unsafe.Pointer) int32

// nanos reads the clock without package time, whose time zones would bring files into the guest's imports.
func nanos() int64 {
	const monotonic = 1
	var t int64
	clockTimeGet(monotonic, 1, unsafe.Pointer(&t)) // this clock cannot fail
	return t
}
