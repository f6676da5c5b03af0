package bisect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// laboratory is what a search needs of a [compare.Session].
type laboratory interface {
	resolve(context.Context, refs.Ref) (refs.Ref, error)
	build(context.Context, refs.Ref) (*compare.Program, error)
	compare(ctx context.Context, base, head *compare.Program, o compare.Options) (*compare.Report, error)
}

// search is one search under way.
type search struct {
	options *Options
	lab     laboratory
	commits []refs.Ref // the good one first; only those judged are resolved
	judged  []judged   // the good one and the bad one first
	report  *Report
	started time.Time

	units     []string // measured by statistics
	exact     bool     // the unit followed is a counter
	threshold float64  // between fast and slow
	worse     int      // direction in which the unit regressed
	spent     time.Duration
	compared  int // comparisons that took spent
}

// judged is a commit whose answer is known.
type judged struct {
	commit  int
	program *compare.Program
	answer  Answer
	verdict *compare.Verdict // against the good commit; nil of that itself
}

// outcome searches and returns the report, nil if the search broke off before there was anything in it.
func (s *search) outcome(ctx context.Context) (*Report, error) {
	err := s.run(ctx)
	switch {
	case err != nil && len(s.report.Steps) == 0:
		return nil, err
	case err != nil:
		s.report.Doubt, s.report.Why = true, "broken off: "+firstLine(err)
	}
	return s.report, err
}

// run searches between the good and the bad commit, whose programs are built.
func (s *search) run(ctx context.Context) error {
	good, bad := s.judged[0].program, s.judged[1].program
	if how, same := refs.Identical(good.Build, bad.Build); same {
		s.report.Why = "no regression between them: " + how
		return nil
	}
	if ok, err := s.whole(ctx); err != nil || !ok {
		return err
	}

	left, err := Search(ctx, Bracket{0, len(s.commits) - 1}, s.options.Attempts, s.ask)
	if err != nil && !errors.Is(err, ErrOutOfTime) {
		return err
	}
	if err != nil {
		s.report.Why = firstLine(err)
	}
	return s.conclude(ctx, left)
}

// whole compares the bad commit with the good one and decides which unit to follow. It reports whether there is anything
// to look for; if not, the report says why. A first attempt that fails is an error and a later one a doubt, unless rows were
// wrong or the context was cancelled.
func (s *search) whole(ctx context.Context) (bool, error) {
	s.units = timeUnits()
	if s.options.Unit != "" {
		s.units = []string{s.options.Unit}
	}
	last := len(s.commits) - 1
	var v *compare.Verdict
	for attempt := 1; ; attempt++ {
		q := Question{last, attempt, Bracket{0, last}}
		report, err := s.measure(ctx, q, 0, s.judged[1].program, s.options.Threshold)
		if err != nil && attempt > 1 && ctx.Err() == nil && !errors.Is(err, compare.ErrWrongData) {
			s.unsure(v, "; it could not be measured again: "+firstLine(err))
			return false, nil
		}
		if err != nil {
			return false, err
		}
		s.report.Config, s.report.Warnings = report.Config, report.Warnings
		var doubt bool
		v, doubt, err = s.choose(report)
		if reason := disturbed(report, s.options.Case); reason != "" {
			v, doubt, err = &compare.Verdict{Case: s.options.Case, Unit: s.units[0], Reason: reason}, true, nil
		}
		if err != nil {
			return false, err
		}
		if v != nil && v.Outcome == compare.Regressed {
			s.follow(v)
			s.step(q, Slow, v, "")
			return true, nil
		}
		if !doubt {
			s.report.Whole, s.report.Why = v, "no regression between them"
			s.step(q, Fast, v, "")
			return false, nil
		}
		s.step(q, Unsure, v, v.Reason)
		if attempt >= s.options.Attempts {
			s.unsure(v, "")
			return false, nil
		}
	}
}

// unsure ends a search for what may not be there.
func (s *search) unsure(v *compare.Verdict, more string) {
	s.report.Whole, s.report.Doubt = v, true
	s.report.Why = "it is not certain that there is a regression between them" + more
}

// choose returns the verdict to follow: the first of the units that regressed, else a counter that did, else the first
// that is in doubt, else the first. Doubt is set if any is.
func (s *search) choose(r *compare.Report) (v *compare.Verdict, doubt bool, err error) {
	var first, doubtful, counter *compare.Verdict
	for _, unit := range s.units {
		v := find(r, s.options.Case, unit)
		switch {
		case v == nil:
			continue
		case v.Outcome == compare.Regressed:
			return v, false, nil
		case v.Outcome == compare.Inconclusive && doubtful == nil:
			doubtful = v
		}
		if first == nil {
			first = v
		}
	}
	if first == nil {
		return nil, false, fmt.Errorf("%w: the case has no unit %v", compare.ErrUsage, s.units)
	}
	for _, v := range r.Verdicts {
		if s.options.Unit == "" && v.Exact && v.Outcome == compare.Regressed && counter == nil {
			counter = v
		}
	}
	switch {
	case counter != nil:
		return counter, false, nil
	case doubtful != nil:
		return doubtful, true, nil
	}
	return first, false, nil
}

// follow fixes what the search is about.
func (s *search) follow(v *compare.Verdict) {
	s.report.Whole, s.report.Unit = v, v.Unit
	s.exact, s.worse = v.Exact, +1
	if v.Change.Estimate < 0 {
		s.worse = -1
	}
	if !v.Exact {
		s.units = []string{v.Unit}
	}
	s.judged[1].verdict = v
	s.threshold = split(v, s.options.Threshold)
	s.report.Threshold = compare.Number(s.threshold)
}

