package selftest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// Options says what to prove, and how long it may take. The zero value proves everything about the working tree, which
// takes about an hour; it needs a Server.
type Options struct {
	// Trials is how often equal code is compared, and seven times as often as each plant of each size is. 0 is 20.
	Trials int
	// Rows, Load and Compression name the case. Zero values are 100000, copy and lz4: a case long enough for 2 ms not to
	// matter.
	Rows              int
	Load, Compression string
	// Rounds is the most pairs of a comparison in a block; 0 is 12. Iterations is how often a process repeats the case; 0
	// is 12.
	Rounds, Iterations int
	// Threshold is that of the comparisons; 0 is their default.
	Threshold float64
	// Only holds the trials to make: names of plants, "slow" for all that slow down, "data", "input", "equal" for A/A.
	// Nil is all.
	Only []string
	// Percents are the sizes of what is planted; nil is 2, 5 and 10.
	Percents []float64
	// Budget ends the trials in time. What was not tried by then is not proved. 0 is no limit.
	Budget time.Duration
	// Quick makes one trial of equal code, one of a single plant of 10 %, and all that need no statistics: some minutes,
	// for every change. On a busy machine it does not insist on the plant.
	Quick bool
	// Seed decides the order; 0 draws one.
	Seed uint64

	Ref    string // commit to test, "" is "." for the working tree
	Refs   refs.Options
	Env    []string                                          // added to the environment of every process
	Server func(ctx context.Context) (compare.Server, error) // called once, after the build; nil starts none
	Log    io.Writer                                         // a line for each step and each trial, with the time left; nil discards

	busy func(context.Context) (share float64, ok bool) // for tests; nil watches the machine
	now  func() time.Time                               // for tests; nil is time.Now
}

// quickRows is the size of a quick run's case: half of the time is the least in which 10 % can be told from 2 ms.
const quickRows = 50000

func (o Options) withDefaults() Options {
	if o.Quick {
		o.Trials = 1
		o.Percents = []float64{10}
		o.Rows = cmp.Or(o.Rows, quickRows)
		o.Iterations = cmp.Or(o.Iterations, 6)
	}
	if o.Trials == 0 {
		o.Trials = 20
	}
	if o.Percents == nil {
		o.Percents = []float64{2, 5, 10}
	}
	if o.Rows == 0 {
		o.Rows = 100000
	}
	if o.Load == "" {
		o.Load = "copy"
	}
	if o.Compression == "" {
		o.Compression = "lz4"
	}
	if o.Rounds == 0 {
		o.Rounds = 12
	}
	if o.Iterations == 0 {
		o.Iterations = 12
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.busy == nil {
		o.busy = watch
	}
	if o.Seed == 0 {
		o.Seed = uint64(o.now().UnixNano())
	}
	if o.Ref == "" {
		o.Ref = "."
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Refs.Log == nil {
		o.Refs.Log = o.Log
	}
	return o
}

// The names that stand for several trials, besides those of plants.
const (
	onlySlow  = "slow"
	onlyData  = "data"
	onlyInput = "input"
	onlyEqual = "equal"
)

func (o *Options) check() error {
	known := slices.Concat([]string{onlyEqual, onlySlow, onlyData, onlyInput}, plant.Places(), plant.Rows(), plant.Outputs())
	for _, name := range o.Only {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%w: there is no trial %q; there are %s", compare.ErrUsage, name, strings.Join(known, ", "))
		}
	}
	for _, p := range o.Percents {
		if !(p > 0 && p <= 1000) {
			return fmt.Errorf("%w: %v %% is no slowdown", compare.ErrUsage, p)
		}
	}
	switch {
	case o.Trials < 0 || o.Rows < 0 || o.Rounds < 0 || o.Iterations < 0 || o.Budget < 0:
		return fmt.Errorf("%w: trials, rows, rounds, iterations and budget cannot be negative", compare.ErrUsage)
	case o.Compression == "none" && (o.wants(plant.Codec, onlySlow)):
		return fmt.Errorf("%w: without compression nothing can be planted in the codec; leave it out with -only", compare.ErrUsage)
	}
	return nil
}

// wants reports whether a trial known by any of the names is to be made.
func (o *Options) wants(names ...string) bool {
	return len(o.Only) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(o.Only, n) })
}

// name returns the case that is measured.
func (o *Options) name() compare.Case {
	return compare.Case(fmt.Sprintf("Pipeline/rows=%d/load=%s/compression=%s", o.Rows, o.Load, o.Compression))
}
