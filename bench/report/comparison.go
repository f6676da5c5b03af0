// Package report writes what people read: tables and pages from records of
// [github.com/rapidbyte-go/rapidbyte/bench/history], and pages about comparisons
// of [github.com/rapidbyte-go/rapidbyte/bench/compare].
package report

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

// line is one line of the comparison. The indentation of its label shows the
// timing hierarchy.
type line struct {
	label  string
	key    string // of the pipeline result; "" for the two throughputs
	higher bool   // more is better
	format func(float64) string
	amount func(*history.Record) (float64, bool) // moved, for a throughput; else nil
}

// comparison is the seed's table, top to bottom.
var comparison = []line{
	{label: "Total duration", key: "duration_secs"},
	{label: "Dest duration", key: "dest_duration_secs"},
	{label: "  Connect", key: "dest_connect_secs"},
	{label: "  Flush", key: "dest_flush_secs"},
	{label: "  Commit", key: "dest_commit_secs"},
	{label: "  VM setup", key: "dest_vm_setup_secs"},
	{label: "  Recv loop", key: "dest_recv_secs"},
	{label: "  WASM overhead", key: "wasm_overhead_secs"},
	{label: "Source duration", key: "source_duration_secs"},
	{label: "  Connect", key: "source_connect_secs"},
	{label: "  Query", key: "source_query_secs"},
	{label: "  Fetch", key: "source_fetch_secs"},
	{label: "Source module load (ms)", key: "source_module_load_ms", format: millis},
	{label: "Dest module load (ms)", key: "dest_module_load_ms", format: millis},
	{label: "Throughput (rows/s)", higher: true, format: thousands, amount: rowsRead},
	{label: "Throughput (MB/s)", higher: true, format: hundredths, amount: megabytesRead},
}

// Comparison writes the seed's report over the pipeline runs among records:
// averages of both load methods and how many times faster COPY is. Runs of
// other families are passed over. It is an error if either load method has no
// run, or if the runs were not all taken under the same conditions.
func Comparison(w io.Writer, records []*history.Record) error {
	inserts, copies, err := bothLoads(records, func(r *history.Record) string { return r.Mode })
	if err != nil {
		return err
	}

	// What was measured, then how often.
	var out strings.Builder
	rows := inserts[0].Rows
	bytes, _ := mean(inserts, line{key: "bytes_read"})
	fmt.Fprintf(&out, "  Dataset:     %d rows, %.2f MB (%.0f B/row)\n", rows, bytes/(1<<20), bytes/float64(rows))
	fmt.Fprintf(&out, "  Iterations:  %s\n\n", iterations(len(inserts), len(copies)))

	fmt.Fprintf(&out, "  %-23s  %10s  %10s  %10s\n", "Metric (avg)", "INSERT", "COPY", "Speedup")
	rule := strings.Repeat("-", 10)
	fmt.Fprintf(&out, "  %s  %s  %s  %s\n", strings.Repeat("-", 23), rule, rule, rule)
	for _, l := range comparison {
		insert, okInsert := mean(inserts, l)
		copied, okCopy := mean(copies, l)
		fmt.Fprintf(&out, "  %-23s  %10s  %10s  %10s\n", l.label,
			cell(l, insert, okInsert), cell(l, copied, okCopy), speedup(l, insert, copied, okInsert && okCopy))
	}
	_, err = io.WriteString(w, out.String())
	return err
}

// bothLoads returns the records whose load method is "insert" and those where it is "copy", passing over the others. It is
// an error if there are none of either, or if they were not all taken under the same conditions.
func bothLoads(records []*history.Record, load func(*history.Record) string) (inserts, copies []*history.Record, err error) {
	var first *history.Record
	for _, r := range records {
		method := load(r)
		if method != "insert" && method != "copy" {
			continue
		}
		if first == nil {
			first = r
		}
		switch {
		case r.Group() != first.Group():
			return nil, nil, fmt.Errorf("report: runs under different conditions cannot be averaged: %q and %q", first.Group(), r.Group())
		case r.Rows != first.Rows || r.Compression != first.Compression || r.Runtime != first.Runtime:
			return nil, nil, fmt.Errorf("report: one table takes one row count, compression and runtime; got %s and %s", first.Bench, r.Bench)
		case method == "insert":
			inserts = append(inserts, r)
		default:
			copies = append(copies, r)
		}
	}
	if len(inserts) == 0 || len(copies) == 0 {
		return nil, nil, errors.New("report: the comparison needs runs of both load methods, insert and copy")
	}
	return inserts, copies, nil
}

func iterations(inserts, copies int) string {
	if inserts == copies {
		return fmt.Sprintf("%d per mode", inserts)
	}
	return fmt.Sprintf("%d INSERT, %d COPY", inserts, copies)
}

// mean returns the average over the records that have the value. A throughput
// is all that was moved over all the time it took.
func mean(records []*history.Record, l line) (float64, bool) {
	var sum, over float64
	for _, r := range records {
		weight, amount := 1.0, l.amount
		if amount == nil {
			amount = func(r *history.Record) (float64, bool) { return r.Value(l.key) }
		} else {
			weight, _ = r.Value("duration_secs")
		}
		if v, ok := amount(r); ok {
			sum += v
			over += weight
		}
	}
	return sum / over, over > 0
}

func cell(l line, v float64, ok bool) string {
	switch {
	case !ok:
		return "-"
	case l.format != nil:
		return l.format(v)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// speedup says how many times better COPY is; "-" where that means nothing.
func speedup(l line, insert, copied float64, ok bool) string {
	ratio := insert / copied
	if l.higher {
		ratio = copied / insert
	}
	if !ok || math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return "-"
	}
	return strconv.FormatFloat(ratio, 'f', 1, 64) + "x"
}

func rowsRead(r *history.Record) (float64, bool) { return float64(r.Rows), true }

// megabytesRead counts the seed's megabytes of 1024 x 1024 bytes.
func megabytesRead(r *history.Record) (float64, bool) {
	bytes, ok := r.Value("bytes_read")
	return bytes / (1 << 20), ok
}

func millis(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

func hundredths(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// thousands writes a whole number with commas: 11,236.
func thousands(v float64) string {
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
