package page

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// markup is text that is HTML already. Only this package makes it.
type markup string

// writer builds HTML.
type writer struct {
	strings.Builder
	ids map[string]int // how often each was asked for
}

// put adds HTML. Of the arguments only markup goes in as it stands: strings are escaped, floats are coordinates.
func (w *writer) put(format string, args ...any) {
	safe := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case markup, int:
			safe[i] = a
		case float64:
			safe[i] = coordinate(a)
		default:
			safe[i] = escape(fmt.Sprint(a))
		}
	}
	fmt.Fprintf(w, format, safe...)
}

// escape makes any string safe as text and as an attribute's value. What no document may hold is replaced.
func escape(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	return html.EscapeString(s)
}

// breakable is text that may be broken behind its slashes.
func breakable(s string) markup { return markup(strings.ReplaceAll(escape(s), "/", "/<wbr />")) }

// coordinate writes a place in a drawing. A tenth of a unit is less than a pixel.
func coordinate(v float64) string {
	s := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// id returns an identifier for a heading that is unique in the page: the wish, or one made of the title.
func (w *writer) id(wish, title string) string {
	if wish == "" {
		wish = title
	}
	id := anchor(wish)
	if w.ids == nil {
		w.ids = map[string]int{}
	}
	w.ids[id]++
	if n := w.ids[id]; n > 1 {
		return w.id(id+"-"+strconv.Itoa(n), "")
	}
	return id
}

// anchor turns any string into an identifier that needs no quoting in an address.
func anchor(s string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, s)
	if id = strings.Trim(id, "-"); id == "" {
		return "section"
	}
	return id
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// significant writes a number with four significant digits, large ones with commas: the way of charts that have no format of
// their own.
func significant(v float64) string {
	size := math.Abs(v)
	if v == 0 || !finite(v) || size < 1e-4 || size >= 1e12 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	rounding := math.Pow(10, math.Floor(math.Log10(size))-3)
	s := strconv.FormatFloat(math.Round(v/rounding)*rounding, 'f', max(0, int(-math.Floor(math.Log10(size)))+3), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	whole, fraction, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && size >= 10000 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}
