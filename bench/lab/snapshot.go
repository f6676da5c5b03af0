package lab

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"
)

// snapshot is the state of every counter at one moment. Only differences mean
// anything.
type snapshot struct {
	host hostCounters
	heap heapCounters
	wal  int64 // bytes of write-ahead log since the server was made
	redo int64 // where recovery would start: moves with every checkpoint
	// table is the bytes of the destination's table, long values that the server
	// keeps apart included; 0 if there is none.
	table int64
}

// hostCounters is what the operating system counts. Counters it does not have
// stay zero.
type hostCounters struct {
	cpu         time.Duration // user and system time of this process and its ended children
	involuntary int64         // context switches nobody asked for
	majorFaults int64         // page faults that waited for a disk
	steal       time.Duration // time other virtual machines took, all processors together
	throttled   int64         // periods in which the control group's limit stopped us
	stallCPU    time.Duration // pressure: some task waited for a processor
	stallIO     time.Duration // pressure: some task waited for a disk
}

// heapCounters is what the Go runtime counts.
type heapCounters struct {
	objects, bytes int64
	gcCPU          time.Duration
	gcCycles       int64
}

func readHeap() heapCounters {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	return heapCounters{
		objects:  int64(samples[0].Value.Uint64()),
		bytes:    int64(samples[1].Value.Uint64()),
		gcCPU:    time.Duration(samples[2].Value.Float64() * 1e9),
		gcCycles: int64(samples[3].Value.Uint64()),
	}
}

// before reads the counters, the ones that cost most first: what reading them
// uses must not count.
func before(ctx context.Context, source *Source) (snapshot, error) {
	var s snapshot
	if err := s.readServer(ctx, source); err != nil {
		return s, err
	}
	s.heap = readHeap()
	s.host = readHost()
	return s, nil
}

// after reads the counters in the opposite order. Those of this process were
// taken by the caller the moment the run ended.
func after(ctx context.Context, source *Source, host hostCounters, heap heapCounters) (snapshot, error) {
	s := snapshot{host: host, heap: heap}
	err := s.readServer(ctx, source)
	return s, err
}

func (s *snapshot) readServer(ctx context.Context, source *Source) error {
	err := source.conn.QueryRow(ctx, `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8,
		pg_wal_lsn_diff(redo_lsn, '0/0')::int8, coalesce(pg_relation_size(c.oid), 0) + coalesce(pg_relation_size(c.reltoastrelid), 0)
		FROM pg_control_checkpoint() LEFT JOIN pg_class c ON c.oid = to_regclass($1)`, source.dest()).Scan(&s.wal, &s.redo, &s.table)
	if err != nil {
		return fmt.Errorf("lab: read the server's counters: %w", err)
	}
	return nil
}

// Disturbances is what the surroundings did during one run. What the system does
// not count is zero.
type Disturbances struct {
	Steal       int64 `json:"steal_ns"`             // taken by other virtual machines, all processors together
	Throttled   int64 `json:"throttled"`            // periods in which the control group's limit stopped us
	StallCPU    int64 `json:"psi_cpu_ns"`           // some task waited for a processor; our own count too
	StallIO     int64 `json:"psi_io_ns"`            // some task waited for a disk
	Involuntary int64 `json:"involuntary_switches"` // of this process
	MajorFaults int64 `json:"major_faults"`         // of this process
	Checkpoint  bool  `json:"checkpoint"`           // the server made one
}

// between returns the Disturbances from a to b.
func between(a, b snapshot) Disturbances {
	return Disturbances{
		Steal:       int64(b.host.steal - a.host.steal),
		Throttled:   b.host.throttled - a.host.throttled,
		StallCPU:    int64(b.host.stallCPU - a.host.stallCPU),
		StallIO:     int64(b.host.stallIO - a.host.stallIO),
		Involuntary: b.host.involuntary - a.host.involuntary,
		MajorFaults: b.host.majorFaults - a.host.majorFaults,
		Checkpoint:  a.redo != b.redo,
	}
}

// contamination returns why a run of the given length should not be believed;
// nothing if it can. The limits are on what did not come from the run itself.
func (d Disturbances) contamination(wall time.Duration) []string {
	var reasons []string
	if d.Checkpoint {
		reasons = append(reasons, "checkpoint")
	}
	// Steal is counted in ticks of 10 ms, so one tick in a short run says little:
	// it takes two, and more than 2 % of the run.
	if d.Steal > 2*int64(clockTick) && d.Steal > int64(wall)/50 {
		reasons = append(reasons, "steal")
	}
	if d.Throttled > 0 {
		reasons = append(reasons, "throttled")
	}
	if d.StallIO > int64(wall)/10 {
		reasons = append(reasons, "io-pressure")
	}
	if d.MajorFaults > 16 {
		reasons = append(reasons, "page-faults")
	}
	return reasons
}

// clockTick is the resolution of times in the proc file system: USER_HZ is 100
// on every Linux.
const clockTick = 10 * time.Millisecond
