package trend

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// The statistic from its definition, against the one from sums.
func TestSplitIsTheDefinition(t *testing.T) {
	mean := func(a, b []float64, pairs float64) float64 {
		var sum float64
		for _, x := range a {
			for _, y := range b {
				sum += math.Abs(x - y)
			}
		}
		return sum / pairs
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		values := make([]float64, 2*MinSegment+r.IntN(20))
		for i := range values {
			values[i] = r.NormFloat64()
		}
		wantAt, want := 0, 0.0
		for i := MinSegment; i <= len(values)-MinSegment; i++ {
			for end := i + MinSegment; end <= len(values); end++ {
				x, y := values[:i], values[i:end]
				a, b := float64(len(x)), float64(len(y))
				q := a * b / (a + b) * (2*mean(x, y, a*b) - mean(x, x, a*(a-1)) - mean(y, y, b*(b-1)))
				if q > want {
					wantAt, want = i, q
				}
			}
		}
		if at, q := new(divider).split(values); at != wantAt || math.Abs(q-want) > 1e-9 {
			t.Errorf("split at %d with %v, want %d with %v", at, q, wantAt, want)
		}
	}
}

// noisy returns n values around 0 with a scatter of 1, which rise by step at every place.
func noisy(r *rand.Rand, n int, step float64, places ...int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = r.NormFloat64()
		// Benchmarks have strays to the slow side.
		if r.IntN(20) == 0 {
			values[i] += 5
		}
		for _, at := range places {
			if i >= at {
				values[i] += step
			}
		}
	}
	return values
}

func TestSimulateFalseAlarms(t *testing.T) {
	const trials = 400
	for _, level := range []float64{0.05, 0.01} {
		r := rand.New(rand.NewPCG(2, 2))
		alarms := 0
		for range trials {
			if len(ChangePoints(noisy(r, 30, 0), level)) > 0 {
				alarms++
			}
		}
		// Three standard deviations of a share of that size.
		if most := trials*level + 3*math.Sqrt(trials*level*(1-level)); float64(alarms) > most {
			t.Errorf("level %v: %d alarms in %d series without a change, want at most %.0f", level, alarms, trials, most)
		}
	}
}

func TestSimulateDetection(t *testing.T) {
	const trials = 100
	r := rand.New(rand.NewPCG(3, 3))
	found, placed := 0, 0
	for range trials {
		changes := ChangePoints(noisy(r, 40, 3, 20), 0.01)
		if len(changes) > 0 {
			found++
		}
		if slices.ContainsFunc(changes, func(c ChangePoint) bool { return c.Index >= 19 && c.Index <= 21 }) {
			placed++
		}
	}
	if found < 98 || placed < 90 {
		t.Errorf("a step of three deviations is found in %d of %d, at its place in %d; want 98 and 90", found, trials, placed)
	}
}

func TestSeveralSteps(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	got := ChangePoints(noisy(r, 60, 6, 20, 40), 0.01)
	if len(got) != 2 || got[0].Index < 19 || got[0].Index > 21 || got[1].Index < 39 || got[1].Index > 41 {
		t.Fatalf("got %+v, want changes at 20 and 40", got)
	}
	if math.Abs(got[0].Before) > 1 || math.Abs(got[0].After-6) > 1 || got[0].After != got[1].Before || math.Abs(got[1].After-12) > 1 {
		t.Errorf("levels are %+v, want 0, 6 and 12", got)
	}
}

// A slowdown that was mended soon is hidden among all that comes after it.
func TestMendedSoon(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	values := noisy(r, 100, 4, 60)
	for i := 70; i < len(values); i++ {
		values[i] -= 4
	}
	got := ChangePoints(values, 0.01)
	if len(got) != 2 || got[0].Index < 59 || got[0].Index > 61 || got[1].Index < 69 || got[1].Index > 71 {
		t.Errorf("got %+v, want changes at 60 and 70", got)
	}
}

func TestNothingToDivide(t *testing.T) {
	for name, values := range map[string][]float64{
		"none":      nil,
		"one":       {1},
		"too few":   {1, 1, 1, 1, 9, 9, 9, 9, 9},
		"all equal": make([]float64, 30),
	} {
		if got := ChangePoints(values, 0.05); len(got) > 0 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if got := ChangePoints([]float64{1, 1, 1, 1, 1, 9, 9, 9, 9, 9}, 0.05); len(got) != 1 || got[0].Index != 5 {
		t.Errorf("the least there must be gives %+v, want a change at 5", got)
	}
}

func TestSameAnswerTwice(t *testing.T) {
	values := noisy(rand.New(rand.NewPCG(5, 5)), 50, 1, 25)
	if a, b := ChangePoints(values, 0.05), ChangePoints(values, 0.05); !reflect.DeepEqual(a, b) {
		t.Errorf("got %+v, then %+v", a, b)
	}
}

// The work of a test grows with the number of points no more than the level asks for.
func TestOrders(t *testing.T) {
	for _, tt := range []struct {
		level float64
		n     int
		want  int
	}{
		{0.05, 10, 999}, {0.01, 100, 1000}, {0.0025, 100, 4000}, // all that are wanted
		{0.01, 200, 1000}, {0.05, 400, 250}, {0.0025, 200, 1000}, // bounded
		{0.0025, 400, 800}, {0.001, 400, 2000}, // the least that are of use
	} {
		d := divider{level: tt.level}
		if got := d.orders(tt.n); got != tt.want {
			t.Errorf("level %v, %d points: %d orders, want %d", tt.level, tt.n, got, tt.want)
		}
	}
}

func BenchmarkChangePoints(b *testing.B) {
	values := noisy(rand.New(rand.NewPCG(9, 9)), longest, 4, 100, 200, 300)
	for b.Loop() {
		ChangePoints(values, 0.0025)
	}
}

// Of a very long series only the end is looked at, and named by its place in the whole.
func TestLongSeries(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	values := make([]float64, longest+100)
	for i := range values {
		values[i] = r.NormFloat64()
		if i >= 50 {
			values[i] += 6
		}
		if i >= 300 {
			values[i] += 6
		}
	}
	got := ChangePoints(values, 0.01)
	if len(got) != 1 || got[0].Index < 299 || got[0].Index > 301 {
		t.Errorf("got %+v, want the change at 300 alone", got)
	}
}
