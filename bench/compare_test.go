package bench

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// These tests hold the suite to what package compare relies on. It also runs
// suites of older commits, so neither side can be changed alone.

// self is this test binary as a side of a comparison.
func self(env ...string) *compare.Binaries {
	side := compare.Binary{Path: os.Args[0], Env: append([]string{"BENCH_ROWS=" + smallRows, "BENCH_LOAD=", "BENCH_COMPRESSION=",
		"BENCH_RUNTIME=", "BENCH_METRICS=all", "BENCH_RESULTS=off"}, env...)}
	return &compare.Binaries{Base: side, Head: side}
}

// Listing needs neither a server nor guests, and says exactly what would run.
func TestListOfCases(t *testing.T) {
	grid := lab.DefaultGrid()
	grid.Rows = []int{300}
	var want []compare.Case
	for _, c := range grid.All() {
		if c.Param("via") != "psql" && c.Family != "Peer" { // PATH is empty
			want = append(want, compare.Case(c.String()))
		}
	}
	nothing := []string{"RAPIDBYTE_PG=dsn", "RAPIDBYTE_PG_DSN=", "RAPIDBYTE_PG_HANDED=", "RAPIDBYTE_PG_REQUIRE=1",
		"RAPIDBYTE_CONNECTOR_DIR=" + t.TempDir(), "PATH="}
	got, err := self(nothing...).Cases(t.Context(), compare.Head)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed\n%q\nwant\n%q", got, want)
	}

	chosen := self(nothing...)
	chosen.Select = "^BenchmarkPipeline$/^rows=300$/^load=copy$"
	if got, err = chosen.Cases(t.Context(), compare.Base); err != nil || len(got) != 3 {
		t.Errorf("of copies: %q, %v; want 3", got, err)
	}
	chosen.Select = "^Benchmark(Pipeline|Codec)$/^codec="
	if got, err = chosen.Cases(t.Context(), compare.Base); err != nil || len(got) != 6 {
		t.Errorf("of codecs: %q, %v; want 6", got, err)
	}
	interpreted, err := self(append(nothing, "BENCH_RUNTIME=interpreted")...).Cases(t.Context(), compare.Base)
	if err != nil || len(interpreted) != len(want)-len(grid.Colds())-len(grid.ModuleLoads()) {
		t.Errorf("interpreted: %d cases of %d, %v: %q", len(interpreted), len(want), err, interpreted)
	}
	var failed *compare.CaseError
	if _, err := self("BENCH_ROWS=many").Cases(t.Context(), compare.Base); !errors.As(err, &failed) || !strings.Contains(err.Error(), "BENCH_ROWS") {
		t.Errorf("a bad variable gives %v", err)
	}
}

// What one process prints and leaves is read completely.
func TestProcessOfAComparison(t *testing.T) {
	pgtest.Shared(t)
	c := compare.Case(lab.NewCase("Pipeline", smallRows, "copy", "lz4").String())
	p, err := self().Run(t.Context(), compare.Turn{Case: c, Iterations: 2, Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range append(compare.DefaultGate(), "hostcalls/op", "wire-B/row", "statements/op", "roundtrips/op") {
		if len(p.Values[unit]) != 2 {
			t.Errorf("%s: %v, want one value for each iteration", unit, p.Values[unit])
		}
	}
	for _, stage := range compare.DefaultLedger() {
		units := []string{stage.Total}
		for _, phase := range stage.Phases {
			units = append(units, phase.Unit)
		}
		for _, unit := range units {
			if len(p.Values[unit]) != 2 {
				t.Errorf("%s is in the ledger of phases and not measured", unit)
			}
		}
	}
	for _, key := range []string{"machine", "pg-version", "pg-provider", "pg-conf", "dataset", "runtime"} {
		if p.Config[key] == "" {
			t.Errorf("no %s", key)
		}
	}
	for _, unit := range []string{"wire-B/row", "batches/op"} {
		if m := p.Units[benchfmt.UnitMetadataKey{Unit: unit, Key: "assume"}]; m == nil || m.Value != "exact" {
			t.Errorf("%s is not declared exact", unit)
		}
	}

	// The mage target looks the machine's noise up under the same fingerprint.
	machine, err := lab.MachineOf(t.Context(), pgtest.Shared(t).DSN())
	if err != nil || machine.ID() != p.Config["machine"] {
		t.Errorf("this machine is %s (%v), and %s in the suite's output", machine.ID(), err, p.Config["machine"])
	}
}

// The words by which a run with wrong rows is told from one that failed, and the
// fields by which a sample is read.
func TestWordsOfTheSuite(t *testing.T) {
	if got := lab.ErrWrongData.Error(); got != "wrong data" {
		t.Errorf("wrong rows are called %q, want the words compare looks for", got)
	}
	text, err := json.Marshal(lab.Sample{Bench: "X", Values: map[string]float64{"ns/op": 1}, Contaminated: []string{"steal"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"bench":"X"`, `"values":{"ns/op":1}`, `"contaminated":["steal"]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in the sample %s", want, text)
		}
	}
	if lab.SamplesJSON != "samples.jsonl" {
		t.Errorf("samples are in %s", lab.SamplesJSON)
	}
	if _, unit := benchunit.Tidy(1, "source-guest-ns/op"); unit != "source-guest-sec/op" {
		t.Errorf("units are tidied to %s", unit)
	}
}
