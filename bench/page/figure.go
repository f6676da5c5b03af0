package page

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// drawing is what has to be known of an SVG document to embed it.
type drawing struct {
	scripted      bool
	body          []byte  // the svg element
	height, ratio float64 // as of heightOf
}

// frameBorder is how wide the border of a frame is, in pixels, as the style has it.
const frameBorder = 1

func (f Figure) render(w *writer) error {
	d, err := parseDrawing(f.SVG)
	if err != nil {
		return fmt.Errorf("figure %q: %w", f.Title, err)
	}
	w.put("<figure class=\"figure\">\n")
	if f.Title != "" {
		w.put("<figcaption>%s</figcaption>\n", f.Title)
	}
	if d.scripted {
		// A drawing of so many pixels has them in every window and on paper, where nobody could scroll to the rest.
		size := markup("")
		switch {
		case d.height > 0:
			size = markup(fmt.Sprintf(` style="height:%.6gpx"`, d.height+2*frameBorder))
		case d.ratio > 0:
			size = markup(fmt.Sprintf(` style="aspect-ratio:%.4g"`, d.ratio))
		}
		w.put("<iframe title=\"%s\" sandbox=\"allow-scripts\"%s src=\"data:image/svg+xml;base64,%s\"></iframe>\n",
			f.Title, size, markup(base64.StdEncoding.EncodeToString(f.SVG)))
	} else {
		w.put("%s\n", markup(d.body))
	}
	if f.Note != "" {
		w.put("<p class=\"note\">%s</p>\n", f.Note)
	}
	w.put("</figure>\n")
	return nil
}

// parseDrawing reads an SVG document to its end, and refuses what is not one or fetches something.
func parseDrawing(svg []byte) (drawing, error) {
	var d drawing
	r := xml.NewDecoder(bytes.NewReader(svg))
	depth, start := 0, int64(0)
	for {
		before := r.InputOffset()
		token, err := r.Token()
		if errors.Is(err, io.EOF) && d.body != nil {
			return d, nil
		}
		if err != nil {
			return d, fmt.Errorf("not an SVG document: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				if t.Name.Local != "svg" || d.body != nil {
					return d, fmt.Errorf("not an SVG document: it has the element %q where svg should be", t.Name.Local)
				}
				start = before
				d.height, d.ratio = heightOf(t)
			}
			depth++
			d.scripted = d.scripted || t.Name.Local == "script"
			for _, a := range t.Attr {
				name := strings.ToLower(a.Name.Local)
				d.scripted = d.scripted || strings.HasPrefix(name, "on")
				if address := (name == "href" || name == "src"); address && !strings.HasPrefix(a.Value, "#") && !strings.HasPrefix(a.Value, "data:") {
					return d, fmt.Errorf("it refers to %q outside itself", a.Value)
				}
				if fetches(a.Value) {
					return d, fmt.Errorf("it refers outside itself: %s=%q", name, a.Value)
				}
			}
		case xml.CharData:
			if fetches(string(t)) {
				return d, errors.New("it refers outside itself with url() or @import")
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				d.body = svg[start:r.InputOffset()]
			}
		}
	}
}

// fetches reports whether a style gets something from elsewhere.
func fetches(s string) bool {
	s = strings.ToLower(s)
	if strings.Contains(s, "@import") {
		return true
	}
	for {
		_, rest, ok := strings.Cut(s, "url(")
		if !ok {
			return false
		}
		s = strings.TrimLeft(rest, " '\"")
		if !strings.HasPrefix(s, "#") && !strings.HasPrefix(s, "data:") {
			return true
		}
	}
}

// heightOf returns how high an svg element says it is, in pixels, or else what its box says of width by height; 0 for what
// is not said.
func heightOf(svg xml.StartElement) (height, ratio float64) {
	for _, a := range svg.Attr {
		switch a.Name.Local {
		case "height":
			height = number(strings.TrimSuffix(a.Value, "px"))
		case "viewBox":
			if f := strings.Fields(a.Value); len(f) == 4 && number(f[3]) > 0 {
				ratio = number(f[2]) / number(f[3])
			}
		}
	}
	return height, ratio
}

// number returns a positive number, 0 for what is none.
func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !finite(v) || v < 0 {
		return 0
	}
	return v
}
