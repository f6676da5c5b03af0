package lab

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
)

func TestTaxOf(t *testing.T) {
	run := func(whole, source, dest time.Duration) *engine.Result {
		r := &engine.Result{Duration: whole, Stages: make([]engine.StageResult, 2)}
		r.Stages[0].Ledger[hostfuncs.BucketGuest] = source
		r.Stages[0].Ledger[hostfuncs.BucketFetchWait] = time.Hour // is not the guest's
		r.Stages[1].Ledger[hostfuncs.BucketGuest] = dest
		return r
	}
	taxed, free := run(300, 40, 60), run(200, 30, 20)
	want := map[string]float64{"native-ns/op": 200, "native-guest-ns/op": 50, "wall-tax": 1.5, "guest-tax": 2}
	if got := taxOf(taxed, free); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	taxed.CPU, free.CPU = 250, 200
	want["cpu-tax"] = 1.25
	if got := taxOf(taxed, free); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A pair that was torn apart does not decide.
func TestTaxIsTheMedianOfThePairs(t *testing.T) {
	e := openEnv(t)
	times(t, "3")
	taxes := []float64{5, 2, 90, 3} // the warm-up's first
	result, passed := measure(t, e, func(trial *Trial) {
		right := trial.Run
		trial.Run = func(ctx context.Context) (Outcome, error) {
			out, err := right(ctx)
			out.Values = map[string]float64{"wall-tax": taxes[0]}
			taxes = taxes[1:]
			return out, err
		}
	})
	if !passed || result.Extra["wall-tax"] != 3 {
		t.Errorf("passed %v with a tax of %v, want 3", passed, result.Extra["wall-tax"])
	}
}

// Each half of a pair moves every row by the runtime it is said to be of, and a native half that does not fails.
func TestTaxTrialMovesTheRowsTwice(t *testing.T) {
	e := openEnv(t)
	trial, err := e.TaxTrial(t.Context(), NewCase("Tax", "200", "copy"))
	if err != nil {
		t.Fatal(err)
	}
	s := openSource(t, e, 200)
	if err := trial.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := trial.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Rows != 200 || out.Result.Runtime != engine.Compiled {
		t.Errorf("%d rows by the runtime %v, want 200, compiled", out.Rows, out.Result.Runtime)
	}
	if err := s.Verify(t.Context(), true); err != nil {
		t.Error(err)
	}
	for _, unit := range append([]string{"native-ns/op", "native-guest-ns/op"}, taxUnits...) {
		if out.Values[unit] <= 0 {
			t.Errorf("%s is %v", unit, out.Values[unit])
		}
	}
	if load, err := e.native.Load(t.Context(), "source-postgres", false); err != nil || load.Source != engine.LoadNative {
		t.Errorf("what it is compared with is loaded from %q, %v", load.Source, err)
	}

	// The destination still has the rows of the first pair.
	if err := trial.Prepare(t.Context()); !errors.Is(err, ErrWrongData) {
		t.Errorf("rows too many: %v", err)
	}
}
