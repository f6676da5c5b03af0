// Package pipeline reads the YAML file that describes one pipeline.
package pipeline

import "time"

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

	positions map[string]Position
}

// Source is where rows come from.
type Source struct {
	Use     Ref
	Strict  bool           // compile with a check at every loop; many times slower
	Config  map[string]any // string, bool, int64, float64, []any, map[string]any
	Streams []Stream
}

// Stream is one table to move.
type Stream struct {
	Name     string
	SyncMode string // "full_refresh"
}

// Transform is one stage between source and destination.
type Transform struct {
	Use    Ref
	Strict bool
	Config map[string]any
}

// Destination is where rows go.
type Destination struct {
	Use         Ref
	Strict      bool
	Config      map[string]any
	WriteMode   string   // "append" or "replace"
	PrimaryKey  []string // the key a table gets when it is created; may be empty
	OnDataError string   // "fail"
}

// State says where runs are recorded.
type State struct {
	Backend    string // "sqlite"
	Connection string // the database file, "~" expanded
}

// Resources are the limits of a run.
type Resources struct {
	MaxMemory          int64 // bytes, guests and frames in flight together
	MaxBatchBytes      int64 // bytes no batch may pass
	Parallelism        int
	CheckpointBytes    int64         // 0: off
	CheckpointRows     int64         // 0: off
	CheckpointInterval time.Duration // 0: off
	MaxRetries         int
	Compression        string // "none", "lz4", "zstd"
	MaxInflightBatches int
}

// Ref names a connector: [namespace/]name[@vX]. Only Name selects one; the
// other parts are labels.
type Ref struct {
	Namespace string // may be empty
	Name      string
	Version   string // without the @; may be empty
}

// Position is a place in the file, both from 1.
type Position struct {
	Line, Column int
}
