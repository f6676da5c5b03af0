package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// verdicts is the table of everything that was judged, the largest change first. Counters that are equal are many, and
// there is nothing to see: they are folded away.
func verdicts(r *compare.Report) page.Section {
	s := page.Section{ID: "verdicts", Title: "Verdicts", Note: "Largest effect first within regressed, improved, inconclusive and same. " +
		"The shaded band is the change nobody cares about; a verdict other than inconclusive needs the whole interval on one side of its edge."}
	judged := page.Table{Columns: []page.Column{{Title: "verdict"}, {Title: "case"}, {Title: "unit"}, {Title: "base", Number: true},
		{Title: "head", Number: true}, {Title: "change", Number: true}, {Title: "band", Number: true}, {Title: "pairs", Number: true}}}
	equal := page.Table{Folded: true, Columns: []page.Column{{Title: "case"}, {Title: "unit"}, {Title: "value", Number: true}}}
	sorted := slices.Clone(r.Verdicts)
	slices.SortStableFunc(sorted, func(a, b *compare.Verdict) int {
		return cmp.Or(cmp.Compare(rank(a.Outcome), rank(b.Outcome)), cmp.Compare(effect(b), effect(a)))
	})
	for _, v := range sorted {
		if v.Equal() {
			equal.Rows = append(equal.Rows, []page.Cell{page.Text(string(v.Case)), page.Text(v.Unit), valueCell(v.Base, v.Unit)})
			continue
		}
		judged.Rows = append(judged.Rows, verdictRow(v))
	}
	if judged.Rows != nil {
		s.Blocks = append(s.Blocks, judged)
	} else {
		s.Note = "Nothing was judged."
	}
	if n := len(equal.Rows); n > 0 {
		equal.Title = fmt.Sprintf("%d exact counters are equal", n)
		s.Blocks = append(s.Blocks, equal)
	}
	return s
}

// rank is the order in which a reader wants to see the outcomes.
func rank(o compare.Outcome) int {
	return slices.Index([]compare.Outcome{compare.Regressed, compare.Improved, compare.Inconclusive, compare.Same}, o)
}

// effect is how large a change is, for sorting: a doubling and a halving are equal.
func effect(v *compare.Verdict) float64 { return math.Abs(math.Log1p(float64(v.Change.Estimate))) }

func toneOf(o compare.Outcome) page.Tone {
	switch o {
	case compare.Regressed:
		return page.Bad
	case compare.Improved:
		return page.Good
	case compare.Inconclusive:
		return page.Unsure
	}
	return page.Muted
}

func valueCell(v compare.Number, unit string) page.Cell {
	return page.Cell{Text: quantity(float64(v), unit), Value: float64(v)}
}

func verdictRow(v *compare.Verdict) []page.Cell {
	tone := toneOf(v.Outcome)
	change := page.Cell{Text: "-", Value: math.NaN(), Tone: tone}
	band := page.Cell{Text: plainPercent(v.Band.Change), Value: v.Band.Change, Note: v.Band.From}
	if v.Change.Pairs > 0 {
		change.Text, change.Value = signedPercent(float64(v.Change.Estimate)), float64(v.Change.Estimate)
	}
	if !v.Exact && v.Change.Pairs > 0 {
		change.Note = interval(v.Change)
		change.Range = &page.Range{Lo: bounded(float64(v.Change.Lo)), Centre: bounded(float64(v.Change.Estimate)), Hi: bounded(float64(v.Change.Hi)), Band: v.Band.Change}
	}
	pairs := page.Cell{Text: strconv.Itoa(v.Change.Pairs), Value: float64(v.Change.Pairs)}
	if v.First != nil {
		pairs.Text = fmt.Sprintf("%d+%d", v.First.Pairs, v.Change.Pairs)
		pairs.Value += float64(v.First.Pairs)
	}
	if v.Repeats > 0 {
		pairs.Note = fmt.Sprintf("%d repeated", v.Repeats)
	}
	return []page.Cell{
		{Text: v.Outcome.String(), Tone: tone},
		{Text: string(v.Case), Link: caseID(v.Case), Note: why(v)},
		page.Text(v.Unit), valueCell(v.Base, v.Unit), valueCell(v.Head, v.Unit), change, band, pairs,
	}
}

// interval writes the interval of a change. Too few pairs have one that holds everything.
func interval(c compare.Change) string {
	lo, hi := float64(c.Lo), bounded(float64(c.Hi))
	if lo <= -1 && math.IsInf(hi, 1) || math.IsNaN(lo) {
		return "no interval"
	}
	return signedPercent(lo) + " to " + signedPercent(hi)
}

// why says what the numbers have no room for.
func why(v *compare.Verdict) string {
	var all []string
	if v.Explanation != nil {
		all = append(all, v.Explanation.Text(float64(v.Change.Estimate)))
	}
	if v.Reason != "" {
		all = append(all, v.Reason)
	}
	for _, m := range v.Modes {
		all = append(all, m.Text(v.Unit))
	}
	return strings.Join(all, "; ")
}

func caseID(c compare.Case) string { return "case-" + string(c) }
