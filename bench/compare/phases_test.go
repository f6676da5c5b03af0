package compare

import (
	"math"
	"testing"
)

// What a page shows of a slower phase: the stage before its phases, which add up to it, and the plant where it is.
func TestPhases(t *testing.T) {
	m := newMachine(5, one)
	m.plant = slower("dest-flush-sec/op", 0.2)
	r := measure(t, m, m.options())
	all := r.Phases(one)
	sums := map[string][2]float64{}
	wholes := map[string][2]float64{}
	for _, p := range all {
		if p.Phase == "" {
			if _, ok := sums[p.Stage]; ok {
				t.Errorf("%s comes after its phases", p.Stage)
			}
			wholes[p.Stage] = [2]float64{p.Base, p.Head}
			continue
		}
		s := sums[p.Stage]
		sums[p.Stage] = [2]float64{s[0] + p.Base, s[1] + p.Head}
		if p.Stage == "dest" && p.Phase == "flush" && math.Abs(p.Head-p.Base-0.02) > 0.002 {
			t.Errorf("flush went from %v to %v, want 20 ms more", p.Base, p.Head)
		}
		if p.Phase == "commit" && p.Base == 0 {
			t.Error("commit took no time")
		}
	}
	for stage, want := range wholes {
		if got := sums[stage]; math.Abs(got[0]-want[0]) > 1e-3 || math.Abs(got[1]-want[1]) > 1e-3 {
			t.Errorf("%s: phases add up to %v, want %v", stage, got, want)
		}
	}
	if len(wholes) != 2 {
		t.Errorf("stages %v, want two", wholes)
	}
	if got := (&Report{}).Phases(one); got != nil {
		t.Errorf("an empty report has phases %v", got)
	}
}

func TestPairChange(t *testing.T) {
	p := Pair{Alternated: true, Base: &Process{Values: map[string][]float64{"x": {1, 10, 100}, "broken": {-1}}},
		Head: &Process{Values: map[string][]float64{"x": {2, 15, 150}, "broken": {1}}}}
	if got, ok := p.Change("x"); !ok || math.Abs(got-0.5) > 1e-12 {
		t.Errorf("change %v, %v, want the median of the ratios of neighbours, 0.5", got, ok)
	}
	for _, unit := range []string{"none", "broken"} {
		if _, ok := p.Change(unit); ok {
			t.Errorf("%s has a change", unit)
		}
	}
}
