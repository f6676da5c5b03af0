package targets

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/magefile/mage/mg"
	"golang.org/x/perf/benchunit"

	"github.com/rapidbyte-go/rapidbyte/bench/bisect"
	"github.com/rapidbyte-go/rapidbyte/bench/compare"
)

// BisectOptions are the flags of the bisect target; nil is the default.
type BisectOptions struct {
	Case      *string        // benchmark with all its parameters; must be given
	Unit      *string        // to follow: "allocs/op"; the time or counter that regressed
	Rounds    *int           // most pairs in a block at the first attempt; 12, or what the budget has room for
	Threshold *float64       // change above which a commit is slow; half of that between good and bad
	Budget    *time.Duration // time for everything; no limit
	JSON      *bool          // print the report as JSON, and nothing else, to standard output
}

// Bisect finds the commit between good and bad that made a benchmark slower. The
// error, if any, has the exit code of package compare.
func (r *Repo) Bisect(ctx context.Context, good, bad string, o BisectOptions) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	options, err := r.search(good, bad, o)
	if err != nil {
		return err
	}

	// What was found out is shown also when the search broke off, or the server could not be stopped afterwards.
	report, failed := bisect.Run(ctx, options)
	if report == nil {
		return failure(failed)
	}
	if value(o.JSON, false) {
		var data []byte
		if data, err = report.JSON(); err == nil {
			_, err = r.Stdout.Write(data)
		}
	} else {
		err = report.WriteText(r.Stdout)
	}
	switch exit := report.Exit(); {
	case err != nil:
		return failure(err)
	case failed != nil:
		return failure(failed)
	case exit == compare.ExitRegressed:
		return mg.Fatal(int(exit), "regressed with "+report.Found.Text)
	case exit != compare.ExitOK:
		return mg.Fatal(int(exit), "inconclusive: "+report.Why)
	}
	return nil
}

// search turns flags into what package bisect is told.
func (r *Repo) search(good, bad string, o BisectOptions) (bisect.Options, error) {
	c := compare.Case(strings.TrimPrefix(value(o.Case, ""), "Benchmark"))
	if c == "" {
		return bisect.Options{}, usage("which benchmark? -case=Pipeline/rows=10000/load=copy/compression=none, as compare names it")
	}
	if o.Rounds != nil && *o.Rounds < 1 || o.Budget != nil && *o.Budget <= 0 || o.Threshold != nil && !(*o.Threshold > 0) {
		return bisect.Options{}, usage("-rounds, -budget and -threshold must be above zero")
	}

	// The case says which part of the grid is needed.
	var grid CompareOptions
	for key, flag := range map[string]**string{"rows": &grid.Rows, "load": &grid.Load, "compression": &grid.Compression} {
		if v := c.Param(key); v != "" {
			*flag = &v
		}
	}
	session, err := r.comparison(good, bad, grid)
	if err != nil {
		return bisect.Options{}, err
	}
	_, unit := benchunit.Tidy(1, value(o.Unit, ""))
	return bisect.Options{
		Good: good, Bad: bad, Case: c, Unit: unit, Session: session,
		Rounds: value(o.Rounds, 0), Threshold: value(o.Threshold, 0), Budget: value(o.Budget, 0),
		FlameGraph: r.bisected,
		Progress:   searching(r.Stderr), Command: "go tool mage bisect " + good + " " + bad + o.flags(),
	}, nil
}

// flags returns the flags as they were given.
func (o *BisectOptions) flags() string {
	var s strings.Builder
	add(&s, "case", o.Case)
	add(&s, "unit", o.Unit)
	add(&s, "rounds", o.Rounds)
	add(&s, "threshold", o.Threshold)
	add(&s, "budget", o.Budget)
	add(&s, "json", o.JSON)
	return s.String()
}

// searching returns a function that writes where a search stands: each commit once,
// and while it is measured every ten seconds.
func searching(w io.Writer) func(bisect.Progress) {
	var last time.Time
	var what string
	return func(p bisect.Progress) {
		now := fmt.Sprint(p.Ref.Commit, p.Attempt, p.Bracket, p.Measure.Block)
		if p.Measure.Done || now == what && time.Since(last) < 10*time.Second {
			return
		}
		last, what = time.Now(), now
		where := fmt.Sprintf("%d commits left, %d steps", p.Bracket.Slow-p.Bracket.Fast, p.Bracket.Steps())
		if p.Bracket.Found() {
			where = "found, the last comparison"
		}
		left := ""
		if p.Left > 0 {
			left = fmt.Sprintf(", about %v left", p.Left.Round(time.Second))
		}
		again := ""
		if p.Measure.Block > 1 {
			again = ", to confirm it"
		}
		if p.Attempt > 1 {
			again += fmt.Sprintf(", attempt %d", p.Attempt)
		}
		fmt.Fprintf(w, "%s%s: measuring %s%s, round %d\n", where, left, p.Ref, again, p.Measure.Round)
	}
}
