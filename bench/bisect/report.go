package bisect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
)

// Report is the outcome of a search. Its JSON form is stable: fields are only added.
type Report struct {
	Format    int               `json:"v"`
	Good      compare.Version   `json:"good"`
	Bad       compare.Version   `json:"bad"`
	Case      compare.Case      `json:"case"`
	Unit      string            `json:"unit"`    // that was followed
	Commits   int               `json:"commits"` // from good to bad, both included
	Reproduce string            `json:"reproduce,omitempty"`
	Config    map[string]string `json:"config,omitempty"` // machine, server, dataset
	Warnings  []string          `json:"warnings,omitempty"`
	Finished  time.Time         `json:"finished"`
	Seconds   compare.Number    `json:"seconds"` // for everything

	// Whole is what the bad commit shows against the good one; nil if they are equal code.
	Whole *compare.Verdict `json:"whole,omitempty"`
	// Threshold is the relative change between fast and slow.
	Threshold compare.Number `json:"threshold"`
	Steps     []Step         `json:"steps,omitempty"` // in the order they were taken

	// Found is the commit that made the case slower, nil if it is not known, and Before the one before it.
	Found  *compare.Version `json:"found,omitempty"`
	Before *compare.Version `json:"before,omitempty"`
	// Effect is what the commit found shows against the one before it; nil if that could not be measured.
	Effect *compare.Verdict `json:"effect,omitempty"`
	// Inside holds the commits between which to search on if the commit found is a merge.
	Inside     []string `json:"inside,omitempty"`
	FlameGraph string   `json:"flame_graph,omitempty"` // path
	// Suspects are the commits that could not be told apart, the oldest first.
	Suspects []compare.Version `json:"suspects,omitempty"`
	// Why says why nothing was found.
	Why   string `json:"why,omitempty"`
	Doubt bool   `json:"doubt,omitempty"` // something stayed undecided
}

const reportVersion = 1

// Step is one question and its answer.
type Step struct {
	Commit  string          `json:"commit"`
	Subject string          `json:"subject"`
	Attempt int             `json:"attempt"`
	Answer  Answer          `json:"answer"`
	Change  *compare.Change `json:"change,omitempty"` // against the good commit; nil if it was not measured
	Reason  string          `json:"reason,omitempty"`
}

// Exit returns the exit code of the search, those of a comparison: 0 if there is no regression, 3 if its commit was found,
// 4 if there may be one or its commit could not be told.
func (r *Report) Exit() compare.Exit {
	switch {
	case r.Found != nil && !r.Doubt:
		return compare.ExitRegressed
	case r.Doubt:
		return compare.ExitInconclusive
	}
	return compare.ExitOK
}

// JSON returns the report as one indented object.
func (r *Report) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "\t")
	return append(data, '\n'), err
}

// step records an answer.
func (s *search) step(q Question, answer Answer, v *compare.Verdict, reason string) {
	ref := s.commits[q.Commit]
	step := Step{Commit: ref.Commit, Subject: ref.Subject, Attempt: q.Attempt, Answer: answer, Reason: reason}
	if v != nil {
		step.Change = &v.Change
	}
	s.report.Steps = append(s.report.Steps, step)
}

// conclude says what the bracket means, and measures the commit found against the one before it.
func (s *search) conclude(ctx context.Context, left Bracket) error {
	r := s.report
	if !left.Found() {
		r.Doubt = true
		if r.Why == "" {
			r.Why = "the commits between cannot be measured, or not well enough"
		}
		var suspects []compare.Version
		for i := left.Fast + 1; i <= left.Slow; i++ {
			ref, err := s.lab.resolve(ctx, s.commits[i])
			if err != nil && ctx.Err() != nil {
				return err
			}
			suspects = append(suspects, versionOf(ref))
		}
		r.Suspects = suspects
		return nil
	}

	found, before := versionOf(s.commits[left.Slow]), versionOf(s.commits[left.Fast])
	r.Found, r.Before = &found, &before
	return s.effect(ctx, left)
}

// effect compares the commit found with the one before it. If that has the code of the good commit, the search has done so
// already. A comparison that fails is a doubt about the commit found and no reason to lose it; the error is that of a
// cancelled context.
func (s *search) effect(ctx context.Context, left Bracket) error {
	r := s.report
	before, found := s.known(left.Fast), s.known(left.Slow)
	if _, same := refs.Identical(s.judged[before].program.Build, s.judged[0].program.Build); same {
		r.Effect = s.judged[found].verdict
		return nil
	}
	for attempt := 1; attempt <= s.options.Attempts; attempt++ {
		q := Question{left.Slow, attempt, left}
		report, err := s.measure(ctx, q, before, s.judged[found].program, s.options.Threshold)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil && attempt == 1:
			r.Doubt, r.Why = true, "it could not be compared with the commit before it: "+firstLine(err)
			return nil
		case err != nil:
			r.Doubt, r.Why = true, "compared with the commit before it, no regression is confirmed, and it could not be compared again: "+firstLine(err)
			return nil
		}
		r.Effect = find(report, s.options.Case, r.Unit)
		if r.Effect != nil && r.Effect.Outcome != compare.Inconclusive {
			break
		}
	}
	if r.Effect == nil || r.Effect.Outcome != compare.Regressed {
		r.Doubt = true
		r.Why = "compared with the commit before it, no regression is confirmed: the change may have come in several steps, or a comparison was wrong"
	}
	return nil
}

// known returns the place of a commit among those judged.
func (s *search) known(commit int) int {
	return slices.IndexFunc(s.judged, func(j judged) bool { return j.commit == commit })
}

func versionOf(r refs.Ref) compare.Version {
	text := r.String()
	if r.Name == r.Commit {
		text = r.Commit[:min(len(r.Commit), 12)]
	}
	return compare.Version{Name: r.Name, Commit: r.Commit, Subject: strconv.Quote(r.Subject), Dirty: r.Dirty, Harness: r.Suite, Text: text}
}

// percent writes a relative change with its sign.
func percent(change compare.Number) string {
	if float64(change) > 1e6 {
		return "from 0"
	}
	return fmt.Sprintf("%+.1f %%", 100*float64(change))
}
