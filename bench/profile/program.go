package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/child"
	"github.com/rapidbyte-go/rapidbyte/bench/lab"
)

// Program is a test binary of the suite, ready to run.
type Program struct {
	Path string
	Dir  string   // folder to run it in: that of its package
	Env  []string // added to the environment of this process
	// PerfMap says that the program was built with PerfMapTag: what it writes for perf is removed when it has ended.
	PerfMap bool

	prefix []string // of the command line: a program that starts this one
}

// ErrEmpty is returned for a profile that has no sample of a timed run.
var ErrEmpty = errors.New("profile: no samples of the timed runs")

// Kind is one of the profiles of Go's runtime that know no labels.
type Kind string

// The kinds [Program.Record] takes.
const (
	Heap  Kind = "heap"  // bytes allocated on the host's heap, every allocation
	Mutex Kind = "mutex" // time others waited for a lock, at its release
	Block Kind = "block" // time goroutines waited for one another
)

// value names the samples of the kind that are looked at.
func (k Kind) value() string {
	if k == Heap {
		return "alloc_space"
	}
	return "delay"
}

// Title is what a picture of the kind is called.
func (k Kind) Title() string {
	switch k {
	case Heap:
		return "Heap allocations"
	case Mutex:
		return "Waiting for locks"
	}
	return "Waiting for other goroutines"
}

// Unit is what the kind is counted in.
func (k Kind) Unit() string {
	if k == Heap {
		return "B/row"
	}
	return "ns/row"
}

// CPU is the CPU profile of the timed runs of one case.
type CPU struct {
	Profile *profile.Profile // of timed runs only
	Runs    int              // timed
	Rows    int              // of one run
	Windows []Window         // when the runs were, in order; none if the suite does not say
	Process float64          // CPU time of the whole process meanwhile by its own clock, in ns/row; 0 if the suite does not say

	guests map[string][]guestShare // by stage; nil: unknown
}

// CPU profiles n runs of a case in a new process. Its error matches ErrEmpty if the runs were too short to be seen.
func (p Program) CPU(ctx context.Context, c lab.Case, n int) (*CPU, error) {
	dir, err := os.MkdirTemp("", "rapidbyte-profile-")
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	defer os.RemoveAll(dir)
	file, samples := filepath.Join(dir, "cpu"), filepath.Join(dir, "samples")
	if err := p.run(ctx, c, n, []string{"BENCH_SAMPLES=" + samples, "TMPDIR=" + dir}, "-test.cpuprofile="+file); err != nil {
		return nil, err
	}
	whole, err := read(file)
	if err != nil {
		return nil, err
	}
	cpu := &CPU{Profile: timed(whole), Runs: n, Rows: c.Rows()}
	return cpu, cpu.readSamples(filepath.Join(samples, lab.SamplesJSON))
}

// Record takes another kind of profile of n runs of a case in a new process.
func (p Program) Record(ctx context.Context, c lab.Case, kind Kind, n int) (*profile.Profile, error) {
	dir, err := os.MkdirTemp("", "rapidbyte-profile-")
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, string(kind))
	flag := map[Kind]string{Heap: "mem", Mutex: "mutex", Block: "block"}[kind]
	if err := p.run(ctx, c, n, []string{"BENCH_PROFILE=timed", "TMPDIR=" + dir}, "-test."+flag+"profile="+file); err != nil {
		return nil, err
	}
	return read(file)
}

// run measures one case in a process of its own. What it prints is of interest only if it fails. Its folder for temporary
// files should be one that is removed: a process that is killed cannot remove its own.
func (p Program) run(ctx context.Context, c lab.Case, n int, env []string, flags ...string) error {
	if n < 1 {
		return fmt.Errorf("profile: %d runs of %s: want 1 or more", n, c)
	}
	args := []string{"-test.run=^$", "-test.count=1", "-test.timeout=0", "-test.bench=" + c.Pattern(), "-test.benchtime=" + strconv.Itoa(n) + "x"}
	line := slices.Concat(p.prefix, []string{p.Path}, args, flags)
	cmd := child.Command(ctx, line[0], line[1:]...)
	cmd.Dir = p.Dir
	// What the user's own run would be told is not for this one; the rows must be in its grid.
	cmd.Env = slices.Concat(child.Environ("BENCH_*"), []string{
		"BENCH_RESULTS=off", "RAPIDBYTE_PG_REQUIRE=1", "BENCH_ROWS=" + strconv.Itoa(c.Rows()),
	}, p.Env, env)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := child.Run(cmd)
	if p.PerfMap && cmd.Process != nil {
		os.Remove(perfMap(cmd.Process.Pid))
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("profile: %s: %w", c, cause)
	}
	if err == nil && !bytes.Contains(output.Bytes(), []byte(c.String())) {
		err = errors.New("the suite has no such case")
	}
	if err != nil {
		return fmt.Errorf("profile: %s: %w\n%s", c, err, tail(output.String()))
	}
	return nil
}

// tail returns the last lines of an output, where the reason is.
func tail(output string) string {
	const shown = 20
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-shown):], "\n")
}

// read reads a profile from a file.
func read(file string) (*profile.Profile, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("profile: %s is empty: the process did not get to its end", filepath.Base(file))
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, fmt.Errorf("profile: %s: %w", filepath.Base(file), err)
	}
	return p, nil
}

// timed returns the samples of p that carry the label timed=yes.
func timed(p *profile.Profile) *profile.Profile {
	p.Sample = slices.DeleteFunc(p.Sample, func(s *profile.Sample) bool { return !slices.Contains(s.Label["timed"], "yes") })
	return p.Compact()
}
