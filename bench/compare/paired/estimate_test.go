package paired

import (
	"math"
	"testing"
)

// Hollander & Wolfe, examples 3.3 and 3.4: the estimate for the depression data is 0.46 with the 96.1 % interval
// (0.010, 0.786).
func TestEstimateWorkedExample(t *testing.T) {
	i := Estimate(hollanderWolfe(), 0.95)
	near(t, "estimate", i.Centre, 0.46, 1e-9)
	near(t, "lower end", i.Lo, 0.010, 1e-9)
	near(t, "upper end", i.Hi, 0.786, 1e-9)
	near(t, "level", i.Level, 1-2*0.01953125, 1e-9)
}

// The interval and the test are the same statement: a shift is outside the interval exactly if the test rejects it.
func TestIntervalInvertsTest(t *testing.T) {
	d := []float64{0.031, -0.012, 0.044, 0.0271, 0.0013, -0.0302, 0.0519, 0.0605, 0.0087, 0.0222, -0.0049, 0.0391}
	for _, level := range []float64{0.8, 0.9, 0.95, 0.99, 0.999} {
		i := Estimate(d, level)
		for shift := -0.1; shift < 0.1; shift += 0.00037 {
			moved := make([]float64, len(d))
			for j := range d {
				moved[j] = d[j] - shift
			}
			rejected := SignedRank(moved).P <= 1-i.Level+1e-12
			if outside := shift < i.Lo || shift > i.Hi; outside != rejected {
				t.Fatalf("level %v: shift %v outside=%v but rejected=%v (interval %+v)", level, shift, outside, rejected, i)
			}
		}
	}
}

func TestEstimateTooFewPairs(t *testing.T) {
	if i := Estimate([]float64{1, 2, 3, 4, 5}, 0.95); !math.IsInf(i.Lo, -1) || !math.IsInf(i.Hi, 1) || i.Level != 1 || i.Centre != 3 {
		t.Errorf("5 pairs cannot give a 95 %% interval, got %+v", i)
	}
	// 6 pairs can, just: the level is 1 - 2/64.
	if i := Estimate([]float64{1, 2, 3, 4, 5, 6}, 0.95); i.Lo != 1 || i.Hi != 6 || i.Level != 1-2.0/64 {
		t.Errorf("6 pairs: %+v, want the range at the level %v", i, 1-2.0/64)
	}
	// A level that is attainable exactly must be attained, not missed by rounding.
	if i := Estimate([]float64{1, 2, 3, 4, 5, 6}, 1-2.0/64); i.Lo != 1 {
		t.Errorf("6 pairs at exactly %v: %+v", 1-2.0/64, i)
	}
	if i := Estimate(nil, 0.95); !math.IsNaN(i.Centre) || !math.IsInf(i.Hi, 1) {
		t.Errorf("no pairs: %+v", i)
	}
}

// A quarter of wild pairs moves the mean anywhere; the estimate stays.
func TestEstimateResistsOutliers(t *testing.T) {
	d := []float64{0.01, 0.012, 0.009, 0.011, 0.010, 0.013, 0.008, 0.0095, 0.0105, 9, 9, 9}
	if c := Centre(d); c > 0.02 {
		t.Errorf("centre %v was carried away by three wild pairs of twelve", c)
	}
}

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		lo, hi               float64
		inside, above, below bool
	}{
		{-0.01, 0.01, true, false, false},
		{-0.03, 0.01, false, false, false},
		{0.03, 0.05, false, false, false}, // touches the band's edge
		{0.031, 0.05, false, true, false},
		{-0.05, -0.031, false, false, true},
		{math.Inf(-1), math.Inf(1), false, false, false},
	} {
		i := Interval{Lo: c.lo, Hi: c.hi}
		if i.Inside(0.03) != c.inside || i.Above(0.03) != c.above || i.Below(0.03) != c.below {
			t.Errorf("[%v, %v] against 0.03: inside=%v above=%v below=%v", c.lo, c.hi, i.Inside(0.03), i.Above(0.03), i.Below(0.03))
		}
	}
}

// Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statist. 6 (1979) 65-70, by hand.
func TestHolm(t *testing.T) {
	for _, c := range []struct {
		name    string
		p, want []float64
	}{
		{"nothing", nil, nil},
		{"one", []float64{0.03}, []float64{0.03}},
		{"unsorted, with the running maximum", []float64{0.04, 0.01, 0.03}, []float64{0.06, 0.03, 0.06}},
		{"ties", []float64{0.01, 0.01, 0.01, 0.01}, []float64{0.04, 0.04, 0.04, 0.04}},
		{"capped", []float64{0.9, 0.8}, []float64{1, 1}},
		{"no data yet", []float64{math.NaN(), 0.01}, []float64{1, 0.02}},
	} {
		got := Holm(c.p)
		if len(got) != len(c.want) {
			t.Fatalf("%s: %v, want %v", c.name, got, c.want)
		}
		for i := range got {
			near(t, c.name, got[i], c.want[i], 1e-12)
		}
	}
}
