package compare

import (
	"fmt"
	"math"
)

// suspect reports whether a first block's verdict must be measured again before it may be believed: it found a change, or
// found nothing while the estimate lies outside the band. A case given up because the machine was disturbed is not
// measured again: there is no reason why the second attempt should be better.
//
// Interleaving alone does not protect from a session in which the machine favours one of two binaries throughout, by the
// placement of memory or the state of the server. Such a state does not survive new processes and a new server, so the
// second block is what the verdict rests on: the first chooses the suspects, the second decides on fresh data, adjusted
// for the number of suspects, and the probability of any false alarm is that of the second block alone. The first must
// still point the same way. The change reported is the second block's: it was not selected for being large.
func (v *Verdict) suspect(s *Series) bool {
	switch {
	case v.Exact || s.TooDisturbed || v.Change.Pairs == 0:
		return false
	case v.Outcome == Inconclusive:
		return v.beyond()
	}
	return v.Outcome == Regressed || v.Outcome == Improved
}

// beyond reports whether the estimate lies outside the band.
func (v *Verdict) beyond() bool {
	return math.Abs(math.Log1p(float64(v.Change.Estimate))) > math.Log1p(v.Band.Change)
}

// confirmed joins the verdicts of both blocks on a suspect.
func confirmed(first, second *Verdict) *Verdict {
	v := *second
	seen := first.Change
	v.First = &seen
	v.Repeats += first.Repeats
	agree := first.beyond() && (first.Change.Estimate > 0) == (second.Change.Estimate > 0)
	contradicts := first.Outcome == Regressed || first.Outcome == Improved
	switch {
	case second.Outcome == Same && !contradicts:
	case (second.Outcome == Regressed || second.Outcome == Improved) && agree:
	case second.Outcome == Inconclusive && agree:
		v.Reason = fmt.Sprintf("suspected at %s, not confirmed at %s: %s",
			signed(float64(first.Change.Estimate)), signed(float64(second.Change.Estimate)), second.Reason)
	default:
		v.Outcome = Inconclusive
		v.Reason = fmt.Sprintf("not reproduced: %s in the first block, %s in the second",
			signed(float64(first.Change.Estimate)), signed(float64(second.Change.Estimate)))
	}
	return &v
}

// unconfirmed is the verdict on a suspect that there was no second block for.
func unconfirmed(first *Verdict, why string) *Verdict {
	v := *first
	v.Outcome = Inconclusive
	v.Reason = fmt.Sprintf("suspected at %s, not confirmed: %s", signed(float64(first.Change.Estimate)), why)
	return &v
}
