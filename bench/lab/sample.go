package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

// Sample is one timed and verified run of a case.
type Sample struct {
	Version int                `json:"v"` // of this format: 1
	Run     string             `json:"run"`
	Bench   string             `json:"bench"` // the case's name
	Iter    int                `json:"iter"`  // from 1
	Start   time.Time          `json:"start"`
	Values  map[string]float64 `json:"values"` // by unit; every metric of the run
	// Env is what the surroundings did meanwhile, and Contaminated what of it
	// makes the sample worthless.
	Env          Disturbances `json:"env"`
	Contaminated []string     `json:"contaminated,omitempty"`
	Verified     string       `json:"verified"` // "rows" or "checksum"
}

// The names of the side files in the folder of BENCH_SAMPLES.
const (
	SamplesText = "samples.txt"   // Go benchmark format, one line for each sample
	SamplesJSON = "samples.jsonl" // one Sample on each line, with what the format above cannot hold
)

// writeSamples adds samples to the side files.
func (e *Env) writeSamples(samples []*Sample) error {
	if e.Samples == "" {
		return nil
	}
	if err := os.MkdirAll(e.Samples, 0o755); err != nil {
		return fmt.Errorf("lab: BENCH_SAMPLES: %w", err)
	}

	// Each process writes its head once; equal keys again change nothing for a
	// reader.
	var text, lines strings.Builder
	if !e.sampled {
		fmt.Fprintf(&text, "goos: %s\ngoarch: %s\npkg: github.com/rapidbyte-go/rapidbyte/bench\n", runtime.GOOS, runtime.GOARCH)
		if e.Machine.CPU != "" {
			fmt.Fprintf(&text, "cpu: %s\n", e.Machine.CPU)
		}
		if err := e.WriteHead(&text); err != nil {
			return err
		}
		e.sampled = true
	}
	for _, s := range samples {
		text.WriteString(s.Text() + "\n")
		line, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("lab: sample of %s: %w", s.Bench, err)
		}
		lines.Write(append(line, '\n'))
	}
	if err := appendFile(filepath.Join(e.Samples, SamplesText), text.String()); err != nil {
		return fmt.Errorf("lab: BENCH_SAMPLES: %w", err)
	}
	if err := appendFile(filepath.Join(e.Samples, SamplesJSON), lines.String()); err != nil {
		return fmt.Errorf("lab: BENCH_SAMPLES: %w", err)
	}
	return nil
}

func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// ReadSamples returns the samples in the folder, in the order they were taken.
func ReadSamples(dir string) ([]*Sample, error) {
	path := filepath.Join(dir, SamplesJSON)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	var samples []*Sample
	n := 0
	for line := range bytes.Lines(text) {
		n++
		s := &Sample{}
		if err := json.Unmarshal(line, s); err != nil {
			return nil, fmt.Errorf("lab: %s:%d: %w", path, n, err)
		}
		if s.Version != 1 {
			return nil, fmt.Errorf("lab: %s:%d: a sample of version %d, this program reads version 1", path, n, s.Version)
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// Text returns the sample as a line of a benchmark's output, with the units in
// the order of [Units] and those that are zero left out, as there.
func (s *Sample) Text() string {
	line := "Benchmark" + s.Bench
	if n := runtime.GOMAXPROCS(0); n != 1 {
		line += "-" + strconv.Itoa(n)
	}
	line += "\t1"
	for _, u := range Units() {
		if v := s.Values[u.Name]; v != 0 {
			line += "\t" + strconv.FormatFloat(v, 'f', -1, 64) + " " + u.Name
		}
	}
	return line
}

// record returns what results.jsonl keeps of a sample.
func (e *Env) record(t *Trial, s *Sample, result []byte) *history.Record {
	c := t.Case
	r := &history.Record{
		Timestamp: s.Start.UTC(),
		Mode:      strings.ToLower(c.Family),
		Rows:      c.Rows(),
		AOT:       e.Grid.Runtime == "compiled",
		GitSHA:    e.Commit.SHA, GitCommit: e.Commit.Hash, GitBranch: e.Commit.Branch, GitDirty: e.Commit.Dirty,
		Run: e.Run, Bench: c.String(), Iter: s.Iter,
		Load: c.Param("load"), Compression: c.Param("compression"), Via: c.Param("via"), Cache: c.Param("cache"),
		Runtime: e.Grid.Runtime,
		Machine: e.Machine.ID(), PGVersion: e.Server.Version, PGProvider: e.Server.Provider,
		PGConf: e.Server.Profile + "-" + e.Server.ConfHash, Dataset: t.Source.Dataset, GoVersion: runtime.Version(),
		Verified: s.Verified, Contaminated: s.Contaminated, Metrics: s.Values, Result: result,
	}
	switch c.Family {
	case "Pipeline":
		r.Mode = r.Load
	case "Floor":
		r.AOT, r.Runtime = false, ""
	}
	return r
}
