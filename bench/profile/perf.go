package profile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
)

// ErrNoPerf says that this machine cannot watch processes from outside, and why.
var ErrNoPerf = errors.New("no perf")

// Perf is the machine's perf program. Its clock is the processor's time: many machines of others' have no counters to
// lend.
type Perf struct{ path string }

// FindPerf returns perf, or an error matching ErrNoPerf: not there, not Linux's, or not allowed to us.
func FindPerf(ctx context.Context) (*Perf, error) {
	path, err := exec.LookPath("perf")
	if err != nil {
		return nil, fmt.Errorf("%w: the program is not installed", ErrNoPerf)
	}
	out, err := exec.CommandContext(ctx, path, append(recordArgs(os.DevNull), "--", "true")...).CombinedOutput()
	if err != nil {
		reason, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return nil, fmt.Errorf("%w: perf record: %w: %s", ErrNoPerf, err, reason)
	}
	return &Perf{path}, nil
}

// perfRate is how often perf looks, a second: not in step with anything that happens a round number of times.
const perfRate = 499

// recordArgs are the arguments that make perf write what processes do, by a clock that ours can be compared with.
func recordArgs(file string) []string {
	return []string{"record", "--quiet", "--event=cpu-clock", "--clockid=CLOCK_REALTIME", "--freq=" + strconv.Itoa(perfRate), "--output=" + file}
}

// Watch records a process and all it starts from now on, until stop is called, which returns what was seen.
func (p *Perf) Watch(ctx context.Context, pid int) (stop func() ([]Seen, error), err error) {
	dir, err := os.MkdirTemp("", "rapidbyte-perf-")
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	file := filepath.Join(dir, "perf.data")
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, p.path, append(recordArgs(file), "--pid="+strconv.Itoa(pid))...)
	// Its own way of being told to finish the file.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("profile: perf: %w", err), os.RemoveAll(dir))
	}
	return func() ([]Seen, error) {
		defer os.RemoveAll(dir)
		cancel()
		cmd.Wait() // ends by our signal; what it wrote says whether it worked
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			return nil, fmt.Errorf("%w: perf record of process %d: %s", ErrNoPerf, pid, strings.TrimSpace(output.String()))
		}
		return p.script(context.WithoutCancel(ctx), file)
	}, nil
}

// Around returns the beginning of a command line that records the program behind it, every thread of it from the first on,
// and what to call when that has ended.
func (p *Perf) Around(ctx context.Context) (prefix []string, end func() ([]Seen, error), err error) {
	dir, err := os.MkdirTemp("", "rapidbyte-perf-")
	if err != nil {
		return nil, nil, fmt.Errorf("profile: %w", err)
	}
	file, pid := filepath.Join(dir, "perf.data"), filepath.Join(dir, "pid")
	// The program's number, which perf does not tell, is part of the name of the map it leaves.
	prefix = append([]string{p.path}, recordArgs(file)...)
	prefix = append(prefix, "--", "sh", "-c", `echo $$ >"$0" && exec "$@"`, pid)
	return prefix, func() ([]Seen, error) {
		defer os.RemoveAll(dir)
		if text, err := os.ReadFile(pid); err == nil {
			if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				defer os.Remove(perfMap(n))
			}
		}
		return p.script(ctx, file)
	}, nil
}

// script reads a recording.
func (p *Perf) script(ctx context.Context, file string) ([]Seen, error) {
	cmd := exec.CommandContext(ctx, p.path, "script", "--ns", "--fields=comm,pid,time,period,ip,sym,dso", "--input="+file)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("profile: perf script: %w: %s", err, strings.TrimSpace(problems.String()))
	}
	return parseScript(bytes.NewReader(out))
}

// Seen is one look of perf at one process.
type Seen struct {
	Program string // name of the process
	PID     int
	Time    time.Time
	Weight  time.Duration // processor time it stands for
	Address uint64
	Symbol  string // "" if the program does not tell
	Object  string // file the code is in, "[kernel.kallsyms]", "[vdso]"
}

