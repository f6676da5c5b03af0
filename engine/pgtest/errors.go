package pgtest

import (
	"errors"
	"fmt"
	"strings"
)

// absentError says that a provider is not there, in words that say what would bring it.
type absentError struct {
	provider string
	reason   string
	notice   bool // worth a line when passed over: the person will wonder why
}

func (e *absentError) Error() string        { return "pgtest: " + e.provider + ": " + e.reason }
func (e *absentError) Is(target error) bool { return target == ErrAbsent }

func absentf(provider, format string, args ...any) error {
	return &absentError{provider: provider, reason: fmt.Sprintf(format, args...)}
}

// noneError is the end of auto: every provider's reason, and what to do. It matches ErrAbsent only if all were absent,
// so that a broken server never turns into a skipped test.
func noneError(problems []error) error {
	var b strings.Builder
	b.WriteString("pgtest: no Postgres to test against; install one (Debian: apt-get install postgresql), or start Docker, or set " + envDSN)
	absent := true
	for _, p := range problems {
		b.WriteString("\n\t" + strings.TrimPrefix(p.Error(), "pgtest: "))
		absent = absent && errors.Is(p, ErrAbsent)
	}
	if absent {
		return &noServerError{b.String(), []error{ErrAbsent}}
	}
	return &noServerError{b.String(), problems}
}

// noServerError carries the causes beside a text that already holds them.
type noServerError struct {
	text   string
	causes []error
}

func (e *noServerError) Error() string { return e.text }

// Is reports whether every cause matches target, not any of them.
func (e *noServerError) Is(target error) bool {
	for _, c := range e.causes {
		if !errors.Is(c, target) {
			return false
		}
	}
	return true
}

// oneLine is an error's text up to its first line break; the rest, a log's tail, is for errors that end a run.
func oneLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
