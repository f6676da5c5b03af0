package matrix

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v within %v", what, got, want, tolerance)
	}
}

// norris is the calibration data of the NIST Statistical Reference Datasets, y and x in turn, whose certified results are
// below. https://www.itl.nist.gov/div898/strd/lls/data/Norris.shtml
const norris = `0.1 0.2 338.8 337.4 118.1 118.2 888.0 884.6 9.2 10.1 228.1 226.5 668.5 666.3 998.5 996.3 449.1 448.6
778.9 777.0 559.2 558.2 0.3 0.4 0.1 0.6 778.1 775.5 668.8 666.9 339.3 338.0 448.9 447.5 10.8 11.6 557.7 556.0 228.3 228.1
998.0 995.8 888.8 887.6 119.6 120.2 0.3 0.3 0.6 0.3 557.6 556.8 339.3 339.1 888.0 887.2 998.5 999.0 778.9 779.0 10.2 11.1
117.6 118.3 228.9 229.2 668.4 669.1 449.2 448.9 0.2 0.5`

func TestLeastSquaresCertified(t *testing.T) {
	var points []point
	fields := strings.Fields(norris)
	for i := 0; i < len(fields); i += 2 {
		y, errY := strconv.ParseFloat(fields[i], 64)
		x, errX := strconv.ParseFloat(fields[i+1], 64)
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		points = append(points, point{x, y, 1})
	}
	s := leastSquares(points)
	variance := s.residuals / float64(len(points)-2)
	near(t, "intercept", s.intercept, -0.262323073774029, 1e-12)
	near(t, "slope", s.slope, 1.00211681802045, 1e-13)
	near(t, "its error", math.Sqrt(variance*s.slopeVariance), 0.429796848199937e-3, 1e-15)
	near(t, "the intercept's error", math.Sqrt(variance*s.interceptVariance), 0.232818234301152, 1e-12)
	near(t, "residual deviation", math.Sqrt(variance), 0.884796396144373, 1e-12)
}

// Galton's peas: the worked example of weighted least squares in Penn State's course STAT 501, lesson 13.1, with the
// coefficients and errors printed there.
func TestLeastSquaresWeighted(t *testing.T) {
	var points []point
	for _, p := range [][3]float64{
		{0.21, 0.1726, 0.01988}, {0.20, 0.1707, 0.01938}, {0.19, 0.1637, 0.01896}, {0.18, 0.1640, 0.02037},
		{0.17, 0.1613, 0.01654}, {0.16, 0.1617, 0.01594}, {0.15, 0.1598, 0.01763},
	} {
		points = append(points, point{p[0], p[1], 1 / (p[2] * p[2])})
	}
	s := leastSquares(points)
	variance := s.residuals / 5
	near(t, "intercept", s.intercept, 0.12796, 5e-6)
	near(t, "slope", s.slope, 0.2048, 5e-5)
	near(t, "its error", math.Sqrt(variance*s.slopeVariance), 0.0382, 5e-5)
	near(t, "the intercept's error", math.Sqrt(variance*s.interceptVariance), 0.00681, 5e-6)
}

// Critical values as every table of the F distribution has them.
func TestTailF(t *testing.T) {
	near(t, "F(1,10)", tailF(4.965, 1, 10), 0.05, 1e-4)
	near(t, "F(2,15)", tailF(6.359, 2, 15), 0.01, 1e-5)
	near(t, "F of nothing", tailF(math.NaN(), 1, 1), 1, 0)
	near(t, "F of a perfect line but one", tailF(math.Inf(1), 1, 1), 0, 0)
}

// simulated returns a series of runs with the cost of 20 ms and 1500 ns a row.
// noise is the scatter of a run, luck that of all runs of a row count.
func simulated(r *rand.Rand, rows []int, runs int, noise, luck float64) []Cell {
	var cells []Cell
	for _, n := range rows {
		c := Cell{Rows: n}
		mean := (20e6 + 1500*float64(n)) * (1 + luck*r.NormFloat64())
		for range runs {
			c.Times = append(c.Times, mean*(1+noise*r.NormFloat64()))
		}
		cells = append(cells, c)
	}
	return cells
}

