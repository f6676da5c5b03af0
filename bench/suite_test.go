package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

// smallSuite is a run of every benchmark over few rows, as `go test -bench=.`
// would do it, with what it left behind. The tests below look at it.
type smallSuite struct {
	grid    lab.Grid
	output  string // standard output and standard error, as go test merges them
	samples []*lab.Sample
	records []*history.Record
}

var small struct {
	sync.Once
	suite smallSuite
	err   string
}

const smallRows = "300"

// runSmallSuite returns the one small run of this process.
func runSmallSuite(t *testing.T) *smallSuite {
	t.Helper()
	pgtest.Shared(t) // the child uses it: it is handed down
	small.Do(func() {
		dir, err := os.MkdirTemp("", "rapidbyte-suite-")
		if err != nil {
			small.err = err.Error()
			return
		}
		defer os.RemoveAll(dir)

		s := &small.suite
		s.grid = lab.DefaultGrid()
		s.grid.Rows = []int{300}
		results := filepath.Join(dir, "results.jsonl")
		s.output, err = suiteChild(".", "BENCH_SAMPLES="+dir, "BENCH_RESULTS="+results)
		if err != nil {
			small.err = err.Error() + "\n" + s.output
			return
		}
		var bad []*history.LineError
		if s.records, bad, err = history.Read(results); err != nil || len(bad) > 0 {
			small.err = "results: " + errText(err)
			return
		}
		s.samples, err = lab.ReadSamples(dir)
		small.err = errText(err)
	})
	if small.err != "" {
		t.Fatal(small.err)
	}
	return &small.suite
}

// suiteChild runs this test binary's benchmarks once each in a process of its
// own.
func suiteChild(pattern string, env ...string) (string, error) {
	out, err := suiteCommand(pattern, env...).CombinedOutput()
	return string(out), err
}

func suiteCommand(pattern string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench="+pattern, "-test.benchtime=1x", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "BENCH_ROWS="+smallRows, "BENCH_LOAD=", "BENCH_COMPRESSION=", "BENCH_RUNTIME=", "BENCH_METRICS=", "BENCH_RESULTS=off",
		"BENCH_NETWORK=", "BENCH_PARTITIONS=", "BENCH_SEED=", "BENCH_PROFILE=", "BENCH_LIST=", "BENCH_SAMPLES=", "BENCH_TURNS=")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Every line a reader could take for something is a result with the right name,
// a unit, or one of the configuration keys.
func TestOutputIsBenchmarkFormat(t *testing.T) {
	s := runSmallSuite(t)
	want := map[string]bool{}
	for _, c := range s.grid.All() {
		if via := c.Param("via"); c.Family != "Peer" || lab.HaveRival() == nil && lab.HavePeer(via) == nil {
			want[c.String()] = true
		}
	}
	if _, err := exec.LookPath("psql"); err != nil {
		delete(want, lab.NewCase("Floor", smallRows, "copy", "psql").String())
	}
	config := []string{"goos", "goarch", "pkg", "cpu", "dataset", "runtime", "pg-version", "pg-provider", "pg-conf", "machine"}

	r := benchfmt.NewReader(strings.NewReader(s.output), "output")
	for r.Scan() {
		switch record := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(record)
		case *benchfmt.Result:
			c, err := lab.ParseCase(record.Name.String())
			if err != nil {
				t.Error(err)
				continue
			}
			if !want[c.String()] {
				t.Errorf("%s ran twice, or is no case of the grid", c)
			}
			delete(want, c.String())
			for _, key := range record.Config {
				if !slices.Contains(config, key.Key) {
					t.Errorf("%s: a stray line was taken for configuration: %s: %s", c, key.Key, key.Value)
				}
			}
			for _, key := range config {
				if key != "cpu" && record.GetConfig(key) == "" {
					t.Errorf("%s: no %s", c, key)
				}
			}
		}
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	for name := range want {
		t.Errorf("%s did not run", name)
	}
	if t.Failed() {
		t.Logf("output:\n%s", s.output)
	}
}

