package page

import (
	"math"
	"slices"
)

// row is one line of a chart whose numbers run from left to right.
type row struct {
	label string
	parts []part
}

// part is what is drawn in a row, of one series.
type part struct {
	series, place int
	point         Point
	from, to      float64 // of a bar
}

// longestBeside is the longest label that stands to the left of its row; longer ones stand above it.
const longestBeside = 20

// list draws rows: intervals, or a waterfall.
func (c Chart) list(w *writer) {
	rows := c.listed()
	xs := extent{log: c.YLog, unit: c.YUnit}
	above, beside := false, 0.0
	for _, r := range rows {
		above = above || len([]rune(r.label)) > longestBeside
		beside = max(beside, wide(r.label)+8)
		for _, p := range r.parts {
			if c.Kind == Intervals {
				xs.add(p.point.Y)
				if p.point.whiskered() {
					xs.add(p.point.Lo, p.point.Hi)
				}
			} else {
				xs.add(p.from, p.to)
			}
		}
	}
	if c.Kind == Waterfall {
		xs = zoomed(xs, rows)
	}
	for _, b := range c.Bands {
		xs.add(b.Lo, b.Hi)
	}
	for _, m := range c.Marks {
		xs.add(m.Y)
	}
	if above {
		beside = 0
	}

	// Values stand behind the bars, where there has to be room.
	room := 10.0
	if c.Kind != Intervals {
		for _, r := range rows {
			for _, p := range r.parts {
				room = max(room, wide(c.value(p.point))+8)
			}
		}
	}
	a := xs.axis(beside+4, chartWidth-room, 5)
	const top, thick, gap = 4.0, 14.0, 8.0
	tall := gap + thick // a row
	if above {
		tall += lineHeight
	}
	bottom := top + float64(len(rows))*tall
	height := bottom + tickRoom
	if c.YLabel != "" {
		height += lineHeight
	}
	c.open(w, height)

	for _, b := range c.Bands {
		if finite(b.Lo) && finite(b.Hi) {
			w.put("<rect class=\"band %s\" x=\"%v\" y=\"%v\" width=\"%v\" height=\"%v\" />\n", b.Tone, a.at(b.Lo), top, a.at(b.Hi)-a.at(b.Lo), bottom-top)
		}
	}
	for _, t := range thinned(a.ticks, a, c.y) {
		w.put("<line class=\"grid\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" />", a.at(t), a.at(t), top, bottom)
		c.tick(w, a.at(t), bottom+tickRoom-3, c.y(t))
	}
	if c.YLabel != "" {
		w.put("<text class=\"label end\" x=\"%v\" y=\"%v\">%s</text>\n", chartWidth-10, height-3, c.YLabel)
	}
	for _, m := range c.Marks {
		if a.shows(m.Y) {
			w.put("<line class=\"level %s\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" />\n", m.Tone, a.at(m.Y), a.at(m.Y), top, bottom)
		}
	}

	y := top
	for _, r := range rows {
		at := y + gap/2
		if above {
			w.put("<text x=\"0\" y=\"%v\">%s</text>\n", at+lineHeight-4, r.label)
			at += lineHeight
		} else {
			w.put("<text class=\"end\" x=\"%v\" y=\"%v\">%s</text>\n", beside-4, y+tall/2+4, r.label)
		}
		for _, p := range r.parts {
			if c.Kind == Intervals {
				c.interval(w, a, p, at+thick/2)
			} else {
				c.bar(w, a, p, at, thick)
			}
		}
		y += tall
	}
	w.put("</svg>\n")
}

// listed gathers the points of all series by their labels, in the order in which they first occur. Each row of a waterfall
// starts where the one before it ended.
func (c Chart) listed() []row {
	var rows []row
	sum := 0.0
	for i, s := range c.Series {
		for _, p := range s.Points {
			if !finite(p.Y) {
				continue
			}
			piece := part{series: i, place: i, point: p, to: p.Y}
			if c.Kind == Waterfall {
				if i > 0 {
					break
				}
				if !p.Total {
					piece.from, piece.to = sum, sum+p.Y
				}
				sum = piece.to
			}
			at := slices.IndexFunc(rows, func(r row) bool { return r.label == p.Label })
			if at < 0 || c.Kind == Waterfall {
				rows = append(rows, row{label: p.Label})
				at = len(rows) - 1
			}
			rows[at].parts = append(rows[at].parts, piece)
		}
	}
	return rows
}

// zoomed leaves out what a waterfall has in common below all its steps, if that is most of it: 60 ms that became 62 would
// be two equal bars and nothing else.
func zoomed(all extent, rows []row) extent {
	steps := extent{log: all.log, unit: all.unit}
	for _, r := range rows {
		for _, p := range r.parts {
			steps.add(p.to)
			if !p.point.Total {
				steps.add(p.from)
			}
		}
	}
	if !steps.any || steps.lo <= 0 || steps.lo < 0.5*steps.hi {
		return all
	}
	steps.lo -= 0.15 * (steps.hi - steps.lo)
	return steps
}

// value is what is written behind a bar of a waterfall.
func (c Chart) value(p Point) string {
	switch {
	case p.Total:
		return c.y(p.Y)
	case p.Y < 0:
		return "−" + c.y(-p.Y)
	}
	return "+" + c.y(p.Y)
}

func (c Chart) interval(w *writer, a axis, p part, y float64) {
	s := c.Series[p.series]
	w.put("<g class=\"%s\"><g class=\"point%s\">", c.class(s, p.place), toneClass(p.point.Tone))
	if p.point.whiskered() && p.point.Lo <= p.point.Hi {
		lo, hi := a.at(p.point.Lo), a.at(p.point.Hi)
		w.put("<line class=\"whisker\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" />", lo, hi, y, y)
		for _, end := range []float64{lo, hi} {
			w.put("<line class=\"whisker\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" />", end, end, y-4, y+4)
		}
	}
	if a.shows(p.point.Y) {
		w.put("%s", shape(p.place, a.at(p.point.Y), y, 1, s.Hollow))
	}
	w.put("<title>%s</title></g></g>\n", c.tip(s, p.point))
}

func (c Chart) bar(w *writer, a axis, p part, y, thick float64) {
	s := c.Series[p.series]
	if !a.shows(p.to) {
		return
	}
	from := a.from
	if !a.log {
		from = a.at(p.from)
	}
	to := a.at(p.to)
	class := toneClass(p.point.Tone)
	if p.point.Total {
		class += " total"
	}
	w.put("<g class=\"%s\"><g class=\"point%s\"><rect class=\"bar\" x=\"%v\" y=\"%v\" width=\"%v\" height=\"%v\" />",
		c.class(s, p.place), class, min(from, to), y+1, max(math.Abs(to-from), 1), thick-2)
	// A bar that does not begin at zero is torn.
	if p.from < 0.999*a.lo && a.lo > 0 && !a.log {
		w.put("<path class=\"torn\" d=\"M%v %vl4 %vl-4 %vl4 %v\" />", from+8, y, thick/3, thick/3, thick/3)
	}
	w.put("<text class=\"value\" x=\"%v\" y=\"%v\">%s</text><title>%s</title></g></g>\n", max(from, to)+4, y+thick/2+4, c.value(p.point), c.tip(s, p.point))
}
