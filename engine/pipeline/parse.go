package pipeline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/processors"
)

// Load reads and parses the file at path. A nil lookup means the process's
// environment. Its errors are those of [Parse], or one that says why the file
// cannot be read.
func Load(path string, lookup func(string) (string, bool)) (*Pipeline, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", unreadable(err))
	}
	defer f.Close()

	// One byte more than a file may have: Parse says so if it is there.
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", unreadable(err))
	}
	return Parse(path, data, lookup)
}

func unreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; name the file that describes the pipeline, such as testdata/pipelines/bench_pg.yaml", err)
	}
	return err
}

// Parse parses and validates one pipeline. file is for messages and may be
// empty; data is not kept. lookup gives the variables their values; nil means
// the process's environment. The error is an [Errors] with every problem found.
func Parse(file string, data []byte, lookup func(string) (string, bool)) (*Pipeline, error) {
	if lookup == nil {
		lookup = os.LookupEnv
	}
	t := &tree{file: file, lookup: lookup, positions: make(map[string]Position), variables: make(map[string]string), anchors: make(map[string]*node)}
	p := &Pipeline{File: file, positions: t.positions, variables: t.variables}
	if root := t.read(data); root != nil {
		t.pipeline(p, root)
	}

	if len(t.errs) > 0 {
		t.errs.sort()
		return nil, t.errs
	}
	return p, nil
}

// From here on the file's keys, in the order they are usually written. This is
// the whole language.

func (t *tree) pipeline(p *Pipeline, root *node) {
	o := t.object(root, "", "version", "pipeline", "source", "transforms", "destination", "state", "resources")
	if o == nil {
		return
	}

	p.Version = o.version("version")
	p.Name = o.name("pipeline")
	t.source(&p.Source, o.object("source", required, "use", "strict", "config", "streams"))
	for i, item := range o.list("transforms", optional) {
		p.Transforms = append(p.Transforms, t.transform(item, fmt.Sprintf("transforms[%d]", i)))
	}
	t.destination(&p.Destination, o.object("destination", required,
		"use", "strict", "config", "write_mode", "primary_key", "on_data_error"))
	t.state(&p.State, o.object("state", optional, "backend", "connection"))
	t.resources(&p.Resources, o.object("resources", optional, "max_memory", "max_batch_bytes", "parallelism",
		"checkpoint_interval_bytes", "checkpoint_interval_rows", "checkpoint_interval_seconds",
		"max_retries", "compression", "max_inflight_batches"))
}

func (t *tree) source(s *Source, o *object) {
	if o == nil {
		return
	}
	s.Use = o.ref("use")
	s.Strict = o.flag("strict")
	s.Config = o.config("config", required)

	seen := make(map[string]int)
	items := o.list("streams", required)
	for i, item := range items {
		s.Streams = append(s.Streams, t.stream(item, fmt.Sprintf("%s[%d]", o.at("streams"), i), seen, i))
	}
	if n := o.find("streams"); n != nil && n.kind == kindList && len(items) == 0 {
		o.errorf("streams", "%s: want at least one stream", o.at("streams"))
	}
}

func (t *tree) stream(n *node, path string, seen map[string]int, index int) Stream {
	o := t.object(n, path, "name", "sync_mode", "partition_key", "cursor_field")
	if o == nil {
		return Stream{}
	}

	s := Stream{Name: o.name("name")}
	s.SyncMode = o.choice("sync_mode", "", []string{"full_refresh"}, []string{"incremental", "cdc"})
	s.PartitionKey = o.text("partition_key", "")
	if o.find("cursor_field") != nil {
		o.errorf("cursor_field", `%s: belongs to sync_mode "incremental", which is not supported yet; remove it`, o.at("cursor_field"))
	}
	if s.Name != "" {
		if first, twice := seen[s.Name]; twice {
			o.errorf("name", "%s: stream %s is source.streams[%d] already", o.at("name"), o.shown("name"), first)
		} else {
			seen[s.Name] = index
		}
	}
	return s
}

func (t *tree) transform(n *node, path string) Transform {
	o := t.object(n, path, "use", "strict", "config")
	if o == nil {
		return Transform{}
	}
	return Transform{Use: o.ref("use"), Strict: o.flag("strict"), Config: o.config("config", optional)}
}

