package page

import (
	"fmt"
	"math"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		log    bool
		want   string
	}{
		{0, 1, false, "[0 0.25 0.5 0.75 1]"},
		{-0.1, 0.25, false, "[-0.1 0 0.1 0.2]"},
		{1, 1000, true, "[1 10 100 1000]"},
		{20, 300, true, "[20 50 100 200]"},
		{100, 200, true, "[100 125 150 175 200]"},
		{5, 5, false, "[4.8 5 5.2]"},
		{math.NaN(), math.Inf(1), false, "[0 0.25 0.5 0.75 1]"},
	} {
		e := extent{log: c.log}
		e.add(c.lo, c.hi)
		var got []float64
		for _, v := range e.axis(0, 100, 5).ticks {
			got = append(got, math.Round(v*1e9)/1e9)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%v to %v: ticks %v, want %s", c.lo, c.hi, got, c.want)
		}
	}
}

func TestTicksInUnits(t *testing.T) {
	e := extent{unit: 1 << 20}
	e.add(3<<20, 8<<20)
	for _, v := range e.axis(0, 100, 5).ticks {
		if m := v / (1 << 20); m != math.Round(m) {
			t.Errorf("tick at %v MiB", m)
		}
	}
}

func TestThinned(t *testing.T) {
	e := extent{}
	e.add(0, 1000)
	name := func(v float64) string { return fmt.Sprintf("%.0f of a long unit", v) }
	for width, want := range map[float64]string{100: "[0]", 400: "[0 500 1000]", 2000: "[0 250 500 750 1000]"} {
		a := e.axis(0, width, 5)
		if got := fmt.Sprint(thinned(a.ticks, a, name)); got != want {
			t.Errorf("%v units have ticks %s, want %s", width, got, want)
		}
	}
}

func TestAxisStaysInside(t *testing.T) {
	e := extent{}
	e.add(1, 2)
	a := e.axis(10, 90, 5)
	for _, v := range []float64{math.Inf(-1), -5, 1, 1.5, 2, 7, math.Inf(1), math.NaN()} {
		if at := a.at(v); !(at >= 10 && at <= 90) {
			t.Errorf("%v is at %v, outside of 10 to 90", v, at)
		}
	}
	if a.at(1.2) >= a.at(1.8) {
		t.Error("the larger number is not to the right")
	}
}

func TestSignificant(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 1.23456: "1.235", 0.05: "0.05", -12345: "-12,350", 1e5: "100,000", 999: "999", 1e-9: "1e-09", -999999: "-1,000,000", 1234: "1234"} {
		if got := significant(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

// A waterfall's steps lead from one total to the other, and values say their sign.
func TestWaterfallAddsUp(t *testing.T) {
	c := Chart{Kind: Waterfall, Series: []Series{{Points: []Point{
		{Label: "base", Y: 10, Total: true}, {Label: "a", Y: 3}, {Label: "a", Y: -1}, {Label: "lost", Y: math.NaN()}, {Label: "head", Y: 12, Total: true}}}}}
	var got []string
	for _, r := range c.listed() {
		got = append(got, fmt.Sprintf("%s %v-%v %s", r.label, r.parts[0].from, r.parts[0].to, c.value(r.parts[0].point)))
	}
	if want := "[base 0-10 10 a 10-13 +3 a 13-12 −1 head 0-12 12]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	x := extent{}
	x.add(0, 10, 12)
	if z := zoomed(x, c.listed()); z.lo < 9 || z.hi != 13 {
		t.Errorf("zoomed to %v-%v, want what changes", z.lo, z.hi)
	}
}
