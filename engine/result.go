package engine

import (
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Result is what a run did and where its time went. [Metrics] lists every
// number that can be read from it.
type Result struct {
	Pipeline    string
	Runtime     Runtime
	Compression string // "none", "lz4", "zstd"
	LoadMethod  string // the destination's load_method; empty if it has none
	Duration    time.Duration
	CPU         time.Duration // user and system time of this process meanwhile; 0 where the system does not tell
	Retries     int
	Streams     []StreamResult // in the order of the pipeline
	Stages      []StageResult  // in the order rows pass them
	// PeakGuestMemory is the most linear memory the guests had together, in bytes.
	PeakGuestMemory int64
}

// StreamResult is one stream of a run. Its numbers are those of the attempt
// that was committed; zero before.
type StreamResult struct {
	Name         string
	RowsRead     int64 // emitted by the source
	RowsWritten  int64 // confirmed by the destination's server
	BytesRead    int64 // Arrow IPC bytes the source emitted
	BytesWritten int64 // Arrow IPC bytes the destination was given
	Committed    bool
	// Partitions is what it was moved in: one for a stream moved whole. Nil
	// before it is committed.
	Partitions []PartitionResult
}

// PartitionResult is one partition of a committed stream.
type PartitionResult struct {
	Rows     int64         // confirmed by the destination's server
	Duration time.Duration // from its start to its end, tries that failed included; 0 for a stream moved whole
}

// skew returns the rows of the largest partition over their mean; 1 for a stream
// without rows.
func (s *StreamResult) skew() float64 {
	var most, sum int64
	for _, p := range s.Partitions {
		most, sum = max(most, p.Rows), sum+p.Rows
	}
	if sum == 0 {
		return 1
	}
	return float64(most) * float64(len(s.Partitions)) / float64(sum)
}

// StageResult is one stage of a run, all attempts together. Where a stream was
// moved in partitions the counters and the guest's metrics are those of all of
// them together, and the ledger is that of the one that took longest.
type StageResult struct {
	Name        string // "source", "transform-1", "destination"
	Role        abi.Role
	Connector   string
	Load        Load // of the first attempt
	Ledger      hostfuncs.Ledger
	Counters    hostfuncs.Counters
	Metrics     map[string]int64 // the guest's own
	GuestMemory int64            // bytes of linear memory at the end; 0 for a native guest
}

func newResult(e *Engine, p *plan) *Result {
	r := &Result{
		Pipeline:    p.pipeline.Name,
		Runtime:     e.opt.Runtime,
		Compression: p.codec.String(),
	}
	for _, s := range p.pipeline.Source.Streams {
		r.Streams = append(r.Streams, StreamResult{Name: s.Name})
	}
	for _, s := range p.stages {
		r.Stages = append(r.Stages, StageResult{
			Name: s.name, Role: s.role, Connector: s.connector, Metrics: make(map[string]int64),
		})
		if method, ok := s.config["load_method"].(string); ok && s.role == abi.RoleDestination {
			r.LoadMethod = method
		}
	}
	return r
}

// add books an attempt of a stage.
func (s *StageResult) add(attempt *StageResult) {
	if s.Load.Source == "" {
		s.Load = attempt.Load
	}
	s.Ledger.Add(&attempt.Ledger)
	s.Counters.Add(&attempt.Counters)
	for name, n := range attempt.Metrics {
		s.Metrics[name] += n
	}
	s.GuestMemory = max(s.GuestMemory, attempt.GuestMemory)
}

// stage returns the stage with the given role, or an empty one. There is at
// most one source and one destination.
func (r *Result) stage(role abi.Role) *StageResult {
	for i := range r.Stages {
		if r.Stages[i].Role == role {
			return &r.Stages[i]
		}
	}
	return &StageResult{}
}

// transforms returns the transform stages.
func (r *Result) transforms() []StageResult {
	var list []StageResult
	for _, s := range r.Stages {
		if s.Role == abi.RoleTransform {
			list = append(list, s)
		}
	}
	return list
}

// sum adds up what get returns for every stream.
func (r *Result) sum(get func(*StreamResult) int64) float64 {
	var n int64
	for i := range r.Streams {
		n += get(&r.Streams[i])
	}
	return float64(n)
}

// total adds up what get returns for every stage.
func (r *Result) total(get func(*StageResult) int64) float64 {
	var n int64
	for i := range r.Stages {
		n += get(&r.Stages[i])
	}
	return float64(n)
}
