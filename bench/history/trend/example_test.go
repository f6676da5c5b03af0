package trend_test

import (
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/bench/history/trend"
)

func ExampleChangePoints() {
	values := []float64{1.41, 1.39, 1.40, 1.42, 1.40, 1.38, 1.55, 1.53, 1.56, 1.54, 1.57, 1.54}
	for _, c := range trend.ChangePoints(values, 0.01) {
		fmt.Printf("from %.2f to %.2f at %d\n", c.Before, c.After, c.Index)
	}
	// Output: from 1.40 to 1.54 at 6
}
