// Package hostfuncs is what a connector guest may ask of the host.
//
// [Register] puts the functions of the contract (package abi) into a wazero
// runtime; its table is the list of everything a guest can do. Behind the table
// stands one [Instance] per guest, which implements [abi.Host] over slices: the
// compiled guest reaches it through the table, a natively linked one directly.
//
// # Ownership
//
// All buffers belong to the guest. A host function sees them as views of linear
// memory that are valid during the call only; it never calls back into the
// guest, so the memory cannot move under it. Batches are copied exactly once on
// the way out (into a pooled frame, or by the compressor) and once on the way
// in (out of the frame, or by the decompressor).
//
// # Time
//
// Every instance has a [Clock] that is always in exactly one place: entering a
// host function moves it from the guest to the host, waiting for a channel or a
// socket moves it there, returning moves it back. The parts add up to the
// stage's wall time by construction.
//
// # Cancellation
//
// A guest cannot be interrupted while it computes. Every host function looks at
// the instance's context first and returns [abi.Cancelled] once it is done;
// those that wait, wait for the context too. A guest that goes on calling long
// after that is ended from inside the call, the way WASI's own exit ends one.
package hostfuncs
