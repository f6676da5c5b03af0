package compare

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

// A budget chooses the rounds after the first; it is kept, including the second block; and one that is too small says how
// much is needed before time is wasted.
func TestBudget(t *testing.T) {
	cases := grid(1000) // 8 cases of 2 s: 16 s a round
	for _, c := range []struct {
		budget time.Duration
		rounds int // 0: refused
	}{
		{60 * time.Minute, mostRounds},
		{10 * time.Minute, 26},
		{5 * time.Minute, 13},
		{4 * time.Minute, 0},
		{time.Second, 0},
	} {
		m := newMachine(1, cases...)
		m.noise = 0.03
		m.plant = slower("dest-flush-sec/op", 0.1)
		o := m.options()
		o.Budget = c.budget
		began := m.clock
		r, err := Measure(t.Context(), m, o)
		if c.rounds == 0 {
			var budget *BudgetError
			if !errors.As(err, &budget) || !errors.Is(err, ErrTooFewPairs) || len(m.turns) != 2*len(cases) {
				t.Errorf("%v: %v after %d processes", c.budget, err, len(m.turns))
				continue
			}
			o.Budget, o.Started = budget.Needed+time.Second, time.Time{}
			if _, err := Measure(t.Context(), m, o); err != nil {
				t.Errorf("%v: not even the budget that was said to be enough, %v, is: %v", c.budget, budget.Needed, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v: %v", c.budget, err)
		}
		if r.Rounds != c.rounds {
			t.Errorf("%v: %d rounds, want %d", c.budget, r.Rounds, c.rounds)
		}
		if took := m.clock.Sub(began); took > c.budget {
			t.Errorf("%v: took %v", c.budget, took)
		}
		if r.Counts.Regressed == 0 {
			t.Errorf("%v: +10 %% was not found: %+v", c.budget, r.Counts)
		}
	}
}

// A machine that gets slower in the middle ends the block early; the last look then decides with what there is.
func TestBudgetRunsOut(t *testing.T) {
	m := newMachine(1, one)
	m.noise = 0.05
	m.fail = func(Turn) error {
		if len(m.turns) > 20 {
			m.clock = m.clock.Add(time.Minute)
		}
		return nil
	}
	o := m.options()
	o.Budget = 5 * time.Minute
	r := measure(t, m, o)
	if !strings.HasPrefix(r.Blocks[0].Ended, "out of time after ") {
		t.Errorf("ended: %q", r.Blocks[0].Ended)
	}
	if v := verdict(t, r, one, "sec/op"); v.Change.Pairs != len(r.Blocks[0].Series[0].Pairs) {
		t.Errorf("judged %d of %d pairs", v.Change.Pairs, len(r.Blocks[0].Series[0].Pairs))
	}
}

func TestNoTimeToConfirm(t *testing.T) {
	m := newMachine(1, one)
	m.plant = slower("dest-flush-sec/op", 0.1)
	o := m.options()
	o.Budget = 100 * time.Second
	m.fail = func(Turn) error {
		if len(m.turns) == 2*paired.ConfirmingPairs(0.05, 4) {
			m.clock = m.clock.Add(75 * time.Second)
		}
		return nil
	}
	r := measure(t, m, o)
	v := verdict(t, r, one, "sec/op")
	if v.Outcome != Inconclusive || !strings.Contains(v.Reason, "not confirmed: no time left") {
		t.Errorf("%s: %s", v.Outcome, v.Reason)
	}
}

// With time for one of two suspects, the regression is confirmed and the improvement stays a suspicion.
func TestLittleTimeToConfirm(t *testing.T) {
	const better Case = "Pipeline/rows=2/load=copy/compression=none"
	m := newMachine(1, better, one)
	m.plant = func(side Side, c Case, values map[string]float64) {
		if side == Head && c == one {
			values["sec/op"] *= 1.1
		}
		if side == Head && c == better {
			values["sec/op"] *= 0.7
		}
	}
	o := m.options()
	o.Rounds, o.Budget = 12, 70*time.Second // 48 s for the first block of 12 rounds
	r := measure(t, m, o)
	if v := verdict(t, r, one, "sec/op"); v.Outcome != Regressed {
		t.Errorf("the regression: %s (%s)", v.Outcome, v.Reason)
	}
	if v := verdict(t, r, better, "sec/op"); v.Outcome != Inconclusive || !strings.Contains(v.Reason, "no time left") {
		t.Errorf("the improvement: %s (%s)", v.Outcome, v.Reason)
	}
}

func TestProgress(t *testing.T) {
	m := newMachine(1, one, "Pipeline/rows=2/load=copy/compression=none")
	m.plant = slower("dest-flush-sec/op", 0.1)
	o := m.options()
	o.Rounds = 12
	var all []Progress
	o.Progress = func(p Progress) { all = append(all, p) }
	measure(t, m, o)

	if first := all[0]; first.Block != 1 || first.Round != 1 || first.Rounds != 12 || first.Cases != 2 || first.Open != 2 || first.Case == "" {
		t.Errorf("first: %+v", first)
	}
	for i, p := range all[:len(all)-1] {
		// Two processes of a second each: what is left can be told as soon as each case was measured once.
		if want := time.Duration(2*(12-p.Round))*2*time.Second + 2*time.Second; p.Round > 1 && p.Open == 2 && (p.Left > want+2*time.Second || p.Left < want-2*time.Second) {
			t.Errorf("report %d: %v left in round %d, want about %v", i, p.Left, p.Round, want)
		}
	}
	if last := all[len(all)-1]; !last.Done || last.Block != 2 {
		t.Errorf("last: %+v", last)
	}
}
