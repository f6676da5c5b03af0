package matrix

import (
	"math"

	"github.com/aclements/go-moremath/mathx"
	"github.com/aclements/go-moremath/stats"
)

// Line is the straight line through the times of a series. Times are in nanoseconds. Its zero value is no line.
type Line struct {
	Sizes int // row counts it was fitted to
	Runs  int // runs in all

	// Fixed is the time at no rows, PerRow what each row adds. Both are set only with two row counts or more.
	Fixed, PerRow Estimate

	// Bend is the largest relative deviation of the slope between two neighbouring row counts from PerRow, and
	// From and To are those row counts. NaN with fewer than three, and where scatter hides what a row costs:
	// every deviation looks large then.
	Bend     float64
	From, To int
	// Bent reports whether the row counts deviate from the line by more than their runs scatter. The intervals
	// then come from the deviations.
	Bent bool
}

// Estimate is a number with its 95 % interval.
type Estimate struct {
	Value  float64
	Lo, Hi float64 // NaN without an interval
}

// HasInterval reports whether anything is known about the estimate's error.
func (e Estimate) HasInterval() bool { return !math.IsNaN(e.Lo) }

// confidence is the level of intervals, bentLevel that of the test for a bend.
const (
	confidence = 0.95
	bentLevel  = 0.05
)

// FitLine fits a straight line to the runs of the cells, which have different row counts, in ascending order.
//
//  1. Longer runs scatter more: their error is taken to be a share of the time. So each run weighs 1/mean², the mean being
//     that of its row count. Weighted least squares is in Draper and Smith, Applied Regression Analysis, 3rd edition,
//     chapter 9, the weights for errors in proportion in Carroll and Ruppert, Transformation and Weighting in
//     Regression, chapter 2.
//  2. The variance comes from the residuals of all runs, with n-2 degrees of freedom; intervals are Student's.
//  3. Whether a straight line is the right shape is tested by the F test for lack of fit (Draper and Smith, chapter 2).
//     If it is not, the runs' scatter says little about the error of the line. The variance then comes from the deviations
//     of the means, with two degrees of freedom less than there are row counts.
//
// What is estimated is the mean, strays included, and an interval cannot know of a stray that did not happen: where one run
// in twenty takes three times as long, intervals of 30 runs hold the mean 77 times of 100. More runs mend that.
//
// With two row counts a line always fits, so nothing can be said about its error; with one there is no line.
func FitLine(cells []Cell) Line {
	l := Line{Sizes: len(cells), Bend: math.NaN()}
	points, means := weigh(cells)
	l.Runs = len(points)
	if l.Sizes < 2 {
		return l
	}

	s := leastSquares(points)
	l.Fixed = Estimate{s.intercept, math.NaN(), math.NaN()}
	l.PerRow = Estimate{s.slope, math.NaN(), math.NaN()}
	if l.Sizes < 3 {
		return l
	}

	// What the means deviate from the line, and what runs deviate from their means.
	var deviations float64
	for i, c := range cells {
		d := means[i] - s.at(float64(c.Rows))
		deviations += float64(len(c.Times)) * d * d / (means[i] * means[i])
	}
	scatter := max(s.residuals-deviations, 0)
	sizes, within := float64(l.Sizes-2), float64(l.Runs-l.Sizes)
	variance, freedom := s.residuals/float64(l.Runs-2), float64(l.Runs-2)
	if within > 0 && tailF((deviations/sizes)/(scatter/within), sizes, within) < bentLevel {
		l.Bent = true
		variance, freedom = deviations/sizes, sizes
	}
	t := stats.InvCDF(stats.TDist{V: freedom})(1 - (1-confidence)/2)
	l.Fixed = around(s.intercept, t*math.Sqrt(variance*s.interceptVariance))
	l.PerRow = around(s.slope, t*math.Sqrt(variance*s.slopeVariance))

	if s.slope <= 0 || l.PerRow.Lo <= 0 && !l.Bent {
		return l
	}
	l.Bend = 0
	for i := 1; i < len(cells); i++ {
		between := (means[i] - means[i-1]) / float64(cells[i].Rows-cells[i-1].Rows)
		if bend := between/s.slope - 1; math.Abs(bend) > math.Abs(l.Bend) {
			l.Bend, l.From, l.To = bend, cells[i-1].Rows, cells[i].Rows
		}
	}
	return l
}

// weigh returns every run as a point, and the mean of each cell.
func weigh(cells []Cell) (points []point, means []float64) {
	for _, c := range cells {
		var sum float64
		for _, ns := range c.Times {
			sum += ns
		}
		mean := sum / float64(len(c.Times))
		means = append(means, mean)
		for _, ns := range c.Times {
			points = append(points, point{float64(c.Rows), ns, 1 / (mean * mean)})
		}
	}
	return points, means
}

// point is an observation y at x with its weight.
type point struct{ x, y, weight float64 }

// solution is a line fitted by weighted least squares.
type solution struct {
	intercept, slope float64
	// Variances of both, in units of the variance of an observation of weight 1.
	interceptVariance, slopeVariance float64
	residuals                        float64 // weighted sum of their squares
}

// leastSquares fits a line to points, which have at least two different x. Sums are taken around the means: with x up to a
// hundred million, plain sums of squares would lose the digits that matter.
func leastSquares(points []point) solution {
	var w, x, y float64
	for _, p := range points {
		w += p.weight
		x += p.weight * p.x
		y += p.weight * p.y
	}
	x, y = x/w, y/w
	var xx, xy float64
	for _, p := range points {
		xx += p.weight * (p.x - x) * (p.x - x)
		xy += p.weight * (p.x - x) * (p.y - y)
	}

	s := solution{slope: xy / xx, slopeVariance: 1 / xx, interceptVariance: 1/w + x*x/xx}
	s.intercept = y - s.slope*x
	for _, p := range points {
		d := p.y - s.at(p.x)
		s.residuals += p.weight * d * d
	}
	return s
}

func (s *solution) at(x float64) float64 { return s.intercept + s.slope*x }

func around(value, half float64) Estimate {
	return Estimate{value, value - half, value + half}
}

// tailF returns the probability that an F variable with the given degrees of freedom exceeds f.
func tailF(f, above, below float64) float64 {
	if math.IsNaN(f) {
		return 1 // nothing scatters and nothing deviates
	}
	if math.IsInf(f, 1) {
		return 0
	}
	return mathx.BetaInc(below/(below+above*f), below/2, above/2)
}
