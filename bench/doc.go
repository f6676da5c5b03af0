// Package bench measures how fast rows move from Postgres to Postgres through
// WebAssembly connectors, where the time goes, and what the sandbox costs.
//
//	go test -bench=. ./bench -benchtime=3x
//
// # What is measured
//
// One iteration is one whole run of a pipeline: connect, read, move, write,
// commit. Before it, untimed, the destination is emptied, the server makes its
// checkpoint and the heap is collected; after it, untimed, the destination is
// counted, and for the first and the last run every column of every row is
// compared with the source by checksum. A wrong run fails the benchmark, so
// there is no time without a right answer.
//
//   - Pipeline: rows x load method x codec, everything warm. The main family.
//   - PipelineCold: the first run of a process, with nothing compiled
//     (cache=cold) and with compiled modules on disk (cache=disk).
//   - Partitions: the same rows in several partitions at the same time, into a
//     table that is there (table=existing) or one that the run makes (table=new).
//   - Floor: the same rows by pgx (via=pgx) or psql (via=psql), without
//     WebAssembly and Arrow. Pipeline over Floor is the price of both.
//   - Tax: each run beside one with the connectors linked in, in turn: the price
//     of WebAssembly alone.
//   - Source, Dest: each half by itself.
//   - Codec: one real batch compressed and decompressed.
//   - HostCall: one crossing of the boundary, by function.
//   - ModuleLoad: a connector compiled, read from disk, taken from memory.
//
// # What is not measured
//
// Not disks: the server of the default profile, quiet, does not wait for them,
// because they are noise to a change of this code; RAPIDBYTE_PG_PROFILE=durable
// does. Not networks: both ends are on this machine, through a socket. Not the
// server: it does most of the work of every case, the same work for every
// version of this code, and shares the processors with it; cpu-ns/op is what
// this process used and pg-cpu-ns/op what the server did. Not the data: one
// table of seven columns and some 97 bytes a row.
//
// # How to read it
//
// A line is the mean of its iterations and one sample to benchstat, which wants
// six or more to say anything: add -count=6, or set BENCH_SAMPLES=DIR and give
// benchstat DIR/samples.txt, which has a line for every iteration. Iterations of
// one process are not independent; for a decision compare processes.
//
// The shares of source-ns/op and of dest-ns/op add up to them, see
// [github.com/rapidbyte-go/rapidbyte/engine.Metrics]. Both stages run at the same
// time: they do not add up to ns/op. source-stall-ns/op and dest-stall-ns/op are
// waiting for the other one: the larger one's partner is the bottleneck.
//
// Numbers of different machines, servers, profiles or datasets are never
// comparable; the configuration lines above the results name all four, and
// benchstat keeps results that differ in them in separate tables. On a machine
// that does other things, trust cpu-ns/op, allocs/op and the exact counts (those
// with assume=exact in their Unit line) before ns/op.
//
// README.md has the commands, bench/lab the mechanics.
package bench
