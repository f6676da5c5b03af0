package page

import "math"

// axis turns numbers into places.
type axis struct {
	lo, hi   float64 // of the numbers
	from, to float64 // of the places
	log      bool
	ticks    []float64
}

// extent collects the range of numbers an axis has to show.
type extent struct {
	lo, hi float64
	log    bool
	unit   float64 // of the ticks; 0 is 1
	any    bool
}

func (e *extent) add(values ...float64) {
	for _, v := range values {
		if !finite(v) || e.log && v <= 0 {
			continue
		}
		if !e.any {
			e.lo, e.hi, e.any = v, v, true
		}
		e.lo, e.hi = min(e.lo, v), max(e.hi, v)
	}
}

// axis returns an axis with room around the numbers and with about n ticks. Numbers that are all equal are shown in the
// middle, and none as the range from 0 to 1.
func (e extent) axis(from, to float64, n int) axis {
	a := axis{from: from, to: to, log: e.log}
	lo, hi := e.lo, e.hi
	switch {
	case !e.any && e.log:
		lo, hi = 1, 10
	case !e.any:
		lo, hi = 0, 1
	}
	if a.log {
		lo, hi = math.Log10(lo), math.Log10(hi)
		if hi-lo < 0.05 {
			lo, hi = lo-0.2, hi+0.2
		}
		pad := 0.04 * (hi - lo)
		a.lo, a.hi = lo-pad, hi+pad
		a.ticks = logTicks(a.lo, a.hi, n)
		return a
	}
	if hi-lo <= math.Abs(lo)*1e-9 {
		half := max(math.Abs(lo)*0.05, 1e-12)
		if lo == 0 {
			half = 1
		}
		lo, hi = lo-half, hi+half
	}
	pad := 0.06 * (hi - lo)
	a.lo, a.hi = lo-pad, hi+pad
	// A range that begins at zero stays there.
	if e.any && e.lo == 0 && e.hi > 0 {
		a.lo = 0
	}
	if e.any && e.hi == 0 && e.lo < 0 {
		a.hi = 0
	}
	unit := e.unit
	if !finite(unit) || unit <= 0 {
		unit = 1
	}
	a.ticks = ticks(a.lo/unit, a.hi/unit, n)
	for i := range a.ticks {
		a.ticks[i] *= unit
	}
	return a
}

// at returns the place of a number; those outside are at the ends.
func (a axis) at(v float64) float64 {
	if a.log {
		v = math.Log10(v)
	}
	switch {
	case math.IsNaN(v) || v < a.lo:
		v = a.lo
	case v > a.hi:
		v = a.hi
	}
	return a.from + (v-a.lo)/(a.hi-a.lo)*(a.to-a.from)
}

// shows reports whether the number has a place.
func (a axis) shows(v float64) bool { return finite(v) && (!a.log || v > 0) }

// ticks returns about n round numbers between lo and hi.
func ticks(lo, hi float64, n int) []float64 {
	step := (hi - lo) / float64(max(n, 1))
	if !finite(step) || step <= 0 {
		return nil
	}
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, f := range []float64{1, 2, 2.5, 5, 10} {
		if step <= f*power*1.0001 {
			step = f * power
			break
		}
	}
	var all []float64
	first, last := math.Ceil(lo/step), math.Floor(hi/step)
	for i := first; i <= last && len(all) < 50; i++ {
		// The product of a whole number and the step is exact where repeated addition is not. There is no negative zero.
		all = append(all, i*step+0)
	}
	return all
}

// logTicks returns about n round numbers between the powers lo and hi of ten.
func logTicks(lo, hi float64, n int) []float64 {
	factors := []float64{1}
	switch decades := hi - lo; {
	case decades < 0.7:
		return ticks(math.Pow(10, lo), math.Pow(10, hi), n)
	case decades < 2:
		factors = []float64{1, 2, 5}
	}
	every := max(1, int((hi-lo)/float64(max(n, 1))))
	var all []float64
	for p := math.Floor(lo); p <= hi; p++ {
		if int(p)%every != 0 {
			continue
		}
		for _, f := range factors {
			if v := f * math.Pow(10, p); math.Log10(v) >= lo && math.Log10(v) <= hi {
				all = append(all, v)
			}
		}
	}
	return all
}
