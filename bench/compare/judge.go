package compare

import (
	"math"
	"slices"

	"golang.org/x/perf/benchfmt"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

// judge follows the cells of one block, a cell being a gated unit of a case, and decides after each round which cases
// need no more pairs. Units that are exact need no statistics and no second look; they are judged from the finished block.
type judge struct {
	options *Options
	plan    paired.Plan
	// only limits the judging to some cells, in the second block; nil judges all.
	only func(Case, string) bool
	// family is how many questions are asked at once. It is fixed before the first pair: a unit that a case turns out
	// not to have still counts, which errs on the safe side.
	family int
	cells  []*cell
}

// cell is one gated unit of one case.
type cell struct {
	series *Series
	unit   string
	seq    *paired.Sequence
	look   paired.Look // the latest; zero before the first
	d      []float64   // the log-ratios it was taken of
	band   Band
	err    error // why the values have no ratio
}

// begin is told the plan of the block.
func (j *judge) begin(b *Block) {
	j.plan = b.Plan
	for _, s := range b.Series {
		if s.Case.reference() {
			continue
		}
		for _, unit := range j.options.Gate {
			if j.only == nil || j.only(s.Case, unit) {
				j.cells = append(j.cells, &cell{series: s, unit: unit, seq: b.Plan.Start()})
			}
		}
	}
	j.family = len(j.cells)
}

// after looks at the cells that have reached a look and closes the cases whose answer is known. Final says that the block
// ends with this round.
func (j *judge) after(b *Block, round int, final bool) {
	looked := map[*Series]bool{}
	for _, c := range j.cells {
		s := c.series
		if s.Known || c.look.Pairs == len(s.Pairs) && !final {
			continue
		}
		d, err := c.ratios()
		if err != nil {
			c.err = err
			continue
		}
		if look, ok := c.seq.Look(d, final || s.TooDisturbed); ok {
			c.look, c.d = look, d
			c.band = j.band(c)
			looked[s] = true
		}
	}
	if j.options.Every || final {
		return
	}

	for _, s := range b.Series {
		if !looked[s] || !s.open {
			continue
		}
		adjusted := j.adjusted()
		known := true
		for i, c := range j.cells {
			if c.series == s && c.measured() && c.outcome(adjusted[i], j.options.Alpha) == Inconclusive {
				known = false
			}
		}
		if known {
			s.Known, s.open = true, false
		}
	}
}

// measured reports whether the case has the unit at all.
func (c *cell) measured() bool {
	if len(c.series.Pairs) == 0 {
		return false
	}
	p := c.series.Pairs[0]
	_, base := p.Base.Value(c.unit)
	_, head := p.Head.Value(c.unit)
	return base && head
}

// ratios returns the log-ratios of the pairs that have the unit on both sides.
func (c *cell) ratios() ([]float64, error) { return logRatios(c.series.Pairs, c.unit) }

func logRatios(pairs []Pair, unit string) ([]float64, error) {
	var d []float64
	for _, p := range pairs {
		x, ok, err := p.logRatio(unit)
		if err != nil {
			return nil, err
		}
		if ok {
			d = append(d, x)
		}
	}
	return d, nil
}

// adjusted returns the p-values of all cells, adjusted for the size of the family.
func (j *judge) adjusted() []float64 {
	p := make([]float64, len(j.cells))
	for i, c := range j.cells {
		p[i] = math.NaN()
		if c.look.Pairs > 0 {
			p[i] = c.look.P
		}
	}
	return paired.Holm(p)
}

// band returns the dead band of the cell.
func (j *judge) band(c *cell) Band {
	b := Band{Change: j.options.threshold(), From: "threshold"}
	noise := j.options.Noise
	if floor, ok := noise.Floor(c.series.Case, c.unit, j.plan.Max()); ok && floor > b.Change && noise.foreign(c.series.Pairs[0].Base.Config) == "" {
		b = Band{Change: floor, From: "noise of this machine"}
	}
	if isTime(c.unit) {
		if base := sideMedian(c.series.Pairs, Base, c.unit); base > 0 && absoluteFloor/base > b.Change {
			b = Band{Change: absoluteFloor / base, From: "2 ms"}
		}
	}
	return b
}

// outcome is the verdict on the cell by what its latest look saw.
func (c *cell) outcome(adjusted, alpha float64) Outcome {
	if c.look.Pairs == 0 || c.series.TooDisturbed {
		return Inconclusive
	}
	band := math.Log1p(c.band.Change)
	i := c.look.Interval
	switch {
	case i.Inside(band):
		return Same
	case adjusted > alpha:
		return Inconclusive
	case i.Above(band):
		return change(+1, c.better())
	case i.Below(band):
		return change(-1, c.better())
	}
	return Inconclusive
}

// change names a change of the value in the given direction, for a unit of which more (+1) or less (-1) is better.
func change(direction, better int) Outcome {
	if direction == better {
		return Improved
	}
	return Regressed
}

// better returns the direction that is better for the cell's unit.
func (c *cell) better() int { return better(c.series.Pairs[0], c.unit) }

// better returns +1 if more of the unit is better, else -1: of a unit that nobody described, less work is better.
func better(p Pair, unit string) int {
	for _, units := range []benchfmt.UnitMetadataMap{p.Head.Units, p.Base.Units} {
		if b := units.GetBetter(unit); b != 0 {
			return b
		}
	}
	return -1
}

// isTime reports whether the unit is a time of one operation, in which the absolute floor is meant.
func isTime(unit string) bool {
	return unit == "sec/op" || len(unit) > 7 && unit[len(unit)-7:] == "-sec/op"
}

// sideMedian returns the median of one side's processes, NaN without any.
func sideMedian(pairs []Pair, side Side, unit string) float64 {
	values := sideValues(pairs, side, unit)
	if len(values) == 0 {
		return math.NaN()
	}
	return median(values)
}

// sideValues returns one value for each process of the side that has the unit.
func sideValues(pairs []Pair, side Side, unit string) []float64 {
	var values []float64
	for _, p := range pairs {
		process := p.Base
		if side == Head {
			process = p.Head
		}
		if v, ok := process.Value(unit); ok {
			values = append(values, v)
		}
	}
	return values
}

// exactUnits returns the units of the series that either suite declares exact and both report, sorted.
func exactUnits(s *Series) []string {
	if len(s.Pairs) == 0 {
		return nil
	}
	p := s.Pairs[0]
	var units []string
	for unit := range p.Head.Values {
		if _, ok := p.Base.Value(unit); ok && (isExact(p.Head.Units, unit) || isExact(p.Base.Units, unit)) {
			units = append(units, unit)
		}
	}
	slices.Sort(units)
	return units
}

func isExact(units benchfmt.UnitMetadataMap, unit string) bool {
	m := units.Get(unit, "assume")
	return m != nil && m.Value == "exact"
}
