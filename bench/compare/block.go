package compare

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

// Pair is one observation: both sides of a case, measured in turn or back to back.
type Pair struct {
	Round     int
	BaseFirst bool
	// Alternated says that the two processes made their runs in turn: run i of one was next to run i of the other.
	Alternated bool
	Base       *Process
	Head       *Process
}

// logRatio returns the logarithm of head/base, and whether both halves have the unit. Of processes that took turns it is
// the median over their runs, in which cancels what two neighbouring runs met alike; of others it is that of the medians.
func (p *Pair) logRatio(unit string) (x float64, ok bool, err error) {
	base, head := p.Base.Values[unit], p.Head.Values[unit]
	if len(base) == 0 || len(head) == 0 {
		return 0, false, nil
	}
	n := p.Base.iterations()
	if !p.Alternated || len(base) != n || len(head) != n {
		x, err = paired.LogRatio(median(base), median(head))
		return x, err == nil, err
	}
	ratios := make([]float64, n)
	for i := range ratios {
		if ratios[i], err = paired.LogRatio(base[i], head[i]); err != nil {
			return 0, false, err
		}
	}
	return median(ratios), true, nil
}

// contaminated returns what disturbed either half, nothing if the pair can be believed. Of processes that took turns the
// disturbed runs are left out, each with its neighbour, and the pair can be believed while more than half are left.
func (p *Pair) contaminated() []string {
	if n := p.Base.iterations(); p.Alternated && n > 0 {
		clean := 0
		for i := range n {
			if p.clean(i) {
				clean++
			}
		}
		if 2*clean > n {
			return nil
		}
	}
	return append(slices.Clone(p.Base.Contaminated), p.Head.Contaminated...)
}

// leaveOut takes the runs that were disturbed, and their neighbours, out of the values of a pair that can be believed without
// them.
func (p *Pair) leaveOut() {
	n := p.Base.iterations()
	if !p.Alternated || n != p.Head.iterations() {
		return
	}
	for _, half := range []*Process{p.Base, p.Head} {
		kept, left := map[string][]float64{}, map[string][]float64{}
		for unit, values := range half.Values {
			if len(values) != n { // of the process, not of its runs
				kept[unit] = values
				continue
			}
			for i, v := range values {
				if p.clean(i) {
					kept[unit] = append(kept[unit], v)
				} else {
					left[unit] = append(left[unit], v)
				}
			}
		}
		if len(left) > 0 {
			half.Values, half.LeftOut = kept, left
		}
	}
}

// clean reports whether nothing disturbed run i of either process.
func (p *Pair) clean(i int) bool {
	for _, half := range []*Process{p.Base, p.Head} {
		if i < len(half.Disturbed) && half.Disturbed[i] {
			return false
		}
	}
	return true
}

// Series is everything one block measured of one case.
type Series struct {
	Case  Case
	Pairs []Pair
	// Repeated holds the pairs that were disturbed and measured again. They count for nothing but are never hidden.
	Repeated []Pair
	// Known says that the case was finished before the last round.
	Known bool
	// TooDisturbed says that more than a fifth of the pairs had to be repeated, and the case was given up.
	TooDisturbed bool

	open bool
	took time.Duration // of all pairs, also the repeated ones
}

// Block is one session of measuring: all its cases in turn, round by round.
type Block struct {
	Number int
	Seed   uint64
	Plan   paired.Plan
	Series []*Series // in the order the cases were given
	// Ended says why the block stopped before its last round, "" if it did not.
	Ended string
}

// series returns what was measured of the case, nil if it was not part of the block.
func (b *Block) series(c Case) *Series {
	for _, s := range b.Series {
		if s.Case == c {
			return s
		}
	}
	return nil
}

// measurement runs blocks.
type measurement struct {
	options *Options
	runner  Runner
	// conditions of the first process, which all others must share, by side for what only one prints.
	conditions conditions
}

