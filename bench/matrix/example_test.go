package matrix_test

import (
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/bench/matrix"
)

// Three runs at each of three row counts: 20 ms whatever is moved, and 1.5 µs a row.
func ExampleFitLine() {
	line := matrix.FitLine([]matrix.Cell{
		{Rows: 1000, Times: []float64{21.3e6, 21.6e6, 21.5e6}},
		{Rows: 10000, Times: []float64{35.2e6, 34.8e6, 35.1e6}},
		{Rows: 100000, Times: []float64{169e6, 171e6, 170.5e6}},
	})
	fmt.Printf("fixed %.1f ms, %.1f to %.1f\n", line.Fixed.Value/1e6, line.Fixed.Lo/1e6, line.Fixed.Hi/1e6)
	fmt.Printf("row %.0f ns, %.0f to %.0f\n", line.PerRow.Value, line.PerRow.Lo, line.PerRow.Hi)
	// Output:
	// fixed 20.0 ms, 19.8 to 20.1
	// row 1503 ns, 1489 to 1516
}
