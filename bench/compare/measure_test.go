package compare

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

const one Case = "Pipeline/rows=1000/load=copy/compression=none"

// Pairs are back to back, base first in odd rounds and head first in even ones; both halves get the same seed and every
// pair another; each round has every case once, in an order of its own that the seed decides.
func TestSchedule(t *testing.T) {
	run := func(seed uint64) []Turn {
		m := newMachine(1, grid(1000)...)
		o := m.options()
		o.Seed, o.Every, o.Rounds, o.Iterations = seed, true, 6, 3
		measure(t, m, o)
		return m.turns
	}
	turns := run(7)
	cases := grid(1000)
	if len(turns) != 2*6*len(cases) {
		t.Fatalf("%d processes, want %d", len(turns), 2*6*len(cases))
	}

	orders := map[string]bool{}
	seeds := map[uint64]bool{}
	for round := range 6 {
		var order []string
		for i := range cases {
			a, b := turns[2*(round*len(cases)+i)], turns[2*(round*len(cases)+i)+1]
			first := Base
			if round%2 == 1 {
				first = Head
			}
			if a.Side != first || b.Side != first.other() || a.Case != b.Case || a.Seed != b.Seed || seeds[a.Seed] || a.Iterations != 3 {
				t.Fatalf("round %d: pair %+v, %+v", round+1, a, b)
			}
			seeds[a.Seed] = true
			order = append(order, string(a.Case))
		}
		orders[strings.Join(order, " ")] = true
		slices.Sort(order)
		if len(slices.Compact(order)) != len(cases) {
			t.Errorf("round %d does not have every case once", round+1)
		}
	}
	if len(orders) != 6 {
		t.Errorf("6 rounds had %d different orders of cases", len(orders))
	}
	if !slices.Equal(turns, run(7)) {
		t.Error("the same seed gave another schedule")
	}
	if slices.Equal(turns, run(8)) {
		t.Error("another seed gave the same schedule")
	}
}

// Equal code, over and over, on a machine with 2 % noise: nothing is ever confirmed.
func TestEqualCodeIsNeverConfirmed(t *testing.T) {
	for trial := range 25 {
		m := newMachine(uint64(trial), grid(1000)...)
		m.noise = 0.02
		r := measure(t, m, m.options())
		if r.Counts.Regressed+r.Counts.Improved > 0 || r.Exit(false) != ExitOK {
			t.Errorf("trial %d: %+v", trial, r.Counts)
		}
	}
}

func TestPlantedChanges(t *testing.T) {
	for _, c := range []struct {
		phase, name string
		share       float64
		want        Outcome
	}{
		{"source-guest-sec/op", "source guest", 0.10, Regressed},
		{"source-copy-sec/op", "source host functions", 0.10, Regressed},
		{"compress-sec/op", "source compress", 0.10, Regressed},
		{"dest-flush-sec/op", "dest flush", 0.05, Regressed},
		{"dest-guest-sec/op", "dest guest", -0.05, Improved},
	} {
		m := newMachine(3, grid(1000)...)
		m.plant = slower(c.phase, c.share)
		r := measure(t, m, m.options())
		for _, k := range grid(1000) {
			if k.reference() {
				continue
			}
			v := verdict(t, r, k, "sec/op")
			if v.Outcome != c.want {
				t.Errorf("%s %+.0f %%: %s: %s (%s)", c.name, 100*c.share, k, v.Outcome, v.Reason)
				continue
			}
			if math.Abs(float64(v.Change.Estimate)-c.share) > 0.02 || v.Change.Block != 2 || v.First == nil {
				t.Errorf("%s %+.0f %%: change %+v, first %+v", c.name, 100*c.share, v.Change, v.First)
			}
			if e := v.Explanation; e == nil || e.Parts[0].Name() != c.name || e.Parts[0].Share < 0.7 {
				t.Errorf("%s %+.0f %%: explained by %+v", c.name, 100*c.share, e)
			}
			if verdict(t, r, k, "B/op").Outcome != Same {
				t.Errorf("%s: the heap did not change, yet it is not the same", k)
			}
		}
		want := ExitOK
		if c.want == Regressed {
			want = ExitRegressed
		}
		if got := r.Exit(true); got != want {
			t.Errorf("%s: exit %d, want %d", c.name, got, want)
		}
	}
}

