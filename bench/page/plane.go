package page

// plane draws points with two coordinates.
func (c Chart) plane(w *writer) {
	xs, ys := extent{log: c.XLog}, extent{log: c.YLog, unit: c.YUnit}
	for _, s := range c.Series {
		for _, p := range s.Points {
			if c.drawn(p) {
				xs.add(p.X)
				ys.add(p.Y)
				if p.whiskered() {
					ys.add(p.Lo, p.Hi)
				}
			}
		}
	}
	for _, b := range c.Bands {
		ys.add(b.Lo, b.Hi)
	}
	for _, m := range c.Marks {
		ys.add(m.Y)
	}

	// The labels of the vertical axis decide where the plot begins.
	top := 8.0
	if c.YLabel != "" {
		top = lineHeight + 6
	}
	bottom := top + plotHeight
	y := ys.axis(bottom, top, 6)
	left := 0.0
	for _, t := range y.ticks {
		left = max(left, wide(c.y(t)))
	}
	left = min(left+8, chartWidth/3)
	x := xs.axis(left, chartWidth-10, 6)
	height := bottom + tickRoom
	if c.XLabel != "" {
		height += lineHeight
	}
	c.open(w, height)

	for _, b := range c.Bands {
		if finite(b.Lo) && finite(b.Hi) {
			lo, hi := y.at(b.Lo), y.at(b.Hi)
			w.put("<rect class=\"band %s\" x=\"%v\" y=\"%v\" width=\"%v\" height=\"%v\" />\n", b.Tone, left, min(lo, hi), chartWidth-10-left, max(lo, hi)-min(lo, hi))
		}
	}
	for _, t := range y.ticks {
		w.put("<line class=\"grid\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" /><text class=\"end\" x=\"%v\" y=\"%v\">%s</text>\n",
			left, chartWidth-10, y.at(t), y.at(t), left-6, y.at(t)+4, c.y(t))
	}
	for _, t := range thinned(x.ticks, x, c.x) {
		if c.x(t) == "" {
			continue
		}
		w.put("<line class=\"tick\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" />", x.at(t), x.at(t), bottom, bottom+4)
		c.tick(w, x.at(t), bottom+tickRoom-2, c.x(t))
	}
	w.put("<line class=\"axis\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" />\n", left, chartWidth-10, bottom, bottom)
	if c.YLabel != "" {
		w.put("<text class=\"label\" x=\"0\" y=\"%v\">%s</text>\n", lineHeight-4, c.YLabel)
	}
	if c.XLabel != "" {
		w.put("<text class=\"label end\" x=\"%v\" y=\"%v\">%s</text>\n", chartWidth-10, height-3, c.XLabel)
	}
	for _, m := range c.Marks {
		if y.shows(m.Y) {
			w.put("<line class=\"level %s\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" />\n", m.Tone, left, chartWidth-10, y.at(m.Y), y.at(m.Y))
		}
	}

	for _, b := range c.Breaks {
		if x.shows(b.X) {
			w.put("<line class=\"level muted\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" /><text x=\"%v\" y=\"%v\">%s</text>\n",
				x.at(b.X), x.at(b.X), top, bottom, x.at(b.X)+4, top+9, b.Label)
		}
	}

	size := c.size()
	for i, s := range c.Series {
		c.series(w, i, s, x, y, size)
	}
	w.put("</svg>\n")
}

// drawn reports whether the point has a place in the plane.
func (c Chart) drawn(p Point) bool {
	return finite(p.X) && finite(p.Y) && (!c.XLog || p.X > 0) && (!c.YLog || p.Y > 0)
}

func (c Chart) series(w *writer, place int, s Series, x, y axis, size float64) {
	w.put("<g class=\"%s\">\n", c.class(s, place))
	if c.Kind == Lines {
		w.put("<path class=\"line\" d=\"")
		command := "M"
		for _, p := range s.Points {
			if c.drawn(p) {
				w.put("%s%v %v", command, x.at(p.X), y.at(p.Y))
				command = "L"
			}
		}
		w.put("\" />\n")
	}
	for _, p := range s.Points {
		if !c.drawn(p) {
			continue
		}
		w.put("<g class=\"point%s\">", toneClass(p.Tone))
		if p.whiskered() && p.Lo <= p.Hi {
			w.put("<line class=\"whisker\" x1=\"%v\" x2=\"%v\" y1=\"%v\" y2=\"%v\" />", x.at(p.X), x.at(p.X), y.at(p.Lo), y.at(p.Hi))
		}
		w.put("%s<title>%s</title></g>\n", shape(place, x.at(p.X), y.at(p.Y), size, s.Hollow), c.tip(s, p))
	}
	w.put("</g>\n")
}

// toneClass adds a tone to a class; the neutral one adds nothing.
func toneClass(t Tone) string {
	if t == Neutral {
		return ""
	}
	return " " + t.String()
}
