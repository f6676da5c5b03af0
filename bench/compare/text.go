package compare

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/perf/benchunit"
)

// WriteText writes the report for people: what was compared and where, what was found with the largest change first, and
// one line that sums it up.
func (r *Report) WriteText(w io.Writer) error {
	var s strings.Builder
	r.writeHeader(&s)
	if r.Identical != "" {
		fmt.Fprintf(&s, "\n%s\n", r.Identical)
		_, err := io.WriteString(w, s.String())
		return err
	}

	for _, outcome := range []Outcome{Regressed, Improved, Inconclusive, Same} {
		r.writeVerdicts(&s, outcome)
	}
	r.writeSummary(&s)
	_, err := io.WriteString(w, s.String())
	return err
}

// machineKeys are the configuration lines that the header shows, in this order.
var machineKeys = []string{"machine", "cpu", "pg-version", "pg-provider", "pg-conf", "dataset", "runtime"}

func (r *Report) writeHeader(s *strings.Builder) {
	for _, side := range []struct {
		name string
		v    Version
	}{{"base", r.Base}, {"head", r.Head}} {
		if side.v.Text != "" {
			fmt.Fprintf(s, "%s: %s %s\n", side.name, side.v.Text, side.v.Subject)
		}
	}
	var machine []string
	for _, key := range machineKeys {
		if value := r.Config[key]; value != "" {
			machine = append(machine, key+" "+value)
		}
	}
	if machine != nil {
		fmt.Fprintf(s, "%s\n", strings.Join(machine, ", "))
	}
	if r.Identical == "" {
		s.WriteString(r.resolving())
		fmt.Fprintf(s, "at most %d pairs of each case in a block, seed %d, threshold %s, error probability %s\n",
			r.Rounds, r.Seed, percent(r.Threshold), percent(r.Alpha))
	}
	if r.Reproduce != "" {
		fmt.Fprintf(s, "again: %s\n", r.Reproduce)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(s, "warning: %s\n", warning)
	}
	writeOnly(s, "base", r.OnlyBase)
	writeOnly(s, "head", r.OnlyHead)
}

// resolving says in one line what this machine can tell apart, "" if that is not known: a warning says so then.
func (r *Report) resolving() string {
	var finest, coarsest *Resolves
	for i := range r.Resolves {
		c := &r.Resolves[i]
		if c.Unit != "sec/op" {
			continue
		}
		if finest == nil || c.Floor < finest.Floor {
			finest = c
		}
		if coarsest == nil || c.Floor > coarsest.Floor {
			coarsest = c
		}
	}
	if finest == nil {
		return ""
	}
	days := int(r.Finished.Sub(r.NoiseTaken) / (24 * time.Hour))
	return fmt.Sprintf("this machine resolves %s in sec/op at best, %s on %s (measured %d days ago)\n",
		percent(float64(finest.Floor)), percent(float64(coarsest.Floor)), coarsest.Case, days)
}

func writeOnly(s *strings.Builder, side string, cases []Case) {
	if len(cases) > 0 {
		fmt.Fprintf(s, "only in %s, not compared: %s\n", side, join(cases))
	}
}

