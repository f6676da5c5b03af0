package compare

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// Report is the outcome of a comparison. Its JSON form is stable: fields are only added.
type Report struct {
	Format int `json:"v"`

	// What was compared, filled in by [Refs].
	Base      Version   `json:"base"`
	Head      Version   `json:"head"`
	Identical string    `json:"identical,omitempty"` // why nothing was measured
	Reproduce string    `json:"reproduce,omitempty"` // command that does the same again
	Warnings  []string  `json:"warnings,omitempty"`
	Finished  time.Time `json:"finished"`

	// Under which conditions, and how.
	Config     map[string]string `json:"config"` // machine, server, dataset: what both sides printed alike
	Seed       uint64            `json:"seed"`
	Rounds     int               `json:"rounds"` // most pairs of a case in a block
	Iterations int               `json:"iterations"`
	Threshold  float64           `json:"threshold"`
	Alpha      float64           `json:"alpha"`
	NoiseTaken time.Time         `json:"noise_taken,omitzero"`
	Resolves   []Resolves        `json:"resolves,omitempty"`

	OnlyBase []Case     `json:"only_base,omitempty"` // cases that head no longer has
	OnlyHead []Case     `json:"only_head,omitempty"`
	Verdicts []*Verdict `json:"verdicts"` // the largest change first
	Geomeans []Geomean  `json:"geomeans,omitempty"`
	Tax      *Tax       `json:"wasm_tax,omitempty"`
	Counts   Counts     `json:"counts"`
	LeftOut  LeftOut    `json:"left_out"`

	Blocks []*Block `json:"-"` // every pair
}

// reportVersion is the version of the JSON form.
const reportVersion = 1

// Version is one of the commits compared.
type Version struct {
	Name    string `json:"name"`
	Commit  string `json:"commit"`
	Subject string `json:"subject"`
	Dirty   bool   `json:"dirty,omitempty"`
	Harness string `json:"harness"` // hash of the suite
	Text    string `json:"-"`       // for people
}

// Resolves is what this machine can tell apart in one cell.
type Resolves struct {
	Case  Case   `json:"case"`
	Unit  string `json:"unit"`
	Floor Number `json:"floor"`
}

// LeftOut counts the runs of the pairs that count which were left out, by pairs of neighbours, and how many of either side
// were disturbed themselves. Disturbances that fall on one side may be its own doing.
type LeftOut struct {
	Runs int `json:"runs"`
	Base int `json:"base"`
	Head int `json:"head"`
}

// leftOut counts what was left out, and warns if it was one side that was disturbed.
func (r *Report) leftOut() {
	o := &r.LeftOut
	for _, b := range r.Blocks {
		for _, s := range b.Series {
			for _, p := range s.Pairs {
				if p.Base.LeftOut == nil {
					continue
				}
				o.Runs += iterations(p.Base.LeftOut)
				for i := range max(len(p.Base.Disturbed), len(p.Head.Disturbed)) {
					if i < len(p.Base.Disturbed) && p.Base.Disturbed[i] {
						o.Base++
					}
					if i < len(p.Head.Disturbed) && p.Head.Disturbed[i] {
						o.Head++
					}
				}
			}
		}
	}
	// A fair coin gives such a split once in a hundred times.
	total := o.Base + o.Head
	if float64(max(o.Base, o.Head)) > float64(total)/2+2.33*math.Sqrt(float64(total))/2 && total >= 8 {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"runs were left out for being disturbed, %d of base and %d of head: that may be the code's own doing, and then it is missing from the verdicts",
			o.Base, o.Head))
	}
}

// Geomean is the mean change of a unit over all cases.
type Geomean struct {
	Unit   string `json:"unit"`
	Change Number `json:"change"`
	Cases  int    `json:"cases"`
}

// Tax is what the pipeline takes, divided by what the same rows take with a native client.
type Tax struct {
	Base  Number `json:"base"`
	Head  Number `json:"head"`
	Cases int    `json:"cases"`
}

// Counts is how many cells got which outcome.
type Counts struct {
	Regressed    int `json:"regressed"`
	Improved     int `json:"improved"`
	Same         int `json:"same"`
	Inconclusive int `json:"inconclusive"`
}

// Exit returns the exit code of the comparison.
func (r *Report) Exit(strict bool) Exit {
	switch {
	case r.Counts.Regressed > 0:
		return ExitRegressed
	case strict && r.Counts.Inconclusive > 0:
		return ExitInconclusive
	}
	return ExitOK
}

