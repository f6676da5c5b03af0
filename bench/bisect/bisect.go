package bisect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// Run looks for the commit that made the case slower. Whatever happens, also a cancelled context, it removes its worktrees
// and ends its processes before it returns. Its errors are those of package compare and [refs]; a search that comes to no
// end is not an error but a report that says so. An error after the first answer comes with the report of all answers until
// then, any other with none.
func Run(ctx context.Context, options Options) (report *Report, err error) {
	o, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	config := o.Session
	config.Select = o.Case.Pattern()
	session, err := compare.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()

	// Everything that can be wrong with the question is found out before a server is started.
	ends, commits, err := history(ctx, session.Repo, &o)
	if err != nil {
		return nil, err
	}
	report = &Report{
		Format: reportVersion, Good: versionOf(ends[0]), Bad: versionOf(ends[1]), Case: o.Case, Unit: o.Unit,
		Commits: len(commits), Reproduce: o.Command,
	}
	s := &search{options: &o, lab: repository{session}, commits: commits, report: report, started: started}
	if err := s.prepare(ctx, session, ends); err != nil {
		return nil, err
	}
	if report, err = s.outcome(ctx); report == nil {
		return nil, err
	}
	if err == nil && report.Found != nil {
		s.look(ctx, session.Repo)
	}
	report.Finished = time.Now()
	report.Seconds = compare.Number(time.Since(started).Seconds())
	return report, err
}

// history resolves both ends and lists the commits from the good one to the bad one, both included.
func history(ctx context.Context, repo *refs.Repo, o *Options) (ends [2]refs.Ref, commits []refs.Ref, err error) {
	for i, name := range []string{o.Good, o.Bad} {
		if ends[i], err = repo.Resolve(ctx, name); err != nil {
			return ends, nil, err
		}
	}
	list, err := repo.History(ctx, ends[0], ends[1])
	if err != nil {
		return ends, nil, fmt.Errorf("%w: %w", compare.ErrUsage, err)
	}
	commits = []refs.Ref{ends[0]}
	for _, hash := range list {
		commits = append(commits, refs.Ref{Name: hash, Commit: hash})
	}
	commits[len(commits)-1] = ends[1]
	return ends, commits, nil
}

// prepare builds both ends and makes sure that they have the case.
func (s *search) prepare(ctx context.Context, session *compare.Session, ends [2]refs.Ref) error {
	var has [2]bool
	var like []string
	for i, commit := range []int{0, len(s.commits) - 1} {
		program, err := session.Build(ctx, ends[i])
		if err != nil {
			return err
		}
		s.judged = append(s.judged, judged{commit, program, []Answer{Fast, Slow}[i], nil})
		cases, err := session.Cases(ctx, program)
		if err != nil {
			return err
		}
		has[i] = slices.Contains(cases, s.options.Case)
		for _, c := range cases {
			like = append(like, string(c))
		}
	}
	switch {
	case !has[0] && !has[1]:
		hint := "BENCH_LIST=1 go test -run='^$' -bench=. ./bench lists what there is"
		if slices.Sort(like); len(like) > 0 {
			hint = "there is " + strings.Join(slices.Compact(like), ", ")
		}
		return fmt.Errorf("%w: neither %s nor %s has the case %s; %s", compare.ErrUsage, ends[0], ends[1], s.options.Case, hint)
	case !has[0]:
		return fmt.Errorf("%w: %s does not have the case %s, %s does: choose a later good commit", compare.ErrNothing, ends[0], s.options.Case, ends[1])
	case !has[1]:
		return fmt.Errorf("%w: %s does not have the case %s, %s does: choose an earlier bad commit", compare.ErrNothing, ends[1], s.options.Case, ends[0])
	}
	return nil
}

// look adds to the report what may be seen of the commit that was found. A flame graph that cannot be drawn is no reason to
// lose the answer.
func (s *search) look(ctx context.Context, repo *refs.Repo) {
	found := s.report.Found
	if from, to, ok := repo.Merged(ctx, refs.Ref{Commit: found.Commit}); ok {
		s.report.Inside = []string{from, to}
	}
	if s.options.FlameGraph == nil || s.report.Effect == nil || s.report.Effect.Outcome != compare.Regressed {
		return
	}
	path, err := s.options.FlameGraph(ctx, s.report.Before.Commit, found.Commit, s.options.Case)
	if err != nil {
		s.report.Warnings = append(s.report.Warnings, "no differential flame graph: "+firstLine(err))
		return
	}
	s.report.FlameGraph = path
}

// firstLine returns the first line of an error, which may repeat pages of a compiler's output.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// repository is a session as the search uses it.
type repository struct{ session *compare.Session }

func (r repository) resolve(ctx context.Context, ref refs.Ref) (refs.Ref, error) {
	if ref.Tree != "" {
		return ref, nil
	}
	return r.session.Repo.Resolve(ctx, ref.Name)
}

func (r repository) build(ctx context.Context, ref refs.Ref) (*compare.Program, error) {
	return r.session.Build(ctx, ref)
}

func (r repository) compare(ctx context.Context, base, head *compare.Program, o compare.Options) (*compare.Report, error) {
	return r.session.Compare(ctx, base, head, o)
}

// timeLeft returns the time until the budget ends, false without a budget.
func (s *search) timeLeft() (time.Duration, bool) {
	if s.options.Budget == 0 {
		return 0, false
	}
	return s.options.Budget - time.Since(s.started), true
}