// How often a change is found by the whole procedure, both blocks and the adjustment for all cells included, when one
// process varies by 1 %.
func TestDetectionRates(t *testing.T) {
	const trials = 20
	for _, c := range []struct {
		share float64
		least float64
	}{{0.02, 0}, {0.05, 0.9}, {0.10, 1}} {
		found, wrong := 0, 0
		for trial := range trials {
			m := newMachine(uint64(100+trial), grid(1000)...)
			plant := slower("source-guest-sec/op", c.share)
			m.plant = func(side Side, k Case, values map[string]float64) {
				if k == one {
					plant(side, k, values)
				}
			}
			r := measure(t, m, m.options())
			if v := verdict(t, r, one, "sec/op"); v.Outcome == Regressed && v.Explanation.Parts[0].Name() == "source guest" {
				found++
			}
			for _, v := range r.Verdicts {
				if v.Outcome == Improved || v.Outcome == Regressed && v.Case != one {
					wrong++
				}
			}
		}
		t.Logf("+%.0f %%: found in %d of %d trials", 100*c.share, found, trials)
		if rate := float64(found) / trials; rate < c.least || wrong > 0 {
			t.Errorf("+%.0f %%: found and attributed in %.2f of the trials, want %.2f; %d verdicts on what did not change", 100*c.share, rate, c.least, wrong)
		}
	}
}

// On a quiet machine "the same" is clear at the first look, and nothing is measured after it.
func TestStopsWhereTheAnswerIsKnown(t *testing.T) {
	m := newMachine(1, grid(1000)...)
	m.noise = 0.002
	m.plant = func(side Side, c Case, values map[string]float64) {
		if c == one && side == Head {
			values["sec/op"] *= 1.019 // within the band, but at its edge: needs every pair
		}
	}
	r := measure(t, m, m.options())
	for _, s := range r.Blocks[0].Series {
		want := 8
		if s.Case == one || s.Case.reference() {
			want = 12
		}
		if len(s.Pairs) != want || s.Known != (want == 8) {
			t.Errorf("%s: %d pairs, known=%v, want %d", s.Case, len(s.Pairs), s.Known, want)
		}
	}
	for _, v := range r.Verdicts {
		if v.Case != one && v.Outcome != Same {
			t.Errorf("%s %s: %s (%s)", v.Case, v.Unit, v.Outcome, v.Reason)
		}
	}
}

// A machine that favours base for one session makes the first block sure of a regression. The second does not see it.
func TestStateOfOneSessionIsNotConfirmed(t *testing.T) {
	var r *Report
	for _, then := range []float64{1, 0.92} {
		m := newMachine(1, one)
		m.noise = 0.003
		restarted := 0
		m.session = func(side Side, n int) float64 {
			switch {
			case side == Base:
				return 1
			case restarted == 0:
				return 1.08
			}
			return then
		}
		o := m.options()
		o.Restart = func(context.Context) error { restarted++; return nil }
		r = measure(t, m, o)
		v := verdict(t, r, one, "sec/op")
		if v.Outcome != Inconclusive || !strings.HasPrefix(v.Reason, "not reproduced: +8.") && !strings.HasPrefix(v.Reason, "not reproduced: +7.") || v.First == nil {
			t.Errorf("%s: %s, first %+v, then %+v", v.Outcome, v.Reason, v.First, v.Change)
		}
		if restarted != 1 {
			t.Errorf("the server was restarted %d times between two blocks", restarted)
		}
	}
	if r.Exit(false) != ExitOK || r.Exit(true) != ExitInconclusive {
		t.Errorf("exit %d and, if strict, %d", r.Exit(false), r.Exit(true))
	}
	if len(r.Blocks) != 2 || r.Blocks[0].Seed == r.Blocks[1].Seed {
		t.Errorf("%d blocks, with the same seed", len(r.Blocks))
	}
}

