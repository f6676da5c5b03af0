package matrix

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"golang.org/x/perf/benchmath"
)

// median returns the median of the runs with its 95 % interval, by the same method as benchstat's. The interval is
// infinite with fewer than six runs.
func (c Cell) median() benchmath.Summary {
	sample := benchmath.NewSample(append([]float64(nil), c.Times...), &benchmath.DefaultThresholds)
	return benchmath.AssumeNothing.Summary(sample, confidence)
}

var csvHead = []string{"family", "load", "variant", "rows", "runs", "median_ns", "lo_ns", "hi_ns", "ns_per_row", "rows_per_s",
	"fixed_ns", "fixed_lo_ns", "fixed_hi_ns", "row_ns", "row_lo_ns", "row_hi_ns", "bend", "bent", "step_ns", "steps_apart"}

// WriteCSV writes a line for every cell: its median time with its interval, the line of its series, the same for all row
// counts, what a row costs from the row count before to this one, and how far apart these steps are. What is not known is
// empty.
func (m *Matrix) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(csvHead); err != nil {
		return fmt.Errorf("matrix: csv: %w", err)
	}
	for _, s := range m.Series {
		l := s.Line
		line := make([]string, 8)
		if l.Sizes >= 2 {
			line = []string{number(l.Fixed.Value), number(l.Fixed.Lo), number(l.Fixed.Hi),
				number(l.PerRow.Value), number(l.PerRow.Lo), number(l.PerRow.Hi), "", ""}
		}
		if l.Sizes >= 3 {
			line[6], line[7] = number(l.Bend), strconv.FormatBool(l.Bent)
		}
		steps, apart := s.Steps()
		for i, c := range s.Cells {
			step := math.NaN()
			if i > 0 {
				step = steps[i-1].PerRow
			}
			median, rows := c.median(), float64(c.Rows)
			cells := []string{strings.ToLower(s.Family), s.Load, s.Variant, strconv.Itoa(c.Rows), strconv.Itoa(len(c.Times)),
				number(median.Center), number(median.Lo), number(median.Hi), number(median.Center / rows), number(1e9 * rows / median.Center)}
			cells = append(append(cells, line...), number(step), number(apart))
			if err := out.Write(cells); err != nil {
				return fmt.Errorf("matrix: csv: %w", err)
			}
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("matrix: csv: %w", err)
	}
	return nil
}

// number writes six significant digits without an exponent, and nothing for what is not known.
func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return "" // not reached: it is a number's own text
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
