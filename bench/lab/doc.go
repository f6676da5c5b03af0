// Package lab is the laboratory the benchmarks are run in: what a case is
// called, where its rows come from, what is measured around a run, and how the
// result is proved right.
//
//  1. A [Grid] says which cases to run; it is read from the BENCH_* variables.
//  2. A [Case] is one cell of the grid. Its name is a stable interface: history
//     and comparisons are keyed on it.
//  3. An [Env] holds one Postgres, one seeded [Source] for each table and row
//     count, and the engine with the compiled connectors.
//  4. [Env.Measure] is the body of every benchmark: reset, snapshot, run,
//     snapshot, verify, and only the run is timed.
//  5. Every iteration becomes a [Sample], which goes to the side files, to
//     results.jsonl and, averaged, to the benchmark's line.
//
// Everything here is data or takes data, so that other tools (comparing two
// commits, measuring noise, drawing reports) use the same cases, samples and
// checks as `go test -bench`.
package lab
