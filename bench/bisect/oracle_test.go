package bisect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

const testCase = compare.Case("Pipeline/rows=10")

// commit is a made-up commit of the fake laboratory.
type commit struct {
	sec   float64 // time of the case
	calls float64 // a counter
	code  string  // "" is code of its own
	fail  error   // of its builds or measurements
}

// fake is a laboratory and a machine of its own. Its statistics are those of package compare.
type fake struct {
	commits  []commit
	noise    float64 // relative, of each process
	measured []string
	each     time.Duration // that a process takes; only in a bubble of made-up time
	noisy    func(n int) float64
	busy     func(n int) bool // whether something else disturbs the n-th comparison
	fails    func(n int) error
	ctx      context.Context // of the search, if not the test's
	deadline time.Time       // of the whole search, if there is one
	shares   []float64       // the time left over what each comparison may take: 2 is a half
}

func (f *fake) resolve(_ context.Context, ref refs.Ref) (refs.Ref, error) {
	ref.Tree, ref.Subject = "tree", "subject of "+ref.Name
	return ref, nil
}

func (f *fake) build(_ context.Context, ref refs.Ref) (*compare.Program, error) {
	var i int
	fmt.Sscan(ref.Name, &i)
	c := f.commits[i]
	var b *refs.BuildError
	if errors.As(c.fail, &b) {
		return nil, c.fail
	}
	code := c.code
	if code == "" {
		code = ref.Name
	}
	return &compare.Program{Ref: ref, Build: &refs.Build{Ref: ref, Code: code, Files: []refs.File{{Name: ref.Name}}}}, nil
}

func (f *fake) compare(ctx context.Context, base, head *compare.Program, o compare.Options) (*compare.Report, error) {
	var r machine
	r.fake = f
	fmt.Sscan(base.Ref.Name, &r.sides[compare.Base])
	fmt.Sscan(head.Ref.Name, &r.sides[compare.Head])
	f.measured = append(f.measured, fmt.Sprintf("%s-%s", base.Ref.Name, head.Ref.Name))
	if o.Budget > 0 {
		f.shares = append(f.shares, math.Round(100*float64(time.Until(f.deadline))/float64(o.Budget))/100)
	}
	return compare.Measure(ctx, &r, o)
}

// machine runs the processes of one comparison.
type machine struct {
	*fake
	sides [2]int
}

func (m *machine) Cases(_ context.Context, s compare.Side) ([]compare.Case, error) {
	return []compare.Case{testCase}, nil
}

func (m *machine) Pair(ctx context.Context, t compare.Turn) (compare.Pair, error) {
	return compare.BackToBack(ctx, t, m.run)
}

func (m *machine) run(_ context.Context, t compare.Turn) (*compare.Process, error) {
	time.Sleep(m.each)
	c := m.commits[m.sides[t.Side]]
	if c.fail != nil {
		return nil, &compare.CaseError{Side: t.Side, Case: t.Case, Err: c.fail}
	}
	if m.fails != nil {
		if err := m.fails(len(m.measured)); err != nil {
			return nil, &compare.CaseError{Side: t.Side, Case: t.Case, Err: err}
		}
	}
	noise := m.noise
	if m.noisy != nil {
		noise = m.noisy(len(m.measured))
	}
	r := rand.New(rand.NewPCG(t.Seed, uint64(t.Side)))
	sec := c.sec * (1 + noise*r.NormFloat64())
	units := benchfmt.UnitMetadataMap{}
	key := benchfmt.UnitMetadataKey{Unit: "calls/op", Key: "assume"}
	units[key] = &benchfmt.UnitMetadata{UnitMetadataKey: key, Value: "exact"}
	var contaminated []string
	if m.busy != nil && m.busy(len(m.measured)) {
		contaminated = []string{"steal"}
	}
	return &compare.Process{
		Contaminated: contaminated, Case: t.Case, Config: map[string]string{"machine": "fake"}, Units: units,
		Values: map[string][]float64{"sec/op": {sec}, "cpu-sec/op": {sec / 2}, "calls/op": {c.calls}},
	}, nil
}

