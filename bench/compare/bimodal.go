package compare

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/perf/benchunit"
)

// Modes says that the processes of one side fall into two groups rather than around one value: one number for them, a
// median or a ratio, describes neither.
//
// The criterion is the dip test of Hartigan and Hartigan (Annals of Statistics 13, 1985): the distance between the sample's
// distribution and the nearest one with a single mode, compared with the distances that as many uniformly distributed
// values have. The bimodality coefficient, which is simpler, takes one late process for a second mode, and benchmarks have
// many of those.
type Modes struct {
	Side    Side   `json:"side"`
	Dip     Number `json:"dip"`
	P       Number `json:"p"` // of a dip as large or larger with one mode
	Samples int    `json:"samples"`
	// Low and High are the medians of the groups on either side of the widest gap, and Lower is how many belong to the first.
	Low   Number `json:"low"`
	High  Number `json:"high"`
	Lower int    `json:"lower"`
}

const (
	// fewestForModes is how many processes a side must have: two groups of four look different from luck.
	fewestForModes = 8
	// modesAlpha is the error probability of a warning. A comparison asks for each side of some dozen cells, and a warning
	// that is there each time is read by nobody.
	modesAlpha = 0.01
	// dipDraws is how many samples the p-value is counted among.
	dipDraws = 2000
)

