package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

// taxLines are the prices of the sandbox, by the units they are reported in.
var taxLines = []struct{ label, unit string }{{"Wall time", "wall-tax"}, {"Client CPU", "cpu-tax"}, {"Time in the guests", "guest-tax"}}

// Tax writes what the sandbox costs, from the pairs of runs among records: how many times as long a run through it takes
// as the same run with the connectors linked in, the median of each load method. Runs of other families are passed over. The
// errors are those of [Comparison].
func Tax(w io.Writer, records []*history.Record) error {
	inserts, copies, err := bothLoads(records, func(r *history.Record) string {
		if r.Mode != "tax" {
			return ""
		}
		return r.Load
	})
	if err != nil {
		return err
	}

	var out strings.Builder
	fmt.Fprintf(&out, "  WASM tax:    %s against native, in turn\n", plain(inserts[0].Runtime))
	fmt.Fprintf(&out, "  Pairs:       %s\n\n", iterations(len(inserts), len(copies)))
	fmt.Fprintf(&out, "  %-23s  %10s  %10s\n", "Metric (median)", "INSERT", "COPY")
	rule := strings.Repeat("-", 10)
	fmt.Fprintf(&out, "  %s  %s  %s\n", strings.Repeat("-", 23), rule, rule)
	for _, l := range taxLines {
		fmt.Fprintf(&out, "  %-23s  %10s  %10s\n", l.label, times(median(inserts, l.unit)), times(median(copies, l.unit)))
	}
	_, err = io.WriteString(w, out.String())
	return err
}

// median returns the middle of what the records, at least one, have under the unit; 0 for what they lack.
func median(records []*history.Record, unit string) float64 {
	var values []float64
	for _, r := range records {
		values = append(values, r.Metrics[unit])
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// times writes a ratio: 1.05x; "-" for none.
func times(ratio float64) string {
	if ratio == 0 {
		return "-"
	}
	return strconv.FormatFloat(ratio, 'f', 2, 64) + "x"
}
