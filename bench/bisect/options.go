package bisect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// Options says what to look for. Good, Bad and Case are needed.
type Options struct {
	// Good and Bad are names as git knows them; Bad may be "." for the working tree. Good must be an ancestor of Bad.
	Good, Bad string
	// Case is the benchmark: "Pipeline/rows=1000/load=copy/compression=none".
	Case compare.Case
	// Unit is the tidied unit to follow, "cpu-sec/op". "" is the one that regressed between Good and Bad: of wall time, CPU
	// time, and the exact counters the first.
	Unit string
	// Session tells where and under which environment to measure: Refs, Env, Server and Log are used.
	Session compare.Config
	// Rounds is the most pairs in a block at the first attempt, doubled at each further one. 0 is the default of package
	// compare, or what Budget has room for.
	Rounds int
	// Attempts is how often a commit that leaves doubt is measured. 0 is 3: the third has four times the pairs of the
	// first, so its interval is half as wide.
	Attempts int
	// Threshold is the relative change above which a commit is slow. 0 is half of the change between Good and Bad.
	Threshold float64
	// Budget is the time for everything. 0 is no limit.
	Budget time.Duration
	// Seed decides what package compare draws. 0 draws one.
	Seed uint64
	// Progress is called before each pair. Nil reports nothing.
	Progress func(Progress)
	// FlameGraph draws the difference between two commits in the case and returns the file's path. It is called for the
	// commit that was found. Nil draws none.
	FlameGraph func(ctx context.Context, before, after string, c compare.Case) (path string, err error)
	// Command is how a user says the same again.
	Command string
}

// Progress is where a search stands.
type Progress struct {
	Ref     refs.Ref // being measured
	Attempt int
	Bracket Bracket
	Measure compare.Progress
	// Left is about how long everything takes from now on, 0 if that is not known yet.
	Left time.Duration
}

const defaultAttempts = 3

// ErrOutOfTime is the reason for which a search within a budget ends without an answer.
var ErrOutOfTime = errors.New("bisect: out of time")

func (o Options) withDefaults() (Options, error) {
	if o.Attempts == 0 {
		o.Attempts = defaultAttempts
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	switch {
	case o.Good == "" || o.Bad == "":
		return o, fmt.Errorf("%w: two refs are needed, a good one and a bad one", compare.ErrUsage)
	case o.Case == "":
		return o, fmt.Errorf("%w: a case is needed, such as Pipeline/rows=10000/load=copy/compression=none", compare.ErrUsage)
	case o.Rounds < 0 || o.Attempts < 0 || o.Budget < 0:
		return o, fmt.Errorf("%w: rounds, attempts and budget cannot be negative", compare.ErrUsage)
	case !(o.Threshold >= 0 && o.Threshold < 10):
		return o, fmt.Errorf("%w: the threshold %v is not a relative change such as 0.05", compare.ErrUsage, o.Threshold)
	}
	return o, nil
}

// timeUnits are those that are followed unless a unit is named, the first that regressed.
func timeUnits() []string { return []string{"sec/op", "cpu-sec/op"} }

// exactPairs is how many pairs are measured of a counter. One would do; the least that package compare accepts is this.
const exactPairs = 6

// compare returns the options of one comparison.
func (o *Options) compare(units []string, threshold float64, attempt int) compare.Options {
	c := compare.Options{Gate: units, Threshold: threshold, Seed: o.Seed + uint64(attempt-1)*1000}
	if o.Rounds > 0 {
		c.Rounds = o.Rounds << (attempt - 1)
	} else if o.Budget == 0 {
		c.Rounds = firstRounds << (attempt - 1)
	}
	return c
}

// firstRounds is the default of package compare.
const firstRounds = 12

// half returns the relative change that lies halfway between none and this one, on the scale of ratios: 44 % for 107 %.
func half(change float64) float64 { return math.Expm1(math.Abs(math.Log1p(change)) / 2) }

// split returns the threshold between fast and slow when the bad commit shows this verdict. It is never within what the
// comparison called noise, nor above what package compare takes for a relative change.
func split(whole *compare.Verdict, wanted float64) float64 {
	if wanted > 0 {
		return wanted
	}
	return min(max(half(float64(whole.Change.Estimate)), whole.Band.Change), 9.9)
}

// classify says on which side of the threshold the verdict lies. Worse is the direction in which the unit regressed, +1 or
// -1. An improvement is fast, and so is a change for the worse whose whole interval is within the threshold.
func classify(v *compare.Verdict, threshold float64, worse int) Answer {
	edge := math.Log1p(threshold)
	near, far := math.Log1p(float64(v.Change.Lo)), math.Log1p(float64(v.Change.Hi))
	if worse < 0 {
		near, far = -far, -near
	}
	switch {
	case v.Change.Pairs == 0 || math.IsNaN(near) || math.IsNaN(far):
		return Unsure
	case v.Exact && v.Outcome == compare.Inconclusive:
		return Unsure // a counter that varies
	case v.Exact && v.Outcome == compare.Same:
		return Fast
	case v.Exact && near >= edge:
		return Slow
	case v.Outcome == compare.Regressed && near > edge:
		return Slow
	case far < edge:
		return Fast
	}
	return Unsure
}

// find returns the verdict on the unit, nil if there is none.
func find(r *compare.Report, c compare.Case, unit string) *compare.Verdict {
	i := slices.IndexFunc(r.Verdicts, func(v *compare.Verdict) bool { return v.Case == c && v.Unit == unit })
	if i < 0 {
		return nil
	}
	return r.Verdicts[i]
}
