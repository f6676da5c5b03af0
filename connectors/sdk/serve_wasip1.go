package sdk

import "github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"

// served makes the one guest of this wasm module. Serve sets it while the
// module's packages are initialised, before the host can call anything.
var served func(abi.Host) abi.Guest

// Serve makes a connector the one that this wasm module exports; see the other
// file's comment.
func Serve(newGuest func(abi.Host) abi.Guest) struct{} {
	served = newGuest
	return struct{}{}
}
