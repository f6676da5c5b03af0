package lab

import (
	"context"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
)

// taxUnits are the ratios of a pair of runs. One moment in which the machine was busy with something else tears a pair
// apart, so of several pairs the median stands for all.
var taxUnits = []string{"wall-tax", "cpu-tax", "guest-tax"}

// TaxTrial moves the rows in turn with the connectors linked in and through the sandbox, and says how many times as long
// the sandbox takes. Every other metric is of the run through the sandbox; both are verified.
func (e *Env) TaxTrial(ctx context.Context, c Case) (Trial, error) {
	s, p, err := e.forCase(ctx, c)
	if err != nil {
		return Trial{}, err
	}
	sandbox, err := e.Engine(ctx)
	if err != nil {
		return Trial{}, err
	}
	native, err := e.nativeEngine(ctx)
	if err != nil {
		return Trial{}, err
	}

	var free *engine.Result // of the native run of this pair
	t := Trial{Case: c, Source: s}
	t.Prepare = func(ctx context.Context) error {
		out, err := outcome(native.Run(ctx, p, engine.RunOptions{}))
		if err != nil {
			return err
		}
		if err := s.Verify(ctx, false); err != nil {
			return err
		}
		free = out.Result
		if err := s.settle(ctx); err != nil {
			return err
		}
		return s.Reset(ctx)
	}
	t.Run = func(ctx context.Context) (Outcome, error) {
		out, err := outcome(sandbox.Run(ctx, p, engine.RunOptions{}))
		if err == nil {
			out.Values = taxOf(out.Result, free)
		}
		return out, err
	}
	return t, nil
}

// taxOf compares a run through the sandbox with the same run without one.
func taxOf(taxed, free *engine.Result) map[string]float64 {
	values := map[string]float64{
		"native-ns/op":       float64(free.Duration),
		"native-guest-ns/op": float64(inGuests(free)),
		"wall-tax":           float64(taxed.Duration) / float64(free.Duration),
		"guest-tax":          float64(inGuests(taxed)) / float64(inGuests(free)),
	}
	if free.CPU > 0 { // else the system does not tell
		values["cpu-tax"] = float64(taxed.CPU) / float64(free.CPU)
	}
	return values
}

// inGuests returns the time the run's connectors computed, by the clocks of their stages.
func inGuests(r *engine.Result) time.Duration {
	var sum time.Duration
	for i := range r.Stages {
		sum += r.Stages[i].Ledger[hostfuncs.BucketGuest]
	}
	return sum
}
