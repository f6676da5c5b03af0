package engine

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A result in which every number differs, so that no two can be mixed up.
func sampleResult() *Result {
	ledger := func(base time.Duration) (l hostfuncs.Ledger) {
		for i := range l {
			l[i] = base + time.Duration(i+1)*10*time.Millisecond
		}
		return l
	}
	return &Result{
		Pipeline:    "bench_pg",
		Compression: "lz4",
		LoadMethod:  "copy",
		Duration:    1230 * time.Millisecond,
		CPU:         400 * time.Millisecond,
		Retries:     1,
		Streams:     []StreamResult{{Name: "bench_events", RowsRead: 10_000, RowsWritten: 9_999, BytesRead: 1_200_000, BytesWritten: 1_199_000}},
		Stages: []StageResult{
			{Name: "source", Role: abi.RoleSource, Connector: "source-postgres", Load: Load{1100 * time.Millisecond, LoadCompiled}, Ledger: ledger(0),
				Counters: hostfuncs.Counters{EmitCalls: 4, EmitTime: 50 * time.Millisecond, OutBytes: 1_800_000, OutFrames: 400_000, Batches: 2, HostCalls: 30, ConnReadBytes: 1_300_000},
				Metrics:  map[string]int64{abi.MetricStatements: 5, abi.MetricRoundTrips: 6}},
			{Name: "transform-1", Role: abi.RoleTransform, Connector: "transform-identity", Load: Load{3 * time.Millisecond, LoadMemory}, Ledger: ledger(time.Millisecond)},
			{Name: "destination", Role: abi.RoleDestination, Connector: "dest-postgres", Load: Load{40 * time.Millisecond, LoadDisk}, Ledger: ledger(2 * time.Millisecond),
				Counters: hostfuncs.Counters{NextCalls: 7, NextTime: 60 * time.Millisecond, HostCalls: 40, ConnWriteBytes: 1_400_000},
				Metrics:  map[string]int64{abi.MetricStatements: 8, abi.MetricRoundTrips: 9}},
		},
		PeakGuestMemory: 12 << 20,
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run the test with -update and read the difference.\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestTextIsTheSeedsBreakdown(t *testing.T) {
	var b strings.Builder
	if err := sampleResult().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "result.txt", b.String())
}

func TestJSONLine(t *testing.T) {
	line, err := sampleResult().JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "result.json", strings.ReplaceAll(string(line), ",\"", ",\n\"")+"\n")
}

func TestBenchValues(t *testing.T) {
	r := sampleResult()
	for unit, want := range map[string]float64{
		"source-ns/op": 13 * 14 / 2 * 10e6, // 10 + 20 + ... + 130 ms
		"wire-B/row":   40,
		"batches/op":   2,
		"emit-ns/op":   50e6,
		"rows/s":       10_000 / 1.23,
	} {
		found := false
		for _, m := range Metrics() {
			if m.Bench == unit {
				found = true
				if got := m.BenchValue(r); got < want*0.999999 || got > want*1.000001 {
					t.Errorf("%s = %v, want %v", unit, got, want)
				}
			}
		}
		if !found {
			t.Errorf("no metric is reported as %s", unit)
		}
	}
}
