package pipeline

import "time"

// DefaultConnection is the state file of a pipeline that names none.
const DefaultConnection = "~/.rapidbyte/state.db"

// What a pipeline gets for the other keys it leaves out.
const (
	defaultBackend = "sqlite"

	defaultOnDataError = "fail"
	defaultCompression = "none" // between stages of one process there is no wire to save

	// Each partition that is moved at the same time has its own pair of guests and
	// its own channels, and one more pair plans the stream and ends it: 128 MiB for
	// each pair. A stream moved whole has 256 MiB, which hold two Go guests with
	// their batches in both representations (some 30 MiB each with the usual 1 MiB
	// batches) and a full channel. Less leaves no room for a row of many megabytes;
	// more would surprise on a small container, which is where a loader often runs.
	defaultPairMemory = 128 << 20

	// A batch may take a quarter of the memory, which is also what batches in
	// flight may take together. So the default is 64 MiB, and follows max_memory
	// down. It is a ceiling, not a promise: a row this large exists several times
	// at once, as rows and as Arrow in both guests, and one of more than some 40
	// MiB needs a larger max_memory, which the error then says.
	maxBatchShare   = 4
	defaultMaxBatch = 64 << 20

	// More than one takes connections, memory and processors that others may be
	// meant to have, so it has to be asked for. auto is one a processor: its two
	// guests keep more than half of one busy. Its two backends keep more than one
	// busy, but usually of another machine. Beyond 8 the servers are the bound, and
	// their owner knows what they can take.
	defaultParallelism = 1
	maxAutoParallelism = 8

	// A checkpoint ends a statement on the destination and reports progress.
	// At 64 MiB that is once a second or less, and its round trip does not show;
	// every few MiB would cost a COPY its streaming, and every GiB would tell
	// nothing for minutes. Rows and seconds add nothing to that, so they are off.
	defaultCheckpointBytes    = 64 << 20
	defaultCheckpointRows     = 0
	defaultCheckpointInterval = 0 * time.Second

	// Three retries, a second apart and doubling, outlast a server's restart or
	// failover. Fewer give up on what passes; more only delay bad news.
	defaultMaxRetries = 3

	// Batches in flight even out a source and a destination that take turns being
	// slow. 4 MiB of the usual batches of 0.8 MiB do; with more the wall time is the
	// same, and memory and the client's CPU grow. 16 is for small batches. Who asks
	// for a number of batches gets as many, within the quarter of the memory.
	defaultMaxInflight      = 16
	defaultMaxInflightBytes = 4 << 20
)

// What a pipeline may ask for.
const (
	// A Go guest does not start in less than a few MiB, and there are two.
	minMaxMemory = 32 << 20
	// A 32-bit guest addresses 4 GiB, and there may be some of them.
	maxMaxMemory = 64 << 30

	// One row with its message around it must fit.
	minMaxBatch = 4 << 10
	// Offsets of Arrow's text columns and addresses of a guest are 32 bits wide,
	// and a guest holds a batch more than once.
	maxMaxBatch = 1 << 30

	maxCheckpointBytes   = 1 << 50
	maxCheckpointRows    = 1 << 50
	maxCheckpointSeconds = 7 * 24 * 60 * 60
	maxMaxRetries        = 100
	maxMaxInflight       = 4096

	// Each costs a connection at both ends. A server of default settings has 100.
	maxParallelism = 32
)
