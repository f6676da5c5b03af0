package paired_test

import (
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

func Example() {
	base := []float64{100, 104, 99, 101, 130, 100, 98, 102}
	head := []float64{106, 109, 105, 107, 137, 107, 103, 108}

	var d []float64
	for i := range base {
		x, err := paired.LogRatio(base[i], head[i])
		if err != nil {
			fmt.Println(err)
			return
		}
		d = append(d, x)
	}

	ratio, lo, hi := paired.Estimate(d, 0.95).Ratio()
	fmt.Printf("%+.1f%% (%+.1f%% to %+.1f%%)\n", 100*(ratio-1), 100*(lo-1), 100*(hi-1))
	fmt.Printf("p=%.4f\n", paired.SignedRank(d).P)
	// Output:
	// +5.8% (+5.1% to +6.5%)
	// p=0.0078
}
