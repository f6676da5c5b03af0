package compare

import "math"

// PhaseTime is the mean time of a phase on both sides.
type PhaseTime struct {
	Stage string
	Phase string // "" is the whole stage
	Base  float64
	Head  float64
}

// Phases returns where the time of a case went, stage by stage, the whole stage before its phases. Phases that took no time
// on either side are left out, and so are stages that were not timed. The means are over the runs of the last block that
// measured the case, without the eighth with the largest and the eighth with the smallest ratio, as those of an
// [Explanation]: only means of the same runs add up.
func (r *Report) Phases(c Case) []PhaseTime {
	var pairs []Pair
	for _, b := range r.Blocks {
		if s := b.series(c); s != nil && len(s.Pairs) > 0 {
			pairs = s.Pairs
		}
	}
	runs := trimmed(runsOf(pairs), "sec/op")
	if len(runs) == 0 {
		return nil
	}
	mean := func(p PhaseTime, unit string) PhaseTime {
		for _, t := range runs {
			p.Base += t.of(t.base, unit) / float64(len(runs))
			p.Head += t.of(t.head, unit) / float64(len(runs))
		}
		return p
	}
	var all []PhaseTime
	for _, stage := range DefaultLedger() {
		whole := mean(PhaseTime{Stage: stage.Name}, stage.Total)
		if whole.Base == 0 && whole.Head == 0 {
			continue
		}
		all = append(all, whole)
		for _, phase := range stage.Phases {
			if p := mean(PhaseTime{Stage: stage.Name, Phase: phase.Name}, phase.Unit); p.Base != 0 || p.Head != 0 {
				all = append(all, p)
			}
		}
	}
	return all
}

// Change returns head/base - 1 of the unit, as the verdict takes it, and whether both halves have the unit and it can be
// compared.
func (p Pair) Change(unit string) (float64, bool) {
	x, ok, err := p.logRatio(unit)
	return math.Expm1(x), ok && err == nil
}
