package engine

import (
	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Unit is the unit of a metric's value.
type Unit string

// The units.
const (
	Seconds Unit = "s"
	Millis  Unit = "ms"
	Nanos   Unit = "ns"
	Bytes   Unit = "B"
	Count   Unit = "count"
	PerSec  Unit = "1/s"
	MiBps   Unit = "MiB/s"
	Ratio   Unit = "ratio"
)

// Metric is one number of a [Result]. The table of metrics is the only place
// that says what is measured: the text breakdown, the JSON line, the benchmark
// metrics and the stored results all come from it.
type Metric struct {
	Key    string // the JSON key; stable
	Label  string // for people
	Unit   Unit
	Better string // "lower", "higher", or "" where neither is
	// Parent is the key of the metric this one is a share of. The shares of a
	// parent add up to it; metrics without a parent stand for themselves.
	Parent string
	// Bench is the unit in benchmark output, such as "source-ns/op" or
	// "wire-B/row"; empty if a benchmark does not report it.
	Bench string
	// Exact says that the value counts work and does not vary from run to run.
	Exact bool
	// Get returns the value in Unit.
	Get func(*Result) float64
	// Each is set instead where the value is a list with one entry per stage.
	Each func(*Result) []float64
}

// BenchValue returns the metric of one run as a benchmark reports it: times in
// nanoseconds, per-row units divided by the rows read.
func (m *Metric) BenchValue(r *Result) float64 {
	v := m.Get(r)
	switch m.Unit {
	case Seconds:
		v *= 1e9
	case Millis:
		v *= 1e6
	}
	if len(m.Bench) > 4 && m.Bench[len(m.Bench)-4:] == "/row" {
		rows := recordsRead(r)
		if rows == 0 {
			return 0
		}
		v /= rows
	}
	return v
}

// Metrics returns the table, seed keys first within each group. The meaning of
// a key that the original got wrong is the one its label says:
//
//   - dest_flush_secs is waiting for the server while writing, nothing else;
//   - dest_recv_secs is the whole of next_batch, and dest_stall_secs the part
//     of it that waited for the source;
//   - wasm_overhead_secs is the destination's guest and host functions: what a
//     destination without a sandbox would do, too, plus the sandbox's price;
//   - source_fetch_secs leaves out compression and waiting for the destination;
//   - records_written is what the server confirmed.
func Metrics() []Metric { return table }

var table = []Metric{
	{Key: "records_read", Label: "Records read", Unit: Count, Get: recordsRead},
	{Key: "records_written", Label: "Records written", Unit: Count,
		Get: func(r *Result) float64 { return r.sum(func(s *StreamResult) int64 { return s.RowsWritten }) }},
	{Key: "bytes_read", Label: "Bytes read", Unit: Bytes, Bench: "arrow-B/row", Better: "lower", Exact: true, Get: bytesRead},
	{Key: "bytes_written", Label: "Bytes written", Unit: Bytes,
		Get: func(r *Result) float64 { return r.sum(func(s *StreamResult) int64 { return s.BytesWritten }) }},
	{Key: "duration_secs", Label: "Duration", Unit: Seconds, Better: "lower", Get: duration},
	{Key: "rows_per_sec", Label: "Rows per second", Unit: PerSec, Better: "higher", Bench: "rows/s",
		Get: func(r *Result) float64 { return ratio(recordsRead(r), duration(r)) }},
	{Key: "mb_per_sec", Label: "MiB per second", Unit: MiBps, Better: "higher",
		Get: func(r *Result) float64 { return ratio(bytesRead(r)/(1<<20), duration(r)) }},
	{Key: "cpu_secs", Label: "Client CPU", Unit: Seconds, Better: "lower",
		Get: func(r *Result) float64 { return r.CPU.Seconds() }},
	{Key: "rows_per_cpu_sec", Label: "Rows per client CPU second", Unit: PerSec, Better: "higher",
		Get: func(r *Result) float64 { return ratio(recordsRead(r), r.CPU.Seconds()) }},

	// The source: its shares add up to source_duration_secs.
	{Key: "source_duration_secs", Label: "Source duration", Unit: Seconds, Better: "lower", Bench: "source-ns/op", Get: wall(source)},
	share("source_load_secs", "Module load", "source_duration_secs", "", source, hostfuncs.BucketLoad),
	share("source_setup_secs", "VM setup", "source_duration_secs", "source-setup-ns/op", source, hostfuncs.BucketSetup),
	share("source_connect_secs", "Connect", "source_duration_secs", "source-connect-ns/op", source, hostfuncs.BucketConnect),
	share("source_query_secs", "Query", "source_duration_secs", "source-query-ns/op", source, hostfuncs.BucketQuery),
	share("source_fetch_secs", "Fetch", "source_duration_secs", "source-fetch-ns/op", source,
		hostfuncs.BucketFetchWait, hostfuncs.BucketGuest, hostfuncs.BucketCopy),
	share("source_fetch_wait_secs", "Wait for rows", "source_fetch_secs", "source-wait-ns/op", source, hostfuncs.BucketFetchWait),
	share("source_guest_secs", "Guest", "source_fetch_secs", "source-guest-ns/op", source, hostfuncs.BucketGuest),
	share("source_copy_secs", "Host functions", "source_fetch_secs", "source-copy-ns/op", source, hostfuncs.BucketCopy),
	share("source_compress_secs", "Compress", "source_duration_secs", "compress-ns/op", source, hostfuncs.BucketCompress),
	share("source_stall_secs", "Wait for dest", "source_duration_secs", "source-stall-ns/op", source, hostfuncs.BucketDownstream),
	share("source_other_secs", "Other", "source_duration_secs", "", source, hostfuncs.BucketCommit, hostfuncs.BucketFlush,
		hostfuncs.BucketDecompress, hostfuncs.BucketUpstream),

	// The destination: its shares add up to dest_duration_secs.
	{Key: "dest_duration_secs", Label: "Dest duration", Unit: Seconds, Better: "lower", Bench: "dest-ns/op", Get: wall(dest)},
	share("dest_load_secs", "Module load", "dest_duration_secs", "", dest, hostfuncs.BucketLoad),
	share("dest_vm_setup_secs", "VM setup", "dest_duration_secs", "dest-setup-ns/op", dest, hostfuncs.BucketSetup),
	share("dest_connect_secs", "Connect", "dest_duration_secs", "dest-connect-ns/op", dest, hostfuncs.BucketConnect),
	share("dest_query_secs", "Create table", "dest_duration_secs", "dest-query-ns/op", dest, hostfuncs.BucketQuery),
	share("dest_stall_secs", "Wait for source", "dest_duration_secs", "dest-stall-ns/op", dest, hostfuncs.BucketUpstream),
	share("dest_decompress_secs", "Decompress", "dest_duration_secs", "decompress-ns/op", dest, hostfuncs.BucketDecompress),
	share("dest_flush_secs", "Flush", "dest_duration_secs", "dest-flush-ns/op", dest, hostfuncs.BucketFlush, hostfuncs.BucketFetchWait),
	share("dest_commit_secs", "Commit", "dest_duration_secs", "dest-commit-ns/op", dest, hostfuncs.BucketCommit,
		hostfuncs.BucketCompress, hostfuncs.BucketDownstream),
	share("wasm_overhead_secs", "WASM overhead", "dest_duration_secs", "guest-ns/op", dest, hostfuncs.BucketGuest, hostfuncs.BucketCopy),
	share("dest_guest_secs", "Guest", "wasm_overhead_secs", "dest-guest-ns/op", dest, hostfuncs.BucketGuest),
	share("dest_copy_secs", "Host functions", "wasm_overhead_secs", "dest-copy-ns/op", dest, hostfuncs.BucketCopy),
	{Key: "dest_recv_secs", Label: "Recv loop", Unit: Seconds, Better: "lower", Bench: "dest-recv-ns/op",
		Get: func(r *Result) float64 { return dest(r).Counters.NextTime.Seconds() }},

	// Module loads, and the host functions by themselves.
	{Key: "source_module_load_ms", Label: "Source load", Unit: Millis, Better: "lower", Bench: "source-load-ns/op", Get: loadMillis(source)},
	{Key: "dest_module_load_ms", Label: "Dest load", Unit: Millis, Better: "lower", Bench: "dest-load-ns/op", Get: loadMillis(dest)},
	{Key: "source_emit_nanos", Label: "Host emit_batch", Unit: Nanos, Better: "lower", Bench: "emit-ns/op",
		Get: func(r *Result) float64 { return float64(source(r).Counters.EmitTime) }},
	{Key: "source_compress_nanos", Label: "Compress", Unit: Nanos, Better: "lower",
		Get: func(r *Result) float64 { return float64(source(r).Ledger[hostfuncs.BucketCompress]) }},
	{Key: "source_emit_count", Label: "emit_batch calls", Unit: Count,
		Get: func(r *Result) float64 { return float64(source(r).Counters.EmitCalls) }},
	{Key: "dest_recv_nanos", Label: "Host next_batch", Unit: Nanos, Better: "lower", Bench: "next-ns/op",
		Get: func(r *Result) float64 { return float64(dest(r).Counters.NextTime) }},
	{Key: "dest_decompress_nanos", Label: "Decompress", Unit: Nanos, Better: "lower",
		Get: func(r *Result) float64 { return float64(dest(r).Ledger[hostfuncs.BucketDecompress]) }},
	{Key: "dest_recv_count", Label: "next_batch calls", Unit: Count,
		Get: func(r *Result) float64 { return float64(dest(r).Counters.NextCalls) }},

	// Transforms, partitions and retries.
	{Key: "transform_count", Label: "Transforms", Unit: Count,
		Get: func(r *Result) float64 { return float64(len(r.transforms())) }},
	{Key: "transform_duration_secs", Label: "Transform duration", Unit: Seconds, Better: "lower", Bench: "transform-ns/op",
		Get: func(r *Result) float64 {
			return float64(r.total(func(s *StageResult) int64 {
				if s.Role == abi.RoleTransform {
					return int64(s.Ledger.Wall())
				}
				return 0
			})) / 1e9
		}},
	{Key: "transform_module_load_ms", Label: "Transform load", Unit: Millis,
		Each: func(r *Result) []float64 {
			list := []float64{}
			for _, t := range r.transforms() {
				list = append(list, t.Load.Duration.Seconds()*1e3)
			}
			return list
		}},
	{Key: "partition_count", Label: "Partitions", Unit: Count, // of the stream that has most
		Get: func(r *Result) float64 {
			most := 1
			for i := range r.Streams {
				most = max(most, len(r.Streams[i].Partitions))
			}
			return float64(most)
		}},
	{Key: "partition_skew", Label: "Largest partition over their mean", Unit: Ratio, Better: "lower",
		Get: func(r *Result) float64 {
			most := 1.0
			for i := range r.Streams {
				most = max(most, r.Streams[i].skew())
			}
			return most
		}},
	{Key: "retry_count", Label: "Retries", Unit: Count, Better: "lower", Bench: "retries/op", Exact: true,
		Get: func(r *Result) float64 { return float64(r.Retries) }},

	// Work, counted.
	{Key: "batch_count", Label: "Batches", Unit: Count, Better: "lower", Bench: "batches/op", Exact: true,
		Get: func(r *Result) float64 { return float64(source(r).Counters.Batches) }},
	{Key: "channel_bytes", Label: "Channel bytes", Unit: Bytes, Better: "lower", Bench: "wire-B/row", Exact: true,
		Get: func(r *Result) float64 { return float64(source(r).Counters.OutFrames) }},
	{Key: "host_calls", Label: "Host calls", Unit: Count, Better: "lower", Bench: "hostcalls/op",
		Get: func(r *Result) float64 { return r.total(func(s *StageResult) int64 { return s.Counters.HostCalls }) }},
	{Key: "source_conn_bytes", Label: "Bytes from the source server", Unit: Bytes, Better: "lower", Bench: "source-conn-B/row",
		Get: func(r *Result) float64 { return float64(source(r).Counters.ConnReadBytes) }},
	{Key: "dest_conn_bytes", Label: "Bytes to the dest server", Unit: Bytes, Better: "lower", Bench: "dest-conn-B/row", Exact: true,
		Get: func(r *Result) float64 { return float64(dest(r).Counters.ConnWriteBytes) }},
	{Key: "statement_count", Label: "Statements", Unit: Count, Better: "lower", Bench: "statements/op", Exact: true,
		Get: func(r *Result) float64 {
			return r.total(func(s *StageResult) int64 { return s.Metrics[abi.MetricStatements] })
		}},
	{Key: "round_trip_count", Label: "Round trips", Unit: Count, Better: "lower", Bench: "roundtrips/op", Exact: true,
		Get: func(r *Result) float64 {
			return r.total(func(s *StageResult) int64 { return s.Metrics[abi.MetricRoundTrips] })
		}},
	{Key: "guest_memory_bytes", Label: "Guest memory", Unit: Bytes, Better: "lower", Bench: "guest-mem-bytes",
		Get: func(r *Result) float64 { return float64(r.PeakGuestMemory) }},
}

// share is a metric whose value is the sum of some buckets of a stage.
func share(key, label, parent, bench string, stage func(*Result) *StageResult, buckets ...hostfuncs.Bucket) Metric {
	return Metric{
		Key: key, Label: label, Unit: Seconds, Better: "lower", Parent: parent, Bench: bench,
		Get: func(r *Result) float64 {
			var sum float64
			for _, b := range buckets {
				sum += stage(r).Ledger[b].Seconds()
			}
			return sum
		},
	}
}

func source(r *Result) *StageResult { return r.stage(abi.RoleSource) }

func dest(r *Result) *StageResult { return r.stage(abi.RoleDestination) }

func wall(stage func(*Result) *StageResult) func(*Result) float64 {
	return func(r *Result) float64 { return stage(r).Ledger.Wall().Seconds() }
}

func loadMillis(stage func(*Result) *StageResult) func(*Result) float64 {
	return func(r *Result) float64 { return stage(r).Load.Duration.Seconds() * 1e3 }
}

func duration(r *Result) float64 { return r.Duration.Seconds() }

func recordsRead(r *Result) float64 {
	return r.sum(func(s *StreamResult) int64 { return s.RowsRead })
}

func bytesRead(r *Result) float64 {
	return r.sum(func(s *StreamResult) int64 { return s.BytesRead })
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
