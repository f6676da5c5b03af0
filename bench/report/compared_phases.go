package report

import (
	"fmt"
	"math"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// phases shows where a case's time went on both sides: for each stage how its time in base becomes that in head, phase by
// phase, and all of them in one table. It returns nothing for a case whose stages were not timed.
func phases(r *compare.Report, c compare.Case) []page.Block {
	table := page.Table{Title: "Phases", Folded: true,
		Note: "Means of the runs without the eighth with the smallest and the eighth with the largest ratio. A stage is always in one of its phases.",
		Columns: []page.Column{{Title: "stage"}, {Title: "phase"}, {Title: "base", Number: true}, {Title: "share", Number: true},
			{Title: "head", Number: true}, {Title: "share", Number: true}, {Title: "change", Number: true}}}
	var blocks []page.Block
	times := r.Phases(c)
	for len(times) > 0 {
		whole, n := times[0], 1
		steps := page.Series{Name: whole.Stage, Points: []page.Point{{Label: "base", Y: whole.Base, Total: true}}}
		rest := whole.Head - whole.Base
		for ; n < len(times) && times[n].Phase != ""; n++ {
			p := times[n]
			change := p.Head - p.Base
			steps.Points = append(steps.Points, page.Point{Label: p.Phase, Y: change, Tone: moreOrLess(change), Note: seconds(p.Base) + " → " + seconds(p.Head)})
			rest -= change
			table.Rows = append(table.Rows, phaseRow(p, whole))
		}
		times = times[n:]
		if math.Abs(rest) > 1e-3*math.Abs(whole.Base) {
			steps.Points = append(steps.Points, page.Point{Label: "other", Y: rest, Tone: moreOrLess(rest)})
		}
		steps.Points = append(steps.Points, page.Point{Label: "head", Y: whole.Head, Total: true})
		blocks = append(blocks, page.Chart{Kind: page.Waterfall, YLabel: "wall time of the stage", YFormat: drawn("sec/op"),
			Title: fmt.Sprintf("%s: %s → %s", whole.Stage, seconds(whole.Base), seconds(whole.Head)), Series: []page.Series{steps}})
	}
	if blocks == nil {
		return nil
	}
	return append(blocks, table)
}

func phaseRow(p, whole compare.PhaseTime) []page.Cell {
	share := func(part, of float64) page.Cell {
		return page.Cell{Text: plainPercent(part / of), Value: part / of, Tone: page.Muted}
	}
	change := page.Cell{Text: seconds(math.Abs(p.Head - p.Base)), Value: p.Head - p.Base, Tone: moreOrLess(p.Head - p.Base)}
	switch change.Tone {
	case page.Bad:
		change.Text = "+" + change.Text
	case page.Good:
		change.Text = minus + change.Text
	}
	return []page.Cell{page.Text(p.Stage), page.Text(p.Phase), {Text: seconds(p.Base), Value: p.Base}, share(p.Base, whole.Base),
		{Text: seconds(p.Head), Value: p.Head}, share(p.Head, whole.Head), change}
}

func seconds(v float64) string { return quantity(v, "sec/op") }

// moreOrLess is the tone of a change of time.
func moreOrLess(d float64) page.Tone {
	switch {
	case d > 0:
		return page.Bad
	case d < 0:
		return page.Good
	}
	return page.Muted
}
