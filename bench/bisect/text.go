package bisect

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchunit"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var s strings.Builder
	fmt.Fprintf(&s, "good: %s %s\n", r.Good.Text, r.Good.Subject)
	fmt.Fprintf(&s, "bad:  %s %s\n", r.Bad.Text, r.Bad.Subject)
	fmt.Fprintf(&s, "%s", r.Case)
	if r.Unit != "" {
		fmt.Fprintf(&s, ", %s", r.Unit)
	}
	fmt.Fprintf(&s, ", %d commits after the good one\n", r.Commits-1)
	if r.Threshold > 0 {
		fmt.Fprintf(&s, "slow is more than %s against the good commit\n", percent(r.Threshold))
	}
	if r.Reproduce != "" {
		fmt.Fprintf(&s, "again: %s\n", r.Reproduce)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&s, "warning: %s\n", warning)
	}
	r.writeSteps(&s)
	s.WriteString("\n")
	switch {
	case r.Found != nil:
		r.writeFound(&s)
	case r.Suspects != nil:
		fmt.Fprintf(&s, "not decided: %s\none of these made it slower:\n", r.Why)
		for _, v := range r.Suspects {
			fmt.Fprintf(&s, "  %s %s\n", v.Text, v.Subject)
		}
	default:
		fmt.Fprintf(&s, "%s\n", r.Why)
		if v := r.Whole; v != nil && v.Change.Pairs > 0 {
			fmt.Fprintf(&s, "  %s: %s\n", v.Unit, effect(v))
		}
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// writeSteps writes a line for each answer.
func (r *Report) writeSteps(s *strings.Builder) {
	if len(r.Steps) == 0 {
		return
	}
	s.WriteString("\n")
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	for _, step := range r.Steps {
		change, interval := "", ""
		if c := step.Change; c != nil && c.Pairs > 0 {
			change, interval = percent(c.Estimate), fmt.Sprintf("%s to %s", percent(c.Lo), percent(c.Hi))
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n", step.Commit[:min(len(step.Commit), 12)], step.Answer, change, interval, step.Subject)
	}
	table.Flush()
	for _, step := range r.Steps {
		if step.Reason != "" {
			fmt.Fprintf(s, "  %s: %s\n", step.Commit[:min(len(step.Commit), 12)], step.Reason)
		}
	}
}

func (r *Report) writeFound(s *strings.Builder) {
	fmt.Fprintf(s, "it became slower with %s\n", r.Found.Commit)
	fmt.Fprintf(s, "  %s\n", r.Found.Subject)
	if e := r.Effect; e != nil {
		fmt.Fprintf(s, "  %s: %s, against the commit before it\n", e.Unit, effect(e))
		if e.Explanation != nil {
			fmt.Fprintf(s, "  %s\n", e.Explanation.Text(float64(e.Change.Estimate)))
		}
	}
	if r.Doubt {
		fmt.Fprintf(s, "  in doubt: %s\n", r.Why)
	}
	if r.FlameGraph != "" {
		fmt.Fprintf(s, "  differential flame graph: %s\n", r.FlameGraph)
	}
	if len(r.Inside) > 1 {
		fmt.Fprintf(s, "  it is a merge; to look inside, bisect %.12s %.12s\n", r.Inside[0], r.Inside[1])
	}
}

// effect writes "10.2m to 15.9m, +55.9 % (+51.3 % to +60.4 %)".
func effect(v *compare.Verdict) string {
	class := benchunit.ClassOf(v.Unit)
	text := fmt.Sprintf("%s to %s, %s", benchunit.Scale(float64(v.Base), class), benchunit.Scale(float64(v.Head), class), percent(v.Change.Estimate))
	if v.Exact {
		return text + " exactly"
	}
	return text + fmt.Sprintf(" (%s to %s)", percent(v.Change.Lo), percent(v.Change.Hi))
}
