package paired

import (
	"fmt"
	"math"
)

// spendPower shapes how the error probability is spent: by pair n of N, alpha (n/N)^spendPower may be gone. With the
// default of 12 pairs and looks at 8, 10 and 12, a power above 4.5 leaves the look at 8 less than the smallest p-value 8
// pairs can have, so it could decide nothing; below 3.5 the last look could no longer confirm one of 48 tests.
const spendPower = 4

// Plan fixes, before anything is measured, after how many pairs the data may be looked at and how much of the error
// probability each look may spend. The zero Plan has no looks; use [NewPlan].
type Plan struct {
	Alpha float64   // error probability of the whole sequence of looks
	Looks []int     // pair counts, rising; the last is the most pairs a case can get
	Share []float64 // share of Alpha each look may spend; they add up to 1
}

// NewPlan returns the plan for at most max pairs at the error probability alpha. Looks are about a sixth of max apart and
// on even counts, where both orders within a pair have been used equally often; the first is the earliest at which the
// interval is finite. It fails when even max pairs could never give a finite interval.
func NewPlan(alpha float64, max int) (Plan, error) {
	if !(alpha > 0 && alpha < 1) {
		return Plan{}, fmt.Errorf("paired: error probability %v is not between 0 and 1", alpha)
	}
	if least := MinPairs(alpha, 1, 1); max < least {
		return Plan{}, fmt.Errorf("paired: %d pairs can never show anything at an error probability of %v: at least %d are needed", max, alpha, least)
	}

	// From the last look backwards, so that the last one always exists.
	step := (max/6 + 1) / 2 * 2
	if step < 2 {
		step = 2
	}
	var looks []int
	for n := max; n > 0; n -= step {
		if n != max && n%2 == 1 {
			n--
		}
		looks = append([]int{n}, looks...)
	}

	p := Plan{Alpha: alpha}
	spent := 0.0
	for _, n := range looks {
		share := math.Pow(float64(n)/float64(max), spendPower) - spent
		if n < MinPairs(alpha, share, 1) {
			continue
		}
		p.Looks = append(p.Looks, n)
		p.Share = append(p.Share, share)
		spent += share
	}
	return p, nil
}

// Max returns the most pairs a case can get under the plan.
func (p Plan) Max() int {
	if len(p.Looks) == 0 {
		return 0
	}
	return p.Looks[len(p.Looks)-1]
}

// IsLook reports whether the data may be looked at after n pairs.
func (p Plan) IsLook(n int) bool {
	for _, look := range p.Looks {
		if look == n {
			return true
		}
	}
	return false
}

// LastShare returns the share of the error probability that the last look spends.
func (p Plan) LastShare() float64 {
	if len(p.Share) == 0 {
		return 0
	}
	return p.Share[len(p.Share)-1]
}

// MinPairs returns the smallest number of pairs whose most extreme outcome, all in one direction with the two-sided
// p-value 2^(1-n), is significant at alpha when that look may spend the given share of it and the family holds the given
// number of tests. With fewer pairs nothing can ever be confirmed.
func MinPairs(alpha, share float64, tests int) int {
	level := alpha * share / float64(max(tests, 1))
	if !(level > 0) {
		return math.MaxInt
	}
	n := 1
	for p := 1.0; p > level*(1+1e-9); p /= 2 {
		n++
	}
	return n
}

// ConfirmingPairs returns the smallest max for which [NewPlan] gives a plan whose last look can confirm one difference
// among the given number of tests.
func ConfirmingPairs(alpha float64, tests int) int {
	for n := MinPairs(alpha, 1, tests); ; n++ {
		p, err := NewPlan(alpha, n)
		if err == nil && n >= MinPairs(alpha, p.LastShare(), tests) {
			return n
		}
	}
}
