// Package abi is the contract between the host and a connector guest.
//
// It is compiled into both sides, so it imports the standard library only and
// nothing of it that is large: no fmt, no encoding/json, no net.
//
// Nothing in the contract is Go's own. A guest exports eight functions without
// parameters ([ExportVersion] ... [ExportClose]); it imports functions from the
// namespace [Module] whose parameters are 32-bit offsets and lengths in its own
// linear memory. Control messages are JSON ([OpenRequest], [RunRequest],
// [Catalog], [Error]); data is Arrow IPC.
//
// Two interfaces say the same in Go: [Host] is what a guest may ask, with memory
// already turned into slices; [Guest] is what a host may call. The compiled
// guest reaches Host through wasm imports, a natively linked one directly.
package abi

// Version is the contract's version. A host refuses a guest that reports
// another one: the two sides would disagree about the bytes they exchange.
const Version = 2

// Module is the namespace of every host function a guest imports.
const Module = "rapidbyte"

// The functions a guest exports. Each takes nothing and returns an i32: the
// contract version for ExportVersion, a [Status] for the others.
const (
	ExportVersion   = "rb_abi_version"
	ExportOpen      = "rb_open"
	ExportCheck     = "rb_check"
	ExportDiscover  = "rb_discover"
	ExportPartition = "rb_partition"
	ExportRun       = "rb_run"
	ExportFinish    = "rb_finish"
	ExportClose     = "rb_close"
)

// Exports lists every function a guest must export, in the order a host calls
// them.
func Exports() []string {
	return []string{ExportVersion, ExportOpen, ExportCheck, ExportDiscover, ExportPartition, ExportRun, ExportFinish, ExportClose}
}

// Host is what a guest may ask of the host. Slices passed in are read during
// the call only; slices to fill are written during the call only. Nothing is
// retained on either side.
//
// Functions returning a Status report OK or why not. Functions returning an
// int32 report a count when it is not negative, else a Status or, for
// functions that fill a buffer, the size that would have been enough: see
// [Needs].
type Host interface {
	// EmitBatch hands one encapsulated Arrow IPC message (schema, record batch
	// or end of stream) to the next stage and waits while the channel is full.
	// rows is the number of rows in it, 0 for the other two kinds.
	EmitBatch(batch []byte, rows int32) Status

	// NextBatch fills buf with the next message of the stage before and returns
	// its length, or 0 at the end of the stream. A buffer that is too small
	// gets the size it needs; the message stays next.
	NextBatch(buf []byte) int32

	// ConnOpen opens a connection through the named broker ("postgres", "tcp")
	// and returns a handle. The target is the broker's business: empty for
	// "postgres", whose address the pipeline declares; "host:port" for "tcp".
	ConnOpen(broker, target string) int32
	// ConnRead reads at least one byte into buf; 0 means end of input.
	ConnRead(handle int32, buf []byte) int32
	// ConnWrite writes all of data and returns its length.
	ConnWrite(handle int32, data []byte) int32
	// ConnReady returns 1 if input is waiting to be read, else 0. It never blocks.
	ConnReady(handle int32) int32
	// ConnClose gives the handle back. Closing twice is InvalidArgument.
	ConnClose(handle int32) Status

	// Config fills buf with the request of the given kind as JSON.
	Config(kind Request, buf []byte) int32
	// Reply hands over the JSON answer of the export that is running.
	Reply(kind Reply, message []byte) Status

	// Log writes one line to the host's log, cut to a bounded length.
	Log(level LogLevel, line string) Status
	// Phase says what the guest does from now on; its clock follows.
	Phase(phase Phase) Status
	// Metric adds delta to a counter of this stage. Names are lower case with
	// underscores; the well-known ones are the Metric constants.
	Metric(name string, delta int64) Status
	// Checkpoint reports that everything up to here was accepted; see [Checkpoint].
	Checkpoint(message []byte) Status

	// StateGet fills buf with the value under key, or returns NotFound.
	StateGet(key string, buf []byte) int32
	// StatePut stores value under key.
	StatePut(key string, value []byte) Status
	// StateCAS stores value if the current one equals old (nil: if there is
	// none) and returns 1, else 0.
	StateCAS(key string, old, value []byte) int32

	// LastError fills buf with the last error a call of this instance returned,
	// as an [Error] in JSON, and forgets it; 0 if there was none.
	LastError(buf []byte) int32
	// Yield does nothing but give the host a chance to run: it returns
	// Cancelled once the run is cancelled. Call it at least every millisecond
	// of computing.
	Yield() Status
}

