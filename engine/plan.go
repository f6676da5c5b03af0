package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// A batch is cut at this size. At 8192 rows or 1 MiB the columns of a batch and
// the bytes they come from stay in a core's cache, and what a batch costs (two
// crossings, a frame, a wake-up) is spread over many rows. Smaller batches pay
// that more often; larger ones miss the cache and hold the destination up.
const (
	batchRows  = 8192
	batchBytes = 1 << 20
)

// plan is a pipeline made ready to run: every connector found, every setting
// checked, every broker prepared. It holds secrets; its stages' requests do not.
type plan struct {
	pipeline *pipeline.Pipeline
	codec    frame.Codec
	stages   []stagePlan // in the order rows pass them

	partitions  int   // how many of a stream may be moved at the same time; 1: streams are moved whole
	guestMemory int64 // bytes the guests may have together
	linkBytes   int   // bytes of frames the links between two stages may hold, all partitions together
}

// stagePlan is one stage of a plan.
type stagePlan struct {
	role       abi.Role
	name       string // "source", "transform-1", "destination"
	connector  string
	strict     bool
	parallel   bool   // several instances may share a stream
	open       []byte // the OpenRequest as JSON
	brokerName string
	broker     broker.Broker
	config     map[string]any // the connector's own keys, defaults filled in
}

// plan checks everything that can be checked before a guest starts, and reports
// all problems at once.
func (e *Engine) plan(p *pipeline.Pipeline, withSource, withDest bool) (*plan, error) {
	pl := &plan{pipeline: p}
	var problems pipeline.Errors
	add := func(role abi.Role, name, path string, use pipeline.Ref, strict bool, config map[string]any) {
		s, errs := e.planStage(p, role, name, path, use, strict, config)
		problems = append(problems, errs...)
		pl.stages = append(pl.stages, s)
	}

	if withSource {
		add(abi.RoleSource, "source", "source", p.Source.Use, p.Source.Strict, p.Source.Config)
	}
	for i, t := range p.Transforms {
		add(abi.RoleTransform, fmt.Sprintf("transform-%d", i+1), fmt.Sprintf("transforms[%d]", i), t.Use, t.Strict, t.Config)
	}
	if withDest {
		d := p.Destination
		add(abi.RoleDestination, "destination", "destination", d.Use, d.Strict, d.Config)
	}
	if len(problems) > 0 {
		return nil, problems
	}

	var err error
	if pl.codec, err = frame.ParseCodec(p.Resources.Compression); err != nil {
		return nil, p.Errorf("resources.compression", "%v", err)
	}
	// A quarter of the memory is for frames in flight, shared by the links; the
	// rest is for the guests. Fixed shares cannot starve each other: frames that
	// waited for memory which a guest keeps would wait for ever.
	links := max(len(pl.stages)-1, 1)
	pl.linkBytes = max(int(p.Resources.MaxMemory/4)/links, 1)
	pl.guestMemory = p.Resources.MaxMemory - p.Resources.MaxMemory/4
	pl.partitions, err = partitionsOf(pl, withSource && withDest)
	if err != nil {
		return nil, err
	}
	return pl, nil
}

// partitionsOf returns how many partitions of a stream the plan's stages may move
// at the same time.
func partitionsOf(pl *plan, bothEnds bool) (int, error) {
	p := pl.pipeline
	want := p.Resources.Parallelism
	if want <= 1 || !bothEnds {
		return 1, nil
	}
	for _, s := range pl.stages {
		switch {
		case s.parallel:
		case p.Resources.AutoParallelism:
			return 1, nil
		default:
			return 0, p.Errorf("resources.parallelism", "resources.parallelism: connector %q of %s moves streams whole only; set it to 1, or to auto", s.connector, s.name)
		}
	}
	return want, nil
}

// runRequest returns the request to move a stream, or the partition that is named
// in the connector's own words, in batches of at most so many bytes.
func runRequest(p *pipeline.Pipeline, s pipeline.Stream, partition string, maxBatch int64) abi.RunRequest {
	r := p.Resources
	return abi.RunRequest{
		Stream:            s.Name,
		Partition:         partition,
		SyncMode:          s.SyncMode,
		WriteMode:         p.Destination.WriteMode,
		PrimaryKey:        append([]string{}, p.Destination.PrimaryKey...),
		BatchRows:         batchRows,
		BatchBytes:        min(batchBytes, maxBatch),
		MaxBatchBytes:     maxBatch,
		CheckpointBytes:   r.CheckpointBytes,
		CheckpointRows:    r.CheckpointRows,
		CheckpointSeconds: int64(r.CheckpointInterval.Seconds()),
	}
}

