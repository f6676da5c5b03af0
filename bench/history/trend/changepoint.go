package trend

import (
	"math"
	"math/rand/v2"
	"slices"
)

// MinSegment is the number of points there must be on each side of a change: fewer cannot tell a step from a stray.
const MinSegment = 5

// longest is how many points are looked at, the last ones: the work grows with the square of their number.
const longest = 400

// mostWork bounds what one permutation test may cost, in orders times the square of the points: a tenth of a second or so.
// Up to a hundred points it is no bound.
const mostWork = 4e7

// ChangePoint is a place where the level of a series changes.
type ChangePoint struct {
	Index         int     // of the first point of the new level
	Before, After float64 // medians from the change before to this one, and from here to the next
	P             float64 // probability of so clear a step, or a clearer one, somewhere among points in any order
}

// ChangePoints returns where the level of values changes, in their order. level is the probability of an alarm where
// nothing changes, such as 0.01. The same values always give the same answer. Fewer than twice MinSegment values give none.
//
//  1. The best place to divide is where the energy distance between what is before it and what follows is largest.
//  2. It counts if the values in random orders seldom divide as well: a permutation test.
//  3. Then both sides are divided in the same way.
func ChangePoints(values []float64, level float64) []ChangePoint {
	skipped := max(0, len(values)-longest)
	values = values[skipped:]
	d := divider{level: level, random: rand.New(rand.NewPCG(0x72617069, 0x64627974))}
	d.divide(values, 0)
	slices.SortFunc(d.found, func(a, b ChangePoint) int { return a.Index - b.Index })

	for i := range d.found {
		from, to := 0, len(values)
		if i > 0 {
			from = d.found[i-1].Index
		}
		if i+1 < len(d.found) {
			to = d.found[i+1].Index
		}
		at := d.found[i].Index
		d.found[i].Before, d.found[i].After = median(values[from:at]), median(values[at:to])
	}
	for i := range d.found {
		d.found[i].Index += skipped
	}
	return d.found
}

type divider struct {
	level  float64
	random *rand.Rand
	found  []ChangePoint
	sums   []float64 // scratch of split
}

// divide looks for changes in values, which begin at offset.
func (d *divider) divide(values []float64, offset int) {
	at, q := d.split(values)
	if at == 0 {
		return
	}
	p := d.permute(values, q)
	if p > d.level {
		return
	}
	d.found = append(d.found, ChangePoint{Index: offset + at, P: p})
	d.divide(values[:at], offset)
	d.divide(values[at:], offset+at)
}

// orders returns how many random orders of n values are tried. Ten times as many as it takes to get below the level at all,
// and a thousand, give a share that is worth printing. A long series makes do with twice as many, for each of its orders
// costs more: the probability of a false alarm is the same with any number, only a step that is hard to see may be missed.
func (d *divider) orders(n int) int {
	want := max(999, math.Ceil(10/d.level))
	return int(min(want, max(math.Ceil(2/d.level), mostWork/float64(n*n))))
}

// permute returns the share of random orders of values that divide as well as q, the given order counted in. It stops when
// the answer cannot be below the level any more.
func (d *divider) permute(values []float64, q float64) float64 {
	orders := d.orders(len(values))
	shuffled := slices.Clone(values)
	as := 1
	for n := 1; n <= orders; n++ {
		d.random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if _, other := d.split(shuffled); other >= q {
			as++
		}
		if float64(as) > d.level*float64(orders+1) {
			return float64(as) / float64(n+1)
		}
	}
	return float64(as) / float64(orders+1)
}

// split returns the index that divides values best, and how well: the largest energy distance, weighted by the sizes,
// between what is before the index and a stretch of any length behind it. A slowdown that was mended soon is such a
// stretch; all that is behind it together would hide it. The index is 0 if there are too few values or all are equal.
func (d *divider) split(values []float64) (at int, best float64) {
	n := len(values)
	if n < 2*MinSegment {
		return 0, 0
	}
	// sums holds, at row i and column j, the distances between each of the first i values and each of the first j, so that
	// the distances within and between any stretches are a few additions.
	width := n + 1
	d.sums = slices.Grow(d.sums[:0], width*width)[:width*width]
	sums := d.sums
	for j := range width {
		sums[j] = 0
	}
	for i, x := range values {
		above, row := sums[i*width:(i+1)*width], sums[(i+1)*width:(i+2)*width]
		var sum float64
		row[0] = 0
		for j, y := range values {
			sum += math.Abs(x - y)
			row[j+1] = above[j+1] + sum
		}
	}

	for i := MinSegment; i <= n-MinSegment; i++ {
		a := float64(i)
		row := sums[i*width : (i+1)*width]
		left := row[i] / (a * (a - 1)) // row[i] has every pair twice
		for end := i + MinSegment; end <= n; end++ {
			b := float64(end - i)
			across := row[end] - row[i]
			right := sums[end*width+end] - 2*row[end] + row[i]
			if q := a * b / (a + b) * (2*across/(a*b) - left - right/(b*(b-1))); q > best {
				at, best = i, q
			}
		}
	}
	return at, best
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