// footnote is what benchstat writes below its tables when it has doubts; the
// number of samples is the only one it may have.
var (
	footnote    = regexp.MustCompile(`(?m)^[¹²³⁴⁵⁶⁷⁸⁹⁰]+ .*$`)
	sampleCount = regexp.MustCompile(`^[¹²³⁴⁵⁶⁷⁸⁹⁰]+ need >= \d+ samples`)
)

func TestBenchstatReadsTheOutput(t *testing.T) {
	s := runSmallSuite(t)
	file := filepath.Join(t.TempDir(), "new.txt")
	if err := os.WriteFile(file, []byte(s.output), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("go", "tool", "benchstat", file)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("benchstat: %v\n%s", err, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("benchstat complains: %s", &stderr)
	}
	for _, note := range footnote.FindAllString(stdout.String(), -1) {
		if !sampleCount.MatchString(note) {
			t.Errorf("benchstat warns: %s", note)
		}
	}
	for _, want := range []string{"Pipeline/rows=300/load=copy/compression=lz4", "sec/op", "wire-B/row", "rows/s"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in benchstat's tables:\n%s", want, &stdout)
		}
	}
}

// zeroUnits lists the units that may be zero in every pipeline run, and why.
var zeroUnits = map[string]string{
	"retries/op":         "nothing fails in the suite",
	"transform-ns/op":    "no case has a transform; TestTransformMetrics has",
	"call-ns/op":         "of host calls, not of pipelines",
	"ratio":              "of codecs, not of pipelines",
	"native-ns/op":       "of pairs of runs; TestTaxIsMeasured has it and the next four",
	"native-guest-ns/op": "the same",
	"wall-tax":           "the same",
	"cpu-tax":            "the same",
	"guest-tax":          "the same",
	"gc-cpu-ns/op":       "a run of few rows ends before the heap is collected",
	"gc-cycles/op":       "the same",
	"partition-skew":     "of partitions, not of pipelines",
}

// A metric that never says anything is one that is not measured.
func TestNoMetricIsZeroEverywhere(t *testing.T) {
	s := runSmallSuite(t)
	most := map[string]float64{}
	for _, sample := range s.samples {
		if strings.HasPrefix(sample.Bench, "Pipeline") {
			for unit, v := range sample.Values {
				most[unit] = max(most[unit], v)
			}
		}
	}
	for _, u := range lab.Units() {
		switch u.Name {
		case "pg-cpu-ns/op", "cpu-ns/op", "peak-RSS-bytes":
			if runtime.GOOS != "linux" {
				continue // the system does not tell
			}
		}
		if u.Name == "pg-cpu-ns/op" && pgtest.Shared(t).Provider != "local" {
			continue // the server's processes are not visible
		}
		if _, ok := zeroUnits[u.Name]; !ok && most[u.Name] == 0 {
			t.Errorf("%s (%s) is zero in every case", u.Name, u.Doc)
		}
	}
}

// What the sandbox costs is in every run of the suite, by load method, for the most rows.
func TestTaxIsMeasured(t *testing.T) {
	s := runSmallSuite(t)
	for _, c := range s.grid.Taxes() {
		i := slices.IndexFunc(s.samples, func(sample *lab.Sample) bool { return sample.Bench == c.String() })
		if i < 0 {
			t.Errorf("%s was not measured", c)
			continue
		}
		for _, unit := range []string{"native-ns/op", "native-guest-ns/op", "wall-tax", "cpu-tax", "guest-tax"} {
			if unit == "cpu-tax" && runtime.GOOS == "windows" {
				continue // the system does not tell
			}
			if v := s.samples[i].Values[unit]; v <= 0 {
				t.Errorf("%s: %s is %v", c, unit, v)
			}
		}
		recorded := slices.ContainsFunc(s.records, func(r *history.Record) bool {
			return r.Mode == "tax" && r.Bench == c.String() && r.Metrics["wall-tax"] > 0
		})
		if !recorded {
			t.Errorf("%s is not among the results", c)
		}
	}
	if out, err := suiteChild("^BenchmarkTax$", "BENCH_RUNTIME=native"); err != nil || !strings.Contains(out, "BenchmarkTax skipped: the native runtime has no sandbox") {
		t.Errorf("of the native runtime: %v and\n%s", err, out)
	}
}

