package pipeline

import (
	"fmt"
	"strings"
	"time"
)

// Pipeline is one parsed, defaulted and validated pipeline file.
type Pipeline struct {
	File    string // the file's name as given, for messages; may be empty
	Version string // "1.0"
	Name    string // the key "pipeline"

	Source      Source
	Transforms  []Transform // in the order rows pass them; may be empty
	Destination Destination
	State       State
	Resources   Resources

	// positions holds the place of every path in the file; nil if the pipeline
	// did not come from one. Never written after Parse, so copies share it.
	positions map[string]Position
	// variables holds the texts in which variables were replaced, by path, as they
	// stand in the file. Shared likewise.
	variables map[string]string
}

// Source is where rows come from.
type Source struct {
	Use     Ref
	Strict  bool           // compile with a check at every loop; many times slower
	Config  map[string]any // string, bool, int64, float64, []any, map[string]any; never nil values
	Streams []Stream
}

// Stream is one table to move.
type Stream struct {
	Name         string
	SyncMode     string // "full_refresh"
	PartitionKey string // the column whose ranges become partitions; empty: what the source finds best
}

// Transform is one stage between source and destination.
type Transform struct {
	Use    Ref
	Strict bool
	Config map[string]any // as in Source
}

// Destination is where rows go.
type Destination struct {
	Use         Ref
	Strict      bool
	Config      map[string]any // as in Source
	WriteMode   string         // "append" or "replace"
	PrimaryKey  []string       // the key a table gets when it is created; may be empty
	OnDataError string         // "fail"
}

// State says where runs are recorded.
type State struct {
	Backend    string // "sqlite"
	Connection string // the database file, "~" expanded
}

// Resources are the limits of a run.
type Resources struct {
	MaxMemory          int64         // bytes, guests and frames in flight together
	MaxBatchBytes      int64         // bytes no batch may pass
	Parallelism        int           // partitions of a stream moved at the same time, 1 to 32; auto is resolved
	AutoParallelism    bool          // the file says auto: fewer partitions are as welcome
	CheckpointBytes    int64         // 0: off
	CheckpointRows     int64         // 0: off
	CheckpointInterval time.Duration // 0: off; whole seconds
	MaxRetries         int
	Compression        string // "none", "lz4", "zstd"
	MaxInflightBatches int    // between two stages of a partition
	MaxInflightBytes   int64  // the same; one batch may always be there; 0: what MaxMemory leaves
}

// Ref names a connector: [namespace/]name[@vX]. Only Name selects one; the
// other parts are labels.
type Ref struct {
	Namespace string // may be empty
	Name      string
	Version   string // without the @; may be empty
}

// String returns the reference as it is written in a file.
func (r Ref) String() string {
	s := r.Name
	if r.Namespace != "" {
		s = r.Namespace + "/" + s
	}
	if r.Version != "" {
		s += "@" + r.Version
	}
	return s
}

// Position is a place in the file. Line and Column count from 1, columns in
// characters, not bytes.
type Position struct {
	Line, Column int
}

// Position returns the place of a path such as "destination.config.load_method",
// "source.streams[0].name" or "transforms[1].use": where the value stands, for
// a mapping or a list where its key stands. A path that is not in the file has
// the place of its nearest parent that is. It reports false for a pipeline that
// was not parsed from a file.
func (p *Pipeline) Position(path string) (Position, bool) {
	for {
		if pos, ok := p.positions[path]; ok {
			return pos, true
		}
		if path == "" {
			return Position{}, false
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// Written returns the text at a path for an error message: where variables were
// replaced in it as it stands in the file, for what they stand for may be a secret,
// else value.
func (p *Pipeline) Written(path, value string) string {
	if text, ok := p.variables[path]; ok {
		return text
	}
	return value
}

// Errorf returns an error at the place of a path. Its text is the formatted
// message alone: name the key in it.
func (p *Pipeline) Errorf(path, format string, args ...any) *Error {
	pos, _ := p.Position(path)
	return &Error{File: p.File, Line: pos.Line, Column: pos.Column, Path: path, Message: fmt.Sprintf(format, args...)}
}
