// Package engine runs one pipeline: it loads the connectors, lets them run at
// the same time, carries batches between them and measures where the time goes.
// It knows wazero; it knows nothing of Postgres or of Arrow's inside.
//
// # Data flow
//
// Follow one pipeline from file to result:
//
//  1. testdata/pipelines/bench_pg.yaml is what a user writes; package pipeline
//     parses it, fills in defaults and reports every mistake at its line.
//  2. [Engine.Run] makes a plan ([plan.go]): for each stage the connector's
//     manifest, its checked configuration, and the broker that will log it in.
//  3. Every stage gets a goroutine ([stage.go]). It finds its module, loaded
//     once per process, compiled and validated once and cached on disk
//     ([module.go], [modulefile.go], [modulecache.go], [outline.go]), and makes an
//     instance of it ([guest.go]) with a door to the host (package hostfuncs).
//  4. The source reads rows (connectors/postgres) and builds Arrow IPC messages
//     (connectors/sdk/arrowipc): a schema, batches, an end-of-stream mark.
//  5. emit_batch turns a message into a frame (hostfuncs/frame), compressed if
//     the pipeline says so, and
//  6. puts it into the link to the next stage (hostfuncs/link.go), bounded by
//     count and by bytes: a slow destination holds the source back.
//  7. Transforms, if any, take from one link and put into the next.
//  8. next_batch takes a frame and unpacks it straight into the guest's memory.
//  9. The destination writes rows and, once it has seen the end-of-stream mark,
//     commits: one transaction per stream.
//  10. Each stage's clock, counters and metrics become a [Result]; one table of
//     accessors ([Metrics]) turns it into text, JSON and benchmark metrics.
//
// # Partitions
//
// With resources.parallelism above 1 a stream passes in several partitions at the
// same time ([partition.go]), each through steps 3 to 9 with instances of its own:
//
//  1. An instance at each end beside them ([coordinator.go]) says what the
//     partitions are, and the source's goes on holding the snapshot they all read.
//  2. What a partition writes is safe with the server at its end, and not visible.
//  3. After the last one the destination's coordinator finishes the stream: all of
//     it becomes visible, or nothing of it is left.
//
// [RunOptions] let others watch: Progress is told where the stages are, Trace when
// each of them did what ([tracing.go], package trace), and Tap is given what the
// destination is given, which package arrowfile makes a file of.
//
// # Who closes what
//
// A stage that finished its run closes the link behind it; a stage that failed
// leaves it open and cancels the run's context with its error as the cause. The
// other stages are woken by the context inside their host functions, unwind,
// and return; a destination has not seen the end of the stream then and so
// cannot commit. Run returns when every goroutine has, after frames left in
// links were released and connections closed.
//
// # Retries
//
// A stream is the unit of commit. When an error may pass
// ([abi.Category.Retryable]) and nothing of the stream can have been committed,
// the streams that are not committed yet run again, with fresh instances. A
// partition runs again by itself, as long as its snapshot is held and what it
// wrote is undone for sure; finishing is repeated until its outcome is known.
package engine
