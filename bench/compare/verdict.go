package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

// Outcome is what is said about one unit of one case.
type Outcome uint8

// The outcomes, the worst last.
const (
	Inconclusive Outcome = iota // none of the others was shown
	Same                        // shown to be within the band: not merely no difference found
	Improved                    // shown, in both blocks, to be better by more than the band
	Regressed                   // shown, in both blocks, to be worse by more than the band
)

// String returns the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Inconclusive:
		return "inconclusive"
	case Same:
		return "same"
	case Improved:
		return "improved"
	case Regressed:
		return "regressed"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// MarshalText makes the outcome readable in JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Band is the relative change below which a difference does not matter, and where it comes from: the largest of the
// threshold, the noise of this case on this machine, and 2 ms; "exact" is that of a counter.
type Band struct {
	Change float64 `json:"change"` // 0.02 for 2 %
	From   string  `json:"from"`
}

// Change is an estimate of head/base - 1 with its interval, 0.05 for 5 % more. The ends may be infinite.
type Change struct {
	Estimate Number `json:"estimate"`
	Lo       Number `json:"lo"`
	Hi       Number `json:"hi"`
	Level    Number `json:"level"` // of the interval, 0.97
	Pairs    int    `json:"pairs"`
	Block    int    `json:"block"` // that measured it
}

// Verdict is the judgement on one unit of one case.
type Verdict struct {
	Case    Case    `json:"case"`
	Unit    string  `json:"unit"`
	Outcome Outcome `json:"outcome"`
	Exact   bool    `json:"exact,omitempty"` // a counter: judged without statistics

	// Base and Head are the medians over the processes.
	Base Number `json:"base"`
	Head Number `json:"head"`
	// Change is what the block that decided saw, and First what the first block saw if another decided.
	Change Change  `json:"change"`
	First  *Change `json:"first,omitempty"`
	Band   Band    `json:"band"`
	// P is the p-value of no difference, valid whenever the measuring stopped, and Adjusted the same for having asked
	// about every cell at once.
	P        Number `json:"p"`
	Adjusted Number `json:"p_adjusted"`
	// CouldSee is the smallest change beyond the band that this data would have shown four times in five. Infinite if
	// none could have been.
	CouldSee Number `json:"could_see"`
	Repeats  int    `json:"repeats"` // disturbed pairs, measured again
	// Reason says why the outcome is inconclusive, or what is odd about it.
	Reason string `json:"reason,omitempty"`
	// Modes says which sides look bimodal; nil if none does.
	Modes []*Modes `json:"modes,omitempty"`
	// Explanation says where a change of time comes from; nil if there is none or nothing to explain it with.
	Explanation *Explanation `json:"explanation,omitempty"`
}

// verdicts judges everything the block measured.
func (j *judge) verdicts(b *Block) []*Verdict {
	var all []*Verdict
	adjusted := j.adjusted()
	for i, c := range j.cells {
		if c.measured() {
			all = append(all, j.verdict(b, c, adjusted[i]))
		}
	}
	for _, s := range b.Series {
		if s.Case.reference() || j.only != nil {
			continue
		}
		for _, unit := range exactUnits(s) {
			if !slices.Contains(j.options.Gate, unit) {
				all = append(all, exactVerdict(b, s, unit))
			}
		}
	}
	return all
}

func (j *judge) verdict(b *Block, c *cell, adjusted float64) *Verdict {
	s := c.series
	v := &Verdict{
		Case: s.Case, Unit: c.unit,
		Base: Number(sideMedian(s.Pairs, Base, c.unit)), Head: Number(sideMedian(s.Pairs, Head, c.unit)),
		Band: c.band, P: Number(c.look.P), Adjusted: Number(adjusted), Repeats: len(s.Repeated),
		CouldSee: Number(math.Inf(1)),
	}
	if c.err != nil {
		v.Reason = c.err.Error()
		return v
	}
	if c.look.Pairs == 0 {
		v.Reason = "no pair was measured"
		return v
	}

	v.Outcome = c.outcome(adjusted, j.options.Alpha)
	v.Change = changeOf(c.look.Interval, c.look.Pairs, b.Number)
	see := paired.Resolution(c.d, j.options.Alpha, c.look.Share, j.family, math.Log1p(c.band.Change))
	v.CouldSee = Number(math.Expm1(see))
	if v.Outcome == Inconclusive {
		v.Reason = j.reason(b, c, v)
	}
	return v
}

func changeOf(i paired.Interval, pairs, block int) Change {
	centre, lo, hi := i.Ratio()
	return Change{Number(centre - 1), Number(lo - 1), Number(hi - 1), Number(i.Level), pairs, block}
}

