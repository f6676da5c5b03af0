package targets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/magefile/mage/mg"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// CompareOptions are the flags of the compare and noise targets; nil is the
// default. Where a BENCH_ variable is named, it stands in for a missing flag.
type CompareOptions struct {
	Rounds      *int           // most pairs of a case in a block; 12, or what the budget has room for
	Rows        *string        // row counts; BENCH_ROWS, or 10000
	Load        *string        // load methods; BENCH_LOAD, or both
	Compression *string        // BENCH_COMPRESSION, or all
	Threshold   *float64       // change below which nobody cares; 0.02, raised where the machine is noisier
	Budget      *time.Duration // time for everything; no limit
	Strict      *bool          // exit with 4 if anything is inconclusive
	JSON        *bool          // print the report as JSON, and nothing else, to standard output
	AOT         *bool          // compile the guests; true. Else they are interpreted
	Cases       *string        // -test.bench pattern; pipelines, and their native floor
	Seed        *int           // order of the cases; drawn
	Force       *bool          // measure equal code too
	Harness     *string        // "own": each side has its own suite; "head": both have head's
	HTML        *string        // where to write the page, besides the folder of the comparison, and with one flame graph
}

// defaultCases are the pipelines and, as a reference, the floor of each with the
// native client.
const defaultCases = "^Benchmark(Pipeline|Floor)$/^rows=/^load=/^(compression=.*|via=pgx)$"

// Compare says whether head is slower than base. The error, if any, has the exit
// code of package compare.
func (r *Repo) Compare(ctx context.Context, base, head string, o CompareOptions) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	c, err := r.comparison(base, head, o)
	if err != nil {
		return err
	}
	if err := checkPage(value(o.HTML, "")); err != nil {
		return err
	}
	c.Command = "go tool mage compare " + base + " " + head + o.flags()

	// What was measured is shown also when the server could not be stopped afterwards.
	report, closing := compare.Refs(ctx, c)
	if report == nil {
		return failure(closing)
	}
	if report.Identical != "" {
		if err := errors.Join(r.show(report, o), o.writePage("", report, "", nil), closing); err != nil {
			return failure(err)
		}
		return nil
	}
	dir, err := r.store(report)
	if err != nil {
		return failure(err)
	}
	var tables strings.Builder
	if err := r.inDir(func() error { return compare.Benchstat(ctx, &tables, dir, units(report)) }); err != nil {
		return failure(err)
	}
	if !value(o.JSON, false) {
		fmt.Fprintln(r.Stdout, tables.String())
	}
	if err := r.show(report, o); err != nil {
		return err
	}
	if err := o.writePage(dir, report, tables.String(), r.flames(ctx, report, o)); err != nil {
		return failure(err)
	}
	fmt.Fprintf(r.Stderr, "files: %s\n", dir)
	if closing != nil {
		return failure(closing)
	}
	switch exit := report.Exit(value(o.Strict, false)); exit {
	case compare.ExitOK:
		return nil
	case compare.ExitRegressed:
		return mg.Fatal(int(exit), fmt.Sprintf("%d regressed", report.Counts.Regressed))
	default:
		return mg.Fatal(int(exit), fmt.Sprintf("%d inconclusive, and -strict", report.Counts.Inconclusive))
	}
}

// Noise measures HEAD against itself and keeps what this machine resolves, for
// the headers and bands of later comparisons.
func (r *Repo) Noise(ctx context.Context, o CompareOptions) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	if o.Rounds == nil && o.Budget == nil {
		o.Rounds = new(int)
		*o.Rounds = 20
	}
	c, err := r.comparison("HEAD", "HEAD", o)
	if err != nil {
		return err
	}
	c.Force, c.Options.Every = true, true
	path, err := noiseFile()
	if err != nil {
		return failure(err)
	}

	report, err := compare.Refs(ctx, c)
	if err != nil {
		return failure(err)
	}
	noise, err := report.Noise(nil)
	if err == nil {
		err = compare.SaveNoise(path, noise)
	}
	if err != nil {
		return failure(err)
	}
	writeNoise(r.Stdout, noise, report.Rounds)
	fmt.Fprintf(r.Stderr, "kept in %s\n", path)
	return nil
}

