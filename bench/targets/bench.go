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
	Profile *bool // afterwards write a CPU profile of INSERT runs
}

// Bench measures INSERT and COPY and ends with the comparison of the two.
func (r *Repo) Bench(ctx context.Context, o BenchOptions) error {
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

	// The run's id picks its lines out of all that are in the file.
	id := time.Now().UTC().Format("20060102T150405Z-") + strings.ToLower(rand.Text()[:6])
	env := []string{
		"BENCH_ROWS=" + strconv.Itoa(rows), "BENCH_LOAD=insert,copy", "BENCH_COMPRESSION=none", "BENCH_RUNTIME=compiled",
		"BENCH_RESULTS=" + results, "BENCH_RUN=" + id, "RAPIDBYTE_PG_REQUIRE=1",
	}
	if !value(o.AOT, true) {
		env = append(env, "BENCH_RUNTIME=interpreted")
	}
	var flags []string
	if value(o.Debug, false) {
		flags = append(flags, "-gcflags=all=-N -l")
	}
	flags = append(flags, "-bench=^BenchmarkPipeline$", "-benchtime="+strconv.Itoa(iters)+"x")
	if err := r.goBench(ctx, env, flags...); err != nil {
		return err
	}

	records, _, err := history.Read(results)
	if err != nil {
		return err
	}
	fmt.Fprintln(r.Stdout)
	if err := report.Comparison(r.Stdout, history.Filter{Run: id}.Select(records)); err != nil {
		return err
	}
	if value(o.Profile, false) {
		return r.profile(ctx, rows, "insert", env)
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

// profile writes a CPU profile of the pipeline with the given load method.
func (r *Repo) profile(ctx context.Context, rows int, load string, env []string) error {
	dir := filepath.Join(r.Dir, "target", "profiles")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, fmt.Sprintf("cpu_%drows_%s_%s.pprof", rows, load, time.Now().Format("20060102T150405")))
	c := lab.NewCase("Pipeline", strconv.Itoa(rows), load, "none")

	// The profiler looks a hundred times a second: some seconds of runs give it
	// enough to see.
	iters := max(3, 3_000_000/rows)
	err := r.goBench(ctx, append(env, "BENCH_RESULTS=off"), "-bench="+c.Pattern(), "-benchtime="+strconv.Itoa(min(iters, 100))+"x",
		"-cpuprofile="+file, "-o="+filepath.Join(dir, "bench.test"))
	if err != nil {
		return err
	}
	fmt.Fprintf(r.Stdout, "\nCPU profile: %s\nOpen it with: go tool pprof -http=: -tagfocus=timed=yes %s\n", file, file)
	return nil
}

// results returns the file the results go to, and what to do when it has been
// read.
func (r *Repo) results() (path string, cleanup func(), err error) {
	switch path := os.Getenv("BENCH_RESULTS"); path {
	case "":
		return filepath.Join(r.Dir, history.File), func() {}, nil
	default:
		path, err := filepath.Abs(path)
		return path, func() {}, err
	case "off":
		// The comparison still needs them for a moment.
		dir, err := os.MkdirTemp("", "rapidbyte-results-")
		return filepath.Join(dir, "results.jsonl"), func() { os.RemoveAll(dir) }, err
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
