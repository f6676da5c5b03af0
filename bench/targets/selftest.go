package targets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/selftest"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// SelftestOptions are the flags of the target selftest. Nil pointers are the
// defaults of package selftest.
type SelftestOptions struct {
	Trials, Rows, Rounds, Iterations *int
	Only, Percents                   *string // separated by commas
	Budget                           *time.Duration
	Quick, JSON                      *bool
}

// Selftest proves that a comparison finds what is there and nothing else. The
// report also goes to target/selftest.json.
func (r *Repo) Selftest(ctx context.Context, o SelftestOptions) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	options := selftest.Options{
		Trials: value(o.Trials, 0), Rows: value(o.Rows, 0), Rounds: value(o.Rounds, 0), Iterations: value(o.Iterations, 0),
		Budget: value(o.Budget, 0), Quick: value(o.Quick, false), Log: r.Stderr, Server: r.ownServer,
	}
	options.Refs.Repo = r.Dir
	list := func(flag *string) []string {
		return strings.FieldsFunc(value(flag, ""), func(c rune) bool { return c == ',' || c == ' ' })
	}
	options.Only = list(o.Only)
	for _, text := range list(o.Percents) {
		percent, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return usage("-percents=%s: %q is not a number; try -percents=5,10", *o.Percents, text)
		}
		options.Percents = append(options.Percents, percent)
	}

	report, err := selftest.Run(ctx, options)
	if report == nil {
		return exitError(err)
	}
	text, jsonErr := report.JSON()
	file := filepath.Join(r.Dir, "target", "selftest.json")
	err = errors.Join(err, jsonErr, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, text, 0o644))
	if value(o.JSON, false) {
		_, printErr := r.Stdout.Write(text)
		err = errors.Join(err, printErr)
	} else {
		err = errors.Join(err, report.WriteText(r.Stdout))
	}
	if err != nil {
		return exitError(err)
	}
	if code := report.Exit(); code != compare.ExitOK {
		return &ExitError{"selftest", int(code)}
	}
	return nil
}

// ownServer starts the Postgres that all processes of a comparison share.
func (r *Repo) ownServer(ctx context.Context) (compare.Server, error) {
	server, err := pgtest.Start(ctx, pgtest.Options{Log: r.Stderr})
	if err != nil {
		return compare.Server{}, err
	}
	// Start hands the server down in the environment.
	s := compare.Server{Restart: server.Restart, Close: server.Close}
	if server.Provider == "dsn" {
		s.Restart = nil // not ours to restart
	}
	return s, nil
}

// exitError gives an error the exit code that comparisons promise for it.
func exitError(err error) error { return &codedError{err, int(compare.ExitOf(err))} }

// codedError is an error with the exit code mage ends with.
type codedError struct {
	error
	code int
}

func (e *codedError) Unwrap() error { return e.error }

// ExitStatus is the exit code mage ends with.
func (e *codedError) ExitStatus() int { return e.code }
