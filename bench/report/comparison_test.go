package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// run returns the record of a pipeline run in which every duration is a
// multiple of secs.
func run(mode string, secs float64) *history.Record {
	result := fmt.Sprintf(`{"duration_secs":%g,"dest_duration_secs":%g,"dest_connect_secs":0.015,"dest_flush_secs":%g,
		"dest_commit_secs":0.02,"dest_vm_setup_secs":0.005,"dest_recv_secs":%g,"wasm_overhead_secs":0.03,
		"source_duration_secs":%g,"source_connect_secs":0.012,"source_query_secs":0.001,"source_fetch_secs":%g,
		"source_module_load_ms":4.25,"dest_module_load_ms":0,"bytes_read":1200000}`,
		secs, secs*0.9, secs*0.7, secs*0.8, secs*0.4, secs*0.3)
	return &history.Record{Mode: mode, Rows: 10000, Compression: "none", Machine: "m", Bench: "Pipeline/load=" + mode,
		Result: json.RawMessage(result)}
}

func TestComparisonGolden(t *testing.T) {
	// The floor and the cold start must not count.
	floor, cold := run("floor", 99), run("pipelinecold", 99)
	records := []*history.Record{
		run("insert", 1.2), floor, run("copy", 0.8), run("insert", 1.3), cold, run("copy", 0.9), run("insert", 1.25),
	}
	var got bytes.Buffer
	if err := Comparison(&got, records); err != nil {
		t.Fatal(err)
	}

	golden := filepath.Join("testdata", "comparison.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

func TestComparisonRefuses(t *testing.T) {
	other := run("copy", 1)
	other.Machine = "another"
	rows := run("copy", 1)
	rows.Rows, rows.Bench = 5, "Pipeline/rows=5"
	for _, tt := range []struct {
		name    string
		records []*history.Record
		want    string
	}{
		{"nothing", nil, "needs runs of both load methods"},
		{"one load method", []*history.Record{run("insert", 1)}, "needs runs of both load methods"},
		{"two machines", []*history.Record{run("insert", 1), other}, "different conditions"},
		{"two row counts", []*history.Record{run("insert", 1), rows}, "one row count"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := Comparison(&out, tt.records)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if out.Len() > 0 {
				t.Errorf("a refused table was partly written: %s", &out)
			}
		})
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 8130.4: "8,130", 1234567.5: "1,234,568"} {
		if got := thousands(v); got != want {
			t.Errorf("thousands(%v) = %q, want %q", v, got, want)
		}
	}
}
