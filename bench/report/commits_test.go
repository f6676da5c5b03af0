package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/bench/history/trend"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/page/pagetest"
)

// past returns n runs of a commit, each of so many milliseconds.
func past(sha, mode string, ms ...float64) []*history.Record {
	var records []*history.Record
	for i, v := range ms {
		r := &history.Record{
			Timestamp: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Mode: mode, Rows: 1000, GitSHA: sha, Run: "r-" + sha, Iter: i + 1,
			Load: mode, Compression: "none", Runtime: "compiled", AOT: true,
			Machine: "0123abcd", PGVersion: "15.18", PGProvider: "local", PGConf: "quiet-1", Dataset: "bench_events/1",
			Metrics: map[string]float64{"ns/op": v * 1e6, "source-ns/op": v * 0.4e6, "dest-flush-ns/op": v * 0.7e6, "allocs/op": 12345, "dest-load-ns/op": v},
		}
		if mode == "floor" {
			r.Load, r.Compression, r.Runtime, r.Via = "copy", "", "", "pgx"
		}
		records = append(records, r)
	}
	return records
}

func commits(t *testing.T, records ...[]*history.Record) string {
	t.Helper()
	var all []*history.Record
	for _, r := range records {
		all = append(all, r...)
	}
	var out bytes.Buffer
	if err := Commits(&out, all); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Exactly two commits, in the seed's layout.
func TestCommitsTwo(t *testing.T) {
	got := commits(t, past("abc1234", "insert", 1000, 1468), past("def5678", "insert", 1100))
	want := `machine 0123abcd pg-15.18 local quiet-1 bench_events/1

============================================================
  Mode: INSERT, 1000 rows, none, compiled
============================================================
  Metric                     abc1234     def5678      Change
  ----------------------  ----------  ----------  ----------
  Runs                             2           1
  Duration (s)                 1.234       1.100      -10.9%
  Source (s)                   0.494       0.440      -10.9%
    Flush (s)                  0.864       0.770      -10.9%
  Dest load (ms)               0.001       0.001      -10.9%
  Allocations                 12,345      12,345       +0.0%
  Throughput (rows/s)            810         909      +12.2%

`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestChangeOfNothing(t *testing.T) {
	got := commits(t, past("abc1234", "insert", 100), past("def5678", "insert", 200))
	if !strings.Contains(got, "Dest load (ms)               0.000       0.000           -\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestCommitsOneAndMany(t *testing.T) {
	one := commits(t, past("abc1234", "copy", 1000))
	if strings.Contains(one, "Change") || !strings.Contains(one, "  Runs                             1\n  Duration (s)                 1.000\n") {
		t.Errorf("one commit gives\n%s", one)
	}
	many := commits(t, past("aaaa111", "copy", 1), past("bbbb222", "copy", 2), past("cccc333", "copy", 3))
	if strings.Contains(many, "Change") || !strings.Contains(many, "Duration (s)                 0.001       0.002       0.003\n") {
		t.Errorf("three commits give\n%s", many)
	}
	if got := commits(t); got != "" {
		t.Errorf("nothing gives %q", got)
	}
}

// What differs in anything but the commit is never in one average.
func TestCommitsNeverMix(t *testing.T) {
	for name, change := range map[string]func(*history.Record){
		"machine":     func(r *history.Record) { r.Machine = "x" },
		"server":      func(r *history.Record) { r.PGVersion = "x" },
		"provider":    func(r *history.Record) { r.PGProvider = "x" },
		"profile":     func(r *history.Record) { r.PGConf = "x" },
		"dataset":     func(r *history.Record) { r.Dataset = "x" },
		"rows":        func(r *history.Record) { r.Rows = 7 },
		"compression": func(r *history.Record) { r.Compression = "lz4" },
		"runtime":     func(r *history.Record) { r.Runtime = "interpreted" },
		"mode":        func(r *history.Record) { r.Mode = "copy" },
	} {
		other := past("abc1234", "insert", 3000)
		change(other[0])
		got := commits(t, past("abc1234", "insert", 1000), other)
		if strings.Count(got, "  Mode: ") != 2 || !strings.Contains(got, " 1.000\n") || !strings.Contains(got, " 3.000\n") {
			t.Errorf("another %s: want two tables, got\n%s", name, got)
		}
	}
	// A changed working tree is other code.
	dirty := past("abc1234", "insert", 3000)
	dirty[0].GitDirty = true
	if got := commits(t, past("abc1234", "insert", 1000), dirty); !strings.Contains(got, "abc1234    abc1234+      Change") {
		t.Errorf("got\n%s\nwant a column for the changed tree", got)
	}
}

func TestDisturbedRunsAreLeftOut(t *testing.T) {
	runs := past("abc1234", "insert", 1000, 9000)
	runs[1].Contaminated = []string{"checkpoint"}
	got := commits(t, runs)
	if !strings.Contains(got, "Duration (s)                 1.000\n") || !strings.Contains(got, "1 disturbed runs are left out") {
		t.Errorf("got\n%s", got)
	}
	runs[0].Contaminated = []string{"steal"}
	if got := commits(t, runs); !strings.Contains(got, "Duration (s)                 5.000\n") || strings.Contains(got, "left out") {
		t.Errorf("where all are disturbed, got\n%s", got)
	}
}

// Lines of the seed's own tools have a result and nothing of ours, and a file may hold anything.
func TestCommitsOfForeignLines(t *testing.T) {
	r := &history.Record{Mode: "copy", Rows: 10, AOT: true, GitSHA: strings.Repeat("é", 30), Result: json.RawMessage(`{"duration_secs":1.5,"source_module_load_ms":4,"dest_flush_secs":null}`)}
	odd := &history.Record{Mode: "x\x1b[31m", Rows: 10, Metrics: map[string]float64{"ns/op": 0}}
	got := commits(t, []*history.Record{r, odd})
	for _, want := range []string{"machine and server not recorded", "COPY, 10 rows, compiled", "Duration (s)                 1.500\n", "Source load (ms)             4.000", "X?[31M, 10 rows, not compiled", "(none)", "Throughput (rows/s)              -"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%q", want, got)
		}
	}
	if strings.ContainsRune(got, '\x1b') || strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
		t.Errorf("got %q", got)
	}
}

// steps returns runs of a pipeline and its floor at so many commits, the ratio rising from 1.4 to 1.6 at a quarter.
func steps(n int) []*history.Record {
	var records []*history.Record
	for i := range n {
		ratio := 1.4 + 0.001*float64(i%3)
		if i >= n/2 {
			ratio += 0.2
		}
		sha := fmt.Sprintf("%07x", 0xabc0000+i)
		for _, r := range append(past(sha, "copy", 100*ratio), past(sha, "floor", 100)...) {
			r.Timestamp = r.Timestamp.AddDate(0, 0, i)
			records = append(records, r)
		}
	}
	return records
}

func TestTrend(t *testing.T) {
	for _, tt := range []struct {
		records []*history.Record
		want    string
	}{
		{steps(20), "copy none, 1000 rows                  20     1.40     1.60  +14.3 % at abc000a (1.40 to 1.60, p = "},
		{steps(3), "needs 10 commits"},
		{past("abc1234", "copy", 1), "no commit has both a pipeline and its floor"},
	} {
		var out bytes.Buffer
		if err := Trend(&out, trend.Of(tt.records)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("no %q in\n%s", tt.want, &out)
		}
	}
}

func TestResultsPage(t *testing.T) {
	bad := []*history.LineError{{File: "results.jsonl", Line: 7, Err: fmt.Errorf("<no> timestamp")}}
	for name, records := range map[string][]*history.Record{"none": nil, "one": past("abc1234", "copy", 1), "many": steps(20)} {
		var out bytes.Buffer
		if err := page.Write(&out, Results("a subtitle", records, trend.Of(records), bad)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"a subtitle", "results.jsonl:7: &lt;no&gt; timestamp"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in the page", name, want)
			}
		}
		if strings.Contains(out.String(), ">NaN") {
			t.Errorf("%s: NaN in the page", name)
		}
		if name == "many" && (!strings.Contains(out.String(), "abc000a") || !strings.Contains(out.String(), "+14.3 %")) {
			t.Error("the change is not in the page")
		}
	}
}

