package sdk

import "github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"

// served makes the one guest of a wasm module. Serve sets it while the module's
// packages are initialised, before the host can call anything.
var served func(abi.Host) abi.Guest

// Serve makes a connector the one that this wasm module exports. It belongs into
// a package-level variable of the main package, because main itself is never
// run:
//
//	var _ = sdk.Serve(sdk.SourceGuest(postgres.NewSource))
//
//	func main() {}
//
// In a program that is no wasm module Serve has no effect.
func Serve(newGuest func(abi.Host) abi.Guest) struct{} {
	served = newGuest
	return struct{}{}
}
