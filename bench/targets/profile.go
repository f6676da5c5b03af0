package targets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/compare/refs"
	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/bench/profile"
	"github.com/rapidbyte-go/rapidbyte/connectors"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// ProfileOptions are the flags of the profile target; nil is the default.
type ProfileOptions struct {
	Rows        *int    // 10000
	Load        *string // insert or copy; insert
	Compression *string // none, lz4 or zstd; none
	Diff        *string // a commit: draw what the working tree changed against it, and nothing else
	Guest       *bool   // name the functions of the guests
	Iters       *int    // runs under the CPU profile; as many as show something, 5 to 100
}

// Profile finds out where the time of one case goes and draws it.
func (r *Repo) Profile(ctx context.Context, o ProfileOptions) error {
	ctx, stop := untilStopped(ctx)
	defer stop()
	rows := value(o.Rows, 10000)
	if rows < 1 || rows > lab.MaxRows {
		return usage("-rows=%d: want 1 to %d", rows, lab.MaxRows)
	}
	load, compression := value(o.Load, "insert"), value(o.Compression, "none")
	if !slices.Contains([]string{"insert", "copy"}, load) {
		return usage("-load=%s: want insert or copy", load)
	}
	if !slices.Contains([]string{"none", "lz4", "zstd"}, compression) {
		return usage("-compression=%s: want none, lz4 or zstd", compression)
	}
	iters := value(o.Iters, enoughRuns(rows))
	if iters < 1 {
		return usage("-iters=%d: want 1 or more", iters)
	}
	j := profiling{Case: lab.NewCase("Pipeline", strconv.Itoa(rows), load, compression), Guest: value(o.Guest, false), Runs: iters}
	if o.Diff != nil {
		_, err := r.profileDiff(ctx, *o.Diff, ".", j)
		return err
	}
	return r.profile(ctx, j)
}

// profiling is what to profile, and how the program is built and run.
type profiling struct {
	Case    lab.Case
	Runtime string   // "" is compiled
	Flags   []string // of go test -c
	Runs    int      // under the CPU profile
	Guest   bool     // name the guests' functions
}

// enoughRuns is how many runs the CPU profile, which looks a hundred times a second, should see: ten million rows are a
// thousand looks. Of small ones there are fewer, for most of their time is not timed.
func enoughRuns(rows int) int { return min(max(10_000_000/rows, 5), 100) }

