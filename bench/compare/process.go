package compare

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"
)

// Process is what one run of a test binary measured of one case. It is the unit of analysis: the iterations within a
// process share its memory layout, its connections and its luck, so they are one observation, their median, and not many.
type Process struct {
	Case  Case
	Procs string // the processors behind the benchmark's name
	// Values holds every iteration by unit, or the mean of them all if the suite wrote no samples. Units are tidied:
	// "sec/op" where the benchmark said "ns/op".
	Values map[string][]float64
	// Units says which direction is better and what is exact, as the suite declared it.
	Units benchfmt.UnitMetadataMap
	// Config describes machine, server and workload, never the code.
	Config map[string]string
	// Contaminated holds what disturbed an iteration, such as "checkpoint" or "steal"; empty if it can be believed.
	Contaminated []string
	// Disturbed says of every iteration whether something disturbed it, also of those that were left out; nil if the suite
	// does not say.
	Disturbed []bool
	// LeftOut holds the iterations that are not in Values, because they or their neighbours in the other process were
	// disturbed; nil if there are none.
	LeftOut  map[string][]float64
	Started  time.Time
	Duration time.Duration // of the whole process, with everything untimed
}

// Value returns the median over the iterations.
func (p *Process) Value(unit string) (float64, bool) {
	values := p.Values[unit]
	if len(values) == 0 {
		return 0, false
	}
	return median(values), true
}

// mean returns the mean over the iterations, 0 without any. Unlike medians, means of parts add up to that of the whole.
func (p *Process) mean(unit string) float64 {
	sum := 0.0
	for _, v := range p.Values[unit] {
		sum += v
	}
	return sum / float64(max(len(p.Values[unit]), 1))
}

// median returns the middle of the values, which must not be empty. It leaves them in their order.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// parseOutput reads what a test binary printed about one case. Anything but exactly one result of that case is an error:
// a torn line or a missing result must never become a verdict.
func parseOutput(output []byte, c Case) (*Process, error) {
	p := &Process{Case: c, Values: map[string][]float64{}, Config: map[string]string{}}
	r := benchfmt.NewReader(bytes.NewReader(output), "output")
	results := 0
	for r.Scan() {
		switch record := r.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("torn output: %w", record)
		case *benchfmt.Result:
			got, procs := caseOf(record.Name)
			if got != c {
				return nil, fmt.Errorf("measured %s instead", got)
			}
			if results++; results > 1 {
				return nil, errors.New("more than one result")
			}
			p.Procs = procs
			for _, v := range record.Values {
				p.Values[v.Unit] = append(p.Values[v.Unit], v.Value)
			}
			for _, config := range record.Config {
				if config.File {
					p.Config[config.Key] = string(config.Value)
				}
			}
		}
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if results == 0 {
		return nil, errNoResult
	}
	p.Units = r.Units()
	return p, nil
}

// errNoResult means that a binary ended well and measured nothing.
var errNoResult = errors.New("no result")

// sample is what is read of a line of the side file that the suite's laboratory writes, one for each iteration. Other
// commits may write more fields, or none of the file at all.
type sample struct {
	Bench        string             `json:"bench"`
	Values       map[string]float64 `json:"values"`
	Contaminated []string           `json:"contaminated"`
}

// readSamples replaces the process's values by the iterations in the side file. A suite that writes none leaves the mean
// that its result line has.
func (p *Process) readSamples(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()

	values := map[string][]float64{}
	lines := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil {
			return fmt.Errorf("%s:%d: the last line is torn: %w", path, n, err)
		}
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if Case(strings.TrimPrefix(s.Bench, "Benchmark")) != p.Case {
			return fmt.Errorf("%s:%d: a sample of %s instead of %s", path, n, s.Bench, p.Case)
		}
		for unit, value := range s.Values {
			value, unit = benchunit.Tidy(value, unit)
			values[unit] = append(values[unit], value)
		}
		p.Disturbed = append(p.Disturbed, len(s.Contaminated) > 0)
		for _, reason := range s.Contaminated {
			if !slices.Contains(p.Contaminated, reason) {
				p.Contaminated = append(p.Contaminated, reason)
			}
		}
	}

	// The result line may have units that the samples lack, and the other way round.
	for unit, v := range values {
		p.Values[unit] = v
	}
	return nil
}
