package paired

import (
	"math"
	"slices"
)

// Interval is an estimate of the centre of log-ratios with a confidence interval around it. All three are logarithms:
// 0.05 means the second half of a pair took about 5 % more. [Interval.Ratio] turns them into factors.
type Interval struct {
	Centre float64 // Hodges-Lehmann estimate; NaN without data
	Lo, Hi float64 // infinite when the data cannot reach the level
	Level  float64 // the level attained, at least the one asked for; 1 for an infinite interval
}

// Ratio returns the interval as factors head/base.
func (i Interval) Ratio() (centre, lo, hi float64) {
	return math.Exp(i.Centre), math.Exp(i.Lo), math.Exp(i.Hi)
}

// Inside reports whether the whole interval lies strictly within (-band, +band).
func (i Interval) Inside(band float64) bool { return i.Lo > -band && i.Hi < band }

// Above reports whether the whole interval lies beyond +band.
func (i Interval) Above(band float64) bool { return i.Lo > band }

// Below reports whether the whole interval lies beyond -band.
func (i Interval) Below(band float64) bool { return i.Hi < -band }

// Estimate returns the Hodges-Lehmann estimate of the centre of d, the median of all averages of two differences
// (each also with itself), and the interval of at least the given level that inverts the exact signed-rank test.
//
// The interval covers the centre of any symmetric distribution with at least its level; ties only make it wider than it
// had to be. The estimate needs no symmetry to be useful: a quarter of the pairs may be wild without moving it far.
func Estimate(d []float64, level float64) Interval {
	n := len(d)
	if n == 0 {
		return Interval{Centre: math.NaN(), Lo: math.Inf(-1), Hi: math.Inf(1), Level: 1}
	}

	averages := make([]float64, 0, n*(n+1)/2)
	for i, x := range d {
		for _, y := range d[i:] {
			averages = append(averages, (x+y)/2)
		}
	}
	slices.Sort(averages)
	m := len(averages)
	centre := (averages[(m-1)/2] + averages[m/2]) / 2

	// The k smallest and the k largest averages can be cut off when P(W < k) <= (1-level)/2. The slack keeps a level
	// that is exactly attainable (such as 1 - 2^(1-n)) from being missed by a rounding error.
	tail := (1 - level) / 2 * (1 + 1e-9)
	cdf := rankSums(n)
	k := 0
	for cdf[k] <= tail {
		k++
	}
	if k == 0 {
		return Interval{Centre: centre, Lo: math.Inf(-1), Hi: math.Inf(1), Level: 1}
	}
	return Interval{Centre: centre, Lo: averages[k-1], Hi: averages[m-k], Level: 1 - 2*cdf[k-1]}
}

// Centre returns only the Hodges-Lehmann estimate of d, NaN without data.
func Centre(d []float64) float64 { return Estimate(d, 0).Centre }