// profile draws every kind of profile of one case of this working tree.
func (r *Repo) profile(ctx context.Context, j profiling) (err error) {
	out, err := r.newProfiles(j)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rapidbyte-profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	observer := profile.Observer{}
	observer.Perf, observer.NoPerf = profile.FindPerf(ctx)
	program, native, err := r.buildProfiled(ctx, dir, j, &observer)
	if err != nil {
		return err
	}
	server, err := pgtest.Start(ctx, pgtest.Options{Log: r.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if observer.Postmaster, err = lab.PostmasterOf(ctx, server.DSN()); err != nil {
		return err
	}

	fmt.Fprintf(r.Stderr, "# %s: %d runs under the CPU profile\n", j.Case, j.Runs)
	seen, err := observer.Observe(ctx, program, j.Case, j.Runs)
	if err != nil {
		return err
	}
	if err := out.cpu("", seen.CPU, seen.Tree, seen.Notes); err != nil {
		return err
	}
	if j.Guest {
		fmt.Fprintf(r.Stderr, "# the same with native connectors\n")
		observer.Guests = ""
		seen, err := observer.Observe(ctx, native, j.Case, j.Runs)
		if err != nil {
			return err
		}
		if err := out.cpu("native", seen.CPU, seen.Tree, seen.Notes); err != nil {
			return err
		}
	}
	for _, kind := range []profile.Kind{profile.Heap, profile.Mutex, profile.Block} {
		n := max(3, j.Runs/10)
		fmt.Fprintf(r.Stderr, "# %d runs under the %s profile\n", n, kind)
		p, err := program.Record(ctx, j.Case, kind, n)
		if err != nil {
			return err
		}
		if err := out.record(kind, p, n); err != nil {
			return err
		}
	}
	return out.end()
}

// buildProfiled builds the suite of the working tree. With named guests and perf it is a program that writes a perf map, and
// the observer is told where its guests are. The second program runs connectors natively.
func (r *Repo) buildProfiled(ctx context.Context, dir string, j profiling, o *profile.Observer) (program, native profile.Program, err error) {
	binary, guests := filepath.Join(dir, "bench.test"), filepath.Join(dir, "guests")
	if _, err := connectors.Build(ctx, connectors.BuildOptions{Dir: guests, Source: r.Dir}); err != nil {
		return program, native, err
	}
	kind := j.Runtime
	if kind == "" {
		kind = "compiled"
	}
	env := []string{"RAPIDBYTE_CONNECTOR_DIR=" + guests}
	program = profile.Program{Path: binary, Dir: filepath.Join(r.Dir, "bench"), Env: append(env[:1:1], "BENCH_RUNTIME="+kind)}
	native = program
	native.Env = append(env[:1:1], "BENCH_RUNTIME=native")
	flags := j.Flags
	if j.Guest && kind == "compiled" {
		o.Guests = guests // without perf the observer says that they have no names
	}
	if o.Guests != "" && o.Perf != nil {
		program.PerfMap, native.PerfMap = true, true
		flags = append(flags[:len(flags):len(flags)], "-tags="+profile.PerfMapTag)
		// wazero names only what it compiles itself, so nothing may be compiled already.
		program.Env = append(program.Env, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
	}
	args := append([]string{"test", "-c", "-o", binary}, flags...)
	return program, native, r.run(ctx, r.Stdout, nil, "go", append(args, "./bench")...)
}

// profileDiff draws what changed from one commit to another, and returns the drawing's path, "" for equal code.
func (r *Repo) profileDiff(ctx context.Context, base, head string, j profiling) (path string, err error) {
	out, err := r.newProfiles(j)
	if err != nil {
		return "", err
	}
	session, err := compare.Open(ctx, compare.Config{Refs: refs.Options{Repo: r.Dir}, Log: r.Stderr})
	if err != nil {
		return "", failure(err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	// Both names first: a typing error should not cost a minute.
	var named [2]refs.Ref
	for i, name := range []string{base, head} {
		if named[i], err = session.Repo.Resolve(ctx, name); err != nil {
			return "", failure(err)
		}
	}
	var sides [2]profile.Version
	var builds [2]*refs.Build
	for i, ref := range named {
		built, err := session.Build(ctx, ref)
		if err != nil {
			return "", failure(err)
		}
		sides[i], builds[i] = profileVersion(built, j.Guest), built.Build
	}
	if how, same := refs.Identical(builds[0], builds[1]); same {
		fmt.Fprintf(r.Stdout, "nothing to draw, %s\n", how)
		return "", nil
	}
	server, err := pgtest.Start(ctx, pgtest.Options{Log: r.Stderr})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	n := max(3, j.Runs/2)
	fmt.Fprintf(r.Stderr, "# %s: %d runs of each side under the CPU profile, in turn\n", j.Case, 2*n)
	c, err := profile.Compare(ctx, sides[0], sides[1], j.Case, n)
	if err != nil {
		return "", err
	}
	if err := out.diff(c); err != nil {
		return "", err
	}
	return out.graphs[0], nil
}

// bisected draws what the commit that a bisection found changed. The case is one that moves rows: others are not labelled.
func (r *Repo) bisected(ctx context.Context, before, found string, c compare.Case) (path string, err error) {
	parsed, err := lab.ParseCase(string(c))
	if err != nil {
		return "", err
	}
	if parsed.Rows() < 1 {
		return "", fmt.Errorf("%s moves no rows, and its runs carry no label: profile it with go test -cpuprofile", c)
	}
	quiet := *r
	quiet.Stdout = io.Discard // it may be for JSON
	return quiet.profileDiff(ctx, before, found, profiling{Case: parsed, Runs: enoughRuns(parsed.Rows())})
}

// profileVersion returns a commit's suite as package profile runs it.
func profileVersion(p *compare.Program, native bool) profile.Version {
	kind := "compiled"
	if native {
		kind = "native"
	}
	return profile.Version{Name: p.Ref.String(), Program: profile.Program{
		Path: p.Binary.Path, Dir: p.Binary.Dir, Env: append(p.Binary.Env[:len(p.Binary.Env):len(p.Binary.Env)], "BENCH_RUNTIME="+kind),
	}}
}