// ask is the oracle.
func (s *search) ask(ctx context.Context, q Question) (Answer, error) {
	program, err := s.program(ctx, q.Commit)
	if reason := unusable(ctx, err); reason != "" {
		s.step(q, Unusable, nil, reason)
		return Unusable, nil
	}
	if err != nil {
		return Unsure, err
	}
	if q.Attempt == 1 {
		for _, j := range s.judged {
			if how, same := refs.Identical(j.program.Build, program.Build); same {
				s.judged = append(s.judged, judged{q.Commit, program, j.answer, j.verdict})
				s.step(q, j.answer, nil, "the code of "+s.commits[j.commit].String()+": "+how)
				return j.answer, nil
			}
		}
	}

	report, err := s.measure(ctx, q, 0, program, s.threshold)
	if reason := unusable(ctx, err); reason != "" {
		s.step(q, Unusable, nil, reason)
		return Unusable, nil
	}
	if err != nil {
		return Unsure, err
	}
	if reason := disturbed(report, s.options.Case); reason != "" {
		s.step(q, Unsure, nil, reason)
		return Unsure, nil
	}
	v := find(report, s.options.Case, s.report.Unit)
	if v == nil {
		s.step(q, Unusable, nil, "it does not measure "+s.report.Unit)
		return Unusable, nil
	}
	answer := classify(v, s.threshold, s.worse)
	s.step(q, answer, v, v.Reason)
	if answer == Fast || answer == Slow {
		s.judged = append(s.judged, judged{q.Commit, program, answer, v})
	}
	return answer, nil
}

// disturbed says so if something disturbed every pair of the case, "" otherwise. There is no verdict then.
func disturbed(r *compare.Report, c compare.Case) string {
	for _, block := range r.Blocks {
		for _, series := range block.Series {
			if series.Case == c && len(series.Pairs) == 0 && len(series.Repeated) > 0 {
				return fmt.Sprintf("the machine was disturbed in all of %d pairs", len(series.Repeated))
			}
		}
	}
	return ""
}

// program builds a commit.
func (s *search) program(ctx context.Context, commit int) (*compare.Program, error) {
	ref, err := s.lab.resolve(ctx, s.commits[commit])
	if err != nil {
		return nil, err
	}
	s.commits[commit] = ref
	return s.lab.build(ctx, ref)
}

// unusable returns why the commit cannot be measured, "" if the error has another cause or there is none. A disk that is
// full, a good commit that fails or a server that is gone says nothing about the commit.
func unusable(ctx context.Context, err error) string {
	var build *refs.BuildError
	var failed *compare.CaseError
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, refs.ErrDiskFull):
		return ""
	case errors.As(err, &build):
		lines := strings.Split(strings.TrimSpace(build.Output), "\n")
		return "it does not build: " + lines[len(lines)-1]
	case errors.Is(err, refs.ErrNoSuite), errors.Is(err, compare.ErrNothing):
		return firstLine(err)
	case errors.As(err, &failed) && failed.Side == compare.Head && !errors.Is(err, compare.ErrSkipped):
		return firstLine(err)
	}
	return ""
}

// measure compares a program with that of a judged commit.
func (s *search) measure(ctx context.Context, q Question, base int, head *compare.Program, threshold float64) (*compare.Report, error) {
	o := s.options.compare(s.units, threshold, q.Attempt)
	if s.exact {
		o = compare.Options{Every: true, Rounds: exactPairs, Seed: o.Seed}
	}
	started := time.Now()
	if left, limited := s.timeLeft(); limited {
		// The comparisons still needed share what is left: the steps, of which this may be one, and the last one, of the
		// commit found. The first one, of the whole, comes before them, unless the two are neighbours: then it is the last.
		shares := q.Bracket.Steps() + 1
		if q.Commit == q.Bracket.Slow && !q.Bracket.Found() {
			shares++
		}
		if o.Budget = left / time.Duration(shares); o.Budget <= 0 {
			return nil, ErrOutOfTime
		}
		o.Started = started
	}
	o.Progress = func(p compare.Progress) { s.progress(q, p, started) }

	report, err := s.lab.compare(ctx, s.judged[base].program, head, o)
	var short *compare.BudgetError
	if errors.As(err, &short) && (q.Attempt > 1 || s.report.Whole != nil) {
		return nil, fmt.Errorf("%w: %v are left for a comparison that needs %v",
			ErrOutOfTime, o.Budget.Round(time.Second), short.Needed.Round(time.Second))
	}
	if err != nil {
		return nil, err
	}
	s.spent += time.Since(started)
	s.compared++
	return report, nil
}

// progress tells the caller how far the search is.
func (s *search) progress(q Question, p compare.Progress, started time.Time) {
	if s.options.Progress == nil {
		return
	}
	all := Progress{Ref: s.commits[q.Commit], Attempt: q.Attempt, Bracket: q.Bracket, Measure: p}
	if p.Rounds > 0 || s.compared > 0 {
		each := time.Since(started) + p.Left // of this one, at most
		if s.compared > 0 {
			each = s.spent / time.Duration(s.compared)
		}
		all.Left = p.Left + each*time.Duration(q.Bracket.Steps())
	}
	s.options.Progress(all)
}
