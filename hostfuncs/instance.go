package hostfuncs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// State is a pipeline's key-value store. Implementations are safe for use by
// several goroutines.
type State interface {
	// Get returns the value under key, and whether there is one.
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	// Put stores value under key.
	Put(ctx context.Context, key string, value []byte) error
	// CAS stores value if the current one equals old, nil meaning none, and
	// reports whether it did.
	CAS(ctx context.Context, key string, old, value []byte) (ok bool, err error)
}

// Options describe one guest to its [Instance]. Every field is read only.
type Options struct {
	Open     []byte // the OpenRequest as JSON
	Codec    frame.Codec
	Pool     *frame.Pool
	MaxBatch int // bytes no batch may pass, either way

	BrokerName string        // the only broker name conn_open accepts; empty: none
	Broker     broker.Broker // nil if BrokerName is empty

	State       State  // nil: state functions return Unsupported
	StatePrefix string // put before every key

	// Log receives the guest's lines, already bounded and on one line. Nil
	// discards them.
	Log func(level abi.LogLevel, line string)
	// Checkpoint receives the destination's checkpoints. Nil discards them.
	Checkpoint func(abi.Checkpoint)
	// Tap sees every message delivered by next_batch, valid during the call; an
	// error ends the stage. Nil: nothing does.
	Tap func(message []byte, rows int) error
	// Grace is how long a guest may go on calling after it was told of a
	// cancellation before a call ends it; 0 means two seconds: enough to unwind
	// and close a connection, short enough for a person waiting at Ctrl-C.
	Grace time.Duration
}

// Counters count what crossed the boundary. They belong to the stage's
// goroutine and are whole once it has ended.
type Counters struct {
	HostCalls int64 // calls of any host function

	EmitCalls int64 // of emit_batch; schema and end of stream included
	EmitTime  time.Duration
	OutRows   int64 // rows emitted
	OutBytes  int64 // Arrow IPC bytes emitted
	OutFrames int64 // frame bytes put into the channel
	Batches   int64 // record batches emitted or received

	NextCalls int64 // of next_batch that delivered
	NextTime  time.Duration
	InRows    int64 // rows received
	InBytes   int64 // Arrow IPC bytes received
	InFrames  int64 // frame bytes taken from the channel

	ConnReads      int64 // conn_read calls
	ConnReadBytes  int64
	ConnWrites     int64 // conn_write calls
	ConnWriteBytes int64

	LogDropped int64 // lines beyond the limit of one instance
}

// Instance is one guest's side of the host. It implements [abi.Host]; all its
// methods but those under Progress belong to the goroutine that runs the guest.
type Instance struct {
	Clock    Clock
	Counters Counters
	Metrics  map[string]int64 // by name, as reported by the guest

	ctx     context.Context
	opt     Options
	names   map[string]string // of Metrics, by themselves; see metricName
	in, out *Link
	asked   abi.Request  // what request is, but for RequestOpen
	request []byte       // as JSON; nil outside run, partition and finish
	pending *frame.Frame // taken from in, not delivered yet
	inEOS   bool         // the end of the stream was taken from in
	outEOS  bool         // and put into out

	due plant.Due // nothing without the build tag

	conns    map[int32]*cancelConn
	nextConn int32

	lastErr  *abi.Error // for last_error
	hostErr  *abi.Error // the last failure on the host's side of a call
	replies  map[abi.Reply][]byte
	logLines int
	toldAt   time.Time // when the guest was first told of the cancellation
	erred    bool      // it was told in this run, or has described an error
	errPhase abi.Phase // what the guest was doing then

	rows, bytes atomic.Int64 // Progress
}

var _ abi.Host = (*Instance)(nil)

// NewInstance returns the host's side of one guest. Everything that waits in it
// ends when ctx does. Close it.
func NewInstance(ctx context.Context, opt Options) *Instance {
	if opt.Grace == 0 {
		opt.Grace = 2 * time.Second
	}
	return &Instance{
		Metrics: make(map[string]int64),
		names:   make(map[string]string),
		ctx:     ctx,
		opt:     opt,
		conns:   make(map[int32]*cancelConn),
		replies: make(map[abi.Reply][]byte),
	}
}

// Begin prepares one run: its request as JSON and the links at both ends, nil
// where the role has none. What went wrong in an earlier one is forgotten.
func (i *Instance) Begin(run []byte, in, out *Link) {
	i.Ask(abi.RequestRun, run)
	i.in, i.out = in, out
	i.inEOS, i.outEOS = false, false
}

// Ask prepares a call that moves no rows: its request as JSON. What went wrong in
// an earlier one is forgotten. End it as a run.
func (i *Instance) Ask(kind abi.Request, request []byte) {
	i.erred, i.hostErr = false, nil
	delete(i.replies, abi.ReplyError)
	i.asked, i.request = kind, request
}