// Disturbed pairs are measured again and counted; they are in no estimate. More than a fifth of them is too many.
func TestDisturbedPairs(t *testing.T) {
	m := newMachine(1, one)
	m.disturb = func(n int) []string {
		if n == 6 || n == 13 {
			return []string{"checkpoint"}
		}
		return nil
	}
	r := measure(t, m, m.options())
	s := r.Blocks[0].Series[0]
	if len(s.Repeated) != 2 || s.TooDisturbed {
		t.Errorf("%d pairs repeated, too disturbed: %v", len(s.Repeated), s.TooDisturbed)
	}
	if v := verdict(t, r, one, "sec/op"); v.Repeats != 2 {
		t.Errorf("the verdict counts %d repeats", v.Repeats)
	}
	for _, p := range s.Pairs {
		if len(p.contaminated()) > 0 {
			t.Error("a disturbed pair was counted")
		}
	}
	for _, p := range s.Repeated {
		if p.BaseFirst != (p.Round%2 == 1) {
			t.Errorf("the repeated pair of round %d was turned round", p.Round)
		}
	}

	// The last pair never succeeds. What the eleven before it say is clear, and must not be believed all the same.
	m = newMachine(1, one, "Pipeline/rows=2/load=copy/compression=none")
	m.plant = slower("dest-flush-sec/op", 0.3)
	m.disturb = func(n int) []string {
		before := 0
		for _, turn := range m.turns[:n] {
			if turn.Case == one {
				before++
			}
		}
		if m.turns[n].Case == one && before >= 22 {
			return []string{"steal"}
		}
		return nil
	}
	r = measure(t, m, m.options())
	v := verdict(t, r, one, "sec/op")
	if v.Outcome != Inconclusive || !strings.Contains(v.Reason, "the machine was disturbed: 3 of ") || !strings.Contains(v.Reason, "(steal)") {
		t.Errorf("%s: %s", v.Outcome, v.Reason)
	}
	if other := verdict(t, r, "Pipeline/rows=2/load=copy/compression=none", "sec/op"); other.Outcome != Regressed {
		t.Errorf("the quiet case: %s", other.Outcome)
	}
}

// One call more is a regression after a single pair's worth of evidence, whatever the noise; a counter that varies is not
// exact and says so.
func TestExactUnits(t *testing.T) {
	m := newMachine(1, one)
	m.noise = 0.3
	m.plant = func(side Side, _ Case, values map[string]float64) {
		if side == Head {
			values["roundtrips/op"]++
			values["hostcalls/op"]--
		}
	}
	r := measure(t, m, m.options())
	if v := verdict(t, r, one, "roundtrips/op"); v.Outcome != Regressed || !v.Exact || v.Base != 7 || v.Head != 8 {
		t.Errorf("one round trip more: %+v", v)
	}
	if v := verdict(t, r, one, "hostcalls/op"); v.Outcome != Improved {
		t.Errorf("one call less: %+v", v)
	}
	if r.Exit(false) != ExitRegressed {
		t.Errorf("exit %d", r.Exit(false))
	}

	for _, c := range []struct {
		more float64
		want Outcome
	}{{0, Same}, {0.9e-4, Same}, {-0.9e-4, Same}, {1.1e-4, Regressed}, {-1.1e-4, Improved}} {
		m := newMachine(1, one)
		m.plant = func(side Side, _ Case, values map[string]float64) {
			values["wire-B/row"] = 95
			if side == Head {
				values["wire-B/row"] *= 1 + c.more
			}
		}
		r := measure(t, m, m.options())
		if v := verdict(t, r, one, "wire-B/row"); v.Outcome != c.want {
			t.Errorf("a change of %g: %s, want %s", c.more, v.Outcome, c.want)
		}
		var text strings.Builder
		if err := r.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if said, want := strings.Contains(text.String(), "wire-B/row: too small a difference to count"), c.want == Same && c.more != 0; said != want {
			t.Errorf("a change of %g: that it is too small is said: %t, want %t:\n%s", c.more, said, want, &text)
		}
	}

	for _, c := range []struct {
		base, head [2]float64
		want       Outcome
	}{
		{[2]float64{400, 401}, [2]float64{401, 402}, Inconclusive},
		{[2]float64{400, 401}, [2]float64{410, 411}, Regressed},
		{[2]float64{400, 401}, [2]float64{400, 400}, Inconclusive},
		{[2]float64{400, 401}, [2]float64{401.001, 401.002}, Regressed},
		{[2]float64{4e7, 4e7 + 1}, [2]float64{4e7 + 2, 4e7 + 3}, Same},
	} {
		m := newMachine(1, one)
		m.plant = func(side Side, _ Case, values map[string]float64) {
			set := c.base
			if side == Head {
				set = c.head
			}
			values["hostcalls/op"] = set[(len(m.turns)-1)/2%2]
		}
		v := verdict(t, measure(t, m, m.options()), one, "hostcalls/op")
		if v.Outcome != c.want || !strings.Contains(v.Reason, "declared exact, but it varies: "+spread(c.base[:])+" in base") {
			t.Errorf("%v against %v: %s (%s), want %s", c.base, c.head, v.Outcome, v.Reason, c.want)
		}
	}
}