func (t *tree) destination(d *Destination, o *object) {
	if o == nil {
		return
	}
	d.Use = o.ref("use")
	d.Strict = o.flag("strict")
	d.Config = o.config("config", required)
	d.WriteMode = o.choice("write_mode", "", []string{"append", "replace"}, []string{"upsert"})
	d.OnDataError = o.choice("on_data_error", defaultOnDataError, []string{"fail"}, []string{"skip", "dlq"})

	seen := make(map[string]bool)
	for i, item := range o.list("primary_key", optional) {
		path := fmt.Sprintf("%s[%d]", o.at("primary_key"), i)
		column, ok := t.nameOf(item, path)
		if !ok {
			continue
		}
		if seen[column] {
			t.errorf(item.pos, path, "%s: column %s appears twice", path, shown(item))
		}
		seen[column] = true
		d.PrimaryKey = append(d.PrimaryKey, column)
	}
}

func (t *tree) state(s *State, o *object) {
	s.Backend = o.choice("backend", defaultBackend, []string{"sqlite"}, []string{"postgres"})
	s.Connection = o.text("connection", DefaultConnection)
	if s.Connection == "" {
		return
	}

	path, err := ExpandHome(s.Connection)
	if err != nil {
		// Where the key is left out the fault is the default's, which needs a home.
		o.errorf("connection", "state.connection: %v; give a file by its full name", err)
	}
	s.Connection = path
}

// ExpandHome returns path with a leading ~ replaced by the user's home directory.
func ExpandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest != "" && rest[0] != '/' {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no home directory for ~ (%w)", err)
	}
	return filepath.Join(home, rest), nil
}

func (t *tree) resources(r *Resources, o *object) {
	parallelism, auto := o.numberOr("auto", "parallelism", defaultParallelism, 1, maxParallelism)
	if auto {
		parallelism = int64(min(processors.Own(), maxAutoParallelism))
	}
	r.Parallelism, r.AutoParallelism = int(parallelism), auto

	r.MaxMemory = o.size("max_memory", defaultPairMemory*(parallelism+1), minMaxMemory, maxMaxMemory)
	r.MaxBatchBytes = o.size("max_batch_bytes", min(defaultMaxBatch, r.MaxMemory/maxBatchShare), minMaxBatch, maxMaxBatch)
	if r.MaxBatchBytes > r.MaxMemory/maxBatchShare {
		o.errorf("max_batch_bytes", "resources.max_batch_bytes: want at most a quarter of max_memory (%s); a batch exists in several places at once", sizeText(r.MaxMemory))
	}

	r.CheckpointBytes = o.size("checkpoint_interval_bytes", defaultCheckpointBytes, 0, maxCheckpointBytes)
	r.CheckpointRows = o.number("checkpoint_interval_rows", defaultCheckpointRows, 0, maxCheckpointRows)
	seconds := o.number("checkpoint_interval_seconds", int64(defaultCheckpointInterval/time.Second), 0, maxCheckpointSeconds)
	r.CheckpointInterval = time.Duration(seconds) * time.Second

	r.MaxRetries = int(o.number("max_retries", defaultMaxRetries, 0, maxMaxRetries))
	r.Compression = o.choice("compression", defaultCompression, []string{"none", "lz4", "zstd"}, nil)
	r.MaxInflightBatches = int(o.number("max_inflight_batches", defaultMaxInflight, 1, maxMaxInflight))
	if o.find("max_inflight_batches") == nil {
		r.MaxInflightBytes = defaultMaxInflightBytes
	}
}

// nameOf reads a name: text with something in it, on one line.
func (t *tree) nameOf(n *node, path string) (string, bool) {
	text, ok := t.textOf(n, path)
	switch {
	case !ok:
		return "", false
	case strings.TrimSpace(text) == "":
		t.errorf(n.pos, path, "%s: must not be empty", path)
		return "", false
	case strings.ContainsFunc(text, unicode.IsControl):
		t.errorf(n.pos, path, "%s: must be one line without control characters", path)
		return "", false
	}
	return text, true
}