// Guest is one instance of a connector as the host drives it: ABIVersion once,
// Open once, then any number of the others, then Close. The calls never overlap.
//
// Run moves a stream, or one partition of it. A stream that is moved in several
// partitions has one more instance at each end, which moves none: Partition says
// what the partitions are before any of them runs, and a destination's Finish
// makes all their rows visible, or none, after the last one.
type Guest interface {
	ABIVersion() int32
	Open() Status
	Check() Status
	Discover() Status
	Partition() Status
	Run() Status
	Finish() Status
	Close() Status
}

// Role is a connector's place in a pipeline.
type Role string

// The roles.
const (
	RoleSource      Role = "source"
	RoleTransform   Role = "transform"
	RoleDestination Role = "destination"
)

// Request names what Config answers.
type Request int32

// The requests.
const (
	RequestOpen      Request = iota // an [OpenRequest]; from open to close
	RequestRun                      // a [RunRequest]; during run only
	RequestPartition                // a [PartitionRequest]; during partition only
	RequestFinish                   // a [FinishRequest]; during finish only
)

// Reply names what a guest hands over.
type Reply int32

// The replies.
const (
	ReplyError      Reply = iota // an [Error]: the export is about to return [Failed]
	ReplyCatalog                 // a [Catalog], from discover
	ReplyCheck                   // a [CheckReport], from check
	ReplyPartitions              // [Partitions], from partition
)

// LogLevel is the severity of a log line.
type LogLevel int32

// The levels.
const (
	LogError LogLevel = iota
	LogWarn
	LogInfo
	LogDebug
)

// Phase is what a guest says it is doing. The host's stage clock books every
// nanosecond under the phase of the moment.
type Phase int32

// The phases. A guest starts in PhaseSetup and returns to it between runs.
const (
	PhaseSetup   Phase = iota // everything not named below
	PhaseConnect              // opening the connection and preparing the session
	PhaseQuery                // starting the query; creating the table
	PhaseFetch                // reading rows and building batches
	PhaseProcess              // transforming batches
	PhaseFlush                // writing rows
	PhaseCommit               // committing the transaction
	NumPhases
)

var phaseNames = [NumPhases]string{"setup", "connect", "query", "fetch", "process", "flush", "commit"}

// String returns the phase's name in lower case.
func (p Phase) String() string {
	if p < 0 || p >= NumPhases {
		return "unknown"
	}
	return phaseNames[p]
}

// The well-known counters of [Host.Metric]. Bytes on connections and batches
// are counted by the host and are not among them.
const (
	MetricRowsRead    = "rows_read"    // rows a source read
	MetricRowsWritten = "rows_written" // rows the server confirmed to a destination
	MetricStatements  = "statements"   // SQL statements executed
	MetricRoundTrips  = "round_trips"  // times the guest waited for an answer after sending
)

// Limits of the contract, the same on both sides.
const (
	MaxRows      = 1 << 24 // rows of one batch
	MaxKey       = 1024    // bytes of a state key
	MaxValue     = 16 << 20
	MaxLogLine   = 4096
	MaxControl   = 8 << 20 // bytes of a control message, either way
	MaxMetrics   = 64      // different metric names of one stage
	MaxConns     = 16      // open connections of one instance
	MaxPartition = 1 << 20 // bytes of the description of one partition
	MaxNameBytes = 128     // bytes of a metric, broker or target name
)
