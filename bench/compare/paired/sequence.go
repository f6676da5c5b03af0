package paired

import "math"

// Sequence follows one cell of a comparison through the looks of its plan. The zero value has no plan; use [Plan.Start].
// It is not safe for concurrent use.
type Sequence struct {
	plan  Plan
	spent float64 // share of alpha spent at looks before the latest
	share float64 // share spent at the latest look
	n     int     // pairs at the latest look
	p     float64 // smallest p/share so far
}

// Start returns a sequence that has not been looked at.
func (p Plan) Start() *Sequence { return &Sequence{plan: p, p: 1} }

// Look is what one look at the data says.
type Look struct {
	Pairs    int
	Test     Test     // of this look alone
	P        float64  // valid wherever the sequence stops: the smallest Test.P/share over the looks so far
	Share    float64  // share of alpha this look spent
	Interval Interval // of level 1 - Share*alpha: holds at all looks together
}

// Look judges the differences gathered so far. Before the final look it reports false and spends nothing unless the plan
// has a look at len(d).
//
// The final look spends all that is left, at whatever count the measuring ended. That keeps the guarantee as long as the
// reason for ending was not the data: the plan's last look, a budget that ran out, or a case that broke off. A final
// look at a count already looked at adds to what that look spent, because the smaller rejection region lies within the
// larger.
func (s *Sequence) Look(d []float64, final bool) (Look, bool) {
	n := len(d)
	if n == 0 || !final && (n == s.n || !s.plan.IsLook(n)) {
		return Look{}, false
	}

	if n != s.n {
		s.spent += s.share
		s.share = 0
		s.n = n
	}
	if final || n == s.plan.Max() {
		s.share = 1 - s.spent
	} else {
		s.share = s.planned(n)
	}

	t := SignedRank(d)
	s.p = math.Min(s.p, t.P/s.share)
	return Look{
		Pairs:    n,
		Test:     t,
		P:        s.p,
		Share:    s.share,
		Interval: Estimate(d, 1-s.share*s.plan.Alpha),
	}, true
}

// planned returns the share of the look at n pairs, which must be in the plan.
func (s *Sequence) planned(n int) float64 {
	for i, look := range s.plan.Looks {
		if look == n {
			return s.plan.Share[i]
		}
	}
	return 0
}

// resolutionPower is the chance with which an effect of the size [Resolution] returns would have been found.
const resolutionPower = 0.8

// Resolution returns the smallest log-ratio beyond the band that data this noisy would have shown four times in five:
// one whose interval of the given share clears the band and whose p-value survives a family of the given number of
// tests. It is infinite when no effect of any size could have been shown.
//
// The spread is read off the interval, as if the estimate were normal; that is the only place where this package assumes
// so, and nothing is decided by it. Estimated from few pairs it is a figure of one digit.
func Resolution(d []float64, alpha, share float64, tests int, band float64) float64 {
	level := 1 - share*alpha
	clear := Estimate(d, level)
	strict := Estimate(d, 1-share*alpha/float64(max(tests, 1)))
	if math.IsInf(clear.Hi, 0) || math.IsInf(strict.Hi, 0) {
		return math.Inf(1)
	}

	half := (clear.Hi - clear.Lo) / 2
	spread := half / normalQuantile((1+clear.Level)/2)
	return max(band+half, (strict.Hi-strict.Lo)/2) + normalQuantile(resolutionPower)*spread
}

// normalQuantile returns the value a standard normal variable stays below with probability p.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
