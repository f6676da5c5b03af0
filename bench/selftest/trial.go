package selftest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
)

// Trial is one comparison and what it said.
type Trial struct {
	Plant   string  `json:"plant"`             // "" for equal code
	Percent float64 `json:"percent,omitempty"` // of the case's time
	Spec    string  `json:"spec,omitempty"`    // as the processes were told
	Seed    uint64  `json:"seed"`

	Exit compare.Exit `json:"exit"`
	// Regressed holds the units that were confirmed as regressed, with their relative change.
	Regressed map[string]compare.Number `json:"regressed,omitempty"`
	// Changes holds the estimates for the gated units, whatever their outcome.
	Changes map[string]compare.Number `json:"changes,omitempty"`
	// Named is the phase the comparison blames, and Share the part of the change it blames it for.
	Named string         `json:"named,omitempty"`
	Share compare.Number `json:"share,omitempty"`
	Error string         `json:"error,omitempty"` // first line, of a comparison that broke off

	Pairs   int           `json:"pairs"`
	Repeats int           `json:"repeats"` // disturbed pairs
	Others  float64       `json:"others"`  // share of the machine that others took before the trial; -1 unknown
	Took    time.Duration `json:"took_ns"`
}

// Found reports whether the comparison confirmed a regression.
func (t *Trial) Found() bool { return t.Exit == compare.ExitRegressed }

// Right reports whether it was found, and the phase named in which it was planted.
func (t *Trial) Right() bool { return t.Found() && t.Named == phaseOf[t.Plant] }

// side is the runner of a single case: it need not be looked for in every comparison.
type side struct {
	compare.Runner
	only compare.Case
}

// Cases implements [compare.Runner].
func (s side) Cases(context.Context, compare.Side) ([]compare.Case, error) {
	return []compare.Case{s.only}, nil
}

// try makes one trial. Its error is one that says nothing about the comparison's worth, such as a server that is gone.
func (r *run) try(ctx context.Context, k task, seed uint64) (Trial, error) {
	t := Trial{Plant: k.plant, Percent: k.percent, Spec: r.spec(k), Seed: seed, Others: -1}
	if k.ends == compare.ExitOK {
		if share, ok := r.busy(ctx); ok {
			t.Others = share
		}
	}

	started := r.now()
	report, err := compare.Measure(ctx, side{r.runner(t.Spec), r.name()}, compare.Options{
		Rounds: r.Rounds, Iterations: r.Iterations, Threshold: r.Threshold, Seed: seed, Restart: r.restart,
	})
	t.Took = r.now().Sub(started)
	if err != nil {
		t.Exit = compare.ExitOf(err)
		t.Error, _, _ = strings.Cut(err.Error(), "\n")
		// What was planted to break a comparison off may do so; anything else may not.
		if ctx.Err() != nil || k.ends == compare.ExitOK {
			return t, err
		}
		return t, nil
	}
	t.read(report)
	return t, nil
}

// read takes from the report what matters here.
func (t *Trial) read(report *compare.Report) {
	t.Exit = report.Exit(false)
	t.Changes = map[string]compare.Number{}
	t.Regressed = map[string]compare.Number{}
	for _, b := range report.Blocks {
		for _, s := range b.Series {
			t.Pairs += len(s.Pairs)
			t.Repeats += len(s.Repeated)
		}
	}
	byUnit := map[string]*compare.Verdict{}
	for _, v := range report.Verdicts {
		if !v.Exact {
			t.Changes[v.Unit] = v.Change.Estimate
		}
		if v.Outcome == compare.Regressed {
			t.Regressed[v.Unit] = v.Change.Estimate
			byUnit[v.Unit] = v
		}
	}

	// CPU time first: it is explained by what computes more, wall time by what takes longer, and with fewer processors
	// than stages and servers everything takes longer when one of them computes more.
	for _, unit := range []string{"cpu-sec/op", "sec/op"} {
		if v := byUnit[unit]; v != nil && v.Explanation != nil && len(v.Explanation.Parts) > 0 {
			part := v.Explanation.Parts[0]
			t.Named, t.Share = part.Name(), part.Share
			return
		}
	}
}

// spec is what the processes with the plant are told.
func (r *run) spec(k task) string {
	if k.percent == 0 {
		return k.plant
	}
	perRow := k.percent / 100 * r.secPerOp * 1e9 / float64(r.Rows)
	return fmt.Sprintf("%s=%dns/row", k.plant, max(1, int64(math.Round(perRow))))
}

// text is the trial's outcome for the log.
func (t *Trial) text() string {
	name := t.name()
	switch {
	case t.Percent == 0 && t.Plant != "":
		return fmt.Sprintf("%s: exit code %d", name, t.Exit)
	case !t.Found():
		return fmt.Sprintf("%s: no regression confirmed (%s)", name, changes(t.Changes))
	case t.Plant == "":
		return fmt.Sprintf("%s: a regression that is not there (%s)", name, changes(t.Regressed))
	}
	return fmt.Sprintf("%s: found (%s), %.0f %% of it %s", name, changes(t.Regressed), 100*float64(t.Share), t.Named)
}

func (t *Trial) name() string {
	switch {
	case t.Plant == "":
		return "equal code"
	case t.Percent == 0:
		return t.Plant
	}
	return fmt.Sprintf("%s +%g %%", t.Plant, t.Percent)
}

// changes writes the times of a map of changes.
func changes(by map[string]compare.Number) string {
	var parts []string
	for _, unit := range compare.DefaultGate() {
		if c, ok := by[unit]; ok {
			parts = append(parts, fmt.Sprintf("%s %+.1f %%", unit, 100*float64(c)))
		}
	}
	for unit, c := range by {
		if !strings.Contains(strings.Join(compare.DefaultGate(), " "), unit) {
			parts = append(parts, fmt.Sprintf("%s %+.2f %%", unit, 100*float64(c)))
		}
	}
	return strings.Join(parts, ", ")
}
