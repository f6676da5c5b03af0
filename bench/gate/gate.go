package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Loads are the cases of the gate, one recording each.
var Loads = []string{"insert", "copy"}

// Rows is how many rows each recording holds: more than one batch, and few
// enough for the interpreter.
const Rows = 10_000

// File is the checked-in account of the work.
type File struct {
	// Go is the toolchain that compiled the guests: another one emits other
	// instructions for the same source.
	Go    string            `json:"go"`
	Rows  int               `json:"rows"`
	Cases map[string]Counts `json:"cases"` // by load
}

// fileName and recordingName are what a gate folder holds.
const fileName = "gate.json"

func recordingName(load string) string { return load + ".rec.gz" }

// ErrChanged is returned, wrapped, when the work is not the file's.
var ErrChanged = errors.New("the work has changed")

// Check measures every recording in dir and compares with the file there. It
// writes a report to w and returns ErrChanged if anything differs.
func Check(ctx context.Context, modules fs.FS, dir string, w io.Writer) error {
	old, err := readFile(filepath.Join(dir, fileName))
	if err != nil {
		return err
	}
	now, err := measureAll(ctx, modules, dir)
	if err != nil {
		return err
	}
	if old.Go != now.Go {
		return fmt.Errorf("gate: %s was made with %s and this is %s, which compiles guests to other instructions; use that toolchain, or accept this one with -update", fileName, old.Go, now.Go)
	}
	changes := Diff(old, now)
	if len(changes) == 0 {
		now.writeTotals(w)
		fmt.Fprintf(w, "gate: the work of %d cases is as recorded (%d rows each)\n", len(now.Cases), now.Rows)
		return nil
	}
	WriteChanges(w, changes, now.Rows)
	now.writeTotals(w)
	return fmt.Errorf("gate: %w; if that is meant, accept it with -update", ErrChanged)
}

// Update records new conversations with the server at dsn, which holds
// bench_events with [Rows] rows, measures them and rewrites the folder. It
// writes to w what changed.
func Update(ctx context.Context, modules fs.FS, dir, dsn string, w io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	for _, load := range Loads {
		r, err := Record(ctx, modules, dsn, load, Rows)
		if err != nil {
			return err
		}
		if err := r.WriteFile(filepath.Join(dir, recordingName(load))); err != nil {
			return err
		}
	}
	now, err := measureAll(ctx, modules, dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, fileName)
	if old, err := readFile(path); err == nil {
		WriteChanges(w, Diff(old, now), now.Rows)
	}
	text, err := json.MarshalIndent(now, "", "\t")
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	now.writeTotals(w)
	fmt.Fprintf(w, "gate: %s written\n", path)
	return nil
}

// writeTotals writes what moving a row costs each guest.
func (f *File) writeTotals(w io.Writer) {
	rows := float64(max(f.Rows, 1))
	for _, name := range slices.Sorted(maps.Keys(f.Cases)) {
		for _, side := range []string{"source", "dest"} {
			work := f.Cases[name].Work
			fmt.Fprintf(w, "%-7s %-6s %10.1f instructions/row  %6d host calls  %4d statements  %8.1f B/row to the server\n", name, side,
				float64(work[side+" guest instructions"])/rows, work[side+" host calls"], work[side+" statements"],
				float64(work[side+" server bytes sent"])/rows)
		}
	}
}

func readFile(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("gate: %w; make it with -update", err)
	}
	var f File
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("gate: %s is damaged: %w; make it again with -update", path, err)
	}
	return &f, nil
}

// measureAll measures every recording of a folder.
func measureAll(ctx context.Context, modules fs.FS, dir string) (*File, error) {
	f := &File{Go: runtime.Version(), Cases: make(map[string]Counts)}
	for _, load := range Loads {
		r, err := ReadRecording(filepath.Join(dir, recordingName(load)))
		if err != nil {
			return nil, err
		}
		c, err := Measure(ctx, modules, r)
		if err != nil {
			return nil, err
		}
		f.Rows = r.Rows
		f.Cases[load] = *c
	}
	return f, nil
}

// Change is one number that differs.
type Change struct {
	Case     string
	What     string // "source guest instructions", or a function's name
	Function bool   // What names a guest function, in instructions
	Old, New int64
}

// Diff returns what differs between two files, totals before functions, the
// largest difference first.
func Diff(old, now *File) []Change {
	var list []Change
	for _, name := range slices.Sorted(maps.Keys(union(old.Cases, now.Cases))) {
		a, b := old.Cases[name], now.Cases[name]
		list = append(list, diff(name, false, "", a.Work, b.Work)...)
		functions := len(list)
		for _, connector := range slices.Sorted(maps.Keys(union(a.Functions, b.Functions))) {
			list = append(list, diff(name, true, connector+" ", a.Functions[connector], b.Functions[connector])...)
		}
		slices.SortStableFunc(list[functions:], bySize)
	}
	return list
}

func diff(name string, function bool, prefix string, a, b map[string]int64) []Change {
	var list []Change
	for _, what := range slices.Sorted(maps.Keys(union(a, b))) {
		if a[what] != b[what] {
			list = append(list, Change{name, prefix + what, function, a[what], b[what]})
		}
	}
	slices.SortStableFunc(list, bySize)
	return list
}

// bySize orders the largest difference first.
func bySize(x, y Change) int { return cmp.Compare(abs(y.New-y.Old), abs(x.New-x.Old)) }

func union[V any](a, b map[string]V) map[string]V {
	u := maps.Clone(a)
	if u == nil {
		u = make(map[string]V)
	}
	maps.Copy(u, b)
	return u
}

func abs(n int64) int64 { return max(n, -n) }

// shownFunctions is how many functions of a case are named, those that changed
// most. A collection more or less touches some hundred.
const shownFunctions = 20

// WriteChanges writes a table of changes, functions as instructions per row.
func WriteChanges(w io.Writer, changes []Change, rows int) {
	functions := make(map[string]int)
	defer func() {
		for _, name := range slices.Sorted(maps.Keys(functions)) {
			if more := functions[name] - shownFunctions; more > 0 {
				fmt.Fprintf(w, "  %-7s %d more functions changed less\n", name, more)
			}
		}
	}()
	for _, c := range changes {
		if c.Function {
			if functions[c.Case]++; functions[c.Case] > shownFunctions {
				continue
			}
			fmt.Fprintf(w, "  %-7s %10.1f -> %10.1f  instructions/row  %s  %s\n", c.Case,
				float64(c.Old)/float64(rows), float64(c.New)/float64(rows), percent(c), strings.TrimSpace(c.What))
			continue
		}
		fmt.Fprintf(w, "%-7s %12d -> %12d  %s  %s\n", c.Case, c.Old, c.New, percent(c), c.What)
	}
}

func percent(c Change) string {
	if c.Old == 0 {
		return "    new"
	}
	return fmt.Sprintf("%+6.2f%%", 100*float64(c.New-c.Old)/float64(c.Old))
}
