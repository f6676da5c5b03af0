package compare

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrWrongData is matched by the error of a case whose rows were wrong. No time counts for anything then.
	ErrWrongData = errors.New("compare: wrong data")
	// ErrSkipped is matched by the error of a case that the suite skipped, usually for want of a server.
	ErrSkipped = errors.New("compare: case was skipped")
	// ErrMixed is matched when the two sides were not measured under the same conditions.
	ErrMixed = errors.New("compare: results of different conditions cannot be compared")
	// ErrNothing is returned when no case is left to compare.
	ErrNothing = errors.New("compare: no case to compare")
	// ErrTooFewPairs is matched when the measurement could never confirm anything.
	ErrTooFewPairs = errors.New("compare: too few pairs")
	// ErrTighter is matched when a threshold was asked for that this machine cannot resolve.
	ErrTighter = errors.New("compare: threshold is below the noise of this machine")
	// ErrUsage is matched by errors about what the user asked for.
	ErrUsage = errors.New("compare: usage")
)

// CaseError says that a case could not be measured, and what its process printed.
type CaseError struct {
	Side   Side
	Case   Case
	Output string // everything the process printed
	Err    error
}

// outputShown is how many lines of a failed process's output an error repeats: the end, where the reason is.
const outputShown = 30

// Error names the case and the side, and repeats the end of the output.
func (e *CaseError) Error() string {
	s := fmt.Sprintf("compare: %s of %s: %v", e.Case, e.Side, e.Err)
	lines := strings.Split(strings.TrimRight(e.Output, "\n"), "\n")
	if len(lines) > outputShown {
		s += fmt.Sprintf("\n... %d lines ...", len(lines)-outputShown)
		lines = lines[len(lines)-outputShown:]
	}
	if out := strings.Join(lines, "\n"); out != "" {
		s += "\n" + out
	}
	return s
}

// Unwrap returns why the case could not be measured.
func (e *CaseError) Unwrap() error { return e.Err }

// BudgetError says that the time given is not enough to confirm anything.
type BudgetError struct {
	Budget time.Duration
	Pairs  int           // that fit into it
	Least  int           // that are needed
	Needed time.Duration // a budget that would be enough
}

// Error says how much time would be enough.
func (e *BudgetError) Error() string {
	return fmt.Sprintf("compare: a budget of %v has room for %d pairs of each case, and %d are needed to confirm anything: "+
		"give it %v, or fewer cases", e.Budget, e.Pairs, e.Least, e.Needed.Round(time.Second))
}

// Is makes the error match ErrTooFewPairs.
func (e *BudgetError) Is(target error) bool { return target == ErrTooFewPairs }

// Exit is the exit code of a comparison.
type Exit int

// The exit codes.
const (
	ExitOK           Exit = 0 // nothing regressed
	ExitError        Exit = 1 // the tool, a build or the database failed
	ExitUsage        Exit = 2 // the command line was wrong
	ExitRegressed    Exit = 3 // a regression was confirmed
	ExitInconclusive Exit = 4 // something could not be decided, and -strict was given
	ExitWrongData    Exit = 5 // a run moved wrong rows
)

// ExitOf returns the exit code for an error, ExitOK for nil. A cancelled comparison failed.
func ExitOf(err error) Exit {
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrWrongData):
		return ExitWrongData
	case errors.Is(err, ErrUsage) && !errors.Is(err, context.Canceled):
		return ExitUsage
	}
	return ExitError
}
