package page

import (
	"math"
	"strings"
	"unicode/utf8"
)

// Sizes of charts, in units that are pixels on a phone and a little more on a screen.
const (
	chartWidth  = 440.0
	plotHeight  = 210.0
	letter      = 7.9 // width of a letter, about: of a wide font, in the size of phones
	lineHeight  = 15.0
	tickRoom    = 18.0
	mostNumbers = 200 // points; a chart with more has no table of them
	dense       = 100 // points; in a chart with more they are smaller
)

func (c Chart) render(w *writer) error {
	w.put("<figure class=\"chart\">\n")
	if c.Title != "" {
		w.put("<figcaption>%s</figcaption>\n", breakable(c.Title))
	}
	c.legend(w)
	n := 0
	for _, s := range c.Series {
		n += len(s.Points)
	}
	switch {
	case n == 0:
		w.put("<p class=\"note\">There is nothing to draw.</p>\n")
	case c.Kind == Points || c.Kind == Lines:
		c.plane(w)
	default:
		c.list(w)
	}
	if c.Note != "" {
		w.put("<p class=\"note\">%s</p>\n", c.Note)
	}
	if n > 0 && n <= mostNumbers {
		w.put("<div class=\"numbers\">\n")
		if err := c.rows().render(w); err != nil {
			return err
		}
		w.put("</div>\n")
	}
	w.put("</figure>\n")
	return nil
}

// legend names the series where there are several, and the shaded ranges and lines that have a label.
func (c Chart) legend(w *writer) {
	if len(c.Series) < 2 && len(c.Bands) == 0 && len(c.Marks) == 0 {
		return
	}
	w.put("<p class=\"legend\">")
	if len(c.Series) > 1 {
		for i, s := range c.Series {
			w.put(`<span><svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true"><g class="%s">%s</g></svg>%s</span> `,
				c.class(s, i), shape(i, 7, 7, 1, s.Hollow), s.Name)
		}
	}
	for _, b := range c.Bands {
		if b.Label != "" {
			w.put(`<span><svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true"><rect class="band %s" x="0" y="2" width="14" height="10" /></svg>%s</span> `, b.Tone, b.Label)
		}
	}
	for _, m := range c.Marks {
		if m.Label != "" {
			w.put(`<span><svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true"><line class="level %s" x1="0" x2="14" y1="7" y2="7" /></svg>%s</span> `, m.Tone, m.Label)
		}
	}
	w.put("</p>\n")
}

// class is how the style knows a series: by its tone, or else by its place. The first is gray, as what others are compared
// with; a series that is alone has the second's colour.
func (c Chart) class(s Series, place int) string {
	if s.Tone != Neutral {
		return "series " + s.Tone.String()
	}
	if len(c.Series) == 1 && c.Kind != Waterfall {
		place = 1
	}
	return "series s" + string(rune('0'+place%6))
}

// shape draws the mark of a series.
func shape(place int, x, y, size float64, hollow bool) markup {
	var w writer
	class := "mark"
	if hollow {
		class += " hollow"
	}
	switch place % 6 {
	case 0:
		w.put(`<circle class="%s" cx="%v" cy="%v" r="%v" />`, class, x, y, 3.6*size)
	case 1:
		w.put(`<path class="%s" d="M%v %vl%v %vl%v %vl%v %vz" />`, class, x, y-4.6*size, 4.6*size, 4.6*size, -4.6*size, 4.6*size, -4.6*size, -4.6*size)
	case 2:
		w.put(`<rect class="%s" x="%v" y="%v" width="%v" height="%v" />`, class, x-3.2*size, y-3.2*size, 6.4*size, 6.4*size)
	case 3:
		w.put(`<path class="%s" d="M%v %vl%v %vh%vz" />`, class, x, y-4.6*size, 4.4*size, 7.6*size, -8.8*size)
	case 4:
		w.put(`<path class="%s" d="M%v %vl%v %vh%vz" />`, class, x, y+4.6*size, 4.4*size, -7.6*size, -8.8*size)
	default:
		w.put(`<path class="%s" d="M%v %vh3v-3h2v3h3v2h-3v3h-2v-3h-3z" />`, class, x-4, y-1)
	}
	return markup(w.String())
}

// size returns how large the marks of the chart are.
func (c Chart) size() float64 {
	n := 0
	for _, s := range c.Series {
		n += len(s.Points)
	}
	if n > dense {
		return 0.65
	}
	return 1
}

// whiskered reports whether the point has an interval.
func (p Point) whiskered() bool { return p.Lo != 0 || p.Hi != 0 }

func (c Chart) x(v float64) string { return written(c.XFormat, v) }
func (c Chart) y(v float64) string { return written(c.YFormat, v) }

func written(format func(float64) string, v float64) string {
	if format == nil {
		format = significant
	}
	return format(v)
}

// tip is what a tooltip says about a point. Browsers show it without a script, too.
func (c Chart) tip(s Series, p Point) string {
	var lines []string
	if head := strings.TrimSpace(strings.Join([]string{s.Name, p.Label}, " ")); head != "" {
		lines = append(lines, head)
	}
	if c.Kind == Points || c.Kind == Lines {
		lines = append(lines, or(c.XLabel, "x")+": "+c.x(p.X))
	}
	lines = append(lines, or(c.YLabel, "y")+": "+c.y(p.Y))
	if p.whiskered() {
		lines = append(lines, c.y(p.Lo)+" to "+c.y(p.Hi))
	}
	if p.Note != "" {
		lines = append(lines, p.Note)
	}
	return strings.Join(lines, "\n")
}

// wide returns how much room a text takes, about.
func wide(s string) float64 { return letter * float64(utf8.RuneCountInString(s)) }

// tick writes a number below an axis that runs from left to right, within the drawing.
func (c Chart) tick(w *writer, x, y float64, text string) {
	anchor, half := "middle", wide(text)/2
	switch {
	case x-half < 0:
		anchor, x = "start", 0
	case x+half > chartWidth:
		anchor, x = "end", chartWidth
	}
	w.put("<text class=\"%s\" x=\"%v\" y=\"%v\">%s</text>\n", anchor, x, y, text)
}

// open starts the drawing.
func (c Chart) open(w *writer, height float64) {
	w.put("<svg class=\"plot\" viewBox=\"0 0 %v %v\" role=\"img\" aria-label=\"%s\">\n", chartWidth, height, c.Title)
}

// thinned leaves out ticks whose labels would touch: every second, or two of three, and so on.
func thinned(ticks []float64, a axis, format func(float64) string) []float64 {
	for every := 1; every < len(ticks); every++ {
		var kept []float64
		fits, end := true, math.Inf(-1)
		for i := 0; i < len(ticks); i += every {
			at, half := a.at(ticks[i]), wide(format(ticks[i]))/2
			fits = fits && at-half > end+6
			end = at + half
			kept = append(kept, ticks[i])
		}
		if fits {
			return kept
		}
	}
	return ticks[:min(len(ticks), 1)]
}
