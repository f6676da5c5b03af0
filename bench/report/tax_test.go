package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

// pair returns the record of a pair of runs.
func pair(load string, wall, guest float64) *history.Record {
	return &history.Record{Mode: "tax", Load: load, Rows: 10000, Runtime: "compiled", Machine: "m", Bench: "Tax/load=" + load,
		Metrics: map[string]float64{"wall-tax": wall, "guest-tax": guest}}
}

func TestTax(t *testing.T) {
	// One pair was torn apart. Runs of other families do not count.
	records := []*history.Record{pair("insert", 1.01, 2.04), pair("copy", 1.2, 2.1), run("insert", 1), pair("insert", 40, 9),
		pair("copy", 1.1, 2.3), pair("insert", 1.03, 2), run("copy", 1)}
	for _, i := range []int{0, 3, 5} {
		records[i].Metrics["cpu-tax"] = 1.4
	}
	var got bytes.Buffer
	if err := Tax(&got, records); err != nil {
		t.Fatal(err)
	}
	const want = `  WASM tax:    compiled against native, in turn
  Pairs:       3 INSERT, 2 COPY

  Metric (median)              INSERT        COPY
  -----------------------  ----------  ----------
  Wall time                     1.03x       1.15x
  Client CPU                    1.40x           -
  Time in the guests            2.04x       2.20x
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

func TestTaxRefuses(t *testing.T) {
	other := pair("copy", 1, 1)
	other.Machine = "another"
	for name, tt := range map[string]struct {
		records []*history.Record
		want    string
	}{
		"no pairs":        {[]*history.Record{run("insert", 1), run("copy", 1)}, "needs runs of both load methods"},
		"one load method": {[]*history.Record{pair("copy", 1, 1)}, "needs runs of both load methods"},
		"two machines":    {[]*history.Record{pair("insert", 1, 1), other}, "different conditions"},
	} {
		var out bytes.Buffer
		if err := Tax(&out, tt.records); err == nil || !strings.Contains(err.Error(), tt.want) || out.Len() > 0 {
			t.Errorf("%s: got %v and %q, want an error with %q", name, err, &out, tt.want)
		}
	}
}
