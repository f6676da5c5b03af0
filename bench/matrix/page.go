package matrix

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// Page returns the matrix as a report. pivots is benchstat's output, shown as it is.
func (m *Matrix) Page(subtitle, pivots string) page.Page {
	var facts []page.Fact
	for _, c := range m.Conditions {
		switch c.Key {
		case "machine", "cpu", "pg-version", "pg-provider", "pg-conf", "dataset", "runtime":
			facts = append(facts, page.Fact{Name: c.Key, Value: string(c.Value)})
		}
	}
	return page.Page{
		Title: "Benchmark matrix", Subtitle: subtitle, Facts: facts,
		Sections: []page.Section{
			{Title: "Fixed cost and cost of a row", Note: strings.Join(m.Notes(), ". "), Blocks: []page.Block{m.lineTable(), m.slopes(), m.fixed()}},
			{Title: "Time against rows", Blocks: m.charts()},
			{Title: "Cells", Note: "Medians of single runs with the 95 % interval of the median.", Blocks: []page.Block{m.cellTable()}},
			{Title: "benchstat", Folded: true, Blocks: []page.Block{page.Preformatted{Text: pivots}}},
		},
	}
}

func (m *Matrix) lineTable() page.Table {
	t := page.Table{
		Note: "Weighted least squares of time against rows; intervals of 95 %.",
		Columns: []page.Column{
			{Title: "case"}, {Title: "fixed (ms)", Number: true}, {Title: "interval"}, {Title: "row (ns)", Number: true}, {Title: "interval"},
			{Title: "largest bend", Number: true, Note: "deviation of the slope between two row counts"},
			{Title: "slopes apart", Number: true, Note: "the steepest slope between two row counts over the flattest, less one"},
		},
	}
	for _, s := range m.Series {
		l := s.Line
		if l.Sizes < 2 {
			continue
		}
		bend := page.Cell{Text: l.bend(), Value: l.Bend}
		if l.Bent {
			bend.Tone = page.Unsure
		}
		steps, apart := s.Steps()
		t.Rows = append(t.Rows, []page.Cell{page.Text(s.Name()),
			{Text: millis(l.Fixed.Value), Value: l.Fixed.Value}, page.Text(interval(l.Fixed, millis)),
			{Text: nanos(l.PerRow.Value), Value: l.PerRow.Value}, page.Text(interval(l.PerRow, nanos)), bend,
			{Text: apartText(steps, apart), Value: apart}})
	}
	return t
}

func (m *Matrix) slopes() page.Chart {
	return m.estimates("Cost of a row", "ns", 1, func(l Line) Estimate { return l.PerRow })
}

func (m *Matrix) fixed() page.Chart {
	return m.estimates("Fixed cost", "ms", 1e6, func(l Line) Estimate { return l.Fixed })
}

// estimates draws one estimate of every series.
func (m *Matrix) estimates(title, unit string, scale float64, get func(Line) Estimate) page.Chart {
	var points []page.Point
	for _, s := range m.Series {
		if s.Line.Sizes < 2 {
			continue
		}
		e := get(s.Line)
		p := page.Point{Label: s.Name(), Y: e.Value / scale}
		if e.HasInterval() {
			p.Lo, p.Hi = e.Lo/scale, e.Hi/scale
		}
		if s.Family == "Floor" {
			p.Tone = page.Muted
		}
		points = append(points, p)
	}
	return page.Chart{Title: title, Kind: page.Intervals, YLabel: unit, Series: []page.Series{{Name: title, Points: points}}}
}

// charts draws the medians of each load method over the row counts.
func (m *Matrix) charts() []page.Block {
	var blocks []page.Block
	for _, load := range []string{"insert", "copy"} {
		chart := page.Chart{
			Title: load, Kind: page.Lines, XLabel: "rows", YLabel: "ms", XLog: true, YLog: true,
			XFormat: func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) },
		}
		for _, s := range m.Series {
			if s.Load == load {
				chart.Series = append(chart.Series, s.points())
			}
		}
		if len(chart.Series) > 0 {
			blocks = append(blocks, chart)
		}
	}
	return blocks
}

func (s *Series) points() page.Series {
	out := page.Series{Name: strings.TrimPrefix(s.Name(), "pipeline "), Hollow: s.Family == "Floor"}
	for _, c := range s.Cells {
		median := c.median()
		p := page.Point{X: float64(c.Rows), Y: median.Center / 1e6, Note: fmt.Sprintf("%s, %d rows, %d runs", s.Name(), c.Rows, len(c.Times))}
		if !math.IsInf(median.Lo, 0) && !math.IsInf(median.Hi, 0) {
			p.Lo, p.Hi = median.Lo/1e6, median.Hi/1e6
		}
		out.Points = append(out.Points, p)
	}
	return out
}

func (m *Matrix) cellTable() page.Table {
	t := page.Table{Columns: []page.Column{
		{Title: "case"}, {Title: "rows", Number: true}, {Title: "runs", Number: true}, {Title: "median (ms)", Number: true}, {Title: "interval"},
		{Title: "ns a row", Number: true}, {Title: "rows a second", Number: true},
	}}
	for _, s := range m.Series {
		for _, c := range s.Cells {
			median, rows := c.median(), float64(c.Rows)
			between := "-"
			if !math.IsInf(median.Lo, 0) && !math.IsInf(median.Hi, 0) {
				between = millis(median.Lo) + " to " + millis(median.Hi)
			}
			t.Rows = append(t.Rows, []page.Cell{page.Text(s.Name()),
				{Text: strconv.Itoa(c.Rows), Value: rows}, {Text: strconv.Itoa(len(c.Times)), Value: float64(len(c.Times))},
				{Text: millis(median.Center), Value: median.Center}, page.Text(between),
				{Text: nanos(median.Center / rows), Value: median.Center / rows},
				{Text: nanos(1e9 * rows / median.Center), Value: 1e9 * rows / median.Center}})
		}
	}
	return t
}
