package targets

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/bench/report"
)

// BenchOptions are the flags of the bench target; nil is the default.
type BenchOptions struct {
	Rows    *int  // 10000
	Iters   *int  // runs of each load method; 3
	AOT     *bool // compile the guests; true. Else they are interpreted
	Debug   *bool // build the host without optimisation: for debugging the harness, not for numbers
	Profile *bool // afterwards draw a flame graph of INSERT runs
}

// Bench measures INSERT and COPY and ends with the comparison of the two, and with what the sandbox costs each.
func (r *Repo) Bench(ctx context.Context, o BenchOptions) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	rows, iters := value(o.Rows, 10000), value(o.Iters, 3)
	if rows < 1 || rows > lab.MaxRows {
		return usage("-rows=%d: want 1 to %d", rows, lab.MaxRows)
	}
	if iters < 1 {
		return usage("-iters=%d: want 1 or more", iters)
	}
	results, cleanup, err := r.results()
	if err != nil {
		return err
	}
	defer cleanup()

	runtime := "compiled"
	if !value(o.AOT, true) {
		runtime = "interpreted"
	}
	// The run's id picks its lines out of all that are in the file.
	id := time.Now().UTC().Format("20060102T150405Z-") + strings.ToLower(rand.Text()[:6])
	env := []string{
		"BENCH_ROWS=" + strconv.Itoa(rows), "BENCH_LOAD=insert,copy", "BENCH_COMPRESSION=none", "BENCH_RUNTIME=" + runtime,
		"BENCH_RESULTS=" + results, "BENCH_RUN=" + id, "RAPIDBYTE_PG_REQUIRE=1",
	}
	var flags []string
	if value(o.Debug, false) {
		flags = append(flags, "-gcflags=all=-N -l")
	}
	args := append(flags[:len(flags):len(flags)], "-bench=^Benchmark(Pipeline|Tax)$", "-benchtime="+strconv.Itoa(iters)+"x")
	if err := r.goBench(ctx, env, args...); err != nil {
		return err
	}

	records, _, err := history.Read(results)
	if err != nil {
		return err
	}
	records = history.Filter{Run: id}.Select(records)
	fmt.Fprintln(r.Stdout)
	if err := report.Comparison(r.Stdout, records); err != nil {
		return err
	}
	fmt.Fprintln(r.Stdout)
	if err := report.Tax(r.Stdout, records); err != nil {
		return err
	}
	if value(o.Profile, false) {
		fmt.Fprintln(r.Stdout)
		c := lab.NewCase("Pipeline", strconv.Itoa(rows), "insert", "none")
		return r.profile(ctx, profiling{Case: c, Runtime: runtime, Flags: flags, Runs: enoughRuns(rows)})
	}
	return nil
}

// goBench runs benchmarks of the suite.
func (r *Repo) goBench(ctx context.Context, env []string, flags ...string) error {
	lines := &resultLines{w: r.Stdout}
	args := append([]string{"test", "-run=^$", "-count=1", "-timeout=0"}, flags...)
	err := r.run(ctx, lines, env, "go", append(args, "./bench")...)
	return errors.Join(err, lines.flush())
}

// results returns the file the results go to, and what to do when it has been
// read.
func (r *Repo) results() (path string, cleanup func(), err error) {
	switch path := os.Getenv("BENCH_RESULTS"); path {
	case "":
		return filepath.Join(r.Dir, history.File), func() {}, nil
	case "off":
		// The comparison still needs them for a moment.
		dir, err := os.MkdirTemp("", "rapidbyte-results-")
		return filepath.Join(dir, "results.jsonl"), func() { os.RemoveAll(dir) }, err
	default:
		path, err := filepath.Abs(path)
		return path, func() {}, err
	}
}

// resultLines passes on what a benchmark prints for people: its results and
// remarks, without the lines that tell other programs about units.
type resultLines struct {
	w    io.Writer
	rest []byte
}

func (l *resultLines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.rest = rest
		if bytes.HasPrefix(line, []byte("Unit ")) {
			continue
		}
		if _, err := l.w.Write(append(line[:len(line):len(line)], '\n')); err != nil {
			return 0, err
		}
	}
}

// flush writes a last line that has no end.
func (l *resultLines) flush() error {
	_, err := l.w.Write(l.rest)
	l.rest = nil
	return err
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// usageError is a mistake in the command line: exit code 2, as mage's own.
type usageError struct{ text string }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// Error returns what is wrong.
func (e *usageError) Error() string { return e.text }

// ExitStatus is the exit code mage ends with.
func (e *usageError) ExitStatus() int { return 2 }
