// Package sdk is what a connector author imports.
//
// A connector is a type with the methods of [Source], [Destination] or
// [Transform], and a main package that serves it:
//
//	package main
//
//	import (
//		"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
//		"github.com/rapidbyte-go/rapidbyte/connectors/postgres"
//	)
//
//	var _ = sdk.Serve(sdk.SourceGuest(postgres.NewSource))
//
//	func main() {}
//
// built with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared. Package
// connectors/finish makes of that a module which loads and runs faster; it is what
// the connectors of this repository get, and works as well without. The same type
// runs natively inside the host: nothing in it knows which.
//
// # What a connector may do
//
// Only what [Host] offers. A guest has no network, files or environment: the
// connections it reads and writes are opened by the host, which has logged in
// already, so secrets never enter the sandbox.
//
// # One thread
//
// A guest has one thread, and a call to the host stops every goroutine in it. So
// nothing may depend on a second goroutine making progress, and long
// computations call [Host.Yield] every millisecond or so: that is where the host
// can cancel.
//
// # Errors
//
// A method says what went wrong by returning an *[abi.Error], which travels to
// the user whole. abi.Cancelled, which every call of a cancelled run returns, is
// returned as it came. Any other error is reported as a bug of the connector,
// and so is a panic.
//
// # Data
//
// Messages are those of an Arrow IPC stream: package arrowipc writes and reads
// them without the weight of the Arrow module. A stream is one schema message,
// batches, and the end-of-stream message. Keep fmt, encoding/json, reflect and
// net out of a connector: each costs megabytes, and load time follows size.
package sdk
