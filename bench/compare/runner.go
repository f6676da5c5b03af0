package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/child"
)

// Turn asks for one process.
type Turn struct {
	Side       Side
	Case       Case
	Iterations int
	// Seed is the same for both halves of a pair and another for each pair. The suite derives from it what should vary
	// but not between the halves, such as the number of untimed warm-up runs.
	Seed uint64
}

// Runner runs benchmarks of the two sides.
type Runner interface {
	// Cases lists what the side can measure.
	Cases(ctx context.Context, side Side) ([]Case, error)
	// Pair measures one case on both sides, the turn's side first. Its error is a *CaseError, or that of the cancelled
	// context.
	Pair(ctx context.Context, turn Turn) (Pair, error)
}

// BackToBack is the Pair of a runner that runs one process after the other.
func BackToBack(ctx context.Context, turn Turn, run func(context.Context, Turn) (*Process, error)) (Pair, error) {
	first, err := run(ctx, turn)
	if err != nil {
		return Pair{}, err
	}
	second, err := run(ctx, turn.other())
	if err != nil {
		return Pair{}, err
	}
	return pairOf(turn, first, second), nil
}

// other returns the turn of the other half of the pair.
func (t Turn) other() Turn {
	t.Side = t.Side.other()
	return t
}

// pairOf puts the halves where they belong.
func pairOf(turn Turn, first, second *Process) Pair {
	if turn.Side == Base {
		return Pair{BaseFirst: true, Base: first, Head: second}
	}
	return Pair{Base: second, Head: first}
}

// Binary is a compiled test binary.
type Binary struct {
	Path string
	Dir  string   // folder to run it in: that of its package, where its testdata is
	Env  []string // added to the environment of this process
}

// Binaries is the Runner that starts prebuilt test binaries. The processes of a pair make their runs in turn where both
// suites can do that, else one process follows the other.
type Binaries struct {
	Base, Head Binary
	// Select is the -test.bench pattern of the cases to list. "" lists all.
	Select string
	// Temp is where the folders of samples are made, and for the processes the system's folder for temporary files: one that
	// is killed cannot remove its own. "" is the system's folder.
	Temp string
	// Timeout ends a process that hangs, its waiting for the other one's turns included. 0 is half an hour.
	Timeout time.Duration

	apart bool // a side was found to take no turns
}

var _ Runner = (*Binaries)(nil)

// Names of the variables by which a suite is told what to do. One that does not know them still works: it lists slowly, by
// running everything once, and it has no samples.
const (
	listVariable    = "BENCH_LIST"    // print the name of each case and measure nothing
	turnsVariable   = "BENCH_TURNS"   // file descriptors by which two processes take turns
	samplesVariable = "BENCH_SAMPLES" // folder for the side files
	seedVariable    = "BENCH_SEED"
	samplesFile     = "samples.jsonl"
)

func (b *Binaries) side(s Side) Binary {
	if s == Head {
		return b.Head
	}
	return b.Base
}

// Cases implements [Runner].
func (b *Binaries) Cases(ctx context.Context, side Side) ([]Case, error) {
	pattern := b.Select
	if pattern == "" {
		pattern = "."
	}
	output, err := b.start(ctx, side, []string{listVariable + "=1"}, "-test.bench="+pattern, "-test.benchtime=1x")
	if err != nil {
		return nil, b.caseError(ctx, side, "list of cases", output, err)
	}

	var cases []Case
	r := benchfmt.NewReader(bytes.NewReader(output), "output")
	for r.Scan() {
		if record, ok := r.Result().(*benchfmt.Result); ok {
			if c, _ := caseOf(record.Name); !slices.Contains(cases, c) {
				cases = append(cases, c)
			}
		}
	}
	if len(cases) == 0 {
		output, err := b.whyNothing(ctx, side, pattern)
		return nil, b.caseError(ctx, side, "list of cases", output, err)
	}
	return cases, nil
}

// whyNothing finds out why no case matching the pattern gave a result. A benchmark that is skipped leaves no trace unless
// the binary is told to talk.
func (b *Binaries) whyNothing(ctx context.Context, side Side, pattern string) ([]byte, error) {
	output, err := b.start(ctx, side, nil, "-test.bench="+pattern, "-test.benchtime=1x", "-test.v")
	switch {
	case bytes.Contains(output, []byte("--- SKIP")):
		return output, ErrSkipped
	case err != nil:
		return output, err
	}
	return output, errNoResult
}