// More of a unit may be better, a counter may start from nothing, and a unit may be new.
func TestUnits(t *testing.T) {
	m := newMachine(1, one)
	m.plant = func(side Side, c Case, values map[string]float64) {
		slower("dest-flush-sec/op", 0.2)(side, c, values)
		values["rows/s"] /= values["sec/op"] / 0.1
		values["zero"], values["fresh"], values["gone"] = 0, 0, 5
		if side == Head {
			values["fresh"], values["new"] = 3, 1
			values["gone"] = 0
		}
	}
	o := m.options()
	o.Gate = []string{"rows/s", "zero", "fresh", "gone", "new", "nowhere"}
	r := measure(t, m, o)
	for unit, want := range map[string]Outcome{"rows/s": Regressed, "zero": Same, "fresh": Regressed, "gone": Improved} {
		if v := verdict(t, r, one, unit); v.Outcome != want {
			t.Errorf("%s: %s (%s), want %s", unit, v.Outcome, v.Reason, want)
		}
	}
	if want := "new is missing in base"; !slices.Contains(r.Warnings, want) {
		t.Errorf("warnings %q, want %q", r.Warnings, want)
	}

	m = newMachine(1, one)
	m.plant = func(_ Side, _ Case, values map[string]float64) { values["sec/op"] = math.NaN() }
	if v := verdict(t, measure(t, m, m.options()), one, "sec/op"); v.Outcome != Inconclusive || !strings.Contains(v.Reason, "NaN") {
		t.Errorf("not a number: %s (%s)", v.Outcome, v.Reason)
	}
}

func TestBand(t *testing.T) {
	// A case of 10 ms may move by 2 ms, which is 20 %.
	m := newMachine(1, one)
	m.plant = func(side Side, c Case, values map[string]float64) {
		values["sec/op"] = 0.010
		if side == Head {
			values["sec/op"] = 0.011
		}
	}
	v := verdict(t, measure(t, m, m.options()), one, "sec/op")
	if v.Outcome != Same || v.Band.From != "2 ms" || math.Abs(v.Band.Change-0.2) > 0.02 {
		t.Errorf("+1 ms of 10 ms: %s within %+v", v.Outcome, v.Band)
	}

	// The noise of the machine widens the band where nobody asked for a threshold.
	m = newMachine(1, one)
	o := m.options()
	o.Noise = &Noise{Machine: "3f2a9c1e", Taken: m.clock, Config: testConfig(), Cells: []NoiseCell{{one, "cpu-sec/op", []float64{0.2, -0.3, 0.25, -0.1, 0.28, 0.3, -0.29}}}}
	v = verdict(t, measure(t, m, o), one, "cpu-sec/op")
	if v.Band.From != "noise of this machine" || v.Band.Change < 0.1 {
		t.Errorf("on a noisy machine the band is %+v", v.Band)
	}
	if v = verdict(t, measure(t, newMachine(1, one), o), one, "sec/op"); v.Band != (Band{0.02, "threshold"}) && v.Band.From != "2 ms" {
		t.Errorf("a unit without noise has the band %+v", v.Band)
	}
}