// writeNoise writes what the machine resolves in each cell.
func writeNoise(w io.Writer, n *compare.Noise, rounds int) {
	fmt.Fprintf(w, "machine %s resolves with %d pairs (95th percentile of |ratio-1| between equal programs):\n", n.Machine, rounds)
	for _, cell := range n.Cells {
		floor, _ := n.Floor(cell.Case, cell.Unit, rounds)
		pair, _ := n.PairFloor(cell.Case, cell.Unit)
		fmt.Fprintf(w, "  %-48s %-12s %6.2f %%   (one pair: %.2f %%)\n", cell.Case, cell.Unit, 100*floor, 100*pair)
	}
}

// comparison turns flags into what package compare is told.
func (r *Repo) comparison(base, head string, o CompareOptions) (compare.Config, error) {
	seed := value(o.Seed, 0)
	if seed < 0 {
		return compare.Config{}, usage("-seed=%d: want a positive number", seed)
	}
	harness := value(o.Harness, "own")
	if harness != "own" && harness != "head" {
		return compare.Config{}, usage("-harness=%s: want own, each side's own suite, or head, that of %s for both", harness, head)
	}
	env := []string{"BENCH_METRICS=all", "BENCH_RESULTS=off", "RAPIDBYTE_PG_REQUIRE=1"}
	for _, v := range []struct {
		name, otherwise string
		flag            *string
	}{{"BENCH_ROWS", "10000", o.Rows}, {"BENCH_LOAD", "", o.Load}, {"BENCH_COMPRESSION", "", o.Compression}} {
		text := value(v.flag, os.Getenv(v.name))
		if text == "" {
			text = v.otherwise
		}
		env = append(env, v.name+"="+text)
	}
	switch {
	case o.AOT != nil && !*o.AOT:
		env = append(env, "BENCH_RUNTIME=interpreted")
	case o.AOT != nil || os.Getenv("BENCH_RUNTIME") == "":
		env = append(env, "BENCH_RUNTIME=compiled")
	}
	// A mistake in these should not cost two builds and a server.
	if _, err := lab.GridFromEnv(lookupIn(env)); err != nil {
		return compare.Config{}, usage("%v", err)
	}

	c := compare.Config{
		Base: base, Head: head, Select: value(o.Cases, defaultCases), Env: env, Force: value(o.Force, false), HeadSuite: harness == "head", Log: r.Stderr,
		Refs: refs.Options{Repo: r.Dir},
		Options: compare.Options{
			Rounds: value(o.Rounds, 0), Budget: value(o.Budget, 0), Threshold: value(o.Threshold, 0), Seed: uint64(seed),
			Progress: progress(r.Stderr),
		},
		Server: r.server,
	}
	if o.Rounds != nil && *o.Rounds < 1 || o.Budget != nil && *o.Budget <= 0 || o.Threshold != nil && !(*o.Threshold > 0) {
		return c, usage("-rounds, -budget and -threshold must be above zero")
	}
	return c, nil
}

