package compare

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"
)

// machine is a Runner that plays a computer with noise, on which code and surroundings change as a test wants. It keeps
// its own clock: a process takes a second.
type machine struct {
	cases [2][]Case
	noise float64 // standard deviation of one process, relative
	// plant changes the values of a process before they are noisy; nil changes nothing.
	plant func(side Side, c Case, values map[string]float64)
	// session changes all values of a side from the n-th process on, as a state of the machine does.
	session func(side Side, n int) float64
	// disturb returns what contaminates the n-th process.
	disturb func(n int) []string
	fail    func(t Turn) error
	config  func(side Side) map[string]string
	procs   func(n int) string // processors of the n-th process; nil: 2

	r     *rand.Rand
	turns []Turn
	clock time.Time
}

func newMachine(seed uint64, cases ...Case) *machine {
	return &machine{
		cases: [2][]Case{cases, cases}, noise: 0.01,
		r: rand.New(rand.NewPCG(seed, 0)), clock: time.Unix(1700000000, 0),
	}
}

// options returns options that run on the machine's clock.
func (m *machine) options() Options {
	return Options{Seed: 1, now: func() time.Time { return m.clock }}
}

func (m *machine) Cases(_ context.Context, side Side) ([]Case, error) { return m.cases[side], nil }

// phases is a run of 100 ms in which the destination is the bottleneck half of the time.
var phases = map[string]float64{
	"source-sec/op": 0.098, "source-wait-sec/op": 0.020, "source-guest-sec/op": 0.040, "source-copy-sec/op": 0.008,
	"compress-sec/op": 0.010, "source-stall-sec/op": 0.020,
	"dest-sec/op": 0.099, "dest-stall-sec/op": 0.030, "decompress-sec/op": 0.004, "dest-guest-sec/op": 0.025,
	"dest-copy-sec/op": 0.005, "dest-flush-sec/op": 0.030, "dest-commit-sec/op": 0.005,
}

func (m *machine) Pair(ctx context.Context, t Turn) (Pair, error) { return BackToBack(ctx, t, m.Run) }

func (m *machine) Run(ctx context.Context, t Turn) (*Process, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	n := len(m.turns)
	m.turns = append(m.turns, t)
	started := m.clock
	m.clock = m.clock.Add(time.Second)
	if m.fail != nil {
		if err := m.fail(t); err != nil {
			return nil, err
		}
	}

	values := map[string]float64{
		"sec/op": 0.1, "cpu-sec/op": 0.06, "B/op": 1e6, "allocs/op": 5000, "wal-B/row": 200,
		"hostcalls/op": 400, "roundtrips/op": 7, "rows/s": 1e5,
	}
	for unit, v := range phases {
		values[unit] = v
	}
	if t.Case.Family() == "Floor" {
		values = map[string]float64{"sec/op": 0.05, "cpu-sec/op": 0.03, "B/op": 1e6, "allocs/op": 5000}
	}
	if m.plant != nil {
		m.plant(t.Side, t.Case, values)
	}
	scale := 1.0
	if m.session != nil {
		scale = m.session(t.Side, n)
	}
	factor := scale * math.Exp(m.noise*m.r.NormFloat64())

	p := &Process{
		Case: t.Case, Procs: "2", Values: map[string][]float64{}, Units: testUnits(),
		Config:  testConfig(),
		Started: started, Duration: time.Second,
	}
	for unit, v := range values {
		switch {
		case unit == "hostcalls/op" || unit == "roundtrips/op" || unit == "wire-B/row":
		case unit == "rows/s":
			v /= factor
		case unit == "B/op" || unit == "allocs/op":
			v *= 1 + (factor-1)/10
		default:
			v *= factor
		}
		p.Values[unit] = []float64{v}
	}
	if m.config != nil {
		p.Config = m.config(t.Side)
	}
	if m.procs != nil {
		p.Procs = m.procs(n)
	}
	if m.disturb != nil {
		p.Contaminated = m.disturb(n)
	}
	return p, nil
}

// testConfig is what every process says about machine and server.
func testConfig() map[string]string {
	return map[string]string{"machine": "3f2a9c1e", "pg-conf": "quiet-6f1c02aa", "pg-version": "15.18"}
}

// testUnits is what the suite says about its units.
func testUnits() benchfmt.UnitMetadataMap {
	text := `Unit rows/s better=higher
Unit cpu-ns/op better=lower
Unit wal-B/row better=lower
Unit hostcalls/op better=lower assume=exact
Unit roundtrips/op better=lower assume=exact
Unit wire-B/row better=lower assume=exact
`
	r := benchfmt.NewReader(strings.NewReader(text), "units")
	for r.Scan() {
	}
	return r.Units()
}

// slower adds a share of the whole run's time to one phase, the way a slower phase of the source makes the destination
// wait, and of the destination the source.
func slower(phase string, share float64) func(Side, Case, map[string]float64) {
	return func(side Side, c Case, values map[string]float64) {
		if side == Base || c.reference() {
			return
		}
		d := share * values["sec/op"]
		for _, unit := range []string{"sec/op", "cpu-sec/op", "source-sec/op", "dest-sec/op", phase} {
			values[unit] += d
		}
		if strings.HasPrefix(phase, "source") || phase == "compress-sec/op" {
			values["dest-stall-sec/op"] += d
		} else {
			values["source-stall-sec/op"] += d
		}
	}
}

// grid returns the default cases of one row count, and the native floor.
func grid(rows int) []Case {
	var cases []Case
	for _, load := range []string{"insert", "copy"} {
		for _, compression := range []string{"none", "lz4", "zstd"} {
			cases = append(cases, Case(fmt.Sprintf("Pipeline/rows=%d/load=%s/compression=%s", rows, load, compression)))
		}
		cases = append(cases, Case(fmt.Sprintf("Floor/rows=%d/load=%s/via=pgx", rows, load)))
	}
	return cases
}

func measure(t *testing.T, m *machine, o Options) *Report {
	t.Helper()
	r, err := Measure(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verdict returns the only verdict on the cell.
func verdict(t *testing.T, r *Report, c Case, unit string) *Verdict {
	t.Helper()
	var found *Verdict
	for _, v := range r.Verdicts {
		if v.Case == c && v.Unit == unit {
			if found != nil {
				t.Fatalf("two verdicts on %s of %s", unit, c)
			}
			found = v
		}
	}
	if found == nil {
		t.Fatalf("no verdict on %s of %s", unit, c)
	}
	return found
}
