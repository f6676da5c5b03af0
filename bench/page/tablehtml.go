package page

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// unbroken is the length up to which a cell's text stays on one line.
const unbroken = 14

// cardColumns is from how many columns on a table's rows become cards on a phone: beside one another they would not fit.
const cardColumns = 4

func (t Table) render(w *writer) error {
	w.foldable(t.Title, t.Folded, func() { t.body(w) })
	return nil
}

func (t Table) body(w *writer) {
	scales := make([]float64, len(t.Columns))
	for i := range t.Columns {
		scales[i] = t.scale(i)
	}
	class := "table"
	if len(t.Columns) >= cardColumns {
		class += " cards"
	}
	w.put("<div class=\"%s\">\n<table>\n<thead><tr>", class)
	for i, c := range t.Columns {
		w.put("<th scope=\"col\" class=\"%s\">%s", columnClass(c, scales[i]), c.Title)
		if scales[i] > 0 {
			w.put(" <span class=\"scale\">±%s %%, √</span>", strconv.FormatFloat(100*scales[i], 'g', 3, 64))
		}
		if c.Note != "" {
			w.put("<span class=\"sub\">%s</span>", c.Note)
		}
		w.put("</th>")
	}
	w.put("</tr></thead>\n<tbody>\n")
	for _, row := range t.Rows {
		w.put("<tr>")
		for i, c := range row {
			if i == len(t.Columns) {
				break
			}
			c.render(w, t.Columns[i], scales[i])
		}
		for range len(t.Columns) - len(row) {
			w.put("<td></td>")
		}
		w.put("</tr>\n")
	}
	w.put("</tbody>\n</table>\n</div>\n")
	if t.Note != "" {
		w.put("<p class=\"note\">%s</p>\n", t.Note)
	}
}

func columnClass(c Column, scale float64) string {
	switch {
	case scale > 0:
		return "ranged"
	case c.Number:
		return "number"
	}
	return "text"
}

func (c Cell) render(w *writer, column Column, scale float64) {
	class, text := columnClass(column, scale), breakable(c.Text)
	if utf8.RuneCountInString(c.Text) <= unbroken {
		text = markup(escape(c.Text))
		if class == "text" {
			class += " short"
		}
	}
	w.put("<td class=\"%s %s\" data-label=\"%s\"", class, c.Tone, column.Title)
	if column.Number {
		w.put(" data-value=\"%s\"", strconv.FormatFloat(c.Value, 'g', -1, 64))
	}
	w.put(">")
	if c.Range != nil && scale > 0 {
		c.Range.render(w, scale, c.Tone)
	}
	switch {
	case c.Link != "":
		w.put("<a href=\"#%s\">%s</a>", anchor(c.Link), text)
	case c.Text != "":
		w.put("<span>%s</span>", text)
	}
	if c.Note != "" {
		w.put("<span class=\"sub\">%s</span>", c.Note)
	}
	w.put("</td>")
}

// scale returns how far the drawings of a column reach to either side, 0 if it has none. One change of a thousand percent
// should not turn all others into dots.
func (t Table) scale(column int) float64 {
	reach, any := 0.0, false
	for _, row := range t.Rows {
		if column >= len(row) || row[column].Range == nil {
			continue
		}
		r := row[column].Range
		any = true
		for _, v := range []float64{r.Centre, r.Band, r.Lo / 1.5, r.Hi / 1.5} {
			if finite(v) {
				reach = max(reach, math.Abs(v))
			}
		}
	}
	if !any {
		return 0
	}
	return min(niceCeil(max(1.15*reach, 0.001)), 5)
}

// niceCeil rounds up to 1, 2 or 5 times a power of ten.
func niceCeil(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 1.5, 2, 3, 4, 5, 7.5, 10} {
		if v <= f*power*(1+1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// Size of the drawing in a cell.
const (
	rangeWidth  = 150.0
	rangeHeight = 18.0
)

func (r Range) render(w *writer, scale float64, tone Tone) {
	// Roots leave room for small changes beside large ones: with 2 % in a column that reaches to 100 % both can be seen.
	x := func(v float64) float64 {
		v = max(min(v/scale, 1), -1)
		return rangeWidth/2 + math.Copysign(math.Sqrt(math.Abs(v)), v)*(rangeWidth/2-6)
	}
	const mid = rangeHeight / 2
	w.put(`<svg class="range %s" viewBox="0 0 %v %v" width="%v" height="%v" aria-hidden="true">`, tone, rangeWidth, rangeHeight, rangeWidth, rangeHeight)
	if r.Band > 0 && finite(r.Band) {
		w.put(`<rect class="band" x="%v" y="1" width="%v" height="%v" />`, x(-r.Band), x(r.Band)-x(-r.Band), rangeHeight-2)
	}
	w.put(`<line class="zero" x1="%v" x2="%v" y1="0" y2="%v" />`, rangeWidth/2, rangeWidth/2, rangeHeight)
	if !math.IsNaN(r.Lo) && !math.IsNaN(r.Hi) && r.Lo <= r.Hi {
		lo, hi := x(r.Lo), x(r.Hi)
		w.put(`<line class="whisker" x1="%v" x2="%v" y1="%v" y2="%v" />`, lo, hi, mid, mid)
		// An end beyond the scale has an arrow, one within it a bar.
		for _, end := range []struct{ v, at, out float64 }{{r.Lo, lo, -1}, {r.Hi, hi, 1}} {
			if math.Abs(end.v) > scale {
				w.put(`<path class="whisker" d="M%v %vl%v 4l%v 4" />`, end.at-4*end.out, mid-4, 4*end.out, -4*end.out)
			} else {
				w.put(`<line class="whisker" x1="%v" x2="%v" y1="%v" y2="%v" />`, end.at, end.at, mid-4, mid+4)
			}
		}
	}
	if finite(r.Centre) {
		w.put(`<circle class="mark" cx="%v" cy="%v" r="4" />`, x(r.Centre), mid)
	}
	w.put("</svg>")
}

// rows writes the numbers of a chart as a table, for those who would rather read them.
func (c Chart) rows() Table {
	t := Table{Title: "Numbers", Folded: true}
	several := len(c.Series) > 1
	if several {
		t.Columns = append(t.Columns, Column{Title: "series"})
	}
	labelled, intervals := false, false
	for _, s := range c.Series {
		for _, p := range s.Points {
			labelled = labelled || p.Label != ""
			intervals = intervals || p.whiskered()
		}
	}
	placed := c.Kind == Points || c.Kind == Lines
	if labelled {
		t.Columns = append(t.Columns, Column{Title: "of"})
	}
	if placed {
		t.Columns = append(t.Columns, Column{Title: or(c.XLabel, "x"), Number: true})
	}
	t.Columns = append(t.Columns, Column{Title: or(c.YLabel, "y"), Number: true})
	if intervals {
		t.Columns = append(t.Columns, Column{Title: "interval"})
	}
	for _, s := range c.Series {
		for _, p := range s.Points {
			var row []Cell
			if several {
				row = append(row, Text(s.Name))
			}
			if labelled {
				row = append(row, Text(p.Label))
			}
			if placed {
				row = append(row, Cell{Text: c.x(p.X), Value: p.X})
			}
			row = append(row, Cell{Text: c.y(p.Y), Value: p.Y})
			if intervals && p.whiskered() {
				row = append(row, Text(fmt.Sprintf("%s to %s", c.y(p.Lo), c.y(p.Hi))))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