// scriptLine is a line of perf script: name, process, time, weight, address, function (file).
var scriptLine = regexp.MustCompile(`^\s*(.*?)\s+(\d+)\s+(\d+)\.(\d{9}):\s+(\d+)\s+([0-9a-f]+)\s+(.*?)\s+\(([^()]*(?:\([^()]*\))?[^()]*)\)$`)

func parseScript(r io.Reader) ([]Seen, error) {
	var list []Seen
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		f := scriptLine.FindStringSubmatch(lines.Text())
		if f == nil {
			return nil, fmt.Errorf("profile: perf script: line %d is not as expected: %q", n, lines.Text())
		}
		pid, err1 := strconv.Atoi(f[2])
		seconds, err2 := strconv.ParseInt(f[3], 10, 64)
		nanos, err3 := strconv.ParseInt(f[4], 10, 64)
		weight, err4 := strconv.ParseInt(f[5], 10, 64)
		address, err5 := strconv.ParseUint(f[6], 16, 64)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			return nil, fmt.Errorf("profile: perf script: line %d: %w", n, err)
		}
		s := Seen{Program: f[1], PID: pid, Time: time.Unix(seconds, nanos), Weight: time.Duration(weight), Address: address, Symbol: f[7], Object: f[8]}
		if s.Symbol == "[unknown]" {
			s.Symbol = ""
		}
		list = append(list, s)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("profile: perf script: %w", err)
	}
	return list, nil
}

// Window is the time of one timed run.
type Window struct{ Start, End time.Time }

// readSamples reads when the runs were and what the process used from the suite's samples. A suite that writes none leaves
// both unknown.
func (c *CPU) readSamples(file string) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	for line := range bytes.Lines(data) {
		var s lab.Sample
		if err := json.Unmarshal(line, &s); err != nil {
			return fmt.Errorf("profile: %s: %w", filepath.Base(file), err)
		}
		c.Windows = append(c.Windows, Window{s.Start, s.Start.Add(time.Duration(s.Values["ns/op"]))})
		c.Process += s.Values["cpu-ns/op"] * c.perRow()
	}
	return nil
}

// within returns what was seen during the windows, which are in order.
func within(seen []Seen, windows []Window) []Seen {
	return slices.DeleteFunc(slices.Clone(seen), func(s Seen) bool {
		i, _ := slices.BinarySearchFunc(windows, s.Time, func(w Window, t time.Time) int { return w.End.Compare(t) })
		return i == len(windows) || s.Time.Before(windows[i].Start)
	})
}

// AddDatabase adds what perf saw of the server's backends during the timed runs to c's tree, by function: who called
// it is not known, for programs are built without what that would take.
func (c *CPU) AddDatabase(t *flame.Tree, seen []Seen) {
	group := flame.Frame{Name: databaseGroup, Full: "the server's backends, seen by perf", Kind: flame.Database, Rank: rank(databaseGroup)}
	perRow := c.perRow()
	for _, s := range within(seen, c.Windows) {
		where := flame.Frame{Name: "server", Full: s.Object, Kind: flame.Database}
		f := flame.Frame{Name: s.Symbol, Kind: flame.Database}
		switch {
		case strings.HasPrefix(s.Object, "[kernel"):
			where, f.Kind = flame.Frame{Name: "kernel", Full: "the kernel, for the server", Kind: flame.Kernel}, flame.Kernel
		case strings.Contains(filepath.Base(s.Object), ".so"):
			where = flame.Frame{Name: filepath.Base(s.Object), Full: s.Object, Kind: flame.Library}
			f.Kind = flame.Library
		}
		if f.Name == "" {
			f.Name, f.Full = "without names", "functions this program has no names for"
		}
		t.Add(float64(s.Weight)*perRow, group, where, f)
	}
}