func join(cases []Case) string {
	var names []string
	for _, c := range cases {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

// writeVerdicts writes the table of one outcome. Counters that are equal are only counted: there are many of them, and
// there is nothing to see.
func (r *Report) writeVerdicts(s *strings.Builder, outcome Outcome) {
	var rows []*Verdict
	equal := 0
	for _, v := range r.Verdicts {
		switch {
		case v.Outcome != outcome:
		case v.Equal():
			equal++
		default:
			rows = append(rows, v)
		}
	}
	if len(rows)+equal == 0 {
		return
	}
	fmt.Fprintf(s, "\n%s (%d)\n", outcome, len(rows)+equal)

	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	for i, v := range rows {
		if i == 0 {
			fmt.Fprintf(table, "  case\tunit\tbase\thead\tchange\tinterval\tpairs\tband\n")
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Case, v.Unit, scaled(v.Base, v.Unit), scaled(v.Head, v.Unit),
			v.change(), v.interval(), v.pairs(), v.band())
	}
	table.Flush()
	if equal > 0 {
		fmt.Fprintf(s, "  %d exact counters are equal\n", equal)
	}

	for _, v := range rows {
		if note := v.note(); note != "" {
			fmt.Fprintf(s, "  %s %s: %s\n", v.Case, v.Unit, note)
		}
	}
}

// scaled writes a value as benchstat does, with a prefix: "102.3m" of a second.
func scaled(value Number, unit string) string {
	if math.IsNaN(float64(value)) {
		return "-"
	}
	return benchunit.Scale(float64(value), benchunit.ClassOf(unit))
}

func (v *Verdict) change() string {
	change := float64(v.Change.Estimate)
	switch {
	case v.Change.Pairs == 0:
		return "-"
	case math.IsInf(change, 1) || change > 1e6:
		return "from 0"
	}
	return signed(change)
}

func (v *Verdict) interval() string {
	lo, hi := float64(v.Change.Lo), float64(v.Change.Hi)
	switch {
	case v.Exact:
		return "exact"
	case v.Change.Pairs == 0 || math.IsInf(hi, 0) || hi > 1e6:
		return "-"
	}
	return signed(lo) + " to " + signed(hi)
}

func (v *Verdict) pairs() string {
	s := fmt.Sprint(v.Change.Pairs)
	if v.First != nil {
		s = fmt.Sprintf("%d+%d", v.First.Pairs, v.Change.Pairs)
	}
	if v.Repeats > 0 {
		s += fmt.Sprintf(" (%d repeated)", v.Repeats)
	}
	return s
}

func (v *Verdict) band() string {
	s := percent(v.Band.Change)
	if v.Band.From != "threshold" && !v.Exact { // the interval says that it is exact
		s += " (" + v.Band.From + ")"
	}
	return s
}

// note says what the table has no room for.
func (v *Verdict) note() string {
	var notes []string
	if v.Explanation != nil {
		notes = append(notes, v.Explanation.Text(float64(v.Change.Estimate)))
	}
	if v.Reason != "" {
		notes = append(notes, v.Reason)
	}
	for _, m := range v.Modes {
		notes = append(notes, m.Text(v.Unit))
	}
	return strings.Join(notes, "; ")
}

// Text says where a change comes from: "92 % of +8.1 % is dest flush, wal-B/row +7.9 %".
func (e *Explanation) Text(change float64) string {
	var parts []string
	sum := 0.0
	for _, p := range e.Parts {
		if len(parts) > 0 && (sum > 0.9 || p.Share < 0.05 || len(parts) == 3) {
			break
		}
		text := fmt.Sprintf("%.0f %% is %s", 100*p.Share, p.Name())
		if len(parts) == 0 {
			text = fmt.Sprintf("%.0f %% of %s is %s", 100*p.Share, signed(change), p.Name())
			for _, w := range e.Work {
				text += fmt.Sprintf(", %s %s", w.Unit, signed(float64(w.Change)))
			}
		}
		parts = append(parts, text)
		sum += float64(p.Share)
	}
	return strings.Join(parts, "; ")
}

func (r *Report) writeSummary(s *strings.Builder) {
	s.WriteString("\n")
	var means []string
	for _, g := range r.Geomeans {
		means = append(means, fmt.Sprintf("%s %s", g.Unit, signed(float64(g.Change))))
	}
	if means != nil {
		fmt.Fprintf(s, "geomean of %d cases: %s\n", r.Geomeans[0].Cases, strings.Join(means, ", "))
	}
	if r.Tax != nil {
		fmt.Fprintf(s, "WASM tax, pipeline over native floor: %.2f in base, %.2f in head\n", r.Tax.Base, r.Tax.Head)
	}
	pairs, repeated := 0, 0
	for _, b := range r.Blocks {
		for _, c := range b.Series {
			pairs += len(c.Pairs)
			repeated += len(c.Repeated)
		}
		if b.Ended != "" {
			fmt.Fprintf(s, "block %d: %s\n", b.Number, b.Ended)
		}
	}
	fmt.Fprintf(s, "%d pairs in %d blocks, %d repeated and %d runs left out because the machine was disturbed\n",
		pairs, len(r.Blocks), repeated, r.LeftOut.Runs)

	c := r.Counts
	fmt.Fprintf(s, "%d regressed, %d improved, %d same, %d inconclusive\n", c.Regressed, c.Improved, c.Same, c.Inconclusive)
	if causes := r.regressedCases(); causes != nil {
		fmt.Fprintf(s, "regressed: %s\n", join(causes))
	}
}

// regressedCases returns the cases with a confirmed regression, each once.
func (r *Report) regressedCases() []Case {
	var cases []Case
	for _, v := range r.Verdicts {
		if v.Outcome == Regressed && !slices.Contains(cases, v.Case) {
			cases = append(cases, v.Case)
		}
	}
	return cases
}
