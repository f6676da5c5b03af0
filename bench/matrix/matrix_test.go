package matrix

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/page/pagetest"
)

// lines returns benchmark lines of three row counts with 10 ms and 1000 ns a row.
func lines(rows ...int) string {
	var s strings.Builder
	s.WriteString("goos: linux\nmachine: 0123abcd\n# a remark\nUnit ns/row better=lower\n")
	for _, n := range rows {
		for i := range 6 {
			ns := 10e6 + 1000*float64(n)
			ns *= 1 + 0.001*float64(i%3-1)
			fmt.Fprintf(&s, "BenchmarkPipeline/rows=%d/load=copy/compression=lz4-2 1 %.0f ns/op\n", n, ns)
			fmt.Fprintf(&s, "BenchmarkFloor/rows=%d/load=copy/via=pgx-2 1 %.0f ns/op\n", n, ns/2)
		}
		fmt.Fprintf(&s, "BenchmarkSource/rows=%d-2 1 1000 ns/op\n", n)
	}
	return s.String()
}

func read(t *testing.T, text string) *Matrix {
	t.Helper()
	m, err := Read(strings.NewReader(text), "samples.txt")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReadSortsIntoSeries(t *testing.T) {
	m := read(t, lines(100000, 1000, 10000))
	if len(m.Series) != 2 || m.Series[0].Name() != "pipeline copy lz4" || m.Series[1].Name() != "floor copy pgx" {
		t.Fatalf("got %d series: %v", len(m.Series), m.Series)
	}
	s := m.Series[0]
	if len(s.Cells) != 3 || s.Cells[0].Rows != 1000 || s.Cells[2].Rows != 100000 || len(s.Cells[1].Times) != 6 {
		t.Errorf("cells are %v, want three by row count with six runs each", s.Cells)
	}
	near(t, "fixed cost", s.Line.Fixed.Value, 10e6, 1e4)
	near(t, "cost of a row", s.Line.PerRow.Value, 1000, 1)
}

func TestReadRefuses(t *testing.T) {
	good := "BenchmarkPipeline/rows=10/load=copy/compression=lz4 1 5 ns/op\n"
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":         {"", "no line of a pipeline or a floor"},
		"other families":  {"BenchmarkSource/rows=1 1 5 ns/op\n", "no line of a pipeline"},
		"a broken line":   {good + "BenchmarkPipeline/rows=10 x\n", "samples.txt:2:"},
		"no row count":    {"BenchmarkPipeline/load=copy 1 5 ns/op\n", "samples.txt:1: Pipeline/load=copy has no row count"},
		"no time":         {"BenchmarkPipeline/rows=10 1 5 B/op\n", "samples.txt:1: Pipeline/rows=10 has no time"},
		"a time of zero":  {"BenchmarkPipeline/rows=10 1 0 ns/op\n", "has no time"},
		"an endless time": {"BenchmarkPipeline/rows=10 1 1e300 ns/op\n", "has no time"},
		"two machines":    {"machine: a\n" + good + "machine: b\n" + good, "samples.txt:4: lines with another machine"},
		"a key comes":     {good + "machine: b\n" + good, "another machine"},
		"a time of words": {"BenchmarkPipeline/rows=10 1 many ns/op\n", "samples.txt:1:"},
	} {
		if _, err := Read(strings.NewReader(tt.text), "samples.txt"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestWriteText(t *testing.T) {
	for name, tt := range map[string]struct {
		rows []int
		want []string
	}{
		"three": {[]int{1000, 10000, 100000}, []string{
			"  pipeline copy lz4            10.0  9.99 to 10.0             1000  999 to 1001         +0.0 %",
			"  floor copy pgx               5.00  5.00 to 5.00              500  500 to 500          +0.0 %"}},
		"two": {[]int{1000, 10000}, []string{
			"  pipeline copy lz4            10.0  -                        1000  -                   -\n",
			"two row counts give no interval (every case)"}},
		"one": {[]int{1000}, []string{"one row count gives no line (every case)"}},
	} {
		var out bytes.Buffer
		if err := read(t, lines(tt.rows...)).WriteText(&out); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, &out)
			}
		}
		if strings.Contains(out.String(), "NaN") {
			t.Errorf("%s: NaN in\n%s", name, &out)
		}
	}
}

