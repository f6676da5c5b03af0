package matrix

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// WriteText writes the lines that were fitted: for each series the fixed cost, the cost of a row, their intervals, and how
// straight the line is, as a whole and from one row count to the next.
func (m *Matrix) WriteText(w io.Writer) error {
	var out strings.Builder
	head := fmt.Sprintf("  %-22s %10s  %-18s %10s  %-18s  %s", "", "fixed (ms)", "95 % interval", "row (ns)", "95 % interval", "largest bend")
	fmt.Fprintf(&out, "Fixed cost and cost of a row: a line through time against rows\n%s\n", strings.TrimRight(head, " "))
	for _, s := range m.Series {
		l := s.Line
		if l.Sizes < 2 {
			continue
		}
		row := fmt.Sprintf("  %-22s %10s  %-18s %10s  %-18s  %s", s.Name(), millis(l.Fixed.Value), interval(l.Fixed, millis),
			nanos(l.PerRow.Value), interval(l.PerRow, nanos), l.bend())
		out.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	for _, note := range m.Notes() {
		out.WriteString(note + "\n")
	}
	var steps strings.Builder
	m.writeSteps(&steps)
	out.WriteString(steps.String())
	_, err := io.WriteString(w, out.String())
	return err
}

// Notes says what the lines cannot tell, and why.
func (m *Matrix) Notes() []string {
	var one, two, flat, bent []string
	for _, s := range m.Series {
		switch {
		case s.Line.Sizes == 1:
			one = append(one, s.Name())
		case s.Line.Sizes == 2:
			two = append(two, s.Name())
		case s.Line.Bent:
			bent = append(bent, s.Name())
		case s.Line.PerRow.Lo <= 0:
			flat = append(flat, s.Name())
		}
	}
	var notes []string
	if len(one) > 0 {
		notes = append(notes, "one row count gives no line ("+m.which(one)+"): measure two or more, such as -rows=1000,10000,100000")
	}
	if len(two) > 0 {
		notes = append(notes, "two row counts give no interval ("+m.which(two)+"): a line always fits two; measure three or more")
	}
	if len(flat) > 0 {
		notes = append(notes, "a row may cost nothing as far as these runs tell ("+m.which(flat)+"): put the row counts further apart, or make more runs")
	}
	if len(bent) > 0 {
		notes = append(notes, "bent: the row counts deviate from a line by more than their runs scatter ("+m.which(bent)+"); the interval includes that")
	}
	return notes
}

// which names series, or says that it is all of them.
func (m *Matrix) which(names []string) string {
	if len(names) == len(m.Series) {
		return "every case"
	}
	return strings.Join(names, ", ")
}

// bend says how straight the line is.
func (l *Line) bend() string {
	if l.Sizes < 3 {
		return "-"
	}
	if math.IsNaN(l.Bend) {
		return "not known"
	}
	s := fmt.Sprintf("%+.1f %%", 100*l.Bend)
	if l.To > 0 {
		s += fmt.Sprintf(" (%d to %d)", l.From, l.To)
	}
	if l.Bent {
		s += " bent"
	}
	return s
}

func interval(e Estimate, format func(float64) string) string {
	if !e.HasInterval() {
		return "-"
	}
	return format(e.Lo) + " to " + format(e.Hi)
}

func millis(ns float64) string { return digits(ns / 1e6) }

func nanos(ns float64) string { return digits(ns) }

// digits writes a number with three significant digits, or all before the point.
func digits(v float64) string {
	decimals := 0
	if a := math.Abs(v); a > 0 && a < 100 {
		decimals = min(2-int(math.Floor(math.Log10(a))), 3)
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}
