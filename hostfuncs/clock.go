package hostfuncs

import (
	"sync/atomic"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Activity is where a stage's time goes at one moment, seen from the host.
type Activity int32

// The activities.
const (
	Load        Activity = iota // compiling the module or finding it in a cache
	Instantiate                 // making an instance and running its initialisers
	Guest                       // computing inside the guest
	Copy                        // host functions moving bytes and keeping books
	Compress
	Decompress
	Socket     // opening, reading, writing or closing a connection
	Downstream // emit_batch waiting for room in the channel
	Upstream   // next_batch waiting for a batch
	numActivities
)

// Bucket is a named share of a stage's time. Each pair of phase and activity
// belongs to exactly one bucket, so the buckets of a stage add up to its wall
// time.
type Bucket int

// The buckets.
const (
	BucketLoad       Bucket = iota // module load
	BucketSetup                    // instantiation, and the guest's work in PhaseSetup
	BucketConnect                  // PhaseConnect
	BucketQuery                    // PhaseQuery: starting the query; creating the table
	BucketFetchWait                // waiting for the database in PhaseFetch
	BucketFlush                    // waiting for the database in PhaseFlush
	BucketGuest                    // guest computing in PhaseFetch, PhaseProcess, PhaseFlush
	BucketCopy                     // host functions in the same phases
	BucketCompress                 //
	BucketDecompress               //
	BucketDownstream               // waiting for the stage behind
	BucketUpstream                 // waiting for the stage before
	BucketCommit                   // PhaseCommit
	NumBuckets
)

var bucketNames = [NumBuckets]string{
	"load", "setup", "connect", "query", "fetch_wait", "flush", "guest", "copy",
	"compress", "decompress", "downstream", "upstream", "commit",
}

// String returns the bucket's name in lower case, as in the JSON keys.
func (b Bucket) String() string { return bucketNames[b] }

// bucketOf is the one place that says which bucket a moment belongs to.
func bucketOf(p abi.Phase, a Activity) Bucket {
	// What the host does by itself counts as that, whatever the guest is up to.
	switch a {
	case Load:
		return BucketLoad
	case Instantiate:
		return BucketSetup
	case Compress:
		return BucketCompress
	case Decompress:
		return BucketDecompress
	case Downstream:
		return BucketDownstream
	case Upstream:
		return BucketUpstream
	}

	// The rest is the guest's doing: the short phases count whole, the long ones
	// are split into computing, host functions and waiting for the database.
	switch p {
	case abi.PhaseConnect:
		return BucketConnect
	case abi.PhaseQuery:
		return BucketQuery
	case abi.PhaseCommit:
		return BucketCommit
	case abi.PhaseFetch, abi.PhaseProcess, abi.PhaseFlush:
		switch {
		case a == Guest:
			return BucketGuest
		case a == Copy:
			return BucketCopy
		case p == abi.PhaseFlush:
			return BucketFlush
		}
		return BucketFetchWait
	}
	return BucketSetup
}

// Ledger is how a stage's wall time divides. The zero value is empty.
type Ledger [NumBuckets]time.Duration

// Wall returns the sum of all buckets: the time from Start to Stop.
func (l *Ledger) Wall() time.Duration {
	var sum time.Duration
	for _, d := range l {
		sum += d
	}
	return sum
}

// Add adds every bucket of other to l.
func (l *Ledger) Add(other *Ledger) {
	for i, d := range other {
		l[i] += d
	}
}

// Clock measures one stage. It belongs to the stage's goroutine; only State may
// be called from another one. The zero value is stopped.
type Clock struct {
	ledger   Ledger
	phase    abi.Phase
	activity Activity
	mark     time.Time // when the current moment began; zero when stopped
	watch    func(b Bucket, from time.Time, d time.Duration)
	state    atomic.Int32
}

// Watch has f told of everything that is booked, in order and without a gap from
// Start to Stop, on the stage's goroutine. What f takes counts as the bucket that
// follows. Call it before Start, or not at all: a clock that nobody watches pays
// a comparison with nil.
func (c *Clock) Watch(f func(b Bucket, from time.Time, d time.Duration)) { c.watch = f }

// Start starts the clock in the given activity and PhaseSetup.
func (c *Clock) Start(a Activity) {
	c.mark = time.Now()
	c.phase, c.activity = abi.PhaseSetup, a
	c.publish()
}

// Switch books the time since the last switch and returns the activity it was
// booked under, to be switched back to.
func (c *Clock) Switch(to Activity) (from Activity) {
	from = c.activity
	c.book()
	c.activity = to
	c.publish()
	return from
}

// SetPhase books the time since the last switch and goes on in another phase.
func (c *Clock) SetPhase(p abi.Phase) {
	c.book()
	c.phase = p
	c.publish()
}

// Stop books the time since the last switch and returns the ledger.
func (c *Clock) Stop() Ledger {
	c.book()
	c.mark = time.Time{}
	return c.ledger
}

// Now returns the time booked so far in the clock's current bucket and all
// others; it books first.
func (c *Clock) Now() time.Duration {
	c.book()
	return c.ledger.Wall()
}

// State returns what the stage is doing, for a progress display. It may be
// called from any goroutine.
func (c *Clock) State() (abi.Phase, Activity) {
	s := c.state.Load()
	return abi.Phase(s >> 8), Activity(s & 0xff)
}

func (c *Clock) book() {
	if c.mark.IsZero() {
		return
	}
	now := time.Now()
	b, from := bucketOf(c.phase, c.activity), c.mark
	c.ledger[b] += now.Sub(from)
	c.mark = now
	if c.watch != nil {
		c.watch(b, from, now.Sub(from))
	}
}

func (c *Clock) publish() { c.state.Store(int32(c.phase)<<8 | int32(c.activity)) }
