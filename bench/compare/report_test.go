package compare

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with the file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs (run with -update to accept)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// everything is a comparison that has something to say in every part of the report.
func everything(t *testing.T) *Report {
	t.Helper()
	cases := grid(10000)
	m := newMachine(11, cases...)
	m.cases[Base] = append(m.cases[Base], "Dest/rows=10000/load=copy")
	m.cases[Head] = append(m.cases[Head], "Source/rows=10000")
	flush := slower("dest-flush-sec/op", 0.08)
	m.plant = func(side Side, c Case, values map[string]float64) {
		if side == Base {
			return
		}
		switch c.Param("load") + "/" + c.Param("compression") {
		case "copy/lz4":
			flush(side, c, values)
			values["wal-B/row"] *= 1.079
		case "copy/zstd":
			values["sec/op"] *= 0.9
			values["dest-flush-sec/op"] -= 0.01
			values["dest-sec/op"] -= 0.01
		case "insert/none":
			values["roundtrips/op"] = 9
		case "insert/zstd":
			values["sec/op"] *= 1.018
		}
	}
	m.disturb = func(n int) []string {
		if n == 40 {
			return []string{"checkpoint"}
		}
		return nil
	}
	o := m.options()
	o.Noise = &Noise{Machine: "3f2a9c1e", Taken: m.clock.Add(-50 * time.Hour), Config: testConfig()}
	for _, c := range cases {
		o.Noise.Cells = append(o.Noise.Cells, NoiseCell{c, "sec/op", []float64{0.011, -0.015, 0.004, -0.021, 0.018, -0.007, 0.012, 0.003}})
	}
	r := measure(t, m, o)
	r.Base = Version{Name: "main", Commit: "1a2b3c4d", Text: "main (1a2b3c4)", Subject: `"dest: start"`}
	r.Head = Version{Name: ".", Commit: "5e6f7a8b", Text: "the working tree (5e6f7a8, not committed)", Subject: `"working tree"`, Dirty: true}
	r.Reproduce = "go tool mage compare main . -seed=1"
	return r
}

func TestReportText(t *testing.T) {
	var text strings.Builder
	if err := everything(t).WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", []byte(text.String()))
}

func TestReportOfIdenticalCode(t *testing.T) {
	r := &Report{Format: reportVersion, Base: Version{Text: "main (1a2b3c4)", Subject: `"one"`},
		Head: Version{Text: "feature (5e6f7a8)", Subject: `"two"`}, Identical: "no difference in the built code: only comments and line numbers changed"}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := "base: main (1a2b3c4) \"one\"\nhead: feature (5e6f7a8) \"two\"\n\nno difference in the built code: only comments and line numbers changed\n"
	if text.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", text.String(), want)
	}
	if r.Exit(true) != ExitOK {
		t.Errorf("exit %d", r.Exit(true))
	}
}

// The JSON form holds every verdict, and numbers that JSON does not have are null.
func TestReportJSON(t *testing.T) {
	r := everything(t)
	r.Verdicts = append(r.Verdicts, &Verdict{Case: one, Unit: "x", CouldSee: Number(math.Inf(1)), P: Number(math.NaN())})
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		V        int
		Seed     uint64
		Config   map[string]string
		Counts   struct{ Regressed int }
		Verdicts []struct {
			Case, Unit, Outcome string
			Change              struct{ Estimate, Lo, Hi *float64 }
			P, Could_see        *float64
			Explanation         *struct {
				Parts []struct {
					Stage, Phase string
					Share        float64
				}
				Work []struct{ Unit string }
			}
		}
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.V != 1 || back.Seed != 1 || back.Config["machine"] != "3f2a9c1e" || back.Counts.Regressed != r.Counts.Regressed || len(back.Verdicts) != len(r.Verdicts) {
		t.Errorf("read back: %+v", back)
	}
	found := false
	for _, v := range back.Verdicts {
		if v.Outcome == "regressed" && v.Explanation != nil && v.Explanation.Parts[0].Phase == "flush" && v.Explanation.Work[0].Unit == "wal-B/row" {
			found = true
		}
	}
	if !found {
		t.Error("no regression explained by the flush and its log")
	}
	if last := back.Verdicts[len(back.Verdicts)-1]; last.P != nil || last.Could_see != nil {
		t.Errorf("infinite numbers came back as %v, %v", last.P, last.Could_see)
	}
}

// The two files are what the real benchstat compares, in one set of tables.
func TestFilesInBenchstat(t *testing.T) {
	r := everything(t)
	dir := t.TempDir()
	if err := r.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Benchstat(t.Context(), &out, dir, []string{"sec/op", "cpu-sec/op"}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !regexp.MustCompile(`│ +sec/op +│ +sec/op +vs base +│`).MatchString(text) {
		t.Errorf("base and head do not stand in one table:\n%s", text)
	}
	for _, want := range []string{"machine: 3f2a9c1e", "Pipeline/rows=10000/load=copy/compression=lz4-2", "cpu-sec/op", "vs base"} {
		if !strings.Contains(text, want) {
			t.Errorf("benchstat's output lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "need >=") || strings.Contains(text, "allocs/op") {
		t.Errorf("benchstat has too few samples, or shows units that were not asked for:\n%s", text)
	}
	if err := Benchstat(t.Context(), &out, t.TempDir(), []string{"sec/op"}); err == nil {
		t.Error("no error without files: benchstat itself reports none")
	}
}

func TestFilesOfSamples(t *testing.T) {
	r := everything(t)
	dir := t.TempDir()
	if err := r.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, SamplesFile))
	if err != nil {
		t.Fatal(err)
	}
	lines, repeats, disturbed := 0, 0, 0
	positions := map[Side][2]int{}
	for text := range strings.Lines(string(data)) {
		var l struct {
			line
			Side string `json:"side"`
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		lines++
		if !l.Counts {
			repeats++
			disturbed += len(l.Contaminated)
		}
		side := Base
		if l.Side == "head" {
			side = Head
		}
		n := positions[side]
		n[l.Position]++
		positions[side] = n
		if l.Values["sec/op"] == 0 || l.Iteration != 1 || l.Commit == "" {
			t.Errorf("line %s", text)
		}
	}
	if repeats != 2 || disturbed != 1 {
		t.Errorf("%d samples of repeated pairs, %d with a cause; want both halves of one pair, of which one was disturbed", repeats, disturbed)
	}
	pairs := 0
	for _, b := range r.Blocks {
		for _, s := range b.Series {
			pairs += len(s.Pairs) + len(s.Repeated)
		}
	}
	if lines != 2*pairs || positions[Base][0] != positions[Head][1] || positions[Base][0] == 0 || positions[Base][1] == 0 {
		t.Errorf("%d lines of %d pairs, positions %v", lines, pairs, positions)
	}
}

func TestExitOf(t *testing.T) {
	r := &Report{}
	for _, c := range []struct {
		counts       Counts
		plain, stric Exit
	}{
		{Counts{Same: 9}, ExitOK, ExitOK},
		{Counts{Improved: 1}, ExitOK, ExitOK},
		{Counts{Inconclusive: 1}, ExitOK, ExitInconclusive},
		{Counts{Inconclusive: 1, Regressed: 1}, ExitRegressed, ExitRegressed},
	} {
		r.Counts = c.counts
		if r.Exit(false) != c.plain || r.Exit(true) != c.stric {
			t.Errorf("%+v: %d, strict %d", c.counts, r.Exit(false), r.Exit(true))
		}
	}
	if ExitOf(nil) != ExitOK {
		t.Error("no error is an error")
	}
}