// What a row costs from one row count to the next, by the medians: a stray changes nothing, a step does.
func TestSteps(t *testing.T) {
	s := read(t, lines(1000, 10000, 100000, 1000000)).Series[0]
	s.Cells[1].Times[2] *= 50
	if steps, apart := s.Steps(); len(steps) != 3 || math.Abs(apart) > 1e-6 {
		t.Errorf("a straight line has the steps %v, %v apart", steps, apart)
	}
	for i := range s.Cells[3].Times {
		s.Cells[3].Times[i] += 900_000 * 40 // 40 ns for each row beyond 100000
	}
	steps, apart := s.Steps()
	near(t, "the last step", steps[2].PerRow, 1040, 1e-6)
	near(t, "the steps' distance", apart, 0.04, 1e-6)
	if steps[2].From != 100000 || steps[2].To != 1000000 {
		t.Errorf("the last step is %+v", steps[2])
	}

	s.Cells[3].Times = s.Cells[2].Times // a row for nothing
	if _, apart := s.Steps(); !math.IsNaN(apart) {
		t.Errorf("steps of which one costs nothing are %v apart", apart)
	}
	s.Cells = s.Cells[:2]
	if steps, apart := s.Steps(); len(steps) != 1 || !math.IsNaN(apart) {
		t.Errorf("two row counts have the steps %v, %v apart", steps, apart)
	}
}

func TestStepsAreWritten(t *testing.T) {
	for _, tt := range []struct {
		rows []int
		want string
	}{
		{[]int{1000, 10000, 100000}, "pipeline copy lz4 0.0 % 1000 (1000 to 10000), 1000 (10000 to 100000)"},
		{[]int{1000, 10000}, ""},
	} {
		var out bytes.Buffer
		if err := read(t, lines(tt.rows...)).WriteText(&out); err != nil {
			t.Fatal(err)
		}
		_, steps, found := strings.Cut(out.String(), "\nStraight line: ")
		if text := strings.Join(strings.Fields(steps), " "); found != (tt.want != "") || !strings.Contains(text, tt.want) {
			t.Errorf("%v: no %q in\n%s", tt.rows, tt.want, &out)
		}
	}
}

func TestBentIsSaid(t *testing.T) {
	m := read(t, lines(1000, 10000, 100000))
	for i := range m.Series[0].Cells[1].Times {
		m.Series[0].Cells[1].Times[i] *= 1.3
	}
	m.Series[0].Line = FitLine(m.Series[0].Cells)
	var out bytes.Buffer
	if err := m.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{") bent\n", "bent: the row counts deviate", "(pipeline copy lz4)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestWriteCSV(t *testing.T) {
	for _, rows := range [][]int{{1000}, {1000, 10000}, {1000, 10000, 100000}} {
		var out bytes.Buffer
		if err := read(t, lines(rows...)).WriteCSV(&out); err != nil {
			t.Fatal(err)
		}
		table, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(table) != 1+2*len(rows) {
			t.Fatalf("got %d lines and %v, want %d", len(table), err, 1+2*len(rows))
		}
		at := func(column string) string {
			for i, name := range table[0] {
				if name == column {
					return table[1][i]
				}
			}
			t.Fatalf("no column %s", column)
			return ""
		}
		known := map[string]bool{"fixed_ns": len(rows) > 1, "row_lo_ns": len(rows) > 2, "bend": len(rows) > 2, "median_ns": true, "hi_ns": true,
			"step_ns": false, "steps_apart": len(rows) > 2}
		for column, want := range known {
			if got := at(column) != ""; got != want {
				t.Errorf("%d row counts: %s is %q", len(rows), column, at(column))
			}
		}
		if at("rows") != "1000" || at("median_ns") != "11000000" || at("ns_per_row") != "11000" {
			t.Errorf("the first cell is %v", table[1])
		}
	}
}

func TestPage(t *testing.T) {
	for _, rows := range [][]int{{1000}, {1000, 10000}, {1000, 10000, 100000}} {
		var out bytes.Buffer
		if err := page.Write(&out, read(t, lines(rows...)).Page("a subtitle", "a <pivot>")); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"a subtitle", "a &lt;pivot&gt;", "pipeline copy lz4", "0123abcd"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%d row counts: no %q in the page", len(rows), want)
			}
		}
		if strings.Contains(out.String(), ">NaN") {
			t.Errorf("%d row counts: NaN in the page", len(rows))
		}
	}
}

func TestPageInABrowser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "m.html")
	if err := page.WriteFile(file, read(t, lines(1000, 10000, 100000)).Page("a subtitle", "a pivot")); err != nil {
		t.Fatal(err)
	}
	text := pagetest.Open(t, file)
	for _, want := range []string{"Benchmark matrix", "pipeline copy lz4", "999 to 1001", "Time against rows", "a pivot"} {
		if !strings.Contains(text, want) {
			t.Errorf("a reader sees no %q in\n%s", want, text)
		}
	}
}
