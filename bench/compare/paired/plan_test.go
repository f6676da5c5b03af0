package paired

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestMinPairs(t *testing.T) {
	for _, c := range []struct {
		alpha, share float64
		tests, want  int
	}{
		{0.05, 1, 1, 6},  // 2/64
		{0.05, 1, 12, 9}, // 2/512 = 0.0039 < 0.0042
		{0.05, 1, 48, 11},
		{0.05, 0.5, 48, 12},
		{0.0078125, 1, 1, 8}, // exactly 2/256: reaching the level is enough
		{0.05, 1, 0, 6},      // an empty family is no easier than one test
		{0.5, 1, 1, 2},
		{0.05, 0, 1, math.MaxInt},
	} {
		if got := MinPairs(c.alpha, c.share, c.tests); got != c.want {
			t.Errorf("MinPairs(%v, %v, %d) = %d, want %d", c.alpha, c.share, c.tests, got, c.want)
		}
	}
}

func TestConfirmingPairs(t *testing.T) {
	// The default of 12 pairs must be enough for the default matrix: 12 cases by 4 gated metrics.
	if got := ConfirmingPairs(0.05, 48); got > 12 {
		t.Errorf("48 tests need %d pairs; the default is 12", got)
	}
	for _, tests := range []int{1, 4, 12, 48, 200} {
		n := ConfirmingPairs(0.05, tests)
		plan, err := NewPlan(0.05, n)
		if err != nil {
			t.Fatal(err)
		}
		if p := extreme(plan, n); p*float64(tests) > 0.05 {
			t.Errorf("%d pairs all in one direction: adjusted p %v among %d tests is not significant", n, p*float64(tests), tests)
		}
		plan, err = NewPlan(0.05, n-1)
		if err != nil {
			continue
		}
		if p := extreme(plan, n-1); p*float64(tests) <= 0.05 {
			t.Errorf("%d pairs already confirm one of %d tests (p %v), ConfirmingPairs says %d", n-1, tests, p, n)
		}
	}
}

// extreme returns the p-value of the last look when n pairs all point in one direction.
func extreme(plan Plan, n int) float64 {
	d := make([]float64, n)
	for i := range d {
		d[i] = float64(i + 1)
	}
	s := plan.Start()
	last, _ := s.Look(d, true)
	return last.Test.P / plan.LastShare()
}

func TestNewPlan(t *testing.T) {
	for _, c := range []struct {
		max  int
		want []int
	}{
		{6, []int{6}},
		{8, []int{8}},
		{10, []int{8, 10}},
		{12, []int{8, 10, 12}},
		{13, []int{10, 13}}, // 8 of 13 pairs may spend too little to decide anything
		{24, []int{12, 16, 20, 24}},
		{60, []int{20, 30, 40, 50, 60}},
	} {
		plan, err := NewPlan(0.05, c.max)
		if err != nil {
			t.Errorf("max %d: %v", c.max, err)
			continue
		}
		if !slices.Equal(plan.Looks, c.want) {
			t.Errorf("max %d: looks %v, want %v", c.max, plan.Looks, c.want)
		}
		sum := 0.0
		for i, share := range plan.Share {
			sum += share
			if share <= 0 {
				t.Errorf("max %d: look %d spends %v", c.max, plan.Looks[i], share)
			}
			// Each look can do something: its interval is finite.
			d := make([]float64, plan.Looks[i])
			if math.IsInf(Estimate(d, 1-share*plan.Alpha).Hi, 0) {
				t.Errorf("max %d: look %d with share %v has no interval", c.max, plan.Looks[i], share)
			}
		}
		near(t, "sum of shares", sum, 1, 1e-12)
	}
	for _, bad := range []struct {
		alpha float64
		max   int
	}{{0.05, 5}, {0.05, 0}, {0, 12}, {1, 12}, {math.NaN(), 12}} {
		if plan, err := NewPlan(bad.alpha, bad.max); err == nil {
			t.Errorf("alpha %v, max %d: plan %+v without an error", bad.alpha, bad.max, plan)
		}
	}
}

func TestSequenceSpendsAllOfAlphaOnce(t *testing.T) {
	plan, err := NewPlan(0.05, 12)
	if err != nil {
		t.Fatal(err)
	}
	d := make([]float64, 12)
	for i := range d {
		d[i] = 0.01 * float64(i+1)
	}

	for _, c := range []struct {
		name string
		at   []int // pairs at each call
		end  bool  // the last call is the final look
		want []float64
	}{
		{"all looks", []int{8, 10, 12}, false, plan.Share},
		{"not at a look", []int{7, 9, 11}, false, nil},
		{"the same look twice", []int{8, 8}, false, plan.Share[:1]},
		{"out of budget between looks", []int{8, 9}, true, []float64{plan.Share[0], 1 - plan.Share[0]}},
		{"out of budget at a look", []int{8, 8}, true, []float64{plan.Share[0], 1}},
		{"out of budget before any look", []int{5}, true, []float64{1}},
	} {
		s := plan.Start()
		var shares []float64
		for i, n := range c.at {
			if look, ok := s.Look(d[:n], c.end && i == len(c.at)-1); ok {
				shares = append(shares, look.Share)
			}
		}
		if fmt.Sprintf("%.6f", shares) != fmt.Sprintf("%.6f", c.want) {
			t.Errorf("%s: shares %.6f, want %.6f", c.name, shares, c.want)
		}
	}
}

func TestSequenceKeepsItsBestLook(t *testing.T) {
	plan, err := NewPlan(0.05, 12)
	if err != nil {
		t.Fatal(err)
	}
	d := []float64{1, 2, 3, 4, 5, 6, 7, 8, -9, -10, -11, -12}
	s := plan.Start()
	first, _ := s.Look(d[:8], false)
	near(t, "first look", first.P, 2.0/256/plan.Share[0], 1e-12)
	s.Look(d[:10], false)
	last, _ := s.Look(d, false)
	if last.P != first.P {
		t.Errorf("p at the end is %v; what the first look showed (%v) still holds", last.P, first.P)
	}
	if last.Test.P < 0.1 {
		t.Errorf("the last look alone has p=%v and should show nothing", last.Test.P)
	}
}

func TestResolution(t *testing.T) {
	quiet := []float64{-0.004, 0.003, 0.001, -0.002, 0.005, -0.001, 0.002, -0.005, 0.004, -0.003, 0.0005, -0.0005}
	loud := make([]float64, len(quiet))
	for i := range loud {
		loud[i] = 10 * quiet[i]
	}
	a, b := Resolution(quiet, 0.05, 0.5, 1, 0.02), Resolution(loud, 0.05, 0.5, 1, 0.02)
	if !(0.02 < a && a < b && b < 0.2) {
		t.Errorf("resolution of quiet and of ten times louder data: %v and %v", a, b)
	}
	if c := Resolution(quiet, 0.05, 0.5, 48, 0); c <= Resolution(quiet, 0.05, 0.5, 1, 0) {
		t.Errorf("a family of 48 resolves as finely (%v) as one test", c)
	}
	if c := Resolution(quiet[:8], 0.05, 1, 48, 0.02); !math.IsInf(c, 1) {
		t.Errorf("8 pairs can never confirm one of 48 tests, resolution %v", c)
	}
}
