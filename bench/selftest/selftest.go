package selftest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// run is a self-test under way.
type run struct {
	Options
	// runner compares the build with itself, head with the plant that the text asks for.
	runner   func(spec string) compare.Runner
	restart  func(context.Context) error
	secPerOp float64 // of the case without a plant
}

// Run builds the commit with plants in it and makes the trials. If it breaks off, by an error or a cancelled context, the
// report holds the trials made so far. Whatever happens, worktrees are removed and processes ended before it returns.
func Run(ctx context.Context, options Options) (report *Report, err error) {
	o := options.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	started := o.now()

	o.Refs.Tags = append(slices.Clone(o.Refs.Tags), "plant")
	repo, err := refs.Open(ctx, o.Refs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	ref, err := repo.Resolve(ctx, o.Ref)
	if err != nil {
		return nil, err
	}
	tree, err := repo.Checkout(ctx, ref)
	if err != nil {
		return nil, err
	}
	build, err := tree.Build(ctx)
	if err != nil {
		return nil, err
	}

	r := &run{Options: o}
	env := append(slices.Clone(o.Env), r.env(build)...)
	if o.Server != nil {
		server, failed := o.Server(ctx)
		if failed != nil {
			return nil, fmt.Errorf("selftest: starting the server: %w", failed)
		}
		if server.Close != nil {
			defer func() { err = errors.Join(err, server.Close()) }()
		}
		env = append(env, server.Env...)
		r.restart = server.Restart
	}
	suite := o.Refs.Suite
	if suite == "" {
		suite = "bench"
	}
	binary := func(spec string) compare.Binary {
		return compare.Binary{Path: build.Binary, Dir: filepath.Join(tree.Dir, suite),
			Env: append(slices.Clone(env), plant.Variable+"="+spec)}
	}
	r.runner = func(spec string) compare.Runner {
		return &compare.Binaries{Base: binary(""), Head: binary(spec), Temp: repo.Dir(), Timeout: 5 * time.Minute}
	}
	report, err = r.trials(ctx, started)
	if report != nil {
		report.Commit, report.Dirty = ref.Commit, ref.Dirty
	}
	return report, err
}

// env tells the suite which case to run, and to keep no record of it.
func (r *run) env(build *refs.Build) []string {
	env := []string{
		"BENCH_ROWS=" + strconv.Itoa(r.Rows), "BENCH_LOAD=" + r.Load, "BENCH_COMPRESSION=" + r.Compression,
		"BENCH_RUNTIME=compiled", "BENCH_RESULTS=off",
	}
	if guests, err := os.ReadDir(build.Guests); err == nil && len(guests) > 0 {
		env = append(env, "RAPIDBYTE_CONNECTOR_DIR="+build.Guests)
	}
	return env
}

// trials calibrates and makes all trials there is time for.
func (r *run) trials(ctx context.Context, started time.Time) (*Report, error) {
	report := &Report{Format: 1, Case: r.name(), Rounds: r.Rounds, Iterations: r.Iterations, Seed: r.Seed, Quick: r.Quick}
	if err := r.calibrate(ctx, report); err != nil {
		return report, err
	}
	fmt.Fprintf(r.Log, "%s takes %.1f ms without a plant\n", r.name(), 1e3*r.secPerOp)

	tasks := r.tasks()
	slow := meanTime{}
	for i, k := range tasks {
		left := slow.left(tasks[i:])
		if r.Budget > 0 && r.now().Sub(started)+slow.each() > r.Budget {
			report.Ended = fmt.Sprintf("the budget of %v had room for %d of %d trials", r.Budget, i, len(tasks))
			break
		}
		t, err := r.try(ctx, k, r.Seed+uint64(i))
		if err != nil {
			report.Ended = fmt.Sprintf("broke off after %d of %d trials", i, len(tasks))
			report.Took = r.now().Sub(started)
			report.finish(&r.Options)
			return report, fmt.Errorf("selftest: %s: %w", t.name(), err)
		}
		report.Trials = append(report.Trials, t)
		if k.ends == compare.ExitOK {
			slow.add(t.Took)
			left = slow.left(tasks[i+1:])
		}
		fmt.Fprintf(r.Log, "%d/%d %s; %d pairs in %v", i+1, len(tasks), t.text(), t.Pairs, t.Took.Round(time.Second))
		if left > 0 {
			fmt.Fprintf(r.Log, "; %v left", left.Round(time.Second))
		}
		fmt.Fprintln(r.Log)
	}
	report.Took = r.now().Sub(started)
	report.finish(&r.Options)
	return report, nil
}

// calibrations is how many pairs of processes say what the case takes. The first process also seeds the tables.
const calibrations = 3

// calibrate measures the case without a plant.
func (r *run) calibrate(ctx context.Context, report *Report) error {
	runner := r.runner("")
	var secs, cpus []float64
	for i := range calibrations {
		pair, err := runner.Pair(ctx, compare.Turn{Side: compare.Base, Case: r.name(), Iterations: r.Iterations, Seed: uint64(i)})
		if err != nil {
			return fmt.Errorf("selftest: calibration: %w", err)
		}
		for _, p := range []*compare.Process{pair.Base, pair.Head} {
			sec, _ := p.Value("sec/op")
			cpu, _ := p.Value("cpu-sec/op")
			secs, cpus = append(secs, sec), append(cpus, cpu)
			report.Config = p.Config
		}
	}
	slices.Sort(secs)
	slices.Sort(cpus)
	r.secPerOp = secs[len(secs)/2]
	report.SecPerOp, report.CPUPerOp = compare.Number(r.secPerOp), compare.Number(cpus[len(cpus)/2])
	if r.secPerOp <= 0 {
		return fmt.Errorf("selftest: calibration: %s takes no time", r.name())
	}
	return nil
}

// meanTime estimates how long trials take that need statistics. The others take seconds.
type meanTime struct {
	sum time.Duration
	n   int
}

func (m *meanTime) add(d time.Duration) { m.sum, m.n = m.sum+d, m.n+1 }

// each returns the mean, 0 before the first.
func (m *meanTime) each() time.Duration { return m.sum / time.Duration(max(m.n, 1)) }

// left returns how long the tasks will take, 0 if nobody knows yet.
func (m *meanTime) left(tasks []task) time.Duration {
	n := 0
	for _, k := range tasks {
		if k.ends == compare.ExitOK {
			n++
		}
	}
	return m.each() * time.Duration(n)
}