// zeroKeys lists the keys of a result that may be zero in every run.
var zeroKeys = map[string]string{
	"retry_count":              "nothing fails in the suite",
	"transform_count":          "no case has a transform; TestTransformMetrics has",
	"transform_duration_secs":  "the same",
	"transform_module_load_ms": "the same",
	"source_commit_secs":       "a source commits nothing",
	"source_other_secs":        "what fits no other share; nothing should",
	"dest_other_secs":          "the same",
}

// seedKeys are the keys of the original's results; readers of that file rely on
// every one.
var seedKeys = strings.Fields(`records_read records_written bytes_read bytes_written duration_secs source_duration_secs
	dest_duration_secs dest_connect_secs dest_flush_secs dest_commit_secs dest_vm_setup_secs dest_recv_secs
	wasm_overhead_secs source_connect_secs source_query_secs source_fetch_secs source_module_load_ms dest_module_load_ms
	source_emit_nanos source_compress_nanos source_emit_count dest_recv_nanos dest_decompress_nanos dest_recv_count
	transform_count transform_duration_secs transform_module_load_ms retry_count`)

func TestResultsHaveEveryKey(t *testing.T) {
	s := runSmallSuite(t)
	most := map[string]float64{}
	runs := 0
	for _, r := range s.records {
		if !r.AOT || r.Mode != "insert" && r.Mode != "copy" {
			continue
		}
		runs++
		var all map[string]json.RawMessage
		if err := json.Unmarshal(r.Result, &all); err != nil {
			t.Fatal(err)
		}
		for _, key := range seedKeys {
			if _, ok := all[key]; !ok {
				t.Errorf("line %d has no %s", r.Line, key)
			}
		}
		for key := range all {
			v, _ := r.Value(key)
			most[key] = max(most[key], v)
		}
		if r.Verified == "" || r.Timestamp.IsZero() || r.GitSHA == "" || r.Machine == "" || r.PGConf == "" {
			t.Errorf("line %d lacks what it was measured on: %+v", r.Line, r)
		}
	}
	if want := len(s.grid.Pipelines()); runs != want {
		t.Errorf("%d pipeline runs are recorded, want %d", runs, want)
	}
	for _, m := range engine.Metrics() {
		if _, ok := zeroKeys[m.Key]; !ok && m.Get != nil && most[m.Key] == 0 {
			t.Errorf("%s (%s) is zero in every run", m.Key, m.Label)
		}
	}
	if len(seedKeys) != 28 {
		t.Errorf("there are %d seed keys, want 28", len(seedKeys))
	}
}

// Results are averaged by their group and mode: each workload has a group of its own.
func TestWorkloadsAreRecordedApart(t *testing.T) {
	s := runSmallSuite(t)
	workloads := map[string]string{} // by group
	for _, r := range s.records {
		c, err := lab.ParseCase(r.Bench)
		if err != nil {
			t.Fatal(err)
		}
		w := c.Param("workload")
		if (r.Mode == "workload") != (w != "") {
			t.Errorf("%s is recorded with the mode %q", r.Bench, r.Mode)
		}
		if other, ok := workloads[r.Group()]; ok && other != w {
			t.Errorf("workloads %q and %q are in one group: %s", w, other, r.Group())
		}
		workloads[r.Group()] = w
	}
	if len(workloads) != 1+len(lab.Workloads()) {
		t.Errorf("%d groups are recorded, want one for the events and one for each workload", len(workloads))
	}
}