func TestRefusesWhatCannotSucceed(t *testing.T) {
	noisy := &Noise{Machine: "3f2a9c1e", Cells: []NoiseCell{{one, "sec/op", []float64{0.1, -0.1, 0.12, -0.08}}}}
	for _, c := range []struct {
		name string
		set  func(m *machine, o *Options)
		is   error
		exit Exit
		says string
	}{
		{"too few rounds", func(_ *machine, o *Options) { o.Rounds = 5 }, ErrTooFewPairs, ExitError, "at least"},
		{"too few rounds for so many cases", func(m *machine, o *Options) {
			m.cases = [2][]Case{grid(1), grid(1)}
			o.Rounds = 9
		}, ErrTooFewPairs, ExitError, "9 pairs can never confirm anything among 6 cases and 4 units; at least 1"},
		{"a threshold below the noise", func(_ *machine, o *Options) { o.Threshold, o.Noise = 0.01, noisy }, ErrTighter, ExitError,
			"1.0 % was asked for, and with 12 pairs sec/op of " + string(one) + " resolves"},
		{"no case in common", func(m *machine, _ *Options) { m.cases[Head] = []Case{"Other"} }, ErrNothing, ExitError, "base has 1 and head has 1"},
		{"references only", func(m *machine, _ *Options) {
			m.cases = [2][]Case{{"Floor/rows=1"}, {"Floor/rows=1"}}
		}, ErrNothing, ExitError, ""},
		{"negative rounds", func(_ *machine, o *Options) { o.Rounds = -1 }, ErrUsage, ExitUsage, "cannot be negative"},
		{"a threshold in percent", func(_ *machine, o *Options) { o.Threshold = 50 }, ErrUsage, ExitUsage, "such as 0.05"},
		{"an impossible alpha", func(_ *machine, o *Options) { o.Alpha = 2 }, ErrUsage, ExitUsage, ""},
		{"nothing to judge", func(_ *machine, o *Options) { o.Gate = []string{} }, ErrUsage, ExitUsage, ""},
	} {
		m := newMachine(1, one)
		o := m.options()
		c.set(m, &o)
		r, err := Measure(t.Context(), m, o)
		if r != nil || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || ExitOf(err) != c.exit {
			t.Errorf("%s: %v (exit %d), want %v with %q", c.name, err, ExitOf(err), c.is, c.says)
		}
		if len(m.turns) > 0 {
			t.Errorf("%s: %d processes ran before it was refused", c.name, len(m.turns))
		}
	}

	// The same threshold is no obstacle where nobody asked for it.
	m := newMachine(1, one)
	o := m.options()
	o.Noise = noisy
	measure(t, m, o)
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		err  error
		is   error
		exit Exit
	}{
		{&CaseError{Err: fmt.Errorf("%w (exit status 1)", ErrWrongData)}, ErrWrongData, ExitWrongData},
		{&CaseError{Err: errors.New("exit status 2")}, nil, ExitError},
		{&CaseError{Err: ErrSkipped}, ErrSkipped, ExitError},
		{context.Canceled, context.Canceled, ExitError},
	} {
		m := newMachine(1, one)
		m.fail = func(Turn) error {
			if len(m.turns) == 9 {
				return c.err
			}
			return nil
		}
		r, err := Measure(t.Context(), m, m.options())
		if r != nil || c.is != nil && !errors.Is(err, c.is) || err == nil || ExitOf(err) != c.exit {
			t.Errorf("%v: %v, exit %d, want %d", c.err, err, ExitOf(err), c.exit)
		}
	}

	m := newMachine(1, one)
	m.plant = slower("dest-flush-sec/op", 0.3)
	o := m.options()
	o.Restart = func(context.Context) error { return errors.New("no such server") }
	if _, err := Measure(t.Context(), m, o); err == nil || !strings.Contains(err.Error(), "restarting the server between the blocks: no such server") {
		t.Errorf("a server that cannot be restarted: %v", err)
	}
}

// Numbers of another server, machine or processor count are never put together.
func TestMixedConditions(t *testing.T) {
	m := newMachine(1, one)
	m.config = func(side Side) map[string]string {
		return map[string]string{"pg-conf": "quiet-" + side.String()}
	}
	_, err := Measure(t.Context(), m, m.options())
	if !errors.Is(err, ErrMixed) || !strings.Contains(err.Error(), `pg-conf is "quiet-head", and was "quiet-base" in base`) {
		t.Errorf("two sides with different servers: %v", err)
	}

	m = newMachine(1, one)
	m.procs = func(n int) string { return []string{"2", ""}[n/8] }
	if _, err := Measure(t.Context(), m, m.options()); !errors.Is(err, ErrMixed) || !strings.Contains(err.Error(), "it ran with 1 processors, others with 2") {
		t.Errorf("a machine that lost a processor: %v", err)
	}

	m = newMachine(1, one)
	m.config = func(Side) map[string]string {
		return map[string]string{"machine": fmt.Sprint(len(m.turns) / 10)}
	}
	if _, err := Measure(t.Context(), m, m.options()); !errors.Is(err, ErrMixed) {
		t.Errorf("a machine that changed in the middle: %v", err)
	}

	m = newMachine(1, one)
	m.config = func(side Side) map[string]string {
		if side == Head {
			return map[string]string{"machine": "a", "runtime": "compiled"}
		}
		return map[string]string{"machine": "a"}
	}
	r := measure(t, m, m.options())
	if w := r.Warnings[0]; w != "only one side prints runtime (head): the suites differ" || len(r.Config) != 1 {
		t.Errorf("a key of one side only: %q, config %v", w, r.Config)
	}
}

func TestCasesOfOneSide(t *testing.T) {
	m := newMachine(1, one)
	m.cases = [2][]Case{{"Gone", one}, {one, "New/a=1"}}
	r := measure(t, m, m.options())
	if len(r.OnlyBase) != 1 || r.OnlyBase[0] != "Gone" || len(r.OnlyHead) != 1 || r.OnlyHead[0] != "New/a=1" {
		t.Errorf("only base %v, only head %v", r.OnlyBase, r.OnlyHead)
	}
}
