// Package history keeps target/bench_results/results.jsonl: one line of JSON
// for every run a benchmark timed, written when the run was verified and never
// changed afterwards.
//
// A line holds the seed's fields (timestamp, mode, bench_rows, aot, git_sha,
// git_branch and the 28 keys of a pipeline result) and ours: which case it was,
// on which machine, against which server, and every metric under the unit it
// is reported with. Lines of different machines, servers, profiles or datasets
// must not be averaged together; [Record.Group] keeps them apart.
package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// File is where the results lie below the module's root.
const File = "target/bench_results/results.jsonl"

// Record is one run.
type Record struct {
	Timestamp time.Time `json:"timestamp"` // when the run started; ISO 8601, UTC
	// Mode is "insert" or "copy" for a warm pipeline run, as in the seed. Every
	// other family has its own name here, in lower case, so that a reader that
	// averages by mode never mixes a floor or a cold start into pipelines.
	Mode      string `json:"mode"`
	Rows      int    `json:"bench_rows"`
	AOT       bool   `json:"aot"`                  // the guests were compiled, not interpreted or linked in
	GitSHA    string `json:"git_sha"`              // short, as in the seed's lines
	GitCommit string `json:"git_commit,omitempty"` // the whole hash; older lines and the seed's have none, see [PlaceCommits]
	GitBranch string `json:"git_branch"`
	GitDirty  bool   `json:"git_dirty"` // the working tree differed from the commit

	Run         string `json:"run"`   // the same for all lines of one process, or of one mage run
	Bench       string `json:"bench"` // the case, "Pipeline/rows=1000/load=copy/compression=none"
	Iter        int    `json:"iter"`  // from 1 within the case
	Load        string `json:"load"`
	Compression string `json:"compression,omitempty"`
	Via         string `json:"via,omitempty"`   // floor only
	Cache       string `json:"cache,omitempty"` // cold start only
	Runtime     string `json:"runtime,omitempty"`

	Machine    string `json:"machine"` // fingerprint, 8 hex digits
	PGVersion  string `json:"pg_version"`
	PGProvider string `json:"pg_provider"`
	PGConf     string `json:"pg_conf"` // profile and hash of the settings
	Dataset    string `json:"dataset"`
	GoVersion  string `json:"go_version"`

	Verified     string   `json:"verified"`               // "rows" or "checksum"
	Contaminated []string `json:"contaminated,omitempty"` // what disturbed the run

	// Metrics holds every metric of the run under its benchmark unit, such as
	// "source-fetch-ns/op".
	Metrics map[string]float64 `json:"metrics"`

	// Result is the pipeline result, a flat JSON object whose keys stand beside
	// ours in the line; nil for runs without a pipeline. Keys that are ours are
	// left out of it.
	Result json.RawMessage `json:"-"`
	// Line is the line's number in the file it was read from, from 1.
	Line int `json:"-"`
	// Place is where the commit stands in the repository's history, as far as [PlaceCommits] was told; else 0.
	Place int `json:"-"`
}

// Group says what a record may be averaged and compared with: only records of
// the same group were taken under the same conditions.
func (r *Record) Group() string {
	return r.Machine + " pg-" + r.PGVersion + " " + r.PGProvider + " " + r.PGConf + " " + r.Dataset
}

// Value returns the number under key in the pipeline result, such as
// "dest_flush_secs", and whether there is one.
func (r *Record) Value(key string) (float64, bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(r.Result, &all) != nil {
		return 0, false
	}
	var v float64
	if raw, ok := all[key]; !ok || json.Unmarshal(raw, &v) != nil || string(raw) == "null" {
		return 0, false
	}
	return v, true
}

// record keeps Record's methods away from its own encoding.
type record Record

// MarshalJSON writes our fields and the pipeline result's as one flat object.
func (r *Record) MarshalJSON() ([]byte, error) {
	ours, err := json.Marshal((*record)(r))
	if err != nil || len(r.Result) == 0 {
		return ours, err
	}

	known, err := keys(ours)
	if err != nil {
		return nil, err
	}
	fields := json.NewDecoder(bytes.NewReader(r.Result))
	if t, err := fields.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("history: the pipeline result is not a JSON object")
	}
	line := bytes.TrimSuffix(ours, []byte("}"))
	for fields.More() {
		key, err := fields.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := fields.Decode(&value); err != nil {
			return nil, err
		}
		if name := key.(string); !known[name] {
			line = fmt.Appendf(line, ",%q:%s", name, value)
		}
	}
	return append(line, '}'), nil
}

// UnmarshalJSON reads a line: our fields into the struct, all others into
// Result.
func (r *Record) UnmarshalJSON(line []byte) error {
	if err := json.Unmarshal(line, (*record)(r)); err != nil {
		return err
	}

	var all map[string]json.RawMessage
	if err := json.Unmarshal(line, &all); err != nil {
		return err
	}
	ours, err := json.Marshal((*record)(r))
	if err != nil {
		return err
	}
	known, err := keys(ours)
	if err != nil {
		return err
	}
	for _, optional := range []string{"git_commit", "compression", "via", "cache", "runtime", "contaminated"} {
		known[optional] = true
	}
	for key := range all {
		if known[key] {
			delete(all, key)
		}
	}
	r.Result = nil
	if len(all) > 0 {
		r.Result, err = json.Marshal(all)
	}
	return err
}

func keys(object []byte) (map[string]bool, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(object, &all); err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(all))
	for name := range all {
		names[name] = true
	}
	return names, nil
}

// valid reports what a line that is JSON lacks to be a record.
func (r *Record) valid() error {
	switch {
	case r.Timestamp.IsZero():
		return errors.New("no timestamp")
	case r.Mode == "":
		return errors.New("no mode")
	case r.Rows <= 0:
		return errors.New("no bench_rows")
	}
	return nil
}
