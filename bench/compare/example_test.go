package compare_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
)

// coin is a Runner whose head is 6 % slower than its base.
type coin struct{ r *rand.Rand }

func (coin) Cases(context.Context, compare.Side) ([]compare.Case, error) {
	return []compare.Case{"Sort/n=1000000"}, nil
}

func (c coin) Pair(ctx context.Context, turn compare.Turn) (compare.Pair, error) {
	return compare.BackToBack(ctx, turn, c.run)
}

func (c coin) run(_ context.Context, turn compare.Turn) (*compare.Process, error) {
	seconds := 0.5 + 0.005*c.r.NormFloat64()
	if turn.Side == compare.Head {
		seconds *= 1.06
	}
	return &compare.Process{
		Case: turn.Case, Duration: time.Second,
		Values: map[string][]float64{"sec/op": {seconds}}, Config: map[string]string{"machine": "example"},
	}, nil
}

func ExampleMeasure() {
	report, err := compare.Measure(context.Background(), coin{rand.New(rand.NewPCG(1, 1))}, compare.Options{
		Gate: []string{"sec/op"}, Seed: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report.WriteText(os.Stdout)
	fmt.Println("exit", report.Exit(false))
	// Output:
	// machine example
	// at most 12 pairs of each case in a block, seed 1, threshold 2.0 %, error probability 5.0 %
	// warning: the noise of this machine was never measured: run mage noise
	//
	// regressed (1)
	//   case            unit    base    head    change  interval          pairs  band
	//   Sort/n=1000000  sec/op  499.4m  533.5m  +6.7 %  +4.1 % to +8.9 %  8+8    2.0 %
	//
	// geomean of 1 cases: sec/op +6.7 %
	// 16 pairs in 2 blocks, 0 repeated and 0 runs left out because the machine was disturbed
	// 1 regressed, 0 improved, 0 same, 0 inconclusive
	// regressed: Sort/n=1000000
	// exit 3
}