// JSON returns the report as one indented object.
func (r *Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "\t")
	return append(data, '\n'), err
}

// finish fills in what follows from the verdicts.
func (r *Report) finish(o *Options, c *conditions) {
	r.Config, r.Finished = c.config(), o.now()
	r.Seed, r.Iterations, r.Threshold, r.Alpha = o.Seed, o.Iterations, o.threshold(), o.Alpha
	r.Rounds = r.Blocks[0].Plan.Max()
	if w := c.oneSided(); w != "" {
		r.Warnings = append(r.Warnings, w)
	}
	if w := o.Noise.Stale(o.now(), r.Config); w != "" && !o.Every {
		r.Warnings = append(r.Warnings, w)
	}
	r.missingUnits(o)
	r.findModes()
	r.leftOut()

	if o.Noise != nil && o.Noise.foreign(r.Config) == "" {
		r.NoiseTaken = o.Noise.Taken
		for _, v := range r.Verdicts {
			if floor, ok := o.Noise.Floor(v.Case, v.Unit, r.Rounds); ok {
				r.Resolves = append(r.Resolves, Resolves{v.Case, v.Unit, Number(floor)})
			}
		}
	}
	for _, v := range r.Verdicts {
		switch v.Outcome {
		case Regressed:
			r.Counts.Regressed++
		case Improved:
			r.Counts.Improved++
		case Same:
			r.Counts.Same++
		case Inconclusive:
			r.Counts.Inconclusive++
		}
	}
	slices.SortStableFunc(r.Verdicts, func(a, b *Verdict) int {
		return cmp.Or(cmp.Compare(b.Outcome, a.Outcome), cmp.Compare(b.size(), a.size()))
	})
	r.geomeans(o.Gate)
	r.tax()
}

// size is how large a change is, for sorting: a doubling and a halving are equal.
func (v *Verdict) size() float64 {
	return math.Abs(math.Log1p(float64(v.Change.Estimate)))
}

// missingUnits warns of units that should be judged and that only one side has.
func (r *Report) missingUnits(o *Options) {
	missing := map[string]int{}
	var order []string
	for _, s := range r.Blocks[0].Series {
		if len(s.Pairs) == 0 || s.Case.reference() {
			continue
		}
		for _, unit := range o.Gate {
			_, base := s.Pairs[0].Base.Value(unit)
			_, head := s.Pairs[0].Head.Value(unit)
			if base != head {
				side := Head
				if head {
					side = Base
				}
				key := unit + " is missing in " + side.String()
				if missing[key]++; missing[key] == 1 {
					order = append(order, key)
				}
			}
		}
	}
	r.Warnings = append(r.Warnings, order...)
}

// geomeans averages the changes of each gated unit over the cases.
func (r *Report) geomeans(units []string) {
	for _, unit := range units {
		var factors []float64
		for _, v := range r.Verdicts {
			if v.Unit == unit && !v.Exact && v.Change.Pairs > 0 {
				factors = append(factors, 1+float64(v.Change.Estimate))
			}
		}
		if len(factors) > 0 {
			r.Geomeans = append(r.Geomeans, Geomean{unit, Number(geomean(factors) - 1), len(factors)})
		}
	}
}

// tax compares pipelines with the native floor of the same rows and load, both from the first block.
func (r *Report) tax() {
	const unit = "sec/op"
	var sides [2][]float64
	for _, s := range r.Blocks[0].Series {
		if s.Case.Family() != "Pipeline" {
			continue
		}
		for _, floor := range r.Blocks[0].Series {
			if floor.Case.Family() != "Floor" || floor.Case.Param("via") == "psql" ||
				floor.Case.Param("rows") != s.Case.Param("rows") || floor.Case.Param("load") != s.Case.Param("load") {
				continue
			}
			base := sideMedian(s.Pairs, Base, unit) / sideMedian(floor.Pairs, Base, unit)
			head := sideMedian(s.Pairs, Head, unit) / sideMedian(floor.Pairs, Head, unit)
			if base > 0 && head > 0 {
				sides[Base], sides[Head] = append(sides[Base], base), append(sides[Head], head)
			}
		}
	}
	if n := len(sides[Base]); n > 0 {
		r.Tax = &Tax{Number(geomean(sides[Base])), Number(geomean(sides[Head])), n}
	}
}
