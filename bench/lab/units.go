package lab

import (
	"slices"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

// Unit is one kind of number a benchmark reports. Its name is what stands
// behind the number, in the form that benchstat understands: times in ns,
// which it turns to seconds, and bytes as B or bytes, which get binary prefixes.
type Unit struct {
	Name    string
	Better  string // "lower", "higher"
	Exact   bool   // counts work: the same in every run, so one sample will do
	Default bool   // reported without BENCH_METRICS=all
	Doc     string
}

// Lines returns the metadata lines that tell readers about the unit; nothing
// for those that package testing and benchstat know by themselves.
func (u Unit) Lines() string {
	if slices.Contains([]string{"ns/op", "MB/s", "B/op", "allocs/op"}, u.Name) {
		return ""
	}
	s := "Unit " + u.Name + " better=" + u.Better
	if u.Exact {
		s += " assume=exact"
	}
	return s + "\n"
}

// ownUnits are measured around a run, from outside.
var ownUnits = []Unit{
	{Name: "ns/op", Better: "lower", Default: true, Doc: "wall time of one run"},
	{Name: "ns/row", Better: "lower", Default: true, Doc: "the same for one row: comparable across sizes"},
	{Name: "rows/s", Better: "higher", Default: true, Doc: "rows moved in a second"},
	{Name: "MB/s", Better: "higher", Default: true, Doc: "uncompressed Arrow bytes moved in a second"},
	{Name: "cpu-ns/op", Better: "lower", Default: true, Doc: "user and system time of this process and of what it started"},
	{Name: "rows/cpu-s", Better: "higher", Default: true, Doc: "rows moved in a second of that CPU time"},
	{Name: "pg-cpu-ns/op", Better: "lower", Doc: "CPU time of the server processes that served the run"},
	{Name: "wal-B/row", Better: "lower", Doc: "bytes of write-ahead log for one row"},
	{Name: "table-B/row", Better: "lower", Doc: "bytes of the destination's table for one row, which the server writes besides its log"},
	{Name: "B/op", Better: "lower", Default: true, Doc: "bytes allocated on this process's heap"},
	{Name: "allocs/op", Better: "lower", Default: true, Doc: "allocations on this process's heap"},
	{Name: "gc-cpu-ns/op", Better: "lower", Doc: "CPU time of this process's garbage collector"},
	{Name: "gc-cycles/op", Better: "lower", Doc: "collections of this process's heap"},
	{Name: "peak-RSS-bytes", Better: "lower", Default: true, Doc: "most resident memory of the process that moves the rows"},
	{Name: "load-ns/op", Better: "lower", Doc: "loading both connectors' modules"},
	{Name: "native-ns/op", Better: "lower", Doc: "wall time of the same run with the connectors linked in, made in turn"},
	{Name: "native-guest-ns/op", Better: "lower", Doc: "time in the two linked-in connectors"},
	{Name: "wall-tax", Better: "lower", Default: true, Doc: "wall time of a run over native-ns/op; the median of the pairs"},
	{Name: "cpu-tax", Better: "lower", Default: true, Doc: "this process's CPU time in a run over that in the native one; the median of the pairs"},
	{Name: "guest-tax", Better: "lower", Default: true, Doc: "time in the two guests over native-guest-ns/op; the median of the pairs"},
	{Name: "partition-skew", Better: "lower", Default: true, Doc: "rows of the largest partition over the mean of all; 1 if they are equal"},
}

// defaultUnits are the engine's units that a plain run reports.
var defaultUnits = []string{"source-ns/op", "dest-ns/op", "guest-ns/op", "wire-B/row"}

// Units returns every unit, ours first, then the engine's in the order of its
// table of metrics.
func Units() []Unit {
	units := slices.Clone(ownUnits)
	for _, m := range engine.Metrics() {
		if m.Bench == "" || slices.ContainsFunc(units, func(u Unit) bool { return u.Name == m.Bench }) {
			continue
		}
		units = append(units, Unit{
			Name: m.Bench, Better: m.Better, Exact: m.Exact, Default: slices.Contains(defaultUnits, m.Bench), Doc: m.Label,
		})
	}
	return append(units,
		Unit{Name: "call-ns/op", Better: "lower", Default: true, Doc: "one call of a host function out of a guest and back"},
		Unit{Name: "ratio", Better: "higher", Exact: true, Default: true, Doc: "uncompressed over compressed size"})
}