func TestBadVariableStopsTheSuite(t *testing.T) {
	pgtest.Shared(t)
	out, err := suiteChild("Pipeline$", "BENCH_ROWS=many")
	if err == nil || !strings.Contains(out, `BENCH_ROWS="many": "many" is not a row count`) {
		t.Errorf("got %v and\n%s\nwant a failure that names BENCH_ROWS", err, out)
	}
}

// A suite that is told to stop while it is being opened, here while it waits for the server, takes back what it has made.
func TestStoppedWhileOpening(t *testing.T) {
	env, err := lab.Open(t.Context(), pgtest.Shared(t), lab.DefaultGrid()) // which has the server to itself
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	dir := t.TempDir()
	files := func() []string {
		files, _ := filepath.Glob(filepath.Join(dir, "rapidbyte-*"))
		return files
	}
	cmd := suiteCommand("^BenchmarkFloor$", "TMPDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); len(files()) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the suite makes no folder")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || len(files()) > 0 {
		t.Errorf("%v, want a failure; left are %q", err, files())
	}
}

// Without a Postgres every benchmark is skipped by name, or fails where one is
// required.
func TestNoPostgres(t *testing.T) {
	env := []string{"RAPIDBYTE_PG=dsn", "RAPIDBYTE_PG_DSN=", "RAPIDBYTE_PG_HANDED="}
	out, err := suiteChild(".", append(env, "RAPIDBYTE_PG_REQUIRE=")...)
	if err != nil || strings.Count(out, " skipped: ") != 13 || !strings.Contains(out, "RAPIDBYTE_PG_DSN is not set") {
		t.Errorf("got %v and\n%s\nwant 13 skips with the reason", err, out)
	}
	if out, err = suiteChild(".", append(env, "RAPIDBYTE_PG_REQUIRE=1")...); err == nil {
		t.Errorf("the suite passes without the Postgres it requires:\n%s", out)
	}
}

// A skip deep in a family must not tear a line apart either.
func TestNoPSQL(t *testing.T) {
	pgtest.Shared(t)
	out, err := suiteChild("^BenchmarkFloor$", "PATH=")
	want := "# BenchmarkFloor/rows=300/load=copy/via=psql skipped: lab: psql is not in PATH"
	if err != nil || !slices.Contains(strings.Split(out, "\n"), want) {
		t.Errorf("got %v and\n%s\nwant the line %s", err, out, want)
	}
	r := benchfmt.NewReader(strings.NewReader(out), "output")
	results := 0
	for r.Scan() {
		if err, ok := r.Result().(*benchfmt.SyntaxError); ok {
			t.Error(err)
		}
		if _, ok := r.Result().(*benchfmt.Result); ok {
			results++
		}
	}
	if results != 2 {
		t.Errorf("%d results, want the two floors via pgx:\n%s", results, out)
	}
}

// The transform's metrics, which no case of the suite has.
func TestTransformMetrics(t *testing.T) {
	env, err := lab.Open(t.Context(), pgtest.Shared(t), lab.DefaultGrid())
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	source, err := env.Source(t.Context(), 300)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := env.Pipeline(source, "copy", "lz4")
	if err != nil {
		t.Fatal(err)
	}
	p.Transforms = []pipeline.Transform{{Use: pipeline.Ref{Name: "transform-identity"}, Config: map[string]any{}}}
	eng, err := env.Engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	result, err := eng.Run(t.Context(), p, engine.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Verify(t.Context(), true); err != nil {
		t.Error(err)
	}
	for _, m := range engine.Metrics() {
		if !strings.HasPrefix(m.Key, "transform_") {
			continue
		}
		zero := m.Get != nil && m.Get(result) == 0 || m.Each != nil && (len(m.Each(result)) != 1 || m.Each(result)[0] == 0)
		if zero {
			t.Errorf("%s is zero in a run with a transform", m.Key)
		}
	}
}
