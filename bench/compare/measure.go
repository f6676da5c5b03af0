package compare

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

// Measure compares the two sides of the runner and judges them. Nothing is returned for a comparison that broke off: half
// of the pairs is not a result.
func Measure(ctx context.Context, runner Runner, options Options) (*Report, error) {
	o := options.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	cases, report, err := listCases(ctx, runner)
	if err != nil {
		return nil, err
	}
	m := &measurement{options: &o, runner: runner}
	gated := 0
	for _, c := range cases {
		if !c.reference() {
			gated++
		}
	}

	// What can never succeed is refused before it takes time.
	least := paired.ConfirmingPairs(o.Alpha, gated*len(o.Gate))
	if o.Every {
		least = paired.MinPairs(o.Alpha, 1, 1)
	}
	if o.Rounds > 0 && o.Rounds < least {
		return nil, fmt.Errorf("%w: %d pairs can never confirm anything among %d cases and %d units; at least %d are needed, or fewer cases",
			ErrTooFewPairs, o.Rounds, gated, len(o.Gate), least)
	}
	if o.Threshold > 0 && !o.Every {
		if err := refuseTighter(&o, cases); err != nil {
			return nil, err
		}
	}

	// The first block finds suspects.
	first := &judge{options: &o}
	b, err := m.block(ctx, 1, cases, o.Rounds, least, o.deadline(1), first)
	if err != nil {
		return nil, err
	}
	report.Blocks = append(report.Blocks, b)
	report.Verdicts = first.verdicts(b)

	// The second decides on them.
	if !o.Every {
		if err := m.confirm(ctx, report, b); err != nil {
			return nil, err
		}
	}

	for _, v := range report.Verdicts {
		if v.Outcome == Regressed || v.Outcome == Improved {
			if s := report.Blocks[v.Change.Block-1].series(v.Case); isTime(v.Unit) {
				v.Explanation = o.Ledger.explain(s.Pairs, v.Unit)
			}
		}
	}
	report.finish(&o, &m.conditions)
	m.done(report)
	return report, nil
}

