package paired

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
)

// logLimit bounds a log-ratio. A count that goes from nothing to something has an infinite ratio; as a very large finite
// one it keeps its rank, and averages with others stay numbers.
const logLimit = 50

// LogRatio returns log(head/base), the difference of one pair. Both values must be finite and not negative. Two zeros
// are equal (0); a zero on one side only gives a ratio of e^50 or e^-50.
func LogRatio(base, head float64) (float64, error) {
	if !(base >= 0 && head >= 0) || math.IsInf(base, 0) || math.IsInf(head, 0) {
		return 0, fmt.Errorf("paired: a pair of %v and %v has no ratio: values must be finite and not negative", base, head)
	}
	if base == head {
		return 0, nil
	}

	d := math.Log(head) - math.Log(base)
	return min(max(d, -logLimit), logLimit), nil
}

// Test is the outcome of a signed-rank test.
type Test struct {
	N     int     // differences that were not zero and so carry a sign
	Zeros int     // differences that were exactly zero: ranked, then left out (Pratt)
	W     float64 // sum of the ranks of the positive differences; half ranks occur with ties

	Greater float64 // exact p-value against "the centre is positive"
	Less    float64 // exact p-value against "the centre is negative"
	P       float64 // two-sided: twice the smaller, at most 1
}

// SignedRank tests whether the differences are symmetric about zero, with Wilcoxon's signed-rank test.
//
// The p-values are exact for any data: the ranks are taken as given and all 2^N assignments of signs are counted.
// Equal sizes share the mean of their ranks. Zeros take part in the ranking and are then dropped (Pratt 1959), which
// keeps the p-value monotone in the data where dropping them first does not. With no difference left every p is 1.
func SignedRank(d []float64) Test {
	order := slices.Clone(d)
	slices.SortFunc(order, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })

	// Mid-ranks are multiples of one half; doubled they are integers and can be counted exactly.
	var t Test
	var ranks []int
	var positive int
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && math.Abs(order[j]) == math.Abs(order[i]) {
			j++
		}
		double := i + 1 + j
		for _, x := range order[i:j] {
			switch {
			case x == 0:
				t.Zeros++
				continue
			case x > 0:
				positive += double
			}
			ranks = append(ranks, double)
		}
		i = j
	}
	t.N = len(ranks)
	t.W = float64(positive) / 2

	// The null distribution is symmetric, so one table of it serves both tails.
	cdf := signSums(ranks)
	t.Less = cdf[positive]
	t.Greater = cdf[len(cdf)-1-positive]
	t.P = min(1, 2*min(t.Less, t.Greater))
	return t
}

// signSums returns P(S <= s) for every s from 0 to the sum of the ranks, where S adds up each rank with probability one
// half. Only positive terms are added, so small probabilities keep their relative precision.
func signSums(ranks []int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	p := make([]float64, total+1)
	p[0] = 1
	reached := 0
	for _, r := range ranks {
		for s := reached; s >= 0; s-- {
			p[s] /= 2
			p[s+r] += p[s]
		}
		reached += r
	}

	for s := 1; s < len(p); s++ {
		p[s] += p[s-1]
	}
	return p
}

// untied caches signSums of the ranks 1..n by n; the intervals of every cell of a comparison ask for the same few.
var untied sync.Map

// rankSums returns P(W <= w) of the signed-rank statistic of n differences without ties, for w from 0 to n(n+1)/2.
// The first call for an n takes time of the order of n^3.
func rankSums(n int) []float64 {
	if cdf, ok := untied.Load(n); ok {
		return cdf.([]float64)
	}
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = i + 1
	}
	cdf, _ := untied.LoadOrStore(n, signSums(ranks))
	return cdf.([]float64)
}
