package engine

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
)

// WriteText writes the breakdown of a completed run for people.
func (r *Result) WriteText(w io.Writer) error {
	var b bytes.Buffer
	line := func(indent int, label, format string, args ...any) {
		pad := strings.Repeat(" ", indent)
		fmt.Fprintf(&b, "%s%-*s%s\n", pad, 22-indent, label+":", fmt.Sprintf(format, args...))
	}
	get := func(key string) float64 { return metric(key).Get(r) }

	rows := get("records_read")
	fmt.Fprintf(&b, "Pipeline '%s' completed successfully.\n", r.Pipeline)
	line(2, "Records read", "%.0f", rows)
	line(2, "Records written", "%.0f", get("records_written"))
	line(2, "Bytes read", "%s", size(get("bytes_read")))
	line(2, "Bytes written", "%s", size(get("bytes_written")))
	line(2, "Avg row size", "%.0f B", ratio(get("bytes_read"), rows))
	line(2, "Duration", "%s", secs(get("duration_secs")))
	line(2, "Throughput", "%.0f rows/sec, %.2f MB/s", get("rows_per_sec"), get("mb_per_sec"))
	if r.CPU > 0 {
		line(2, "Client CPU", "%s, %s rows per CPU second", secs(get("cpu_secs")), humanize.SIWithDigits(get("rows_per_cpu_sec"), 2, ""))
	}
	if n := get("partition_count"); n > 1 {
		line(2, "Partitions", "%.0f, the largest %.2f times their mean", n, get("partition_skew"))
	}
	if r.Retries > 0 {
		line(2, "Retries", "%d", r.Retries)
	}

	// Each side as a tree: shares under what they are shares of.
	for _, key := range []string{"source_duration_secs", "dest_duration_secs"} {
		r.writeShares(line, key, 2)
	}
	if n := len(r.transforms()); n > 0 {
		line(2, "Transforms", "%d, %s", n, secs(get("transform_duration_secs")))
	}

	line(2, "Host emit_batch", "%s (%.0f calls)", secs(get("source_emit_nanos")/1e9), get("source_emit_count"))
	line(2, "Host next_batch", "%s (%.0f calls)", secs(get("dest_recv_nanos")/1e9), get("dest_recv_count"))
	if r.Compression != "none" {
		// Both of all attempts, unlike bytes_read.
		line(2, "Compression", "%s, %s on the channel (%.2fx)", r.Compression, size(get("channel_bytes")),
			ratio(float64(source(r).Counters.OutBytes), get("channel_bytes")))
	}
	line(2, "Source load", "%.0fms (%s)", get("source_module_load_ms"), source(r).Load.Source)
	line(2, "Dest load", "%.0fms (%s)", get("dest_module_load_ms"), dest(r).Load.Source)
	_, err := w.Write(b.Bytes())
	return err
}

// writeShares writes a metric and, below it, the shares it divides into; those
// that are nothing are left out.
func (r *Result) writeShares(line func(int, string, string, ...any), key string, indent int) {
	m := metric(key)
	v := m.Get(r)
	if v == 0 {
		return
	}
	line(indent, m.Label, "%s", secs(v))
	for _, child := range Metrics() {
		if child.Parent == key {
			r.writeShares(line, child.Key, indent+2)
		}
	}
}

// metric returns the table's entry for key. The keys in this file are the
// table's, which a test holds true.
func metric(key string) *Metric {
	for i := range table {
		if table[i].Key == key {
			return &table[i]
		}
	}
	panic("engine: no metric " + key)
}

func secs(s float64) string {
	return fmt.Sprintf("%.3fs", s)
}

func size(n float64) string {
	if n < 1024 {
		return fmt.Sprintf("%.0f B", n)
	}
	return strings.Replace(humanize.IBytes(uint64(n)), "iB", "B", 1)
}
