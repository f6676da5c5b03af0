package report

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// scaling draws time against rows for cases that differ in nothing else, where there are several row counts. It is empty
// if there are none.
func scaling(r *compare.Report) page.Section {
	s := page.Section{ID: "scaling", Title: "Scaling",
		Note: "Median time against rows; whiskers reach over the middle half of the processes. Where doubling the rows doubles the time the line rises evenly."}
	if len(r.Blocks) == 0 {
		return s
	}
	byName := map[string][]*compare.Series{}
	var names []string
	for _, series := range r.Blocks[0].Series {
		name := withoutRows(series.Case)
		if rowsOf(series.Case) <= 0 || len(series.Pairs) == 0 {
			continue
		}
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], series)
	}
	for _, name := range names {
		series := byName[name]
		if len(series) < 2 {
			continue
		}
		slices.SortFunc(series, func(a, b *compare.Series) int { return cmp.Compare(rowsOf(a.Case), rowsOf(b.Case)) })
		chart := page.Chart{Kind: page.Lines, Title: name, XLabel: "rows", YLabel: "sec/op", XLog: true, YLog: true,
			XFormat: drawn("rows"), YFormat: drawn("sec/op")}
		for _, side := range []compare.Side{compare.Base, compare.Head} {
			line := page.Series{Name: side.String()}
			for _, one := range series {
				if p, ok := quartiles(one, side); ok {
					line.Points = append(line.Points, p)
				}
			}
			chart.Series = append(chart.Series, line)
		}
		s.Blocks = append(s.Blocks, chart)
	}
	return s
}

// rowsOf returns the row count of a case, 0 if it has none.
func rowsOf(c compare.Case) float64 {
	rows, err := strconv.ParseFloat(c.Param("rows"), 64)
	if err != nil || math.IsInf(rows, 0) || math.IsNaN(rows) {
		return 0
	}
	return rows
}

func withoutRows(c compare.Case) string {
	parts := strings.Split(string(c), "/")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, "rows=") }), "/")
}

// quartiles is the median of one side's time with the middle half of the processes around it.
func quartiles(s *compare.Series, side compare.Side) (page.Point, bool) {
	var values []float64
	for _, p := range s.Pairs {
		process := p.Base
		if side == compare.Head {
			process = p.Head
		}
		if v := middle(process, "sec/op"); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return page.Point{}, false
	}
	slices.Sort(values)
	n := len(values)
	return page.Point{X: rowsOf(s.Case), Y: (values[(n-1)/2] + values[n/2]) / 2, Lo: values[n/4], Hi: values[n-1-n/4]}, true
}