// Run measures one case once, in a process that has the machine to itself.
func (b *Binaries) Run(ctx context.Context, turn Turn) (*Process, error) {
	return b.run(ctx, turn, nil)
}

// run is Run for a process that takes turns if it is given a baton.
func (b *Binaries) run(ctx context.Context, turn Turn, baton *baton) (*Process, error) {
	dir, err := os.MkdirTemp(b.Temp, "rapidbyte-samples-")
	if err != nil {
		return nil, fmt.Errorf("compare: folder for samples: %w", err)
	}
	defer os.RemoveAll(dir)

	started := time.Now()
	cmd, done := b.command(ctx, turn.Side,
		[]string{samplesVariable + "=" + dir, seedVariable + "=" + strconv.FormatUint(turn.Seed, 10)},
		"-test.bench="+turn.Case.Pattern(), "-test.benchtime="+strconv.Itoa(turn.Iterations)+"x")
	defer done()
	baton.give(cmd)
	output, err := combined(cmd)
	if err != nil {
		return nil, b.caseError(ctx, turn.Side, turn.Case, output, err)
	}

	p, err := parseOutput(output, turn.Case)
	if err == nil {
		err = p.readSamples(filepath.Join(dir, samplesFile))
	}
	if errors.Is(err, errNoResult) {
		output, err = b.whyNothing(ctx, turn.Side, turn.Case.Pattern())
	}
	if err != nil {
		return nil, b.caseError(ctx, turn.Side, turn.Case, output, err)
	}
	p.Started, p.Duration = started, time.Since(started)
	return p, nil
}

// start runs the side's binary for benchmarks only and returns what it printed.
func (b *Binaries) start(ctx context.Context, side Side, env []string, args ...string) ([]byte, error) {
	cmd, done := b.command(ctx, side, env, args...)
	defer done()
	return combined(cmd)
}

// command prepares the side's binary for benchmarks only. The caller calls done when it has ended.
func (b *Binaries) command(ctx context.Context, side Side, env []string, args ...string) (cmd *limited, done func()) {
	timeout := b.Timeout
	if timeout == 0 {
		timeout = 30 * time.Minute
	}
	// -test.timeout does not reach benchmarks.
	ctx, done = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w of %v", errHangs, timeout))
	binary := b.side(side)
	args = append([]string{"-test.run=^$", "-test.count=1", "-test.timeout=0"}, args...)
	cmd = &limited{Cmd: child.Command(ctx, binary.Path, args...), ctx: ctx}
	cmd.Dir = binary.Dir
	// A seed, list or sample folder of the user's own run is not ours.
	cmd.Env = slices.Concat(child.Environ(listVariable, samplesVariable, seedVariable, turnsVariable, "BENCH_PROFILE"), binary.Env, env)
	if b.Temp != "" {
		cmd.Env = append(cmd.Env, "TMPDIR="+b.Temp)
	}
	return cmd, done
}

// limited is a command with the context that ends it.
type limited struct {
	*exec.Cmd
	ctx     context.Context
	started func() // called when the process has started, or cannot be; nil: nothing
}

// combined runs the command and returns everything it printed.
func combined(cmd *limited) ([]byte, error) {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Start()
	if cmd.started != nil {
		cmd.started()
	}
	if err == nil {
		err = child.Wait(cmd.Cmd)
	}
	if cause := context.Cause(cmd.ctx); err != nil && errors.Is(cause, errHangs) {
		err = cause
	}
	return output.Bytes(), err
}

// errHangs says that a process was ended because it took too long.
var errHangs = errors.New("it did not end within the limit")

// caseError names what went wrong with a process. The suite says "wrong data" when a run finished with other rows than it
// should have; that must not be taken for a failure of the machinery.
func (b *Binaries) caseError(ctx context.Context, side Side, c Case, output []byte, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && bytes.Contains(output, []byte("wrong data")) {
		err = fmt.Errorf("%w (%w)", ErrWrongData, err)
	}
	return &CaseError{Side: side, Case: c, Output: string(output), Err: err}
}
