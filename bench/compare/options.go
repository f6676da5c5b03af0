package compare

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Options says how to measure and judge. The zero value measures 12 pairs of each case.
type Options struct {
	// Rounds is the most pairs a case gets in a block. 0 is 12, or what fits into Budget. Cases whose answer is known
	// earlier get fewer.
	Rounds int
	// Budget is the time for everything, measured from Started. 0 is no limit.
	Budget time.Duration
	// Started is when the budget began to run; the zero time is the start of the measuring.
	Started time.Time
	// Iterations is how often a process repeats a case; all of them together are one observation. 0 is 12: a process has
	// cost half a second before its first run, and of runs that hardly depend on one another more are better.
	Iterations int
	// Threshold is the relative change below which nobody cares, 0.02 for 2 %. 0 is the default of 2 %, raised where this
	// machine is noisier. One that is given and that this machine cannot resolve is refused.
	Threshold float64
	// Alpha is the error probability of a verdict. 0 is 0.05.
	Alpha float64
	// Gate holds the units that are judged, tidied ("sec/op"), besides all exact ones. Nil is [DefaultGate].
	Gate []string
	// Seed decides the order of the cases. 0 draws one. The report names it.
	Seed uint64
	// Noise is what this machine is known to resolve; nil if that was never measured.
	Noise *Noise
	// Restart restarts the server between the two blocks, so that the second meets another state of the machine. Nil
	// leaves it.
	Restart func(context.Context) error
	// Progress is called before each pair and at the end, from the calling goroutine. Nil reports nothing.
	Progress func(Progress)
	// Ledger divides changes of time between phases. Nil is [DefaultLedger].
	Ledger Ledger
	// Every makes every case get all its rounds, whether or not its answer is known, and none is confirmed in a second
	// block: for measuring noise.
	Every bool

	now func() time.Time // for tests; nil is time.Now
}

// DefaultGate is what is judged by statistics unless Options.Gate says otherwise: wall time, CPU time, and the Go heap.
func DefaultGate() []string { return []string{"sec/op", "cpu-sec/op", "B/op", "allocs/op"} }

const (
	defaultRounds     = 12
	defaultIterations = 12
	defaultThreshold  = 0.02
	defaultAlpha      = 0.05

	// absoluteFloor is the change of a time below which nobody cares, however small the case. Starting a goroutine late
	// or meeting one context switch more costs that much.
	absoluteFloor = 2e-3

	// maxRepeats is the part of a case's pairs that may be repeated for being disturbed. Beyond it the machine is not
	// quiet enough for the rest to be believed either.
	maxRepeats = 0.2

	// confirmShare of a budget is kept for the second block, which measures few cases, again in full.
	confirmShare = 0.3

	// mostRounds limits what a budget buys: with 60 pairs the interval is less than half as wide as with 12, and the next
	// halving would take another 180.
	mostRounds = 60
)

func (o Options) withDefaults() Options {
	if o.now == nil {
		o.now = time.Now
	}
	if o.Started.IsZero() {
		o.Started = o.now()
	}
	if o.Rounds == 0 && o.Budget == 0 {
		o.Rounds = defaultRounds
	}
	if o.Iterations == 0 {
		o.Iterations = defaultIterations
	}
	if o.Alpha == 0 {
		o.Alpha = defaultAlpha
	}
	if o.Gate == nil {
		o.Gate = DefaultGate()
	}
	if o.Ledger == nil {
		o.Ledger = DefaultLedger()
	}
	if o.Seed == 0 {
		o.Seed = uint64(o.now().UnixNano())
	}
	return o
}

// threshold returns the change below which nobody cares.
func (o *Options) threshold() float64 {
	if o.Threshold == 0 {
		return defaultThreshold
	}
	return o.Threshold
}

// check refuses options that make no sense, whatever is measured.
func (o *Options) check() error {
	switch {
	case o.Rounds < 0 || o.Iterations < 0 || o.Budget < 0:
		return fmt.Errorf("%w: rounds, iterations and budget cannot be negative", ErrUsage)
	case !(o.Threshold >= 0 && o.Threshold < 10):
		return fmt.Errorf("%w: the threshold %v is not a relative change such as 0.05", ErrUsage, o.Threshold)
	case !(o.Alpha > 0 && o.Alpha < 1):
		return fmt.Errorf("%w: the error probability %v is not between 0 and 1", ErrUsage, o.Alpha)
	case len(o.Gate) == 0 || slices.Contains(o.Gate, ""):
		return fmt.Errorf("%w: no unit to judge", ErrUsage)
	}
	return nil
}

// Progress is where a measurement stands.
type Progress struct {
	Block  int // 1, or 2 while suspects are confirmed
	Round  int // from 1
	Rounds int // at most
	Case   Case
	Pairs  int // measured in this block
	Open   int // cases whose answer is not known yet
	Cases  int // in this block
	// Left is the time this block takes if no case is finished early.
	Left time.Duration
	Done bool // nothing more will be measured
}
