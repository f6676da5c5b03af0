// Package gate compares the exact work of a pipeline with a checked-in file.
//
// Time is noisy; work is not. The gate runs both guests, rewritten by package
// instrument to count their instructions, on a recorded conversation with
// Postgres, with a clock and a random source that repeat themselves. What it
// counts (instructions by guest function, host calls, round trips, statements,
// batches, bytes) is the same on every machine, so one run decides and any
// difference is a change of the code. An intended one is accepted with -update.
//
// What it cannot see: anything that costs time without costing instructions,
// such as cache misses, and everything in the host and the server. Those are
// for compare.
package gate
