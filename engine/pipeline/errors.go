package pipeline

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Error is one problem of a pipeline, at its place.
type Error struct {
	File         string // as given to Parse; may be empty
	Line, Column int    // from 1; 0 if the place is unknown
	Path         string // such as "source.streams[0].name"; empty for the file as a whole
	Message      string // one line, names the key
}

// Error returns "file:line:column: message", without the parts that are unknown.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
	}
	if e.Line > 0 {
		b.WriteString(strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column) + ":")
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(e.Message)
	return b.String()
}

// Errors are all problems of a pipeline, at least one, sorted by place.
type Errors []*Error

// Error returns the problems, one line each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, problem := range e {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each problem, for errors.As.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, problem := range e {
		all[i] = problem
	}
	return all
}

// sort puts the problems in the order a reader meets them in the file. Those of
// one place keep the order they were found in.
func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