// reason says why nothing could be decided.
func (j *judge) reason(b *Block, c *cell, v *Verdict) string {
	s := c.series
	switch {
	case s.TooDisturbed:
		return fmt.Sprintf("the machine was disturbed: %d of %d pairs had to be repeated (%s)",
			len(s.Repeated), len(s.Repeated)+len(s.Pairs), strings.Join(causes(s), ", "))
	case math.IsInf(float64(v.CouldSee), 0):
		return fmt.Sprintf("%d pairs cannot show anything", c.look.Pairs)
	case b.Ended != "":
		return fmt.Sprintf("%s; could have seen %s", b.Ended, percent(float64(v.CouldSee)))
	}
	return fmt.Sprintf("could have seen %s", percent(float64(v.CouldSee)))
}

// causes returns what disturbed the repeated pairs, each once.
func causes(s *Series) []string {
	var all []string
	for _, p := range s.Repeated {
		for _, cause := range p.contaminated() {
			if !slices.Contains(all, cause) {
				all = append(all, cause)
			}
		}
	}
	return all
}

// exactBand is the smallest change of a counter that decides something. One that is given for a row holds what a run
// sends once, too: a word more in a statement is a few of millions of bytes, and nobody's regression.
const exactBand = 1e-4

// exactVerdict judges a counter of work: one pair is enough, and any difference beyond [exactBand] counts. A counter that
// varies within a side is not what its suite declared; it decides nothing unless the two sides have no value in common.
func exactVerdict(b *Block, s *Series, unit string) *Verdict {
	var values [2][]float64
	for _, p := range s.Pairs {
		values[Base] = append(values[Base], p.Base.Values[unit]...)
		values[Head] = append(values[Head], p.Head.Values[unit]...)
	}
	base, head := exactSummary(values[Base]), exactSummary(values[Head])
	v := &Verdict{
		Case: s.Case, Unit: unit, Exact: true, Base: Number(base.Center), Head: Number(head.Center), Outcome: Same,
		Change: Change{Level: 1, Pairs: len(s.Pairs), Block: b.Number}, Repeats: len(s.Repeated),
		Band: Band{Change: exactBand, From: "exact"},
	}
	if base.Center != 0 || head.Center != 0 {
		ratio := Number(head.Center/base.Center - 1)
		v.Change.Estimate, v.Change.Lo, v.Change.Hi = ratio, ratio, ratio
	}

	small := base.Center == head.Center || math.Abs(float64(v.Change.Estimate)) < v.Band.Change
	varies := len(base.Warnings) > 0 || len(head.Warnings) > 0
	overlap := slices.Max(values[Base]) >= slices.Min(values[Head]) && slices.Max(values[Head]) >= slices.Min(values[Base])
	switch {
	case varies:
		v.Reason = fmt.Sprintf("declared exact, but it varies: %s in base, %s in head", spread(values[Base]), spread(values[Head]))
		if overlap {
			v.Outcome = Inconclusive
			return v
		}
	case small && base.Center != head.Center:
		v.Reason = "too small a difference to count"
	}
	if small {
		return v
	}
	direction := +1
	if head.Center < base.Center {
		direction = -1
	}
	v.Outcome = change(direction, better(s.Pairs[0], unit))
	return v
}

// Equal reports whether the verdict is that a counter has one and the same value everywhere: there is nothing to see.
func (v *Verdict) Equal() bool { return v.Exact && v.Outcome == Same && v.Reason == "" }

// exactSummary is benchstat's own view of exact values: the value, and a warning if there is more than one.
func exactSummary(values []float64) benchmath.Summary {
	t := benchmath.DefaultThresholds
	return benchmath.AssumeExact.Summary(benchmath.NewSample(slices.Clone(values), &t), 1)
}

func spread(values []float64) string {
	lo, hi := slices.Min(values), slices.Max(values)
	if lo == hi {
		return fmt.Sprintf("%v", lo)
	}
	return fmt.Sprintf("%v to %v", lo, hi)
}

// Number is a float64 that JSON can hold even when it is infinite or not a number: as null.
type Number float64

// MarshalJSON implements [json.Marshaler].
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return []byte("null"), nil
	}
	return fmt.Appendf(nil, "%v", f), nil
}

// percent writes a relative change without its sign: "6.1 %", "0.04 %".
func percent(change float64) string {
	digits := 1
	for p := math.Abs(100 * change); p > 0 && p < 0.1 && digits < 4; p *= 10 {
		digits++
	}
	if math.Abs(change) >= 1 {
		digits = 0
	}
	return fmt.Sprintf("%.*f %%", digits, 100*change)
}

// signed is percent with a sign.
func signed(change float64) string {
	if change < 0 {
		return "-" + percent(-change)
	}
	return "+" + percent(change)
}
