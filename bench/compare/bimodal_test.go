package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The published example: ages of the faculty of a department of statistics, with the dip and the p-value that R's package
// diptest gives for them.
func TestDipOfPublishedData(t *testing.T) {
	ages := []float64{
		30, 33, 35, 36, 37, 37, 39, 39, 39, 39, 39, 40, 40, 40, 40, 41, 42, 43, 43, 43, 44, 44, 45, 45, 46, 47, 47, 47, 47, 48, 48,
		48, 49, 50, 50, 51, 52, 52, 53, 53, 53, 53, 53, 54, 54, 57, 57, 59, 60, 60, 60, 61, 61, 61, 61, 62, 62, 62, 62, 63, 66, 70, 72,
	}
	d := dip(ages)
	if math.Abs(d-0.05952381) > 1e-8 {
		t.Errorf("the dip is %v, want 0.05952381", d)
	}
	if p := dipP(d, len(ages)); math.Abs(p-0.0867) > 0.02 {
		t.Errorf("its p-value is %v, want about 0.0867", p)
	}
}

// What follows from the definition.
func TestDip(t *testing.T) {
	line := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = float64(i)
		}
		return x
	}
	for _, c := range []struct {
		name string
		x    []float64
		want float64
	}{
		{"nothing", nil, 0},
		{"one value", []float64{3}, 0},
		{"one value often", []float64{3, 3, 3}, 0},
		{"evenly spread", line(20), 1. / 40},
		{"two values", []float64{1, 1, 1, 1, 2, 2, 2, 2}, 0.25},
		{"two values, one of them seldom", []float64{1, 1, 1, 1, 1, 1, 2, 2}, 0.125},
	} {
		if got := dip(c.x); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// Turned around and scaled it is the same.
	r := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		x := make([]float64, 15)
		for i := range x {
			x[i] = r.NormFloat64()
		}
		slices.Sort(x)
		back := make([]float64, len(x))
		for i := range x {
			back[len(x)-1-i] = 5 - 3*x[i]
		}
		if a, b := dip(x), dip(back); math.Abs(a-b) > 1e-9 || a < 1./30 || a > 0.25 {
			t.Fatalf("dip %v of %v, and %v turned around", a, x, b)
		}
	}
}

// Two speeds are seen, one speed with noise of any usual shape is not.
func TestModes(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	sample := func(n int, draw func(i int) float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = draw(i)
		}
		r.Shuffle(n, func(i, j int) { x[i], x[j] = x[j], x[i] })
		return x
	}
	const trials = 300
	for _, c := range []struct {
		name  string
		n     int
		draw  func(i int) float64
		least int // warnings
		most  int
	}{
		{"two speeds", 12, func(i int) float64 { return float64(1+i%2) + 0.05*r.NormFloat64() }, 290, trials},
		{"two speeds, one a third", 24, func(i int) float64 { return 1 + float64(i%3/2) + 0.03*r.NormFloat64() }, 290, trials},
		{"normal", 12, func(int) float64 { return 1 + 0.1*r.NormFloat64() }, 0, 6},
		{"normal, many", 60, func(int) float64 { return 1 + 0.1*r.NormFloat64() }, 0, 6},
		{"skewed", 24, func(int) float64 { return math.Exp(0.5 * r.NormFloat64()) }, 0, 6},
		{"one late process", 12, func(i int) float64 { return 1 + 0.01*r.NormFloat64() + float64(i/11) }, 0, 6},
		{"uniform", 12, func(int) float64 { return r.Float64() }, 0, 9},
		{"too few", 7, func(i int) float64 { return float64(i % 2) }, 0, 0},
	} {
		warned := 0
		for range trials {
			if m := modes(Head, sample(c.n, c.draw)); m != nil {
				warned++
			}
		}
		if warned < c.least || warned > c.most {
			t.Errorf("%s: %d warnings of %d, want %d to %d", c.name, warned, trials, c.least, c.most)
		}
	}
}

func TestModesAreReported(t *testing.T) {
	s := &Series{Case: "A"}
	for i := range 12 {
		base := &Process{Values: map[string][]float64{"sec/op": {0.1 + float64(i)/1e4}}}
		head := &Process{Values: map[string][]float64{"sec/op": {0.1 + 0.05*float64(i%3/2) + float64(i)/1e6}}}
		s.Pairs = append(s.Pairs, Pair{Base: base, Head: head})
	}
	again := *s
	v := &Verdict{Case: "A", Unit: "sec/op", Outcome: Inconclusive, Reason: "could have seen 40.0 %", Change: Change{Pairs: 12}}
	r := &Report{Finished: time.Now(), Verdicts: []*Verdict{v}, Blocks: []*Block{{Series: []*Series{s}}, {Series: []*Series{&again}}}}
	r.findModes()
	if len(v.Modes) != 1 || v.Modes[0].Side != Head || v.Modes[0].Samples != 24 || v.Modes[0].Lower != 16 {
		t.Fatalf("modes %+v", v.Modes)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if want := "A sec/op: could have seen 40.0 %; head looks bimodal, 16 processes around 100.0m and 8 around 150.0m (dip "; !strings.Contains(text.String(), want) {
		t.Errorf("no %q in\n%s", want, &text)
	}
	if data, err := r.JSON(); err != nil || !strings.Contains(string(data), `"side": "head"`) {
		t.Errorf("%v\n%s", err, data)
	}
}