// block measures the cases. Rounds is the most pairs of a case, 0 to let the deadline decide after the first round; then
// least is the fewest that make sense. A zero deadline is none. The judge is asked after every round for each case that
// has reached one of the plan's looks whether its answer is known.
//
//  1. In each round the open cases come in another order, drawn from the seed: no case always follows the same other one.
//  2. A pair is two processes, which make their runs in turn or follow one another. Base is first in odd rounds and head in
//     even ones, so that whatever drifts or favours the second process cancels.
//  3. A disturbed pair is put back to the end of its round and measured again in the same order.
//  4. After the round the judge closes cases.
func (m *measurement) block(ctx context.Context, number int, cases []Case, rounds, least int, deadline time.Time, judge *judge) (*Block, error) {
	b := &Block{Number: number, Seed: m.options.Seed + uint64(number-1)}
	for _, c := range cases {
		b.Series = append(b.Series, &Series{Case: c, open: true})
	}
	plan := func(rounds int) (err error) {
		b.Plan, err = paired.NewPlan(m.options.Alpha, rounds)
		judge.begin(b)
		return err
	}
	if rounds > 0 {
		if err := plan(rounds); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTooFewPairs, err)
		}
	}

	for round := 1; ; round++ {
		if err := m.round(ctx, b, round, rounds); err != nil {
			return nil, err
		}
		if rounds == 0 {
			var err error
			if rounds, err = m.affordable(b, least, deadline); err != nil {
				return nil, err
			}
			if err := plan(rounds); err != nil {
				return nil, err
			}
		}

		// Time is not data: ending for want of it does not spoil the judge's guarantee.
		last := round >= rounds
		if next := b.roundTime(); !last && !deadline.IsZero() && m.options.now().Add(next).After(deadline) {
			b.Ended = fmt.Sprintf("out of time after %d of %d rounds", round, rounds)
			last = true
		}
		if judge.after(b, round, last); last || b.openCases() == 0 {
			return b, nil
		}
	}
}

// round measures one pair of every open case.
func (m *measurement) round(ctx context.Context, b *Block, round, rounds int) error {
	r := rand.New(rand.NewPCG(b.Seed, uint64(round)))
	var queue []*Series
	for _, s := range b.Series {
		if s.open {
			queue = append(queue, s)
		}
	}
	r.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })

	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		m.progress(b, round, rounds, s.Case)
		started := m.options.now()
		pair, err := m.pair(ctx, s.Case, round, r.Uint64())
		if err != nil {
			return err
		}
		s.took += m.options.now().Sub(started)
		if len(pair.contaminated()) == 0 {
			pair.leaveOut()
			s.Pairs = append(s.Pairs, pair)
			continue
		}

		s.Repeated = append(s.Repeated, pair)
		if limit := int(maxRepeats * float64(max(rounds, defaultRounds))); len(s.Repeated) > limit {
			s.TooDisturbed, s.open = true, false
			continue
		}
		queue = append(queue, s)
	}
	return nil
}

// pair measures both sides.
func (m *measurement) pair(ctx context.Context, c Case, round int, seed uint64) (Pair, error) {
	turn := Turn{Side: Base, Case: c, Iterations: m.options.Iterations, Seed: seed}
	if round%2 == 0 {
		turn.Side = Head
	}
	p, err := m.runner.Pair(ctx, turn)
	if err != nil {
		return p, err
	}
	p.Round = round
	return p, errors.Join(m.conditions.check(Base, p.Base), m.conditions.check(Head, p.Head))
}

// affordable returns how many rounds like the first fit before the deadline.
func (m *measurement) affordable(b *Block, least int, deadline time.Time) (int, error) {
	each := b.roundTime()
	left := deadline.Sub(m.options.now())
	rounds := min(1+int(left/max(each, 1)), mostRounds)
	if rounds >= least {
		return rounds, nil
	}

	needed := float64(m.options.now().Sub(m.options.Started)) + float64(least-1)*float64(each)
	needed *= float64(m.options.Budget) / float64(deadline.Sub(m.options.Started))
	return 0, &BudgetError{Budget: m.options.Budget, Pairs: max(rounds, 1), Least: least, Needed: time.Duration(needed)}
}

// roundTime returns how long a round of the open cases takes, by what their pairs took so far.
func (b *Block) roundTime() time.Duration {
	var sum time.Duration
	for _, s := range b.Series {
		if n := len(s.Pairs) + len(s.Repeated); s.open && n > 0 {
			sum += s.took / time.Duration(n)
		}
	}
	return sum
}

func (b *Block) openCases() int {
	n := 0
	for _, s := range b.Series {
		if s.open && !s.Case.reference() {
			n++
		}
	}
	return n
}

// progress tells the caller what comes next and how long the rest takes at most.
func (m *measurement) progress(b *Block, round, rounds int, c Case) {
	if m.options.Progress == nil {
		return
	}
	p := Progress{Block: b.Number, Round: round, Rounds: rounds, Case: c, Open: b.openCases(), Cases: len(b.Series)}
	for _, s := range b.Series {
		p.Pairs += len(s.Pairs)
		if n := len(s.Pairs) + len(s.Repeated); s.open && n > 0 && rounds > 0 {
			p.Left += s.took / time.Duration(n) * time.Duration(rounds-len(s.Pairs))
		}
	}
	m.options.Progress(p)
}
