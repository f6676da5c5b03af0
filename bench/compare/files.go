package compare

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/child"
)

// Names of the files of a comparison.
const (
	OldFile     = "old.txt"       // base in Go benchmark format, one line for each process
	NewFile     = "new.txt"       // head, the same
	SamplesFile = "samples.jsonl" // every iteration with its place in the schedule
	ReportFile  = "report.json"   // the verdicts, and what they were reached under
	TextFile    = "report.txt"
)

// WriteFiles writes the whole comparison into the folder, which is created. "benchstat base=old.txt head=new.txt" there
// prints the familiar tables.
func (r *Report) WriteFiles(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("compare: results: %w", err)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{OldFile, func(w io.Writer) error { return r.writeBench(w, Base) }},
		{NewFile, func(w io.Writer) error { return r.writeBench(w, Head) }},
		{SamplesFile, r.writeSamples},
		{TextFile, r.WriteText},
		{ReportFile, func(w io.Writer) error {
			data, err := r.JSON()
			if err != nil {
				return err
			}
			_, err = w.Write(data)
			return err
		}},
	} {
		if err := writeFile(filepath.Join(dir, f.name), f.write); err != nil {
			return fmt.Errorf("compare: results: %w", err)
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	return errors.Join(write(w), w.Flush(), f.Close())
}

// Benchstat prints the familiar tables of the two files in dir, by the real tool, for the units given. The module in the
// working directory must have benchstat among its tools.
func Benchstat(ctx context.Context, w io.Writer, dir string, units []string) error {
	filter := ".unit:(" + strings.Join(units, " OR ") + ")"
	cmd := child.Command(ctx, "go", "tool", "benchstat", "-filter", filter,
		"base="+filepath.Join(dir, OldFile), "head="+filepath.Join(dir, NewFile))
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := child.Run(cmd); err != nil {
		return fmt.Errorf("compare: benchstat: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	// It ends well even if it could not read a file.
	if s := bytes.TrimSpace(stderr.Bytes()); len(s) > 0 {
		return fmt.Errorf("compare: benchstat: %s", s)
	}
	return nil
}

// writeBench writes one side in Go benchmark format: the median of each process of the first block. The second block
// measured only suspects; adding its lines would weigh them double.
func (r *Report) writeBench(w io.Writer, side Side) error {
	out := benchfmt.NewWriter(w)
	if len(r.Blocks) == 0 {
		return nil
	}
	units := map[benchfmt.UnitMetadataKey]bool{}
	for _, s := range r.Blocks[0].Series {
		for _, pair := range s.Pairs {
			p := pair.Base
			if side == Head {
				p = pair.Head
			}
			for _, key := range slices.SortedFunc(maps.Keys(p.Units), compareUnits) {
				if !units[key] {
					units[key] = true
					if err := out.Write(p.Units[key]); err != nil {
						return err
					}
				}
			}
			if err := out.Write(p.result()); err != nil {
				return err
			}
		}
	}
	return nil
}

func compareUnits(a, b benchfmt.UnitMetadataKey) int {
	return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Key, b.Key))
}

// result is the process as a line of a benchmark file.
func (p *Process) result() *benchfmt.Result {
	name := string(p.Case)
	if p.Procs != "" {
		name += "-" + p.Procs
	}
	res := &benchfmt.Result{Name: benchfmt.Name(name), Iters: 1}
	for _, key := range slices.Sorted(maps.Keys(p.Config)) {
		res.Config = append(res.Config, benchfmt.Config{Key: key, Value: []byte(p.Config[key]), File: true})
	}
	// Time first, as people are used to, then by name.
	for _, unit := range slices.SortedFunc(maps.Keys(p.Values), timeFirst) {
		v, _ := p.Value(unit)
		res.Values = append(res.Values, benchfmt.Value{Value: v, Unit: unit})
		res.Iters = max(res.Iters, len(p.Values[unit]))
	}
	return res
}

func timeFirst(a, b string) int {
	rank := func(unit string) int { return slices.Index([]string{"cpu-sec/op", "sec/op"}, unit) }
	return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(a, b))
}

// line is one iteration in the file of samples.
type line struct {
	Version      int                `json:"v"`
	Block        int                `json:"block"`
	Round        int                `json:"round"`
	Position     int                `json:"pos"` // 0 for the first of the pair
	Side         Side               `json:"side"`
	Commit       string             `json:"sha"`
	Case         Case               `json:"bench"`
	Iteration    int                `json:"iter"`   // from 1; those that were left out come last
	Values       map[string]float64 `json:"values"` // in base units
	Contaminated []string           `json:"contaminated,omitempty"`
	Counts       bool               `json:"ok"` // false for a pair that was measured again, and for a run that was left out
}

// writeSamples writes every iteration of every process, also the repeated ones.
func (r *Report) writeSamples(w io.Writer) error {
	out := json.NewEncoder(w)
	for _, b := range r.Blocks {
		for _, s := range b.Series {
			for _, set := range []struct {
				pairs  []Pair
				counts bool
			}{{s.Pairs, true}, {s.Repeated, false}} {
				for _, pair := range set.pairs {
					if err := r.writePair(out, b, pair, set.counts); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (r *Report) writePair(out *json.Encoder, b *Block, pair Pair, counts bool) error {
	for _, side := range []Side{Base, Head} {
		p, commit, position := pair.Base, r.Base.Commit, 0
		if side == Head {
			p, commit = pair.Head, r.Head.Commit
		}
		if (side == Base) != pair.BaseFirst {
			position = 1
		}
		l := line{
			Version: 1, Block: b.Number, Round: pair.Round, Position: position, Side: side, Commit: commit, Case: p.Case,
		}
		for k, set := range []map[string][]float64{p.Values, p.LeftOut} {
			for i := range iterations(set) {
				l.Iteration++
				l.Values, l.Counts, l.Contaminated = map[string]float64{}, counts && k == 0, nil
				for unit, values := range set {
					if i < len(values) {
						l.Values[unit] = values[i]
					}
				}
				if !l.Counts {
					l.Contaminated = p.Contaminated
				}
				if err := out.Encode(l); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// iterations returns how many of the process count, as far as it told.
func (p *Process) iterations() int { return iterations(p.Values) }

// iterations returns of how many there are values.
func iterations(set map[string][]float64) int {
	n := 0
	for _, values := range set {
		n = max(n, len(values))
	}
	return n
}
