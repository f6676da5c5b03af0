package paired

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The simulations draw what a machine might do to a benchmark and count how often the answers are wrong. Seeds are
// fixed, so a failure is a change of the code and not bad luck. A rate is accepted within four standard errors.

// noise draws the times of the processes of one case in the order they run, two per pair, without any effect.
type noise struct {
	name string
	draw func(r *rand.Rand, times []float64)
}

var noises = []noise{
	{"normal", func(r *rand.Rand, times []float64) {
		for i := range times {
			times[i] = math.Exp(0.02 * r.NormFloat64())
		}
	}},
	{"long tail", func(r *rand.Rand, times []float64) {
		// One process in eight is disturbed, by up to several times its length.
		for i := range times {
			times[i] = 1 + 0.01*r.ExpFloat64()
			if r.IntN(8) == 0 {
				times[i] += r.ExpFloat64()
			}
		}
	}},
	{"two modes", func(r *rand.Rand, times []float64) {
		// Each process lands in a fast or a slow mode, 12 % apart.
		for i := range times {
			times[i] = math.Exp(0.005 * r.NormFloat64())
			if r.IntN(10) < 3 {
				times[i] *= 1.12
			}
		}
	}},
	{"autocorrelated", func(r *rand.Rand, times []float64) {
		// A slow wave through the machine, ten times the noise of one process.
		wave := 0.05 * r.NormFloat64()
		for i := range times {
			wave = 0.95*wave + 0.05*math.Sqrt(1-0.95*0.95)*r.NormFloat64()
			times[i] = math.Exp(wave + 0.005*r.NormFloat64())
		}
	}},
	{"drift and order", func(r *rand.Rand, times []float64) {
		// The machine gets 0.3 % slower with every process, and the second process of a pair is 1 % faster.
		for i := range times {
			times[i] = math.Exp(0.003*float64(i) - 0.01*float64(i%2) + 0.01*r.NormFloat64())
		}
	}},
}

// pairs turns times in the order they were taken into log-ratios with the given effect: base first in even pairs, head
// first in odd ones.
func (n noise) pairs(r *rand.Rand, count int, effect float64) []float64 {
	times := make([]float64, 2*count)
	n.draw(r, times)
	d := make([]float64, count)
	for i := range d {
		base, head := times[2*i], times[2*i+1]
		if i%2 == 1 {
			base, head = head, base
		}
		d[i] = math.Log(head/base) + effect
	}
	return d
}

// atMost fails when hits of trials speak against a rate of at most limit.
func atMost(t *testing.T, what string, hits, trials int, limit float64) {
	t.Helper()
	rate := float64(hits) / float64(trials)
	t.Logf("%s: %.4f of %d trials (at most %.4f)", what, rate, trials, limit)
	if rate > limit+4*math.Sqrt(limit*(1-limit)/float64(trials)) {
		t.Errorf("%s: rate %.4f of %d trials, want at most %.4f", what, rate, trials, limit)
	}
}

func TestSimulateCoverage(t *testing.T) {
	const trials = 4000
	for _, n := range noises {
		r := rand.New(rand.NewPCG(1, 1))
		missed, everMissed, attained := 0, 0, 0.0
		plan, err := NewPlan(0.05, 12)
		if err != nil {
			t.Fatal(err)
		}
		for range trials {
			effect := 0.04
			d := n.pairs(r, 12, effect)

			// One look at all of it.
			i := Estimate(d, 0.95)
			attained = i.Level
			if effect < i.Lo || effect > i.Hi {
				missed++
			}

			// All planned looks: the intervals must hold together.
			s := plan.Start()
			for _, pairs := range plan.Looks {
				look, _ := s.Look(d[:pairs], false)
				if effect < look.Interval.Lo || effect > look.Interval.Hi {
					everMissed++
					break
				}
			}
		}
		atMost(t, n.name+": interval misses", missed, trials, 1-attained)
		atMost(t, n.name+": any interval of the sequence misses", everMissed, trials, 0.05)

		// Wide enough to be true is easy; it must not be much wider than it says.
		if n.name == "normal" {
			atMost(t, n.name+": interval covers", trials-missed, trials, attained)
		}
	}
}

