package compare

import (
	"cmp"
	"math"
	"slices"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

// Ledger says which units are the parts of a run's time. The phases of a stage add up to the stage's wall time, because
// every stage is always in exactly one of them.
type Ledger []Stage

// Stage is one of the guests that run at the same time, from the source to the destination.
type Stage struct {
	Name   string
	Total  string // unit of the stage's wall time
	Phases []Phase
}

// Phase is what a stage can be doing.
type Phase struct {
	Name string
	Unit string
	// Waits says for whom the stage waits in this phase: time spent here is caused elsewhere.
	Waits Wait
	// Work holds the units that count what the phase does, to say whether it had more to do or took longer for the same.
	Work []string
}

// Wait is the direction in which a stage waits for another.
type Wait uint8

// The directions.
const (
	Busy       Wait = iota // for nothing: it computes
	AtServer               // for its server, which is the phase's own time
	Upstream               // for the stage before it
	Downstream             // for the stage behind it
)

// DefaultLedger returns the phases that the suite reports.
func DefaultLedger() Ledger {
	return Ledger{
		{Name: "source", Total: "source-sec/op", Phases: []Phase{
			{Name: "module load", Unit: "source-load-sec/op"},
			{Name: "setup", Unit: "source-setup-sec/op"},
			{Name: "connect", Unit: "source-connect-sec/op", Waits: AtServer},
			{Name: "query", Unit: "source-query-sec/op", Waits: AtServer, Work: []string{"statements/op", "roundtrips/op"}},
			{Name: "wait for rows", Unit: "source-wait-sec/op", Waits: AtServer, Work: []string{"source-conn-B/row", "roundtrips/op"}},
			{Name: "guest", Unit: "source-guest-sec/op", Work: []string{"source-guest-instr/row", "arrow-B/row", "batches/op"}},
			{Name: "host functions", Unit: "source-copy-sec/op", Work: []string{"hostcalls/op", "arrow-B/row", "batches/op"}},
			{Name: "compress", Unit: "compress-sec/op", Work: []string{"arrow-B/row", "wire-B/row"}},
			{Name: "wait for dest", Unit: "source-stall-sec/op", Waits: Downstream},
		}},
		{Name: "dest", Total: "dest-sec/op", Phases: []Phase{
			{Name: "module load", Unit: "dest-load-sec/op"},
			{Name: "setup", Unit: "dest-setup-sec/op"},
			{Name: "connect", Unit: "dest-connect-sec/op", Waits: AtServer},
			{Name: "create table", Unit: "dest-query-sec/op", Waits: AtServer, Work: []string{"statements/op", "roundtrips/op"}},
			{Name: "wait for source", Unit: "dest-stall-sec/op", Waits: Upstream},
			{Name: "decompress", Unit: "decompress-sec/op", Work: []string{"wire-B/row", "arrow-B/row"}},
			{Name: "guest", Unit: "dest-guest-sec/op", Work: []string{"dest-guest-instr/row", "arrow-B/row", "batches/op"}},
			{Name: "host functions", Unit: "dest-copy-sec/op", Work: []string{"hostcalls/op", "arrow-B/row", "batches/op"}},
			{Name: "flush", Unit: "dest-flush-sec/op", Waits: AtServer, Work: []string{"wal-B/row", "dest-conn-B/row", "roundtrips/op", "statements/op"}},
			{Name: "commit", Unit: "dest-commit-sec/op", Waits: AtServer, Work: []string{"wal-B/row"}},
		}},
	}
}

// Explanation divides a change of time between the phases that caused it.
type Explanation struct {
	Total Number  `json:"total_sec"` // head - base
	Parts []Part  `json:"parts"`     // the largest share first; they add up to the total
	Work  []Worth `json:"work,omitempty"`
}

// Part is what one phase contributes.
type Part struct {
	Stage string `json:"stage"`
	Phase string `json:"phase"`
	Sec   Number `json:"sec"`
	Share Number `json:"share"` // of the total: 0.92
}

// Name returns "dest flush".
func (p Part) Name() string {
	if p.Stage == "" {
		return p.Phase
	}
	return p.Stage + " " + p.Phase
}

// Worth is a change of the work that the first part had to do.
type Worth struct {
	Unit   string `json:"unit"`
	Change Number `json:"change"` // relative
}

// workMatters is the smallest relative change of a counter worth a word.
const workMatters = 0.005

// explain divides the change of a unit of time between the phases. It returns nil if the pairs hold no ledger or there is
// no change.
//
//  1. Means are taken of the differences between base and head, over the same runs for all units, because only means of
//     the same runs add up. The eighth of them with the largest ratios and the eighth with the smallest are left out.
//  2. The run ends with its last stage, so that stage's phases are the parts.
//  3. What it waited longer for the stage before it is not its own doing. It is divided between the phases of that stage
//     that grew, in proportion, and so on towards the source. Waiting in the other direction needs no such step: the stage
//     waited for has its own phases in the sum.
//  4. What no phase accounts for is a part of its own.
//
// CPU time is another matter: all stages use it at the same time, and what one of them burns while another waits for a
// server shows in no wait. There the parts are the phases in which any stage computes. Only what these leave over is looked
// for where stages wait for their servers: on a machine with too few processors every such wait grows with whatever is
// computed elsewhere.
func (l Ledger) explain(pairs []Pair, unit string) *Explanation {
	runs := trimmed(runsOf(pairs), unit)
	total, ok := meanDifference(runs, unit)
	if !ok || total == 0 || len(l) == 0 {
		return nil
	}

	parts := map[phaseKey]float64{}
	if unit == cpuUnit {
		ok = l.burn(parts, runs, total)
	} else {
		ok = l.share(parts, runs)
	}
	if !ok {
		return nil
	}
	e := &Explanation{Total: Number(total)}
	rest := total
	for _, stage := range l {
		for _, phase := range stage.Phases {
			if sec := parts[phaseKey{stage.Name, phase.Name}]; sec != 0 {
				e.Parts = append(e.Parts, Part{stage.Name, phase.Name, Number(sec), Number(sec / total)})
				rest -= sec
			}
		}
	}
	if math.Abs(rest) > 1e-12 {
		e.Parts = append(e.Parts, Part{"", "outside the stages", Number(rest), Number(rest / total)})
	}
	slices.SortStableFunc(e.Parts, func(a, b Part) int { return cmp.Compare(b.Share, a.Share) })

	e.Work = l.work(pairs, e.Parts[0])
	return e
}

type phaseKey struct{ stage, phase string }

// share adds the differences of the last stage's phases to the parts. It reports whether the stage was measured.
func (l Ledger) share(parts map[phaseKey]float64, runs []twin) bool {
	last := len(l) - 1
	measured := false
	for _, phase := range l[last].Phases {
		sec, ok := meanDifference(runs, phase.Unit)
		if !ok {
			continue
		}
		measured = true
		if phase.Waits == Upstream && last > 0 && l.passOn(parts, runs, last-1, sec) {
			continue
		}
		parts[phaseKey{l[last].Name, phase.Name}] += sec
	}
	return measured
}

// cpuUnit is the unit of the CPU time of all stages together.
const cpuUnit = "cpu-sec/op"

// burn adds the differences of the phases that compute to the parts, and divides the rest of the total between the phases
// that wait for a server, in proportion to how much those grew that changed in the same direction. It reports whether any
// phase was measured.
func (l Ledger) burn(parts map[phaseKey]float64, runs []twin, total float64) bool {
	measured := false
	rest := total
	waits := map[phaseKey]float64{}
	for _, stage := range l {
		for _, phase := range stage.Phases {
			sec, ok := meanDifference(runs, phase.Unit)
			if !ok {
				continue
			}
			switch key := (phaseKey{stage.Name, phase.Name}); phase.Waits {
			case Busy:
				parts[key] = sec
				rest -= sec
				measured = true
			case AtServer:
				waits[key] = sec
			}
		}
	}

	sum := 0.0
	for key, sec := range waits {
		if sec*rest <= 0 {
			delete(waits, key)
			continue
		}
		sum += sec
	}
	for key, sec := range waits {
		// No phase burns more than it takes.
		parts[key] = sec * min(1, rest/sum)
		measured = true
	}
	return measured
}

// passOn divides a wait of sec between the phases of the stage that was waited for, in proportion to how much those grew
// that changed in the same direction. It reports whether any did.
func (l Ledger) passOn(parts map[phaseKey]float64, runs []twin, i int, sec float64) bool {
	grown := map[int]float64{}
	sum := 0.0
	for k, phase := range l[i].Phases {
		d, ok := meanDifference(runs, phase.Unit)
		if ok && phase.Waits != Downstream && d*sec > 0 {
			grown[k] = d
			sum += d
		}
	}
	if sum == 0 {
		return false
	}
	for k, phase := range l[i].Phases {
		d, ok := grown[k]
		if !ok {
			continue
		}
		if phase.Waits == Upstream && i > 0 && l.passOn(parts, runs, i-1, sec*d/sum) {
			continue
		}
		parts[phaseKey{l[i].Name, phase.Name}] += sec * d / sum
	}
	return true
}

// work returns how the counters of a part's phase changed, the largest change first. A counter that is not exact has to
// show its change.
func (l Ledger) work(pairs []Pair, part Part) []Worth {
	var all []Worth
	for _, stage := range l {
		for _, phase := range stage.Phases {
			if stage.Name != part.Stage || phase.Name != part.Phase {
				continue
			}
			for _, unit := range phase.Work {
				d, err := logRatios(pairs, unit)
				if err != nil || len(d) == 0 {
					continue
				}
				i := paired.Estimate(d, 1-defaultAlpha)
				if change := math.Expm1(i.Centre); math.Abs(change) >= workMatters && (i.Lo > 0 || i.Hi < 0) {
					all = append(all, Worth{unit, Number(change)})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Worth) int {
		return cmp.Compare(math.Abs(float64(b.Change)), math.Abs(float64(a.Change)))
	})
	return all
}

// twin is a run of base and the run of head it is compared with.
type twin struct {
	base, head *Process
	run        int // of the processes that took turns; -1 stands for the mean of all their runs
}

// runsOf returns the runs of the pairs: each one of processes that took turns, else one for the pair.
func runsOf(pairs []Pair) []twin {
	var all []twin
	for _, p := range pairs {
		if !p.Alternated {
			all = append(all, twin{p.Base, p.Head, -1})
			continue
		}
		for i := range p.Base.iterations() {
			all = append(all, twin{p.Base, p.Head, i})
		}
	}
	return all
}

// of returns what the run of a process has of the unit. A unit that it lacks was zero: zeros are not printed.
func (t twin) of(p *Process, unit string) float64 {
	values := p.Values[unit]
	if t.run < 0 || t.run >= len(values) {
		return p.mean(unit)
	}
	return values[t.run]
}

// trimmed leaves out the eighth of the runs with the largest and the eighth with the smallest ratio of the unit.
func trimmed(runs []twin, unit string) []twin {
	ratio := func(t twin) float64 { return t.of(t.head, unit) / t.of(t.base, unit) }
	sorted := slices.Clone(runs)
	slices.SortStableFunc(sorted, func(a, b twin) int { return cmp.Compare(ratio(a), ratio(b)) })
	cut := len(sorted) / 8
	return sorted[cut : len(sorted)-cut]
}

// meanDifference returns the mean of head - base over the runs, and whether any process has the unit.
func meanDifference(runs []twin, unit string) (float64, bool) {
	sum, any := 0.0, false
	for _, t := range runs {
		any = any || len(t.base.Values[unit]) > 0 || len(t.head.Values[unit]) > 0
		sum += t.of(t.head, unit) - t.of(t.base, unit)
	}
	return sum / float64(max(len(runs), 1)), any
}
