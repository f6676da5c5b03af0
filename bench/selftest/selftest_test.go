package selftest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// machine is a case that takes 200 ms, give or take noise, and obeys plants. It stands for two test binaries.
type machine struct {
	random *rand.Rand
	noise  float64
	spec   string
	// feels is the share of a plant that shows; 0 is a suite that forgot to plant anything.
	feels float64
	// books is the unit a plant is booked under instead of its own.
	books string
	// drift makes head slower without a plant.
	drift float64
	fail  error
}

var unitOf = map[string]string{
	plant.SourceGuest: "source-guest-sec/op", plant.HostCopy: "source-copy-sec/op", plant.Codec: "compress-sec/op",
	plant.DestFlush: "dest-flush-sec/op",
}

func (*machine) Cases(context.Context, compare.Side) ([]compare.Case, error) {
	panic("a self-test knows its case")
}

func (m *machine) Pair(ctx context.Context, t compare.Turn) (compare.Pair, error) {
	return compare.BackToBack(ctx, t, m.run)
}

func (m *machine) run(_ context.Context, t compare.Turn) (*compare.Process, error) {
	const sec = 0.2
	values := map[string]float64{
		"source-guest-sec/op": 0.05, "source-copy-sec/op": 0.01, "compress-sec/op": 0.02,
		"dest-flush-sec/op": 0.08, "dest-stall-sec/op": 0.12,
	}
	extra := 0.0
	if t.Side == compare.Head {
		extra = m.drift * sec
		place, amount, timed := strings.Cut(m.spec, "=")
		switch {
		case timed:
			ns, err := strconv.ParseInt(strings.TrimSuffix(amount, "ns/row"), 10, 64)
			if err != nil {
				return nil, err
			}
			planted := m.feels * 1e-9 * float64(ns) * 100000
			unit := unitOf[place]
			if m.books != "" {
				unit = m.books
			}
			values[unit] += planted
			if unit != "dest-flush-sec/op" {
				values["dest-stall-sec/op"] += planted
			}
			extra += planted
		case slices.Contains(plant.Rows(), place):
			return nil, &compare.CaseError{Side: t.Side, Case: t.Case, Err: cmpErr(m.fail, compare.ErrWrongData)}
		case slices.Contains(plant.Outputs(), place):
			return nil, &compare.CaseError{Side: t.Side, Case: t.Case, Err: cmpErr(m.fail, errors.New("torn output"))}
		}
	}
	jitter := 1 + m.noise*m.random.NormFloat64()
	values["sec/op"] = (sec + extra) * jitter
	values["cpu-sec/op"] = (0.6*sec + extra) * (1 + m.noise*m.random.NormFloat64())
	values["B/op"], values["allocs/op"] = 1e6, 1e3

	p := &compare.Process{Case: t.Case, Values: map[string][]float64{}, Config: map[string]string{"machine": "fake"}}
	for unit, v := range values {
		p.Values[unit] = []float64{v}
	}
	return p, nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// trials makes the trials on a machine that set changes.
func trials(t *testing.T, o Options, set func(*machine)) *Report {
	t.Helper()
	o.Seed = 1
	o.busy = func(context.Context) (float64, bool) { return 0.01, true }
	r := newRun(t, o, set)
	report, err := r.trials(t.Context(), r.now())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func newRun(t *testing.T, o Options, set func(*machine)) *run {
	t.Helper()
	r := &run{Options: o.withDefaults()}
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(2, 3))
	r.runner = func(spec string) compare.Runner {
		m := &machine{random: random, noise: 0.005, spec: spec, feels: 1}
		if set != nil {
			set(m)
		}
		return m
	}
	return r
}

func status(t *testing.T, r *Report, text string) Status {
	t.Helper()
	for _, p := range r.Promises {
		if strings.Contains(p.Text, text) {
			return p.Status
		}
	}
	t.Fatalf("nothing is said about %q: %+v", text, r.Promises)
	return ""
}

func TestPromisesAreKept(t *testing.T) {
	r := trials(t, Options{Trials: 15}, nil)
	for _, p := range r.Promises {
		if p.Status != Kept {
			t.Errorf("%s: %s: %s", p.Status, p.Text, p.Why)
		}
	}
	if len(r.Promises) != 6 || r.Exit() != compare.ExitOK || !r.Idle {
		t.Errorf("%d promises, exit code %d, idle %v", len(r.Promises), r.Exit(), r.Idle)
	}
	if want := 3 + 4 + 15 + 4*3*3; len(r.Trials) != want {
		t.Errorf("%d trials, want %d", len(r.Trials), want)
	}
	for _, rate := range r.Rates {
		if rate.Percent >= 5 && (rate.Trials != 3 || rate.Found != 3 || rate.Right != 3) {
			t.Errorf("%+v", rate)
		}
	}

	// The specification of a plant is a share of what was measured.
	for _, trial := range r.Trials {
		if trial.Plant == plant.Codec && trial.Percent == 10 && !near(trial.Spec, plant.Codec, 200) {
			t.Errorf("10 %% of 200 ms for 100000 rows is %s", trial.Spec)
		}
	}
}

func near(spec, place string, want int) bool {
	var ns int
	_, err := fmt.Sscanf(spec, place+"=%dns/row", &ns)
	return err == nil && ns > want*9/10 && ns < want*11/10
}

// A self-test that cannot fail proves nothing either.
func TestPromisesAreBroken(t *testing.T) {
	for _, c := range []struct {
		name    string
		options Options
		set     func(*machine)
		broken  string
	}{
		{"plants that do nothing", Options{Only: []string{onlySlow}}, func(m *machine) { m.feels = 0 }, "10 %"},
		{"small plants that do little", Options{Only: []string{plant.Codec}}, func(m *machine) { m.feels = 0.2 }, "nine times in ten"},
		{"equal code that is not", Options{Only: []string{onlyEqual}}, func(m *machine) { m.drift = 0.06 }, "equal code"},
		{"another phase", Options{Only: []string{plant.HostCopy}}, func(m *machine) { m.books = "compress-sec/op" }, "blamed"},
		{"wrong rows that nobody sees", Options{Only: []string{onlyData}}, func(m *machine) { m.fail = errors.New("refused") }, "exit code 5"},
		{"torn output taken for wrong rows", Options{Only: []string{plant.OutputTorn}}, func(m *machine) { m.fail = compare.ErrWrongData }, "exit code 1"},
	} {
		c.options.Trials = 4
		r := trials(t, c.options, c.set)
		if got := status(t, r, c.broken); got != Broken || r.Exit() != compare.ExitError {
			t.Errorf("%s: %q is %s, exit code %d", c.name, c.broken, got, r.Exit())
		}
	}
}

// On a busy machine small plants may be missed, and large ones in a quick run. Equal code may not be confirmed anywhere.
func TestBusyMachine(t *testing.T) {
	o := Options{Trials: 4, Only: []string{onlySlow, onlyEqual}, Seed: 1}
	o.busy = func(context.Context) (float64, bool) { return 0.5, true }
	r := newRun(t, o, func(m *machine) {
		if !strings.Contains(m.spec, "=") {
			m.drift = 0.1
		}
		m.feels = 0
	})
	report, err := r.trials(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if report.Idle {
		t.Error("a machine half of which others take is idle")
	}
	if got := status(t, report, "nine times in ten"); got != Excused {
		t.Errorf("missed plants of 5 %%: %s", got)
	}
	if got := status(t, report, "every time"); got != Broken {
		t.Errorf("missed plants of 10 %%: %s", got)
	}
	if got := status(t, report, "equal code"); got != Broken {
		t.Errorf("equal code that regressed: %s", got)
	}

	o = Options{Quick: true, Seed: 1, busy: o.busy}
	if report, err = newRun(t, o, func(m *machine) { m.feels = 0 }).trials(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := status(t, report, "every time"); got != Excused || report.Exit() != compare.ExitOK || len(report.Trials) != 9 {
		t.Errorf("a quick run: %s, exit code %d, %d trials", got, report.Exit(), len(report.Trials))
	}
}

// When the budget is used up nothing is claimed that was not tried.
func TestBudget(t *testing.T) {
	clock := time.Now()
	o := Options{Trials: 20, Budget: time.Minute, now: func() time.Time { clock = clock.Add(time.Second); return clock }}
	r := trials(t, o, nil)
	if r.Ended == "" || len(r.Trials) < 10 || len(r.Trials) > 40 {
		t.Fatalf("%d trials: %s", len(r.Trials), r.Ended)
	}
	if got := status(t, r, "equal code"); got != NotShown || r.Exit() != compare.ExitError {
		t.Errorf("equal code: %s, exit code %d", got, r.Exit())
	}
	if got := status(t, r, "exit code 5"); got != Kept {
		t.Errorf("wrong rows: %s", got)
	}
}

// A server that is gone is no verdict on comparisons, and the trials until then are not lost.
func TestBreakingOff(t *testing.T) {
	gone := errors.New("connection refused")
	runs := 0
	o := Options{Trials: 2, Only: []string{onlyEqual}, Seed: 1, busy: func(context.Context) (float64, bool) { return 0, false }}
	r := newRun(t, o, nil)
	inner := r.runner
	r.runner = func(spec string) compare.Runner {
		return failing{inner(spec), func() error {
			if runs++; runs > 80 {
				return gone
			}
			return nil
		}}
	}
	r.Trials = 20
	report, err := r.trials(t.Context(), time.Now())
	if !errors.Is(err, gone) || report == nil || len(report.Trials) == 0 || !strings.HasPrefix(report.Ended, "broke off after") {
		t.Errorf("%v, %+v", err, report)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.runner = func(string) compare.Runner { return failing{nil, func() error { return context.Canceled }} }
	if _, err := r.trials(ctx, time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct {
	compare.Runner
	fail func() error
}

func (f failing) Pair(ctx context.Context, t compare.Turn) (compare.Pair, error) {
	if err := f.fail(); err != nil {
		return compare.Pair{}, err
	}
	return f.Runner.Pair(ctx, t)
}

func TestUsage(t *testing.T) {
	for _, o := range []Options{
		{Only: []string{"everything"}}, {Percents: []float64{0}}, {Trials: -1}, {Budget: -1}, {Compression: "none"},
	} {
		if _, err := Run(t.Context(), o); !errors.Is(err, compare.ErrUsage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	o := Options{Compression: "none", Only: []string{onlyEqual, plant.DestFlush}}
	o = o.withDefaults()
	if err := o.check(); err != nil {
		t.Error(err)
	}
}

func TestReport(t *testing.T) {
	var log bytes.Buffer
	r := trials(t, Options{Trials: 2, Log: &log}, nil)
	r.Commit, r.Took = "0123456789abcdef", time.Minute
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"self-test of 0123456789ab: Pipeline/rows=100000/load=copy/compression=lz4, 20",
		"found          +2 %", "+10 %    rightly named", "dest-flush", "1 of 1", "kept       equal code is never confirmed",
		"row-nulled 5", "output-empty 1", "otherwise idle (others took 1 %",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	for _, want := range []string{"21/21 ", " left\n", "row-dropped: exit code 5", "codec +10 %: found (sec/op +"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, &log)
		}
	}

	data, err := r.JSON()
	var back Report
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil || len(back.Trials) != len(r.Trials) || !maps.Equal(back.Config, r.Config) {
		t.Errorf("read back: %v, %d trials", err, len(back.Trials))
	}
}

func TestParseStat(t *testing.T) {
	busy, total, ok := parseStat("cpu  100 1 50 800 40 3 4 2 30 5\ncpu0 1 2 3\n")
	if busy != 160 || total != 1000 || !ok {
		t.Errorf("%d of %d, %v", busy, total, ok)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8", "cpu a 2 3 4 5 6 7 8"} {
		if _, _, ok := parseStat(bad); ok {
			t.Errorf("%q tells something", bad)
		}
	}
}
