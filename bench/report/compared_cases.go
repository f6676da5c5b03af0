package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// cases shows each case by itself: every sample, every pair, and the phases. Cases without a change are folded.
func cases(r *compare.Report) page.Section {
	s := page.Section{ID: "cases", Title: "Case by case",
		Note: "Every run is one mark. The two halves of a pair are measured together, so what the machine does to both cancels in their ratio."}
	for _, name := range casesOf(r) {
		if g := oneCase(r, name); len(g.Blocks) > 0 {
			s.Blocks = append(s.Blocks, g)
		}
	}
	return s
}

// casesOf returns the cases in the order of their first verdict, so those with the largest change come first, and the
// references, which are never judged, last.
func casesOf(r *compare.Report) []compare.Case {
	var all []compare.Case
	add := func(c compare.Case) {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	for _, o := range []compare.Outcome{compare.Regressed, compare.Improved, compare.Inconclusive, compare.Same} {
		for _, v := range r.Verdicts {
			if v.Outcome == o {
				add(v.Case)
			}
		}
	}
	for _, b := range r.Blocks {
		for _, s := range b.Series {
			add(s.Case)
		}
	}
	return all
}

func oneCase(r *compare.Report, c compare.Case) page.Group {
	g := page.Group{ID: caseID(c), Title: string(c), Folded: true}
	judged, worst := 0, compare.Same
	for _, v := range r.Verdicts {
		if v.Case == c && !v.Exact {
			judged++
			if rank(v.Outcome) < rank(worst) {
				worst = v.Outcome
			}
			if v.Outcome != compare.Same || v.Unit == "sec/op" {
				g.Blocks = append(g.Blocks, samples(r, c, v.Unit, v)...)
			}
		}
	}
	if judged == 0 {
		g.Note = "A reference: it describes the machine and is not judged."
		g.Blocks = samples(r, c, "sec/op", nil)
		return g
	}
	if worst != compare.Same {
		g.Tone, g.Folded = toneOf(worst), false
	}
	g.Blocks = append(g.Blocks, phases(r, c)...)
	return g
}

// samples draws one unit of a case: what each process measured, in the order they ran, and the ratio of each pair. The
// verdict is nil for a reference.
func samples(r *compare.Report, c compare.Case, unit string, v *compare.Verdict) []page.Block {
	strip := page.Chart{Title: unit + " in run order", XLabel: "run", YLabel: unit, XFormat: whole,
		YFormat: drawn(unit)}
	ratios := page.Chart{Title: unit + ", head against base, pair by pair", XLabel: "pair", YLabel: "change", XFormat: whole, YFormat: tickPercent,
		Marks: []page.Mark{{Y: 0, Tone: page.Muted}}}
	base, head := page.Series{Name: "base"}, page.Series{Name: "head"}
	repeated := page.Series{Name: "repeated, not counted", Tone: page.Muted, Hollow: true}

	order, pairs := 0, 0
	for _, b := range r.Blocks {
		s := seriesOf(b, c)
		if s == nil {
			continue
		}
		if order > 0 {
			label := fmt.Sprintf("block %d", b.Number)
			strip.Breaks = append(strip.Breaks, page.Break{X: float64(order) + 0.5, Label: label})
			ratios.Breaks = append(ratios.Breaks, page.Break{X: float64(pairs) + 0.5, Label: label})
		}
		changes := page.Series{Name: fmt.Sprintf("block %d", b.Number)}
		for _, p := range inOrder(s) {
			for _, side := range []compare.Side{first(p.Pair), 1 - first(p.Pair)} {
				process, into := p.Base, &base
				if side == compare.Head {
					process, into = p.Head, &head
				}
				if !p.counts {
					into = &repeated
				}
				if process == nil {
					continue
				}
				for i, value := range process.Values[unit] {
					into.Points = append(into.Points, page.Point{X: float64(order + place(p.Pair, side, i, unit)), Y: value, Note: position(p, side)})
				}
			}
			order += runs(p.Base, unit) + runs(p.Head, unit)
			if change, ok := p.Change(unit); ok && p.counts && bounded(change) == change {
				pairs++
				changes.Points = append(changes.Points, page.Point{X: float64(pairs), Y: change,
					Note: fmt.Sprintf("round %d, base %s, head %s", p.Round, quantity(middle(p.Base, unit), unit), quantity(middle(p.Head, unit), unit))})
			}
		}
		ratios.Series = append(ratios.Series, changes)
	}
	if order == 0 {
		return nil
	}
	strip.Series = []page.Series{base, head}
	if repeated.Points != nil {
		strip.Series = append(strip.Series, repeated)
	}
	least, most := math.Inf(1), 0.0
	for _, s := range strip.Series {
		for _, p := range s.Points {
			least, most = min(least, p.Y), max(most, p.Y)
		}
	}
	strip.YUnit = step(unit, most)
	// One run that met a pause of the machine should not press all others flat.
	if least > 0 && most > 4*least {
		strip.YLog = true
		strip.YLabel += ", logarithmic"
	}
	if v != nil {
		for _, m := range v.Modes {
			strip.Marks = append(strip.Marks, page.Mark{Y: float64(m.Low), Tone: page.Muted, Label: "two groups in " + m.Side.String()}, page.Mark{Y: float64(m.High), Tone: page.Muted})
		}
	}
	if v != nil && v.Change.Pairs > 0 {
		ratios.Bands = []page.Band{
			{Lo: -v.Band.Change, Hi: v.Band.Change, Label: "band " + plainPercent(v.Band.Change), Tone: page.Muted},
			{Lo: bounded(float64(v.Change.Lo)), Hi: bounded(float64(v.Change.Hi)), Tone: bandTone(v.Outcome),
				Label: "interval " + interval(v.Change)},
		}
		ratios.Marks = append(ratios.Marks, page.Mark{Y: bounded(float64(v.Change.Estimate)), Tone: bandTone(v.Outcome),
			Label: fmt.Sprintf("%s, %s", signedPercent(float64(v.Change.Estimate)), v.Outcome)})
	}
	return []page.Block{strip, ratios}
}

// bounded is the change, or infinity for what was nothing before: package paired bounds its ratio at e^50, which would leave
// no room for anything else in a drawing.
func bounded(change float64) float64 {
	if change > 1e6 {
		return math.Inf(1)
	}
	return change
}

// bandTone is the tone of an interval. One that shows no change is neutral, not muted like the band it lies in.
func bandTone(o compare.Outcome) page.Tone {
	if o == compare.Same {
		return page.Neutral
	}
	return toneOf(o)
}

func whole(v float64) string {
	if v != math.Round(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func seriesOf(b *compare.Block, c compare.Case) *compare.Series {
	for _, s := range b.Series {
		if s.Case == c {
			return s
		}
	}
	return nil
}

// ranPair is a pair, and whether it counts.
type ranPair struct {
	compare.Pair
	counts bool
}

// inOrder returns all pairs as they ran. Where a process does not say when it started, the order is that of the rounds.
func inOrder(s *compare.Series) []ranPair {
	var all []ranPair
	for _, p := range s.Repeated {
		all = append(all, ranPair{p, false})
	}
	for _, p := range s.Pairs {
		all = append(all, ranPair{p, true})
	}
	slices.SortStableFunc(all, func(a, b ranPair) int {
		order := cmp.Compare(a.Round, b.Round)
		if a.Base != nil && b.Base != nil {
			order = cmp.Or(order, a.Base.Started.Compare(b.Base.Started))
		}
		return order
	})
	return all
}

// first is the side that a pair began with.
func first(p compare.Pair) compare.Side {
	if p.BaseFirst {
		return compare.Base
	}
	return compare.Head
}

func runs(p *compare.Process, unit string) int {
	if p == nil {
		return 0
	}
	return len(p.Values[unit])
}

// place is when a run of a pair was made, from 1. Processes that took turns did so as first, second, second, first.
func place(p compare.Pair, side compare.Side, run int, unit string) int {
	second := side != first(p)
	switch {
	case p.Alternated && second == (run%2 == 0):
		return 2*run + 2
	case p.Alternated:
		return 2*run + 1
	case second && side == compare.Head:
		return runs(p.Base, unit) + run + 1
	case second:
		return runs(p.Head, unit) + run + 1
	}
	return run + 1
}

// position says when a process of a pair ran, for its tooltip.
func position(p ranPair, side compare.Side) string {
	place := "first"
	if side != first(p.Pair) {
		place = "second"
	}
	text := fmt.Sprintf("round %d, %s of its pair", p.Round, place)
	for _, cause := range disturbedBy(p.Pair) {
		text += ", " + cause
	}
	return text
}

func disturbedBy(p compare.Pair) []string {
	var all []string
	for _, process := range []*compare.Process{p.Base, p.Head} {
		if process != nil {
			all = append(all, process.Contaminated...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// middle is the median of what a process measured, NaN if it measured nothing.
func middle(p *compare.Process, unit string) float64 {
	if p == nil {
		return math.NaN()
	}
	if v, ok := p.Value(unit); ok {
		return v
	}
	return math.NaN()
}