// End forgets the run's request and links, and releases a frame that was taken
// but not delivered. It reports whether the end of the stream passed through
// both links, those that there are.
func (i *Instance) End() (whole bool) {
	whole = (i.in == nil || i.inEOS) && (i.out == nil || i.outEOS)
	if i.pending != nil {
		i.pending.Release()
		i.pending = nil
	}
	i.request, i.in, i.out = nil, nil, nil
	return whole
}

// Close closes every connection the guest left open and returns how many those
// were.
func (i *Instance) Close() (leaked int) {
	i.End()
	leaked = len(i.conns)
	for h := range i.conns {
		i.closeConn(h)
	}
	return leaked
}

// TakeReply returns the guest's answer of the given kind and forgets it; nil if
// there is none.
func (i *Instance) TakeReply(kind abi.Reply) []byte {
	m := i.replies[kind]
	delete(i.replies, kind)
	return m
}

// HostError returns the last failure on the host's side of a call, such as a
// refused login, or nil. It is what the guest's own error rests on, first hand.
func (i *Instance) HostError() *abi.Error { return i.hostErr }

// ErrorPhase returns what the guest was doing when it described its error or was
// told of the cancellation; by the time an export returns it has moved on. A
// guest that came to neither is still where it was when it died.
func (i *Instance) ErrorPhase() abi.Phase {
	if i.erred {
		return i.errPhase
	}
	return i.Clock.phase
}

// Cancelled reports whether the run is over for the guest.
func (i *Instance) Cancelled() bool { return i.ctx.Err() != nil }

// Progress returns the rows and Arrow IPC bytes that passed so far: emitted by
// a source or a transform, received by a destination. It may be called from any goroutine.
func (i *Instance) Progress() (rows, bytes int64) { return i.rows.Load(), i.bytes.Load() }

// enter begins every host function: it counts the call, moves the clock to the
// host and looks whether the run is over.
func (i *Instance) enter() (leave Activity, status abi.Status) {
	i.Counters.HostCalls++
	leave = i.Clock.Switch(Copy)
	if i.ctx.Err() == nil {
		return leave, abi.OK
	}

	if !i.toldAt.IsZero() && time.Since(i.toldAt) > i.opt.Grace {
		panic(errOverdue)
	}
	return leave, i.cancelled()
}

// cancelled remembers when and where the guest was first told, and tells it.
func (i *Instance) cancelled() abi.Status {
	if i.toldAt.IsZero() {
		i.toldAt = time.Now()
	}
	if !i.erred {
		i.erred, i.errPhase = true, i.Clock.phase
	}
	return abi.Cancelled
}

// errOverdue ends a guest that goes on calling after its cancellation; see
// overdue in hostfuncs.go.
var errOverdue = errors.New("hostfuncs: guest went on after its cancellation")

// fail records err for last_error and HostError and returns the code for it.
func (i *Instance) fail(err error) abi.Status {
	if i.ctx.Err() != nil {
		return i.cancelled()
	}
	i.lastErr = asABI(err)
	i.hostErr = i.lastErr
	var status abi.Status
	if errors.As(err, &status) {
		return status
	}
	return abi.Failed
}

// refuse records a call's misuse for last_error and returns its code.
func (i *Instance) refuse(status abi.Status, message string) abi.Status {
	i.lastErr = &abi.Error{Category: abi.CategoryInternal, Message: message}
	i.hostErr = i.lastErr
	return status
}

func asABI(err error) *abi.Error {
	var described *abi.Error
	if errors.As(err, &described) {
		return described
	}
	var login *broker.Error
	if errors.As(err, &login) {
		return &abi.Error{Category: login.Category, Message: login.Message, Hint: login.Hint, Code: login.Code, Field: login.Field}
	}
	var status abi.Status
	if errors.As(err, &status) {
		return &abi.Error{Category: abi.CategoryInternal, Message: err.Error()}
	}
	return &abi.Error{Category: abi.CategoryTransientNetwork, Message: err.Error()}
}

// Add adds every counter of other to c.
func (c *Counters) Add(other *Counters) {
	c.HostCalls += other.HostCalls
	c.EmitCalls += other.EmitCalls
	c.EmitTime += other.EmitTime
	c.OutRows += other.OutRows
	c.OutBytes += other.OutBytes
	c.OutFrames += other.OutFrames
	c.Batches += other.Batches
	c.NextCalls += other.NextCalls
	c.NextTime += other.NextTime
	c.InRows += other.InRows
	c.InBytes += other.InBytes
	c.InFrames += other.InFrames
	c.ConnReads += other.ConnReads
	c.ConnReadBytes += other.ConnReadBytes
	c.ConnWrites += other.ConnWrites
	c.ConnWriteBytes += other.ConnWriteBytes
	c.LogDropped += other.LogDropped
}