// Equal code, measured as a whole comparison is: 48 tests, every look, Holm over all of them. Any rejection at any look
// is a false alarm.
func TestSimulateFamilyFalseAlarms(t *testing.T) {
	const trials, tests = 400, 48
	for _, n := range noises {
		r := rand.New(rand.NewPCG(2, 2))
		plan, err := NewPlan(0.05, 12)
		if err != nil {
			t.Fatal(err)
		}
		alarms, beyond := 0, 0
		for range trials {
			p := make([]float64, tests)
			outside := false
			for i := range p {
				d := n.pairs(r, 12, 0)
				s := plan.Start()
				for _, pairs := range plan.Looks {
					look, _ := s.Look(d[:pairs], false)
					p[i] = look.P
					outside = outside || look.Interval.Above(0.02) && look.P*tests <= plan.Alpha
				}
			}
			if slices.Min(Holm(p)) <= plan.Alpha {
				alarms++
			}
			if outside {
				beyond++
			}
		}
		atMost(t, n.name+": family alarms", alarms, trials, 0.05)
		atMost(t, n.name+": family alarms beyond a band of 2 %", beyond, trials, 0.05)
	}
}

// A single test without adjustment uses most of its error probability: a procedure that never rejects would pass every
// test above.
func TestSimulateSequenceIsNotTooTimid(t *testing.T) {
	const trials = 6000
	r := rand.New(rand.NewPCG(3, 3))
	plan, err := NewPlan(0.05, 24)
	if err != nil {
		t.Fatal(err)
	}
	alarms := 0
	for range trials {
		d := noises[0].pairs(r, 24, 0)
		s := plan.Start()
		var last Look
		for _, pairs := range plan.Looks {
			last, _ = s.Look(d[:pairs], false)
		}
		if last.P <= plan.Alpha {
			alarms++
		}
	}
	atMost(t, "one sequence", alarms, trials, 0.05)
	if rate := float64(alarms) / trials; rate < 0.02 {
		t.Errorf("a false-alarm rate of %.4f wastes more than half of the 5 %% allowed", rate)
	}
}

// What one block of the default comparison finds: 12 pairs with some noise per process, a band of 2 %, 48 tests.
func TestSimulatePower(t *testing.T) {
	const trials = 400
	for _, c := range []struct {
		noise        int
		effect       float64
		atLeast, max float64 // rate of "interval beyond the band and adjusted p below alpha"
	}{
		{0, 0.00, 0, 0.01},
		{0, 0.02, 0, 0.06}, // an effect the size of the band is not beyond it
		{0, 0.05, 0.5, 1},
		{0, 0.10, 0.999, 1},
		{3, 0.05, 0.95, 1}, // a wave that moves both halves costs little
		{3, 0.10, 0.999, 1},
		{4, 0.05, 0.9, 1},
		{1, 0.10, 0.15, 1}, // one process in eight disturbed by 100 %: hard, and not a false "same" either
	} {
		r := rand.New(rand.NewPCG(4, 4))
		plan, err := NewPlan(0.05, 12)
		if err != nil {
			t.Fatal(err)
		}
		found, same := 0, 0
		for range trials {
			d := noises[c.noise].pairs(r, 12, math.Log1p(c.effect))
			s := plan.Start()
			for _, pairs := range plan.Looks {
				look, _ := s.Look(d[:pairs], false)
				if look.Interval.Above(math.Log1p(0.02)) && 48*look.P <= plan.Alpha {
					found++
					break
				}
				if look.Interval.Inside(math.Log1p(0.02)) {
					same++
					break
				}
			}
		}
		rate := float64(found) / trials
		t.Logf("%s, effect %.0f %%: found %.3f, called same %.3f", noises[c.noise].name, 100*c.effect, rate, float64(same)/trials)
		if rate < c.atLeast || rate > c.max {
			t.Errorf("%s, effect %.0f %%: found %.3f, want between %v and %v", noises[c.noise].name, 100*c.effect, rate, c.atLeast, c.max)
		}
		if c.effect > 0.02 {
			atMost(t, "called same though the effect is beyond the band", same, trials, 0.05)
		}
	}
}

// An effect of the size Resolution names is found about four times in five.
func TestSimulateResolution(t *testing.T) {
	const trials, tests = 600, 48
	band := math.Log1p(0.02)
	r := rand.New(rand.NewPCG(5, 5))

	sum := 0.0
	for range trials {
		sum += Resolution(noises[0].pairs(r, 14, 0), 0.05, 0.5, tests, band)
	}
	effect := sum / trials

	found := 0
	for range trials {
		d := noises[0].pairs(r, 14, effect)
		if Estimate(d, 1-0.05*0.5).Above(band) && SignedRank(d).P <= 0.05*0.5/tests {
			found++
		}
	}
	rate := float64(found) / trials
	t.Logf("an effect of %.4f, the mean resolution, is found %.3f of the time", effect, rate)
	if rate < 0.65 || rate > 0.97 {
		t.Errorf("an effect of the size of the resolution (%.4f) is found %.3f of the time, want about 0.8", effect, rate)
	}
}
