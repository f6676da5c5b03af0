package matrix

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// Whatever stands in a file, it is read or refused, and what was read can be written.
func FuzzRead(f *testing.F) {
	f.Add(lines(1000, 10000, 100000))
	f.Add(lines(1))
	f.Add("BenchmarkPipeline/rows=10/load=copy/compression=lz4 1 5 ns/op\nBenchmarkPipeline/rows=9223372036854775807/load=copy/compression=lz4 1 1e17 ns/op\n")
	f.Add("BenchmarkFloor/rows=10/load=\x1b[31m 1 1e-300 ns/op 5 ns/op\nmachine: x\n")
	f.Add("Unit ns/op better=higher\nBenchmarkPipeline/rows=1 1 5 ms/op\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Read(strings.NewReader(text), "f")
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := m.WriteText(&out); err != nil {
			t.Fatal(err)
		}
		if err := m.WriteCSV(&out); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(out.Bytes(), []byte("NaN to")) {
			t.Errorf("an interval of nothing:\n%s", &out)
		}
		if err := page.Write(&out, m.Page("", "")); err != nil {
			t.Fatal(err)
		}
	})
}
