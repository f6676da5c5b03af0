package selftest

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
)

// Report is what a self-test found.
type Report struct {
	Format     int               `json:"v"`
	Commit     string            `json:"commit"`
	Dirty      bool              `json:"dirty,omitempty"`
	Case       compare.Case      `json:"case"`
	Config     map[string]string `json:"config"` // machine, server, dataset
	Rounds     int               `json:"rounds"`
	Iterations int               `json:"iterations"`
	Seed       uint64            `json:"seed"`
	Quick      bool              `json:"quick,omitempty"`

	SecPerOp compare.Number `json:"sec_per_op"` // without a plant
	CPUPerOp compare.Number `json:"cpu_sec_per_op"`
	Idle     bool           `json:"idle"`   // see the package documentation
	Others   compare.Number `json:"others"` // median share of the machine that others took
	Ended    string         `json:"ended,omitempty"`
	Took     time.Duration  `json:"took_ns"`

	Trials   []Trial   `json:"trials"`
	Rates    []Rate    `json:"rates"`
	Promises []Promise `json:"promises"`
}

// Rate is how often a plant of one size was found.
type Rate struct {
	Plant   string  `json:"plant"` // "" for equal code
	Percent float64 `json:"percent,omitempty"`
	Trials  int     `json:"trials"`
	Found   int     `json:"found"`
	Right   int     `json:"right"` // found, and the right phase named
}

// finish counts and judges the trials.
func (r *Report) finish(o *Options) {
	r.Idle, r.Others = idle(r.Trials)
	count := func(plant string, percent float64) {
		rate := Rate{Plant: plant, Percent: percent}
		for i := range r.Trials {
			t := &r.Trials[i]
			if t.Plant != plant || t.Percent != percent {
				continue
			}
			rate.Trials++
			if t.Found() {
				rate.Found++
			}
			if t.Right() {
				rate.Right++
			}
		}
		r.Rates = append(r.Rates, rate)
	}
	if o.wants(onlyEqual) {
		count("", 0)
	}
	for _, place := range o.places() {
		for _, percent := range o.Percents {
			count(place, percent)
		}
	}
	r.Promises = r.judge(o)
}

// Exit returns 0 if every promise that was asked about is kept, or excused.
func (r *Report) Exit() compare.Exit {
	for _, p := range r.Promises {
		if p.Status == Broken || p.Status == NotShown {
			return compare.ExitError
		}
	}
	return compare.ExitOK
}

// JSON returns the report as one indented object.
func (r *Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "self-test of %.12s%s: %s, %.1f ms (CPU %.1f ms) a run\n", r.Commit, map[bool]string{true: " with changes"}[r.Dirty],
		r.Case, 1e3*float64(r.SecPerOp), 1e3*float64(r.CPUPerOp))
	fmt.Fprintf(&b, "at most %d pairs in a block, %d runs in a process, seed %d; %s; took %v\n", r.Rounds, r.Iterations, r.Seed,
		r.machine(), r.Took.Round(time.Second))
	if r.Ended != "" {
		fmt.Fprintln(&b, r.Ended)
	}
	r.writeRates(&b)

	fmt.Fprintln(&b)
	for _, p := range r.Promises {
		fmt.Fprintf(&b, "%-9s  %s: %s\n", p.Status, p.Text, p.Why)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) machine() string {
	state := "busy"
	if r.Idle {
		state = "otherwise idle"
	}
	if r.Others < 0 {
		return "nobody tells how busy the machine was"
	}
	return fmt.Sprintf("the machine was %s (others took %.0f %% of it)", state, 100*float64(r.Others))
}

// writeRates writes a line for each plant and a column for each size.
func (r *Report) writeRates(b *strings.Builder) {
	var percents []float64
	var plants []string
	for _, rate := range r.Rates {
		if rate.Plant == "" {
			continue
		}
		if !slices.Contains(percents, rate.Percent) {
			percents = append(percents, rate.Percent)
		}
		if !slices.Contains(plants, rate.Plant) {
			plants = append(plants, rate.Plant)
		}
	}
	if len(plants) == 0 {
		return
	}

	t := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "\nfound")
	for _, p := range percents {
		fmt.Fprintf(t, "\t+%g %%", p)
	}
	fmt.Fprint(t, "\trightly named\n")
	for _, plant := range plants {
		fmt.Fprint(t, plant)
		found, right := 0, 0
		for _, p := range percents {
			for _, rate := range r.Rates {
				if rate.Plant == plant && rate.Percent == p {
					fmt.Fprintf(t, "\t%d of %d", rate.Found, rate.Trials)
					found, right = found+rate.Found, right+rate.Right
				}
			}
		}
		fmt.Fprintf(t, "\t%d of %d\n", right, found)
	}
	_ = t.Flush() // a strings.Builder takes everything
}
