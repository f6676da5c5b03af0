package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// The exit codes. They are part of the interface: scripts branch on them, so a
// number never changes its meaning. longHelp and README.md list them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitCheck       = 3
	exitUnknown     = 4
	exitInterrupted = 130
)

// usageError is a mistake in the command line or in the pipeline file.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// checkError is a problem that check was there to find, and has shown.
type checkError struct{ err error }

func (e *checkError) Error() string { return e.err.Error() }
func (e *checkError) Unwrap() error { return e.err }

// codeOf returns the exit code for an error.
func codeOf(ctx context.Context, err error) int {
	var usage *usageError
	var check *checkError
	var stage *engine.StageError
	var problem *pipeline.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &stage) && stage.CommitState == abi.CommitUnknown:
		return exitUnknown
	case cancelled(ctx, err):
		return signalCode(ctx)
	case errors.As(err, &usage), errors.As(err, &problem):
		return exitUsage
	case errors.As(err, &check):
		return exitCheck
	}
	return exitFailed
}

// cancelled reports whether err says that ctx has ended.
func cancelled(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// report is what a command says with --json. Its object comes after the keys
// that every command has.
type report struct {
	object any // marshals to an object; nil: nothing found
}

// jsonProblem is a mistake in the pipeline file, for editors and checks.
type jsonProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

// jsonError is an error, for programs.
type jsonError struct {
	Status   string        `json:"status"` // "ok", "failed", "cancelled"
	ExitCode int           `json:"exit_code"`
	Error    string        `json:"error,omitempty"`
	Stage    string        `json:"stage,omitempty"`
	Stream   string        `json:"stream,omitempty"`
	Category abi.Category  `json:"category,omitempty"`
	Problems []jsonProblem `json:"problems,omitempty"`
}

// finish prints how the command ended and returns the exit code.
func (c *cli) finish(ctx context.Context, err error) int {
	code := codeOf(ctx, err)
	if c.json {
		if werr := c.writeJSON(code, err); werr != nil {
			fmt.Fprintf(c.stderr, "rapidbyte: %v\n", werr)
			return max(code, exitFailed)
		}
	}
	if err == nil {
		return code
	}

	// The problems of a file stand at the start of their lines, where editors
	// find them.
	var problems pipeline.Errors
	var usage *usageError
	switch {
	case errors.As(err, &problems):
		fmt.Fprintln(c.stderr, problems)
		fmt.Fprintf(c.stderr, "rapidbyte: %s in the pipeline; nothing was started\n", count(len(problems), "problem"))
	case errors.As(err, &usage) && !c.started:
		fmt.Fprintf(c.stderr, "rapidbyte: %v\nSee rapidbyte --help.\n", err)
	default:
		fmt.Fprintf(c.stderr, "rapidbyte: %v\n", err)
	}
	return code
}

// writeJSON writes the one object: how it ended, then what was found.
func (c *cli) writeJSON(code int, err error) error {
	head := jsonError{Status: "ok", ExitCode: code}
	var stage *engine.StageError
	var problems pipeline.Errors
	if err != nil {
		head.Status, head.Error = "failed", err.Error()
		if code >= exitInterrupted {
			head.Status = "cancelled"
		}
		if errors.As(err, &stage) {
			head.Stage, head.Stream, head.Category = stage.Stage, stage.Stream, stage.Category
		}
		if !errors.As(err, &problems) {
			var one *pipeline.Error
			if errors.As(err, &one) {
				problems = pipeline.Errors{one}
			}
		}
		for _, p := range problems {
			head.Problems = append(head.Problems, jsonProblem{p.File, p.Line, p.Column, p.Path, p.Message})
		}
	}

	first, err := json.Marshal(head)
	if err != nil {
		return err
	}
	second := []byte("{}")
	if c.report.object != nil {
		if second, err = json.Marshal(c.report.object); err != nil {
			return err
		}
	}
	// Two objects become one.
	all := first
	if !bytes.Equal(second, []byte("{}")) {
		all = append(first[:len(first)-1], ',')
		all = append(all, second[1:]...)
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n", all)
	return err
}

// count returns "1 problem", "2 problems".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
