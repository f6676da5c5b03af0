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

// ChangePoint is a place where the level of a series changes.
type ChangePoint struct {
	Index         int     // of the first point of the new level
	Before, After float64 // medians from the change before to this one, and from here to the next
	P             float64 // probability of so clear a step, or a clearer one, somewhere among points in any order
}

// ChangePoints returns where the level of values changes, in their order. level is the probability of an alarm where
// nothing changes, such as 0.01. The same values always give the same answer. Fewer than twice MinSegment values give none.
//
//  1. The best place to divide is where the energy distance between both sides is largest.
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
}

// divide looks for changes in values, which begin at offset.
func (d *divider) divide(values []float64, offset int) {
	at, q := split(values)
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

// permute returns the share of random orders of values that divide as well as q, the given order counted in. It stops when
// the answer cannot be below the level any more.
func (d *divider) permute(values []float64, q float64) float64 {
	orders := max(999, int(math.Ceil(10/d.level)))
	shuffled := slices.Clone(values)
	as := 1
	for n := 1; n <= orders; n++ {
		d.random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if _, other := split(shuffled); other >= q {
			as++
		}
		if float64(as) > d.level*float64(orders+1) {
			return float64(as) / float64(n+1)
		}
	}
	return float64(as) / float64(orders+1)
}

// split returns the index that divides values best, and how well: the energy distance of both sides, weighted by their
// sizes. The index is 0 if there are too few values or all are equal.
//
// The three sums of distances, across and within, are carried from index to index, so that the work is the square of the
// number of values and not its cube.
func split(values []float64) (at int, best float64) {
	n := len(values)
	if n < 2*MinSegment {
		return 0, 0
	}
	var left, right, across float64
	for i, x := range values {
		for _, y := range values[i+1:] {
			right += math.Abs(x - y)
		}
	}
	for i := 1; i <= n-MinSegment; i++ {
		// The value before i goes over to the left.
		x := values[i-1]
		var before, behind float64
		for _, y := range values[:i-1] {
			before += math.Abs(x - y)
		}
		for _, y := range values[i:] {
			behind += math.Abs(x - y)
		}
		left += before
		right -= behind
		across += behind - before

		if i < MinSegment {
			continue
		}
		a, b := float64(i), float64(n-i)
		distance := 2*across/(a*b) - 2*left/(a*(a-1)) - 2*right/(b*(b-1))
		if q := a * b / (a + b) * distance; q > best {
			at, best = i, q
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