func TestResultsPageInABrowser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.html")
	records := steps(20)
	if err := page.WriteFile(file, Results("a subtitle", records, trend.Of(records), nil)); err != nil {
		t.Fatal(err)
	}
	text := pagetest.Open(t, file)
	for _, want := range []string{"Benchmark results", "+14.3 % at abc000a", "copy, 1000 rows", "Averages by commit", "abc0013"} {
		if !strings.Contains(text, want) {
			t.Errorf("a reader sees no %q in\n%s", want, text)
		}
	}
}

// A case that was not measured at every commit has its points where the others have them.
func TestPointsShareTheirAxis(t *testing.T) {
	records := steps(4)
	for _, r := range steps(4) {
		if r.Mode == "copy" && r.GitSHA == "abc0002" {
			r.Compression = "lz4"
			records = append(records, r)
		}
	}
	series := trend.Of(records)
	axis := commitAxis(series)
	if len(series) != 2 || len(axis) != 4 {
		t.Fatalf("got %d series and the axis %v", len(series), axis)
	}
	if got := points(series[1], axis).Points; len(got) != 1 || got[0].X != 3 || got[0].Label != "abc0002" {
		t.Errorf("got %+v, want the third place", got)
	}
}

func TestCommitAt(t *testing.T) {
	name := commitAt([]history.Commit{{Name: "abc1234"}, {Name: "def5678"}})
	for x, want := range map[float64]string{1: "abc1234", 2: "def5678", 1.5: "", 0: "", 3: "", -1: "", math.Inf(1): ""} {
		if got := name(x); got != want {
			t.Errorf("at %v stands %q, want %q", x, got, want)
		}
	}
}