// listCases returns what both sides can measure.
func listCases(ctx context.Context, runner Runner) ([]Case, *Report, error) {
	base, err := runner.Cases(ctx, Base)
	if err != nil {
		return nil, nil, err
	}
	head, err := runner.Cases(ctx, Head)
	if err != nil {
		return nil, nil, err
	}
	r := &Report{Format: reportVersion}
	var cases []Case
	cases, r.OnlyBase, r.OnlyHead = matchCases(base, head)
	for _, c := range cases {
		if !c.reference() {
			return cases, r, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: base has %d and head has %d, none in common", ErrNothing, len(base), len(head))
}

// deadline returns when the block must end, the zero time without a budget.
func (o *Options) deadline(block int) time.Time {
	switch {
	case o.Budget == 0:
		return time.Time{}
	case block == 1 && !o.Every:
		return o.Started.Add(time.Duration((1 - confirmShare) * float64(o.Budget)))
	}
	return o.Started.Add(o.Budget)
}

// refuseTighter fails if a threshold was asked for that the noise of this machine is above. A gate like that would fail
// for no reason now and then, and be switched off.
func refuseTighter(o *Options, cases []Case) error {
	pairs := o.Rounds
	if pairs == 0 {
		pairs = mostRounds
	}
	cells := o.Noise.tighter(cases, o.Gate, pairs, o.Threshold)
	if len(cells) == 0 {
		return nil
	}
	c := cells[0]
	return fmt.Errorf("%w: %s was asked for, and with %d pairs %s of %s resolves %s (%d cells are above the threshold): "+
		"raise -threshold, give more -rounds, or make the machine quieter and run mage noise again",
		ErrTighter, percent(o.Threshold), pairs, c.Unit, c.Case, percent(c.Floor), len(cells))
}

// confirm measures the suspects again and replaces their verdicts.
func (m *measurement) confirm(ctx context.Context, report *Report, b1 *Block) error {
	suspects := map[Case][]*Verdict{}
	var cases []Case
	for _, v := range report.Verdicts {
		if v.suspect(b1.series(v.Case)) {
			if suspects[v.Case] == nil {
				cases = append(cases, v.Case)
			}
			suspects[v.Case] = append(suspects[v.Case], v)
		}
	}
	if len(cases) == 0 {
		return nil
	}

	// Where time is short, what matters most is confirmed and the rest stays a suspicion.
	slices.SortStableFunc(cases, func(a, b Case) int { return byWeight(suspects[a], suspects[b]) })
	chosen, rounds := m.affordableSuspects(b1, cases, suspects)
	var second []*Verdict
	if len(chosen) > 0 {
		if m.options.Restart != nil {
			if err := m.options.Restart(ctx); err != nil {
				return fmt.Errorf("compare: restarting the server between the blocks: %w", err)
			}
		}
		j := &judge{options: m.options, only: func(c Case, unit string) bool {
			return slices.ContainsFunc(suspects[c], func(v *Verdict) bool { return v.Unit == unit })
		}}
		b2, err := m.block(ctx, 2, chosen, rounds, rounds, m.options.deadline(2), j)
		if err != nil {
			return err
		}
		report.Blocks = append(report.Blocks, b2)
		second = j.verdicts(b2)
	}

	for i, v := range report.Verdicts {
		if !slices.Contains(suspects[v.Case], v) {
			continue
		}
		report.Verdicts[i] = unconfirmed(v, "no time left to measure it again")
		for _, again := range second {
			if again.Case == v.Case && again.Unit == v.Unit {
				report.Verdicts[i] = confirmed(v, again)
			}
		}
	}
	return nil
}

// byWeight orders suspect cases: regressions first, then what was undecided, then improvements, the largest change first.
func byWeight(a, b []*Verdict) int {
	rank := func(verdicts []*Verdict) (rank int, size float64) {
		rank = 2
		for _, v := range verdicts {
			switch v.Outcome {
			case Regressed:
				rank = 0
			case Inconclusive:
				rank = min(rank, 1)
			}
			size = max(size, v.size())
		}
		return rank, size
	}
	rankA, sizeA := rank(a)
	rankB, sizeB := rank(b)
	return cmp.Or(cmp.Compare(rankA, rankB), cmp.Compare(sizeB, sizeA))
}

// affordableSuspects returns how many of the cases, from the first on, can be confirmed in the time left, and the pairs
// each gets.
func (m *measurement) affordableSuspects(b1 *Block, cases []Case, suspects map[Case][]*Verdict) ([]Case, int) {
	deadline := m.options.deadline(2)
	if deadline.IsZero() {
		return cases, b1.Plan.Max()
	}
	left := deadline.Sub(m.options.now())
	for n := len(cases); n > 0; n-- {
		var each time.Duration
		tests := 0
		for _, c := range cases[:n] {
			s := b1.series(c)
			each += s.took / time.Duration(max(len(s.Pairs)+len(s.Repeated), 1))
			tests += len(suspects[c])
		}
		rounds := min(b1.Plan.Max(), int(left/max(each, 1)))
		if rounds >= paired.ConfirmingPairs(m.options.Alpha, tests) {
			return cases[:n], rounds
		}
	}
	return nil, 0
}

// done reports the end to whoever watches.
func (m *measurement) done(r *Report) {
	if m.options.Progress == nil {
		return
	}
	p := Progress{Block: len(r.Blocks), Done: true}
	for _, b := range r.Blocks {
		for _, s := range b.Series {
			p.Pairs += len(s.Pairs)
		}
		p.Cases = max(p.Cases, len(b.Series))
	}
	m.options.Progress(p)
}

// geomean returns the geometric mean of factors, NaN without any.
func geomean(factors []float64) float64 {
	sum := 0.0
	for _, f := range factors {
		sum += math.Log(f)
	}
	return math.Exp(sum / float64(len(factors)))
}