// planStage checks one stage against its connector's manifest.
func (e *Engine) planStage(p *pipeline.Pipeline, role abi.Role, name, path string, use pipeline.Ref, strict bool, config map[string]any) (stagePlan, pipeline.Errors) {
	s := stagePlan{role: role, name: name, connector: use.Name, strict: strict}
	m, err := e.manifest(use.Name)
	if err != nil {
		return s, pipeline.Errors{p.Errorf(path+".use", "%v", err)}
	}
	if m.Role != role {
		return s, pipeline.Errors{p.Errorf(path+".use", "connector %q is a %s and cannot be the %s", use.Name, m.Role, role)}
	}

	s.parallel = m.Parallel
	own, conn, problems := splitConfig(p, path+".config", m, config)
	if len(problems) > 0 {
		return s, problems
	}
	if m.Broker != "" {
		b, err := broker.New(m.Broker, conn)
		if err != nil {
			return s, pipeline.Errors{p.Errorf(path+".config", "%v", err)}
		}
		s.brokerName, s.broker = m.Broker, b
	}

	s.config = own
	s.open, err = json.Marshal(abi.OpenRequest{Pipeline: p.Name, Connector: use.Name, Role: role, Config: own})
	if err != nil {
		return s, pipeline.Errors{p.Errorf(path+".config", "%v", err)}
	}
	return s, nil
}

// splitConfig checks a connector's configuration and divides it: its own keys,
// with defaults, for the guest; the broker's keys, with the secrets and as they
// were given, for the host. The broker has its own order of where else to look.
func splitConfig(p *pipeline.Pipeline, path string, m *abi.Manifest, config map[string]any) (own, conn map[string]any, problems pipeline.Errors) {
	own, conn = make(map[string]any), make(map[string]any)
	fields := make(map[string]abi.ManifestField)
	isConn := make(map[string]bool)
	for _, f := range broker.Keys(m.Broker) {
		fields[f.Name], isConn[f.Name] = f, true
	}
	for _, f := range m.Config {
		fields[f.Name] = f
	}

	for _, key := range slices.Sorted(maps.Keys(config)) {
		f, ok := fields[key]
		if !ok {
			known := slices.Sorted(maps.Keys(fields))
			problems = append(problems, p.Errorf(path+"."+key, "unknown key %q for connector %s (it knows %s)", key, m.Name, strings.Join(known, ", ")))
			continue
		}
		text, _ := config[key].(string)
		value, problem := checkField(f, config[key], p.Written(path+"."+key, text))
		if problem != "" {
			problems = append(problems, p.Errorf(path+"."+key, "%s: %s", key, problem))
			continue
		}
		if isConn[key] {
			conn[key] = value
		} else {
			own[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		f := fields[key]
		switch _, given := config[key]; {
		case given:
		case f.Required:
			problems = append(problems, p.Errorf(path, "missing key %q: %s", key, f.Doc))
		case f.Default != nil && !isConn[key]:
			own[key] = f.Default
		}
	}
	return own, conn, problems
}

// checkField compares a value with its field. The problem shows the value of a
// field with a fixed set of values only, as the file has it: others may be secrets.
func checkField(f abi.ManifestField, value any, written string) (any, string) {
	switch f.Type {
	case "string":
		s, ok := value.(string)
		if !ok {
			return nil, fmt.Sprintf("want a string, have %s", kindOf(value))
		}
		if len(f.Enum) > 0 && !slices.Contains(f.Enum, s) {
			return nil, fmt.Sprintf("unknown value %q (use %s)", written, strings.Join(f.Enum, " or "))
		}
	case "int":
		switch n := value.(type) {
		case int64, int, uint64:
		case string:
			// A variable's value is always text; accept one that is a number.
			i, err := strconv.ParseInt(n, 10, 64)
			if err != nil {
				return nil, "want a whole number, have text that is none"
			}
			return i, ""
		default:
			return nil, fmt.Sprintf("want a whole number, have %s", kindOf(value))
		}
	case "bool":
		if text, ok := value.(string); ok && (text == "true" || text == "false") {
			return text == "true", "" // from a variable
		}
		if _, ok := value.(bool); !ok {
			return nil, fmt.Sprintf("want true or false, have %s", kindOf(value))
		}
	case "list":
		list, ok := value.([]any)
		if !ok {
			return nil, fmt.Sprintf("want a list, have %s", kindOf(value))
		}
		for _, v := range list {
			if _, ok := v.(string); !ok {
				return nil, fmt.Sprintf("want a list of strings, have %s in it", kindOf(v))
			}
		}
	}
	return value, ""
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case bool:
		return "true or false"
	case int, int64, uint64, float64:
		return "a number"
	case []any:
		return "a list"
	}
	return "a mapping"
}
