package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/bench/history/trend"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// Results returns the recorded runs as a report: the trend of every group, and the tables of [Commits] over records.
// bad are the lines of the file that could not be used.
func Results(subtitle string, records []*history.Record, series []*trend.Series, bad []*history.LineError) page.Page {
	p := page.Page{Title: "Benchmark results", Subtitle: subtitle}
	found := 0
	for _, s := range series {
		found += len(s.Changes)
	}
	p.Facts = []page.Fact{
		{Name: "runs", Value: strconv.Itoa(len(records))},
		{Name: "commits", Value: strconv.Itoa(len(history.Commits(records)))},
		{Name: "change points", Value: strconv.Itoa(found)},
	}
	p.Sections = append(p.Sections, trendSection(series), tablesSection(records))
	if len(bad) > 0 {
		s := page.Section{Title: "Lines that were not used", Folded: true}
		text := ""
		for _, err := range bad {
			text += err.Error() + "\n"
		}
		s.Blocks = []page.Block{page.Preformatted{Text: text}}
		p.Sections = append(p.Sections, s)
	}
	return p
}

func trendSection(series []*trend.Series) page.Section {
	section := page.Section{
		Title: "Trend", Note: "Time of the pipeline over that of its native floor, by commit, in the repository's order. 1 would be WebAssembly for nothing.",
	}
	if len(series) == 0 {
		section.Note = "There is no trend: " + noTrend + "."
	}
	for len(series) > 0 {
		group := series[0].Group
		n := 0
		for n < len(series) && series[n].Group == group {
			n++
		}
		section.Blocks = append(section.Blocks, page.Group{Title: conditions(group), Blocks: groupTrend(series[:n])})
		series = series[n:]
	}
	return section
}

// groupTrend returns the table of a group's series and a chart for each load method and row count.
func groupTrend(series []*trend.Series) []page.Block {
	table := page.Table{Columns: []page.Column{
		{Title: "case"}, {Title: "commits", Number: true}, {Title: "first", Number: true}, {Title: "last", Number: true}, {Title: "change points"},
	}}
	var charts []page.Block
	of := map[string]int{} // index of a chart by its title
	axis := commitAxis(series)
	for _, s := range series {
		first, last := s.Points[0].Ratio, s.Points[len(s.Points)-1].Ratio
		cell := page.Cell{Text: changes(s)}
		if len(s.Changes) > 0 {
			cell.Tone = tone(s.Changes[len(s.Changes)-1])
		}
		table.Rows = append(table.Rows, []page.Cell{page.Text(s.Name()), {Text: strconv.Itoa(len(s.Points)), Value: float64(len(s.Points))},
			{Text: hundredths(first), Value: first}, {Text: hundredths(last), Value: last}, cell})

		title := fmt.Sprintf("%s, %d rows", s.Load, s.Rows)
		i, ok := of[title]
		if !ok {
			i = len(charts)
			of[title] = i
			charts = append(charts, page.Chart{
				Title: title, Kind: page.Lines, XLabel: "commit", YLabel: "pipeline over floor",
				XFormat: commitAt(axis), Marks: []page.Mark{{Y: 1, Label: "floor", Tone: page.Muted}},
			})
		}
		chart := charts[i].(page.Chart)
		chart.Series = append(chart.Series, points(s, axis))
		charts[i] = chart
	}
	return append([]page.Block{table}, charts...)
}

// commitAxis returns all commits of the series in order: not every case was measured at each of them, but all charts have
// the same axis.
func commitAxis(series []*trend.Series) []history.Commit {
	var all []history.Commit
	for _, s := range series {
		for _, p := range s.Points {
			if !slices.ContainsFunc(all, func(c history.Commit) bool { return c.ID == p.Commit.ID }) {
				all = append(all, p.Commit)
			}
		}
	}
	slices.SortStableFunc(all, history.Commit.Compare)
	return all
}

// points returns a series by the place of its commits on the axis. The first commit of a new level stands out.
func points(s *trend.Series, axis []history.Commit) page.Series {
	out := page.Series{Name: s.Compression}
	if s.Runtime != "compiled" {
		out.Name += " " + s.Runtime
	}
	for _, p := range s.Points {
		note := fmt.Sprintf("%s, %s, %d processes", label(p.Commit.Name), p.Commit.First.UTC().Format(time.DateTime), p.Runs)
		at := slices.IndexFunc(axis, func(c history.Commit) bool { return c.ID == p.Commit.ID })
		out.Points = append(out.Points, page.Point{X: float64(at + 1), Y: p.Ratio, Label: label(p.Commit.Name), Note: note})
	}
	for _, c := range s.Changes {
		p := &out.Points[c.Index]
		p.Tone = tone(c)
		p.Note += ": " + s.Text(c)
	}
	return out
}

// tone says whether a change is for the worse.
func tone(c trend.ChangePoint) page.Tone {
	if c.After > c.Before {
		return page.Bad
	}
	return page.Good
}

// commitAt names the commits on an axis that counts them.
func commitAt(axis []history.Commit) func(float64) string {
	return func(x float64) string {
		i := int(math.Round(x)) - 1
		if i < 0 || i >= len(axis) || math.Abs(x-math.Round(x)) > 0.01 {
			return ""
		}
		return label(axis[i].Name)
	}
}

func tablesSection(records []*history.Record) page.Section {
	section := page.Section{Title: "Averages by commit", Note: "Only runs under the same conditions are ever in one table."}
	var group *page.Group
	for _, t := range commitTables(records) {
		if title := conditions(t.group); group == nil || group.Title != title {
			section.Blocks = append(section.Blocks, page.Group{Title: title})
		}
		last := section.Blocks[len(section.Blocks)-1].(page.Group)
		last.Blocks = append(last.Blocks, t.table())
		section.Blocks[len(section.Blocks)-1] = last
		group = &last
	}
	return section
}

func (t *commitTable) table() page.Table {
	out := page.Table{Title: t.title, Columns: []page.Column{{Title: "metric"}}}
	runs := []page.Cell{page.Text("Runs")}
	for i, c := range t.commits {
		out.Columns = append(out.Columns, page.Column{Title: label(c.Name), Number: true})
		runs = append(runs, page.Cell{Text: strconv.Itoa(t.runs[i]), Value: float64(t.runs[i])})
	}
	if len(t.commits) == 2 {
		out.Columns = append(out.Columns, page.Column{Title: "change", Number: true})
	}
	if t.left > 0 {
		out.Note = fmt.Sprintf("%d disturbed runs are left out.", t.left)
	}
	out.Rows = append(out.Rows, runs)
	for _, l := range t.lines {
		row := []page.Cell{page.Text(l.label)}
		for i, v := range l.values {
			row = append(row, page.Cell{Text: l.cell(i), Value: v})
		}
		if len(t.commits) == 2 {
			cell := page.Cell{Text: "-", Value: math.NaN()}
			if v, ok := l.change(); ok {
				cell = page.Cell{Text: fmt.Sprintf("%+.1f%%", 100*v), Value: v}
			}
			row = append(row, cell)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}
