package abi

// OpenRequest is what a guest learns when it is opened.
type OpenRequest struct {
	Pipeline  string `json:"pipeline"`
	Connector string `json:"connector"`
	Role      Role   `json:"role"`
	// Config holds the connector's own keys from the pipeline, every key of its
	// manifest filled in with its default. Keys that belong to the connection
	// broker, secrets above all, are not in it: they stay with the host.
	Config map[string]any `json:"config"`
}

// RunRequest describes one stream to move, or one partition of it.
type RunRequest struct {
	Stream string `json:"stream"`
	// Partition is what this connector's own [Partitions] says of the partition;
	// empty: the stream is moved whole and by this instance alone.
	Partition string `json:"partition,omitempty"`

	SyncMode   string   `json:"sync_mode"`   // "full_refresh"
	WriteMode  string   `json:"write_mode"`  // "append", "replace"
	PrimaryKey []string `json:"primary_key"` // columns of the key a new table gets; may be empty

	// BatchRows and BatchBytes are the size at which a source cuts a batch,
	// whichever is reached first; MaxBatchBytes is the size no batch may pass.
	BatchRows     int64 `json:"batch_rows"`
	BatchBytes    int64 `json:"batch_bytes"`
	MaxBatchBytes int64 `json:"max_batch_bytes"`

	// A destination ends its statement and reports a checkpoint when any of
	// these is reached; 0 switches one off.
	CheckpointBytes   int64 `json:"checkpoint_bytes"`
	CheckpointRows    int64 `json:"checkpoint_rows"`
	CheckpointSeconds int64 `json:"checkpoint_seconds"`
}

// PartitionRequest asks in which partitions a stream can be moved at the same
// time, each by an instance and over connections of its own.
type PartitionRequest struct {
	// Attempt names this try to move the stream, unlike every other try of every
	// run: lower-case letters, digits and dashes, at most 40 of them.
	Attempt    string   `json:"attempt"`
	Stream     string   `json:"stream"`
	WriteMode  string   `json:"write_mode"`  // as in a [RunRequest]
	PrimaryKey []string `json:"primary_key"` // as in a [RunRequest]

	// Count is how many partitions are wanted, at least 1. Auto says that fewer
	// are as welcome: a source then makes none that is not worth a connection.
	Count int64 `json:"count"`
	Auto  bool  `json:"auto"`
	// Key is the column whose ranges a source is to read; empty: what it finds
	// best.
	Key string `json:"partition_key"`
}

// Partitions is the answer of partition: at least one and at most as many as
// were wanted.
//
// The partitions of a source have every row of the stream once between them, all
// of one moment, as long as the instance that answered lives. Other streams that
// it is asked about are of the same moment. One partition is the whole stream,
// at that moment.
//
// Nothing that is written to the partitions of a destination is visible before
// finish. One partition means that the stream has to be written whole.
type Partitions struct {
	// Partitions holds what each partition's instance finds in its [RunRequest],
	// in words that are the connector's own.
	Partitions []string `json:"partitions"`
	// Note says in one line why there are fewer than were wanted; may be empty.
	Note string `json:"note,omitempty"`
}

// FinishRequest tells a destination that every partition of a stream has run
// without an error (Commit), or that the stream is given up. It may be told so
// again, and by another instance than before, if the answer was lost.
type FinishRequest struct {
	Stream     string   `json:"stream"`
	WriteMode  string   `json:"write_mode"`
	PrimaryKey []string `json:"primary_key"`
	Partitions []string `json:"partitions"` // those that ran, in this destination's words
	Commit     bool     `json:"commit"`     // make their rows visible; else remove them
	// Again says that this was told before, with the same Commit, and that nobody
	// knows what came of it. Only then may what is missing have been finished.
	Again bool `json:"again"`
}

// Checkpoint says how much of a stream the destination's server has accepted.
// It is not a commit: the stream's one transaction is still open.
type Checkpoint struct {
	Stream string `json:"stream"`
	Rows   int64  `json:"rows"`  // since the start of the stream
	Bytes  int64  `json:"bytes"` // Arrow IPC bytes since the start of the stream
}

// CheckReport is the answer of check: what was looked at and found good. A
// failed check is an [Error] instead.
type CheckReport struct {
	Message string `json:"message"` // one line, such as "PostgreSQL 15.18, user loader, schema raw"
}

// Catalog lists the streams a source can read.
type Catalog struct {
	Streams []CatalogStream `json:"streams"`
}

// CatalogStream is one stream of a [Catalog].
type CatalogStream struct {
	Name       string          `json:"name"`
	Columns    []CatalogColumn `json:"columns"`
	PrimaryKey []string        `json:"primary_key"`
	Rows       int64           `json:"rows"` // the server's estimate; -1 if it has none
}

// CatalogColumn is one column of a [CatalogStream].
type CatalogColumn struct {
	Name      string `json:"name"`
	Type      string `json:"type"`       // the system's own name, such as "numeric(10,2)"
	ArrowType string `json:"arrow_type"` // such as "utf8"; empty if the connector cannot read the type
	Nullable  bool   `json:"nullable"`
}

// Category sorts errors by what a caller can do about them.
type Category string

// The categories. Only rate_limit and the transient ones are worth a retry.
const (
	CategoryConfig           Category = "config"
	CategoryAuth             Category = "auth"
	CategoryPermission       Category = "permission"
	CategoryRateLimit        Category = "rate_limit"
	CategoryTransientNetwork Category = "transient_network"
	CategoryTransientDB      Category = "transient_db"
	CategoryData             Category = "data"
	CategorySchema           Category = "schema"
	CategoryInternal         Category = "internal"
)

// Retryable reports whether trying again may help.
func (c Category) Retryable() bool {
	return c == CategoryRateLimit || c == CategoryTransientNetwork || c == CategoryTransientDB
}

// CommitState says what a failed destination left behind.
type CommitState string

// The commit states. A stream whose commit is unknown is never retried: that
// could double its rows.
const (
	CommitNone    CommitState = ""        // nothing of the stream is visible
	CommitUnknown CommitState = "unknown" // the answer to COMMIT was lost
)

// Error is a failure a guest describes: what went wrong, where, and how to
// mend it. It never holds a secret.
type Error struct {
	Category    Category    `json:"category"`
	Message     string      `json:"message"`                // what and where, lower case, one line
	Hint        string      `json:"hint,omitempty"`         // how to mend it
	Detail      string      `json:"detail,omitempty"`       // the server's own detail
	Code        string      `json:"code,omitempty"`         // SQLSTATE
	Field       string      `json:"field,omitempty"`        // the config key at fault
	Column      string      `json:"column,omitempty"`       // the column at fault
	CommitState CommitState `json:"commit_state,omitempty"` //
}

// Error returns the message with its code, detail and hint.
func (e *Error) Error() string {
	s := e.Message
	if e.Code != "" {
		s += " (SQLSTATE " + e.Code + ")"
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}