// An interval of 95 % holds the truth in 95 of 100 sweeps; the same if row counts have luck of their own that the runs
// cannot show. Where the two are alike, the test for a bend does not always see it: such intervals hold the truth 87 times.
// The case of strays is the one that FitLine warns of.
func TestSimulateCoverage(t *testing.T) {
	const trials = 2000
	for _, tt := range []struct {
		name               string
		rows               []int
		runs               int
		noise, luck, stray float64
		least, most        float64
	}{
		{"three sizes, quiet", []int{1000, 10000, 100000}, 6, 0.03, 0, 0, 0.935, 0.985},
		{"three sizes, three runs", []int{1000, 10000, 100000}, 3, 0.05, 0, 0, 0.925, 0.985},
		{"five sizes, noisy", []int{1000, 3000, 10000, 30000, 100000}, 10, 0.2, 0, 0, 0.925, 0.985},
		{"luck only", []int{1000, 3000, 10000, 30000, 100000}, 6, 0.001, 0.05, 0, 0.925, 0.985},
		{"strays", []int{1000, 3000, 10000, 30000, 100000}, 6, 0.05, 0, 0.05, 0.74, 0.985},
		{"luck like noise", []int{1000, 3000, 10000, 30000, 100000}, 6, 0.05, 0.05, 0, 0.85, 0.985},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var fixed, perRow int
			for range trials {
				cells := simulated(r, tt.rows, tt.runs, tt.noise, tt.luck)
				for _, c := range cells {
					for i := range c.Times {
						if r.Float64() < tt.stray {
							c.Times[i] *= 3
						}
					}
				}
				// What strays cost belongs to the mean, which is what is estimated.
				l, more := FitLine(cells), 1+2*tt.stray
				if l.Fixed.Lo <= 20e6*more && 20e6*more <= l.Fixed.Hi {
					fixed++
				}
				if l.PerRow.Lo <= 1500*more && 1500*more <= l.PerRow.Hi {
					perRow++
				}
			}
			for name, hits := range map[string]int{"fixed cost": fixed, "cost of a row": perRow} {
				if share := float64(hits) / trials; share < tt.least || share > tt.most {
					t.Errorf("%s is in %.1f %% of the intervals, want %.1f to %.1f", name, 100*share, 100*tt.least, 100*tt.most)
				}
			}
		})
	}
}

func TestFewSizes(t *testing.T) {
	one := []Cell{{Rows: 1000, Times: []float64{2e6, 3e6}}}
	if l := FitLine(one); l.Sizes != 1 || l.Runs != 2 || l.PerRow.Value != 0 {
		t.Errorf("one row count gives %+v, want no line", l)
	}
	two := append(one, Cell{Rows: 3000, Times: []float64{5e6, 4e6}})
	l := FitLine(two)
	near(t, "slope", l.PerRow.Value, 1000, 1e-6)
	near(t, "fixed", l.Fixed.Value, 1.5e6, 1e-3)
	if l.PerRow.HasInterval() || l.Fixed.HasInterval() || !math.IsNaN(l.Bend) {
		t.Errorf("two row counts give %+v, want no interval and no bend", l)
	}
	if l := FitLine(nil); l.Sizes != 0 || l.Runs != 0 {
		t.Errorf("nothing gives %+v", l)
	}
}

// One run of each size is enough for a line, but not to tell a bend from scatter.
func TestOneRunEach(t *testing.T) {
	flat := FitLine([]Cell{{1000, []float64{3e6, 9e6}}, {2000, []float64{4e6, 8e6}}, {3000, []float64{5.5e6, 7e6}}})
	if !math.IsNaN(flat.Bend) || flat.PerRow.Lo > 0 {
		t.Errorf("a cost of a row that may be zero has a bend: %+v", flat)
	}
	l := FitLine([]Cell{{1000, []float64{3e6}}, {2000, []float64{4e6}}, {3000, []float64{5.5e6}}})
	if !l.PerRow.HasInterval() || l.Bent || l.Runs != 3 {
		t.Errorf("got %+v, want an interval and no verdict on the bend", l)
	}
	straight := FitLine([]Cell{{1000, []float64{3e6, 3e6}}, {2000, []float64{4e6, 4e6}}, {3000, []float64{5e6, 5e6}}})
	near(t, "bend of a straight line", straight.Bend, 0, 1e-9)
	near(t, "slope", straight.PerRow.Value, 1000, 1e-6)
}

// A cost that grows faster than the rows is no straight line, and is called none.
func TestBendIsSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	cells := simulated(r, []int{1000, 10000, 100000}, 6, 0.02, 0)
	for i := range cells[2].Times {
		cells[2].Times[i] *= 1.5
	}
	l := FitLine(cells)
	if !l.Bent {
		t.Errorf("a bend of half the slope is not seen: %+v", l)
	}
	if l.From == 0 || l.To <= l.From || math.Abs(l.Bend) < 0.1 {
		t.Errorf("the bend is %v between %d and %d", l.Bend, l.From, l.To)
	}
}