// lookupIn looks variables up in a list of NAME=VALUE.
func lookupIn(env []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, kv := range env {
			if value, ok := strings.CutPrefix(kv, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}

// server starts the Postgres both sides share. It reaches them through the
// environment of this process, where a restart changes it too.
func (r *Repo) server(ctx context.Context) (compare.Server, error) {
	server, err := pgtest.Start(ctx, pgtest.Options{Log: r.Stderr})
	if err != nil {
		return compare.Server{}, err
	}
	s := compare.Server{Close: server.Close}
	if server.Started() {
		s.Restart = server.Restart
	} else {
		fmt.Fprintln(r.Stderr, "the server is not ours to restart: suspects are measured again on the same one")
	}
	machine, err := lab.MachineOf(ctx, server.DSN())
	if err == nil {
		var path string
		if path, err = noiseFile(); err == nil {
			s.Noise, err = compare.LoadNoise(path, machine.ID())
		}
	}
	if err != nil {
		return s, errors.Join(err, server.Close())
	}
	fmt.Fprintf(r.Stderr, "Postgres %s (%s, %s)\n", server.Version, server.Provider, server.Profile)
	return s, nil
}

// noiseFile is where the noise of this machine is kept: BENCH_NOISE, or a file
// in the user's cache folder.
func noiseFile() (string, error) {
	if path := os.Getenv("BENCH_NOISE"); path != "" {
		return filepath.Abs(path)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the noise of this machine (set BENCH_NOISE): %w", err)
	}
	return filepath.Join(dir, "rapidbyte", "noise.json"), nil
}

// store writes the files of a comparison into a folder of their own.
func (r *Repo) store(report *compare.Report) (dir string, err error) {
	parent := filepath.Join(r.Dir, "target", "compare")
	stamp := report.Finished.UTC().Format("20060102T150405Z")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		dir = filepath.Join(parent, stamp)
		if n > 1 {
			dir += "-" + strconv.Itoa(n)
		}
		if err = os.Mkdir(dir, 0o755); !errors.Is(err, os.ErrExist) {
			break
		}
	}
	if err == nil {
		err = report.WriteFiles(dir)
	}
	return dir, err
}

// show writes the report to standard output.
func (r *Repo) show(report *compare.Report, o CompareOptions) error {
	if !value(o.JSON, false) {
		return report.WriteText(r.Stdout)
	}
	data, err := report.JSON()
	if err == nil {
		_, err = r.Stdout.Write(data)
	}
	return err
}

// units returns the units benchstat's tables are about: those that were judged by
// statistics. The exact ones would be forty tables without a difference.
func units(report *compare.Report) []string {
	var list []string
	for _, g := range report.Geomeans {
		list = append(list, g.Unit)
	}
	if list == nil {
		list = compare.DefaultGate()
	}
	return list
}

// inDir calls f in the module's folder.
func (r *Repo) inDir(f func() error) error {
	back, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(r.Dir); err != nil {
		return err
	}
	return errors.Join(f(), os.Chdir(back))
}

// failure gives an error the exit code it stands for.
func failure(err error) error { return mg.Fatal(int(compare.ExitOf(err)), err.Error()) }

// flags returns the flags as they were given, except the seed.
func (o *CompareOptions) flags() string {
	var s strings.Builder
	add(&s, "rounds", o.Rounds)
	add(&s, "rows", o.Rows)
	add(&s, "load", o.Load)
	add(&s, "compression", o.Compression)
	add(&s, "threshold", o.Threshold)
	add(&s, "budget", o.Budget)
	add(&s, "strict", o.Strict)
	add(&s, "json", o.JSON)
	add(&s, "aot", o.AOT)
	if o.Cases != nil {
		fmt.Fprintf(&s, " -cases='%s'", *o.Cases)
	}
	add(&s, "force", o.Force)
	add(&s, "harness", o.Harness)
	if o.HTML != nil {
		fmt.Fprintf(&s, " -html='%s'", *o.HTML)
	}
	return s.String()
}

func add[T any](s *strings.Builder, name string, flag *T) {
	if flag != nil {
		fmt.Fprintf(s, " -%s=%v", name, *flag)
	}
}

// progress returns a function that writes where a comparison stands, at most every
// ten seconds.
func progress(w io.Writer) func(compare.Progress) {
	var last time.Time
	block := 0
	return func(p compare.Progress) {
		if p.Done || p.Block == block && time.Since(last) < 10*time.Second {
			return
		}
		if p.Block > block && block > 0 {
			fmt.Fprintf(w, "measuring %d suspects again\n", p.Cases)
		}
		last, block = time.Now(), p.Block
		if p.Rounds == 0 {
			fmt.Fprintf(w, "round %d, to learn how long the %d cases take: %s\n", p.Round, p.Cases, p.Case)
			return
		}
		fmt.Fprintf(w, "round %d of at most %d, %d of %d cases open, at most %v left: %s\n",
			p.Round, p.Rounds, p.Open, p.Cases, p.Left.Round(time.Second), p.Case)
	}
}