// run searches the commits and returns the report.
func (f *fake) run(t *testing.T, o Options) (*Report, error) {
	t.Helper()
	o.Good, o.Bad, o.Case, o.Seed = "0", "9", testCase, 1
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := &search{options: &o, lab: f, report: &Report{}, started: time.Now()}
	for i := range f.commits {
		ref, _ := f.resolve(t.Context(), refs.Ref{Name: fmt.Sprint(i), Commit: fmt.Sprint(i)})
		s.commits = append(s.commits, ref)
	}
	for i, commit := range []int{0, len(f.commits) - 1} {
		program, err := f.build(t.Context(), s.commits[commit])
		if err != nil {
			t.Fatal(err)
		}
		s.judged = append(s.judged, judged{commit, program, []Answer{Fast, Slow}[i], nil})
	}
	ctx := t.Context()
	if f.ctx != nil {
		ctx = f.ctx
	}
	return s.outcome(ctx)
}

// ten returns ten commits of which those from the first slow one on take longer.
func ten(first int, slower float64) []commit {
	commits := make([]commit, 10)
	for i := range commits {
		commits[i] = commit{sec: 0.1, calls: 40}
		if i >= first {
			commits[i].sec *= 1 + slower
		}
	}
	return commits
}

func TestFindsTheCommit(t *testing.T) {
	for first := 1; first < 10; first++ {
		f := &fake{commits: ten(first, 0.1), noise: 0.01}
		r, err := f.run(t, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Exit() != compare.ExitRegressed || r.Found == nil || r.Found.Commit != fmt.Sprint(first) || r.Before.Commit != fmt.Sprint(first-1) {
			t.Errorf("the first slow commit is %d: found %+v, %s, %+v", first, r.Found, r.Why, r.Steps)
			continue
		}
		if e := r.Effect; e.Outcome != compare.Regressed || e.Change.Lo > 0.1 || e.Change.Hi < 0.1 || r.Unit != "sec/op" {
			t.Errorf("the effect of %d: %+v", first, e)
		}
		if r.Threshold < 0.04 || r.Threshold > 0.06 {
			t.Errorf("fast and slow are told apart at %v", r.Threshold)
		}
		if len(f.measured) > 6 {
			t.Errorf("%d comparisons: %v", len(f.measured), f.measured)
		}
	}
}

// What is built alike is not measured again, on either side of the change.
func TestEqualCodeIsNotMeasured(t *testing.T) {
	f := &fake{commits: ten(6, 0.2), noise: 0.01}
	for i := range f.commits {
		f.commits[i].code = "before"
		if i >= 6 {
			f.commits[i].code = "after"
		}
	}
	r, err := f.run(t, Options{})
	if err != nil || r.Found == nil || r.Found.Commit != "6" {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(f.measured) != 1 || r.Effect == nil || r.Effect.Outcome != compare.Regressed {
		t.Errorf("measured %v, effect %+v", f.measured, r.Effect)
	}
	if !strings.Contains(r.Steps[1].Reason, "only comments") {
		t.Errorf("steps %+v", r.Steps)
	}
}

// Commits that do not build, fail, or cannot be told are passed by.
func TestPassesBy(t *testing.T) {
	f := &fake{commits: ten(7, 0.3), noise: 0.01}
	f.commits[4].fail = &refs.BuildError{Err: errors.New("exit status 1"), Output: "undefined: x"}
	f.commits[5].fail = errors.New("wrong by itself")
	f.commits[8].fail = compare.ErrWrongData
	r, err := f.run(t, Options{})
	if err != nil || r.Exit() != compare.ExitRegressed || r.Found.Commit != "7" {
		t.Fatalf("%+v, %v", r, err)
	}

	// If those around the change are of no use it is one of them.
	f = &fake{commits: ten(7, 0.3), noise: 0.01}
	f.commits[6].fail = errors.New("broken")
	f.commits[7].fail = errors.New("broken")
	if r, err = f.run(t, Options{}); err != nil || r.Exit() != compare.ExitInconclusive || r.Found != nil || len(r.Suspects) != 3 || r.Suspects[0].Commit != "6" {
		t.Fatalf("%+v, %v", r, err)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "one of these made it slower:\n  6 \"subject of 6\"\n  7 ") {
		t.Errorf("%v\n%s", err, &text)
	}

	// A failing good commit says nothing about the others.
	f = &fake{commits: ten(7, 0.3)}
	f.commits[0].fail = compare.ErrWrongData
	if _, err = f.run(t, Options{}); compare.ExitOf(err) != compare.ExitWrongData {
		t.Errorf("wrong data of the good commit: %v", err)
	}
}

// What leaves doubt is measured with more pairs before it is passed by.
func TestMeasuresAgain(t *testing.T) {
	f := &fake{commits: ten(3, 0.1), noisy: func(n int) float64 {
		if n == 2 {
			return 0.2 // the first look at the middle
		}
		return 0.01
	}}
	r, err := f.run(t, Options{})
	if err != nil || r.Exit() != compare.ExitRegressed || r.Found.Commit != "3" {
		t.Fatalf("%+v, %v", r, err)
	}
	if a, b := r.Steps[1], r.Steps[2]; a.Answer != Unsure || b.Answer != Slow || a.Commit != b.Commit || b.Attempt != 2 {
		t.Errorf("steps %+v", r.Steps)
	}
	o := Options{}
	for attempt, want := range []int{12, 24, 48} {
		if got := o.compare(nil, 0, attempt+1).Rounds; got != want {
			t.Errorf("attempt %d has %d rounds, want %d", attempt+1, got, want)
		}
	}
}

// A machine that is never quiet leaves everything undecided, and one that is so for a while does no harm.
func TestDisturbed(t *testing.T) {
	f := &fake{commits: ten(4, 0.3), noise: 0.01, busy: func(int) bool { return true }}
	r, err := f.run(t, Options{})
	if err != nil || r.Exit() != compare.ExitInconclusive || !strings.Contains(r.Steps[0].Reason, "disturbed in all of") {
		t.Fatalf("%+v, %v", r, err)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "it is not certain") {
		t.Errorf("%v\n%s", err, &text)
	}
	f = &fake{commits: ten(4, 0.3), noise: 0.01, busy: func(n int) bool { return n == 1 || n == 3 }}
	if r, err = f.run(t, Options{}); err != nil || r.Exit() != compare.ExitRegressed || r.Found.Commit != "4" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestNothingToFind(t *testing.T) {
	f := &fake{commits: ten(99, 0), noise: 0.002}
	r, err := f.run(t, Options{})
	if err != nil || r.Exit() != compare.ExitOK || r.Why != "no regression between them" || len(f.measured) != 1 {
		t.Errorf("equal times: %+v, %v", r, err)
	}
	f = &fake{commits: ten(5, -0.5), noise: 0.002}
	if r, err = f.run(t, Options{}); err != nil || r.Exit() != compare.ExitOK || r.Whole.Outcome != compare.Improved {
		t.Errorf("an improvement: %+v, %v", r, err)
	}
	f = &fake{commits: ten(5, 0.03), noise: 0.3}
	if r, err = f.run(t, Options{}); err != nil || r.Exit() != compare.ExitInconclusive || len(f.measured) != defaultAttempts {
		t.Errorf("too noisy: %+v, %v, measured %v", r, err, f.measured)
	}
	f = &fake{commits: ten(99, 0)}
	for i := range f.commits {
		f.commits[i].code = "same"
	}
	if r, err = f.run(t, Options{}); err != nil || r.Exit() != compare.ExitOK || !strings.Contains(r.Why, "no difference in the built code") || len(f.measured) > 0 {
		t.Errorf("equal code: %+v, %v", r, err)
	}
}

// Whatever becomes of the last comparison, the commit found is not lost. Only cancelling ends everything.
func TestLastComparisonFails(t *testing.T) { synctest.Test(t, testLastComparisonFails) }

func testLastComparisonFails(t *testing.T) {
	const last = 5
	text := func(r *Report) string {
		var s strings.Builder
		if err := r.WriteText(&s); err != nil {
			t.Error(err)
		}
		return s.String()
	}
	f := &fake{commits: ten(6, 0.3), noise: 0.01}
	f.fails = func(n int) error {
		if n == last {
			return errors.New("connection lost")
		}
		return nil
	}
	r, err := f.run(t, Options{})
	if err != nil || r.Exit() != compare.ExitInconclusive || r.Found == nil || r.Found.Commit != "6" || r.Effect != nil ||
		!strings.Contains(text(r), "in doubt: it could not be compared with the commit before it: compare: "+string(testCase)+" of ") {
		t.Errorf("a case that fails: %+v, %v", r, err)
	}

	// The first look leaves doubt, and there is no time for a second.
	f = &fake{commits: ten(6, 0.3), each: time.Second}
	f.noisy = func(n int) float64 {
		if n >= last {
			f.each = 10 * time.Second
			return 0.25
		}
		return 0.01
	}
	r, err = f.run(t, Options{Budget: 10 * time.Minute})
	if err != nil || r.Exit() != compare.ExitInconclusive || r.Found == nil || r.Effect == nil ||
		!strings.Contains(text(r), "no regression is confirmed, and it could not be compared again: bisect: out of time") {
		t.Errorf("no time for a second look: %+v, %v", r, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	f = &fake{commits: ten(6, 0.3), noise: 0.01, ctx: ctx}
	f.fails = func(n int) error {
		if n == last {
			cancel()
		}
		return ctx.Err()
	}
	if r, err = f.run(t, Options{}); !errors.Is(err, context.Canceled) || r == nil || r.Found == nil || r.Found.Commit != "6" ||
		!strings.Contains(text(r), "in doubt: broken off: ") {
		t.Errorf("cancelled: %+v, %v", r, err)
	}
}

// What the first look at the whole says is not lost when a further one fails.
func TestFurtherLookFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail error
		want error // nil: the report alone
		why  string
	}{
		{"a case that fails", errors.New("connection lost"), nil,
			"it is not certain that there is a regression between them; it could not be measured again: compare: " + string(testCase) + " of "},
		{"wrong data", compare.ErrWrongData, compare.ErrWrongData, "broken off: compare: " + string(testCase) + " of "},
	} {
		f := &fake{commits: ten(5, 0.03), noise: 0.3}
		f.fails = func(n int) error {
			if n > 1 {
				return tt.fail
			}
			return nil
		}
		r, err := f.run(t, Options{})
		if !errors.Is(err, tt.want) || r == nil || len(r.Steps) != 1 || len(f.measured) != 2 || r.Exit() != compare.ExitInconclusive ||
			!strings.HasPrefix(r.Why, tt.why) {
			t.Errorf("%s: %+v, %v", tt.name, r, err)
		}
	}

	// Before there is any answer, there is no report.
	f := &fake{commits: ten(5, 0.03), fails: func(int) error { return errors.New("connection lost") }}
	if r, err := f.run(t, Options{}); r != nil || err == nil {
		t.Errorf("at once: %+v, %v", r, err)
	}
}

// A counter is followed if no time regressed, or if it is named.
func TestFollowsACounter(t *testing.T) {
	f := &fake{commits: ten(99, 0), noise: 0.002}
	for i := 4; i < 10; i++ {
		f.commits[i].calls = 60
	}
	r, err := f.run(t, Options{})
	if err != nil || r.Exit() != compare.ExitRegressed || r.Found.Commit != "4" || r.Unit != "calls/op" {
		t.Errorf("%+v, %v", r, err)
	}

	// It came in two steps, of which the second is the larger.
	f.commits = ten(99, 0)
	for i := 2; i < 10; i++ {
		f.commits[i].calls = 42
		if i >= 6 {
			f.commits[i].calls = 60
		}
	}
	if r, err = f.run(t, Options{Unit: "calls/op"}); err != nil || r.Found.Commit != "6" || r.Effect.Base != 42 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = f.run(t, Options{Unit: "parsecs"}); !errors.Is(err, compare.ErrUsage) || !strings.Contains(err.Error(), "parsecs") {
		t.Errorf("an unknown unit: %v", err)
	}
}

// A change that came little by little is not blamed on one commit without saying so.
func TestManySmallSteps(t *testing.T) {
	f := &fake{commits: ten(99, 0), noise: 0.001}
	for i := range f.commits {
		f.commits[i].sec *= 1 + 0.012*float64(i)
	}
	r, err := f.run(t, Options{})
	if err != nil || r.Exit() != compare.ExitInconclusive || r.Found == nil || !strings.Contains(r.Why, "several steps") {
		t.Errorf("%+v, %v", r, err)
	}
}

// A budget is divided among the steps, and one that ends leaves what is known.
func TestBudget(t *testing.T) { synctest.Test(t, testBudget) }

func testBudget(t *testing.T) {
	f := &fake{commits: ten(6, 0.3), noise: 0.01, each: time.Second}
	r, err := f.run(t, Options{Budget: 10 * time.Minute})
	if err != nil || r.Exit() != compare.ExitRegressed || r.Found.Commit != "6" {
		t.Errorf("ten minutes: %+v, %v", r, err)
	}
	f = &fake{commits: ten(6, 0.3), noise: 0.01, each: time.Second}
	f.noisy = func(n int) float64 {
		if n > 1 {
			f.each = time.Minute // the machine has become slow
		}
		return 0.01
	}
	if r, err = f.run(t, Options{Budget: 10 * time.Minute}); err != nil || r.Exit() != compare.ExitInconclusive || r.Suspects == nil || !strings.Contains(r.Why, "out of time") {
		t.Errorf("a slow machine: %+v, %v", r, err)
	}
	f = &fake{commits: ten(6, 0.3), noise: 0.01, each: time.Minute}
	if _, err = f.run(t, Options{Budget: 10 * time.Minute}); !errors.Is(err, compare.ErrTooFewPairs) {
		t.Errorf("no time for one comparison: %v", err)
	}
}

// A first look that leaves doubt, and no time for a second one, is a report and no error.
func TestBudgetEndsInDoubt(t *testing.T) { synctest.Test(t, testBudgetEndsInDoubt) }

func testBudgetEndsInDoubt(t *testing.T) {
	f := &fake{commits: ten(6, 0.03), each: time.Second}
	f.noisy = func(n int) float64 {
		if n > 1 {
			f.each = time.Minute
		}
		return 0.2
	}
	r, err := f.run(t, Options{Budget: 10 * time.Minute})
	if err != nil || r.Exit() != compare.ExitInconclusive || r.Whole == nil || r.Whole.Change.Pairs == 0 || len(r.Steps) != 1 ||
		!strings.Contains(r.Why, "not certain that there is a regression") || !strings.Contains(r.Why, "out of time") {
		t.Errorf("%+v, %v", r, err)
	}
}

// Each comparison may take its share of the time left, and the last one all of it.
func TestBudgetIsShared(t *testing.T) {
	for _, c := range []struct {
		commits []commit
		shares  []float64
	}{
		{ten(6, 0.3), []float64{6, 5, 4, 2, 1}},
		{[]commit{{sec: 0.1}, {sec: 0.2}}, []float64{1}}, // nothing follows the whole
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{commits: c.commits, noise: 0.01, each: time.Second, deadline: time.Now().Add(10 * time.Minute)}
			r, err := f.run(t, Options{Budget: 10 * time.Minute})
			if err != nil || r.Exit() != compare.ExitRegressed || !slices.Equal(f.shares, c.shares) {
				t.Errorf("%d commits: shares %v of the time left, want %v; %s, %v", len(c.commits), f.shares, c.shares, r.Why, err)
			}
		})
	}
}

func TestClassify(t *testing.T) {
	verdict := func(o compare.Outcome, lo, hi float64) *compare.Verdict {
		return &compare.Verdict{Outcome: o, Change: compare.Change{Lo: compare.Number(lo), Hi: compare.Number(hi), Pairs: 8}}
	}
	for _, c := range []struct {
		name    string
		v       *compare.Verdict
		worse   int
		want    Answer
		exactly bool
	}{
		{"beyond", verdict(compare.Regressed, 0.11, 0.3), +1, Slow, false},
		{"within", verdict(compare.Same, -0.02, 0.03), +1, Fast, false},
		{"slower, but within", verdict(compare.Inconclusive, 0.02, 0.09), +1, Fast, false},
		{"faster", verdict(compare.Improved, -0.5, -0.4), +1, Fast, false},
		{"across", verdict(compare.Inconclusive, 0.05, 0.15), +1, Unsure, false},
		{"beyond but not confirmed", verdict(compare.Inconclusive, 0.12, 0.15), +1, Unsure, false},
		{"fewer rows a second", verdict(compare.Regressed, -0.3, -0.2), -1, Slow, false},
		{"more rows a second", verdict(compare.Improved, 0.2, 0.3), -1, Fast, false},
		{"a counter on the threshold", verdict(compare.Regressed, 0.1, 0.1), +1, Slow, true},
		{"a counter that varies", verdict(compare.Inconclusive, 0.2, 0.2), +1, Unsure, true},
		{"a counter whose change is too small to count", verdict(compare.Same, 0.2, 0.2), +1, Fast, true},
		{"not measured", &compare.Verdict{}, +1, Unsure, false},
	} {
		c.v.Exact = c.exactly
		if got := classify(c.v, 0.1, c.worse); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