// modes looks for two groups among the values of one side, nil if there are none to be sure of.
func modes(side Side, values []float64) *Modes {
	n := len(values)
	if n < fewestForModes {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	d := dip(sorted)
	p := dipP(d, n)
	if p > modesAlpha {
		return nil
	}

	lower := 1
	for i := 1; i < n; i++ {
		if sorted[i]-sorted[i-1] > sorted[lower]-sorted[lower-1] {
			lower = i
		}
	}
	return &Modes{side, Number(d), Number(p), n, Number(median(sorted[:lower])), Number(median(sorted[lower:])), lower}
}

// Text says what was found: "head looks bimodal, 7 processes around 12.1m and 5 around 18.9m (dip 0.14, p 0.002)".
func (m *Modes) Text(unit string) string {
	class := benchunit.ClassOf(unit)
	return fmt.Sprintf("%s looks bimodal, %d processes around %s and %d around %s (dip %.2f, p %.1g)", m.Side,
		m.Lower, benchunit.Scale(float64(m.Low), class), m.Samples-m.Lower, benchunit.Scale(float64(m.High), class), m.Dip, m.P)
}

// findModes adds to the verdicts on times and sizes what their processes look like, over all blocks that measured them.
func (r *Report) findModes() {
	for _, v := range r.Verdicts {
		if v.Exact {
			continue
		}
		var pairs []Pair
		for _, b := range r.Blocks {
			if s := b.series(v.Case); s != nil {
				pairs = append(pairs, s.Pairs...)
			}
		}
		for _, side := range []Side{Base, Head} {
			if m := modes(side, sideValues(pairs, side, v.Unit)); m != nil {
				v.Modes = append(v.Modes, m)
			}
		}
	}
}

// dipP returns how often as many uniformly distributed values have a dip as large, of all distributions with one mode the
// one with the largest dips.
func dipP(d float64, n int) float64 {
	dips := uniformDips(n)
	below, _ := slices.BinarySearch(dips, d)
	return float64(1+len(dips)-below) / float64(1+len(dips))
}

// uniform holds what uniformDips has drawn, by the size of the samples.
var uniform sync.Map

// uniformDips returns the dips of samples of n uniformly distributed values, sorted. They depend on nothing but n.
func uniformDips(n int) []float64 {
	if dips, ok := uniform.Load(n); ok {
		return dips.([]float64)
	}
	r := rand.New(rand.NewPCG(1985, uint64(n)))
	values, dips := make([]float64, n), make([]float64, dipDraws)
	for k := range dips {
		for i := range values {
			values[i] = r.Float64()
		}
		slices.Sort(values)
		dips[k] = dip(values)
	}
	slices.Sort(dips)
	uniform.Store(n, dips)
	return dips
}

// dip returns the dip of the sorted values by the algorithm AS 217 (P. Hartigan, Applied Statistics 34, 1985) with
// Maechler's corrections: the modal interval is narrowed until the greatest convex minorant to its left and the least
// concave majorant to its right stay within the dip of the distribution.
//
// Numbers count from 1 below, as in the paper, and distances in steps of 1/n.
func dip(sorted []float64) float64 {
	n := len(sorted)
	if n < 2 || sorted[0] == sorted[n-1] {
		return 0
	}
	x := append([]float64{0}, sorted...)
	minorant, majorant := hulls(x)

	largest := 1.0
	low, high := 1, n
	gcm, lcm := make([]int, n+2), make([]int, n+2)
	for {
		// The hulls of what is left, minorant from the right and majorant from the left.
		gcm[1] = high
		g := 1
		for ; gcm[g] > low; g++ {
			gcm[g+1] = minorant[gcm[g]]
		}
		lcm[1] = low
		l := 1
		for ; lcm[l] < high; l++ {
			lcm[l+1] = majorant[lcm[l]]
		}

		d, ig, ih := between(x, gcm[:g+1], lcm[:l+1])
		if d < largest {
			break
		}
		for i := ig; i < g; i++ {
			largest = max(largest, apart(x, gcm[i+1], gcm[i], +1))
		}
		for i := ih; i < l; i++ {
			largest = max(largest, apart(x, lcm[i], lcm[i+1], -1))
		}
		if low == gcm[ig] && high == lcm[ih] {
			break
		}
		low, high = gcm[ig], lcm[ih]
	}
	return largest / float64(2*n)
}

// hulls returns for each point the one before it on the greatest convex minorant up to it, and the one behind it on the
// least concave majorant from it on.
func hulls(x []float64) (minorant, majorant []int) {
	n := len(x) - 1
	minorant, majorant = make([]int, n+1), make([]int, n+1)
	minorant[1] = 1
	for j := 2; j <= n; j++ {
		minorant[j] = j - 1
		for {
			a := minorant[j]
			b := minorant[a]
			if a == 1 || (x[j]-x[a])*float64(a-b) < (x[a]-x[b])*float64(j-a) {
				break
			}
			minorant[j] = b
		}
	}
	majorant[n] = n
	for j := n - 1; j >= 1; j-- {
		majorant[j] = j + 1
		for {
			a := majorant[j]
			b := majorant[a]
			if a == n || (x[j]-x[a])*float64(a-b) < (x[a]-x[b])*float64(j-a) {
				break
			}
			majorant[j] = b
		}
	}
	return minorant, majorant
}

// between returns the largest distance of the two hulls and where on each it is.
func between(x []float64, gcm, lcm []int) (d float64, ig, ih int) {
	g, l := len(gcm)-1, len(lcm)-1
	ig, ih = g, l
	if g == 2 && l == 2 {
		return 1, ig, ih
	}
	ix, iv := g-1, 2
	for {
		if a, b := gcm[ix], lcm[iv]; a > b {
			a1 := gcm[ix+1]
			dx := float64(b-a1+1) - (x[b]-x[a1])*float64(a-a1)/(x[a]-x[a1])
			iv++
			if dx >= d {
				d, ig, ih = dx, ix+1, iv-1
			}
		} else {
			b1 := lcm[iv-1]
			dx := (x[a]-x[b1])*float64(b-b1)/(x[b]-x[b1]) - float64(a-b1-1)
			ix--
			if dx >= d {
				d, ig, ih = dx, ix+1, iv
			}
		}
		ix, iv = max(ix, 1), min(iv, l)
		if gcm[ix] == lcm[iv] {
			return d, ig, ih
		}
	}
}

// apart returns how far the distribution lies from the straight line between two points of a hull, at least 1: above it,
// or with the sign -1 below.
func apart(x []float64, from, to int, sign float64) float64 {
	most := 1.0
	if to-from <= 1 || x[to] == x[from] {
		return most
	}
	slope := float64(to-from) / (x[to] - x[from])
	for i := from; i <= to; i++ {
		line := (x[i] - x[from]) * slope
		most = max(most, sign*(float64(i-from)-line)+1)
	}
	return most
}
