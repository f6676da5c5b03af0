//go:build !wasip1

package sdk

import "github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"

// Serve makes a connector the one that this wasm module exports. It belongs into
// a package-level variable of the main package, because main itself is never
// run:
//
//	var _ = sdk.Serve(sdk.SourceGuest(postgres.NewSource))
//
//	func main() {}
//
// In a program that is no wasm module, such as one this file is compiled into,
// it has no effect.
func Serve(func(abi.Host) abi.Guest) struct{} { return struct{}{} }
