package matrix

import (
	"fmt"
	"math"
	"strings"
)

// Step is what the rows between two neighbouring row counts cost.
type Step struct {
	From, To int     // rows
	PerRow   float64 // nanoseconds each, by the medians of both
}

// Steps returns the steps of the series in ascending order, and how far apart they are: the dearest row over the cheapest,
// less one. The slope between any two row counts is a weighted mean of the steps between them, so no two slopes of the series
// are farther apart than that. It is NaN with fewer than two steps, and where one is not above zero: scatter hides then what a
// row costs.
func (s *Series) Steps() (steps []Step, apart float64) {
	least, most := math.Inf(1), math.Inf(-1)
	for i := 1; i < len(s.Cells); i++ {
		a, b := s.Cells[i-1], s.Cells[i]
		step := Step{a.Rows, b.Rows, (b.median().Center - a.median().Center) / float64(b.Rows-a.Rows)}
		steps = append(steps, step)
		least, most = min(least, step.PerRow), max(most, step.PerRow)
	}
	if len(steps) < 2 || least <= 0 {
		return steps, math.NaN()
	}
	return steps, most/least - 1
}

// writeSteps writes the steps of every series that has two, and how far apart they are.
func (m *Matrix) writeSteps(out *strings.Builder) {
	for _, s := range m.Series {
		steps, apart := s.Steps()
		if len(steps) < 2 {
			continue
		}
		if out.Len() == 0 {
			out.WriteString("\nStraight line: how far apart the slopes between row counts are, and what a row costs from each to the next (ns)\n")
		}
		var list []string
		for _, step := range steps {
			list = append(list, fmt.Sprintf("%s (%d to %d)", nanos(step.PerRow), step.From, step.To))
		}
		fmt.Fprintf(out, "  %-22s %10s  %s\n", s.Name(), apartText(steps, apart), strings.Join(list, ", "))
	}
}

// apartText writes how far apart the steps are.
func apartText(steps []Step, apart float64) string {
	switch {
	case len(steps) < 2:
		return "-"
	case math.IsNaN(apart):
		return "not known"
	}
	return fmt.Sprintf("%.1f %%", 100*apart)
}
