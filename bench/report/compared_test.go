package report

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/page/pagetest"
)

const hostile = `</script><script>throw "hostile"</script><b>"'`

// process is a run of 100 ms, or of as much more as slow says, in which the source's guest takes what is more.
func process(c compare.Case, slow float64, at time.Time) *compare.Process {
	wobble := 1 + 0.01*math.Sin(float64(at.Unix()))
	return &compare.Process{Case: c, Started: at, Duration: time.Second, Config: map[string]string{"machine": "3f2a9c1e"}, Values: map[string][]float64{
		"sec/op":      {0.1 * slow * wobble, 0.101 * slow * wobble},
		"cpu-sec/op":  {0.06 * slow * wobble, 0.06 * slow * wobble},
		"dest-sec/op": {0.1 * slow, 0.1 * slow}, "dest-stall-sec/op": {0.05 * slow, 0.05 * slow}, "dest-flush-sec/op": {0.05 * slow, 0.05 * slow},
		"source-sec/op": {0.1 * slow, 0.1 * slow}, "source-guest-sec/op": {0.1*slow - 0.02, 0.1*slow - 0.02}, "source-wait-sec/op": {0.02, 0.02},
	}}
}

// compared is a report with something to show in every part of the page.
func compared() *compare.Report {
	r := &compare.Report{
		Base:      compare.Version{Name: "main", Commit: "1a2b3c4d5e6f", Text: "main (1a2b3c4)", Subject: `"dest: start"`, Harness: "0123456789abcdef"},
		Head:      compare.Version{Name: ".", Commit: "5e6f7a8b", Text: "the working tree (5e6f7a8, not committed)", Subject: fmt.Sprintf("%q", hostile), Dirty: true},
		Reproduce: "go tool mage compare main . -seed=7", Warnings: []string{"the suites differ"}, Finished: time.Unix(1700000000, 0),
		Config: map[string]string{"machine": "3f2a9c1e", "pg-version": "15.18"}, Seed: 7, Rounds: 12, Iterations: 2, Threshold: 0.02, Alpha: 0.05,
		NoiseTaken: time.Unix(1699990000, 0), OnlyHead: []compare.Case{"Source/rows=7"},
		Geomeans: []compare.Geomean{{Unit: "sec/op", Change: 0.05, Cases: 2}}, Tax: &compare.Tax{Base: 2, Head: 2.1, Cases: 2},
		Counts: compare.Counts{Regressed: 1, Same: 2, Inconclusive: 2},
	}
	cases := []compare.Case{"Pipeline/rows=1000/load=copy", "Pipeline/rows=10000/load=copy", compare.Case("Evil/" + hostile), "Floor/rows=1000/load=copy"}
	clock := time.Unix(1699999000, 0)
	for number := 1; number <= 2; number++ {
		b := &compare.Block{Number: number, Seed: uint64(number)}
		for i, c := range cases[:len(cases)+1-number] {
			s := &compare.Series{Case: c}
			for round := 1; round <= 10; round++ {
				clock = clock.Add(time.Second)
				p := compare.Pair{Round: round, BaseFirst: round%2 == 1, Alternated: i%2 == 0, Base: process(c, 1, clock), Head: process(c, 1+0.1*float64(i), clock)}
				if round == 6 {
					p.Base.LeftOut = map[string][]float64{"sec/op": {0.4}}
					p.Base.Contaminated = []string{"steal"}
				}
				s.Pairs = append(s.Pairs, p)
				if round == 4 {
					p.Base = process(c, 3, clock)
					p.Base.Contaminated = []string{"checkpoint"}
					s.Repeated = append(s.Repeated, p)
				}
			}
			b.Series = append(b.Series, s)
		}
		r.Blocks = append(r.Blocks, b)
	}
	r.Blocks[1].Ended = "out of time after 10 of 12 rounds"
	change := compare.Change{Estimate: 0.1, Lo: 0.08, Hi: 0.13, Level: 0.97, Pairs: 10, Block: 2}
	r.Verdicts = []*compare.Verdict{
		{Case: cases[0], Unit: "sec/op", Outcome: compare.Same, Base: 0.1, Head: 0.1001, Change: compare.Change{Estimate: 0.001, Lo: -0.004, Hi: 0.005, Pairs: 10, Block: 1}, Band: compare.Band{Change: 0.02, From: "threshold"}},
		{Case: cases[1], Unit: "sec/op", Outcome: compare.Regressed, Base: 0.1, Head: 0.11, Change: change, First: &change, Repeats: 1, Band: compare.Band{Change: 0.0213, From: "2 ms"},
			Explanation: &compare.Explanation{Total: 0.01, Parts: []compare.Part{{Stage: "source", Phase: "guest", Sec: 0.0092, Share: 0.92}}}},
		{Case: cases[2], Unit: "sec/op", Outcome: compare.Inconclusive, Base: compare.Number(math.NaN()), Head: compare.Number(math.Inf(1)),
			Change: compare.Change{Estimate: compare.Number(math.NaN()), Lo: compare.Number(math.Inf(-1)), Hi: 1e21, Pairs: 10, Block: 1}, Reason: "could have seen " + hostile, Modes: []*compare.Modes{{Side: compare.Head, Low: 0.1, High: 0.2, Samples: 12, Lower: 5, Dip: 0.14, P: 0.002}}},
		{Case: cases[2], Unit: "B/op", Outcome: compare.Inconclusive, Reason: "no pair was measured"},
		{Case: cases[0], Unit: "roundtrips/op", Outcome: compare.Same, Exact: true, Base: 7, Head: 7, Change: compare.Change{Pairs: 10}},
		{Case: cases[0], Unit: "statements/op", Outcome: compare.Regressed, Exact: true, Base: 8, Head: 9, Change: compare.Change{Estimate: 0.125, Lo: 0.125, Hi: 0.125, Pairs: 10}, Band: compare.Band{Change: 1e-4, From: "exact"}},
		{Case: cases[0], Unit: "wire-B/row", Outcome: compare.Same, Exact: true, Base: 95, Head: 95.001, Change: compare.Change{Estimate: 1e-5, Lo: 1e-5, Hi: 1e-5, Pairs: 10}, Band: compare.Band{Change: 1e-4, From: "exact"}, Reason: "too small a difference to count"},
	}
	r.Resolves = []compare.Resolves{{Case: cases[0], Unit: "sec/op", Floor: 0.011}}
	return r
}

func document(t *testing.T, r *compare.Report, x Extras) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Write(&b, Compared(r, x)); err != nil {
		t.Fatal(err)
	}
	pagetest.Check(t, b.String())
	return b.String()
}

// wanted is what a reader finds on the page of the comparison.
var wanted = []string{
	"main (1a2b3c4) → the working tree (5e6f7a8, not committed)", "“" + hostile + "”, measured in pairs against “dest: start”",
	"regressed 1", "inconclusive 2", "geomean sec/op +5.0 %", "WASM tax (over pgx) 2.00 → 2.10", "Warning: the suites differ",
	"only in head, not compared: Source/rows=7",
	"regressed Pipeline/rows=10000/load=copy 92 % of +10.0 % is source guest sec/op 100 ms 110 ms +10.0 % +8.0 % to +13.0 % 2.1 % 2 ms 10+10 1 repeated",
	"same Pipeline/rows=1000/load=copy sec/op 100 ms 100 ms +0.1 % −0.4 % to +0.5 %",
	"inconclusive Evil/" + hostile + " could have seen " + hostile + "; head looks", "sec/op - +Inf - no interval", "B/op 0 0 - 0 % 0", "no pair was measured", "; head looks bimodal, 5 processes around", "two groups in head",
	"statements/op 8 9 +12.5 % 0.01 % exact 10", "wire-B/row 95.0 B 95.0 B +0.001 % 0.01 % exact 10", "too small a difference to count",
	"1 exact counters are equal case unit value Pipeline/rows=1000/load=copy roundtrips/op 7",
	"sec/op in run order", "repeated, not counted", "4 measured again checkpoint quiet", "6 1 of 3 runs left out steal quiet", "interval +8.0 % to +13.0 %", "band 2.1 %", "block 2",
	"source: 100 ms → 110 ms", "+10.0 ms", "source guest 80.0 ms 80.0 % 90.0 ms 81.8 % +10.0 ms", "A reference: it describes the machine and is not judged.",
	"Scaling", "Pipeline/load=copy", "flame of " + hostile, "Contamination log", "checkpoint quiet", "seed 7", "pg-version 15.18", "with changes that are not committed",
	"block 2 out of time after 10 of 12 rounds", "1.1 %", "go tool mage compare main . -seed=7", "benchstat goos: linux", "The report as text",
}

func everythingCompared() (*compare.Report, Extras) {
	return compared(), Extras{Benchstat: "goos: linux", Figures: []page.Figure{{Title: "flame of " + hostile, SVG: []byte("<svg/>")}}}
}

func TestCompared(t *testing.T) {
	r, x := everythingCompared()
	text := pagetest.Text(document(t, r, x))
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	for _, v := range r.Verdicts {
		if !strings.Contains(text, string(v.Case)) || !strings.Contains(text, v.Unit) {
			t.Errorf("no verdict on %s of %s", v.Unit, v.Case)
		}
	}
	// The worst comes first.
	if at := func(s string) int { return strings.Index(text, s) }; at("regressed Pipeline") > at("inconclusive Evil") || at("inconclusive Evil") > at("same Pipeline") {
		t.Error("the verdicts are out of order")
	}
}

func TestComparedInBrowser(t *testing.T) {
	r, x := everythingCompared()
	path := filepath.Join(t.TempDir(), "report.html")
	if err := page.WriteFile(path, Compared(r, x)); err != nil {
		t.Fatal(err)
	}
	text := pagetest.Open(t, path)
	for _, want := range wanted {
		// The script puts an input in front of long tables, and takes the titles out of drawings; nothing else may be missing.
		if !strings.Contains(text, want) {
			t.Errorf("the browser does not show %q", want)
		}
	}
}

// Reports that hold next to nothing are pages, too.
func TestComparedDegenerate(t *testing.T) {
	for name, r := range map[string]*compare.Report{
		"zero":      {},
		"identical": {Identical: "the two builds are the same"},
		"no pairs":  {Blocks: []*compare.Block{{Number: 1, Series: []*compare.Series{{Case: "A/rows=1"}, {Case: "A/rows=2"}}}}},
		"one run": {Blocks: []*compare.Block{{Number: 1, Series: []*compare.Series{{Case: "A/rows=x", Pairs: []compare.Pair{
			{Base: &compare.Process{}, Head: &compare.Process{Values: map[string][]float64{"sec/op": {math.NaN(), math.Inf(1), -1}}}}}}}}},
			Verdicts: []*compare.Verdict{{Case: "A/rows=x", Unit: "sec/op"}}},
	} {
		t.Run(name, func(t *testing.T) {
			text := pagetest.Text(document(t, r, Extras{}))
			if r.Identical != "" && !strings.Contains(text, r.Identical+". Nothing was measured.") {
				t.Errorf("nothing says why:\n%s", text)
			}
		})
	}
}

func TestQuantity(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{0.0617, "sec/op", "61.7 ms"}, {1.5, "source-sec/op", "1.50 s"}, {950e-9, "sec/row", "950 ns"}, {0.99996, "sec/op", "1000 ms"},
		{4131389, "B/op", "3.94 MiB"}, {86.06, "wire-B/row", "86.1 B"}, {34950, "allocs/op", "35.0k"}, {7, "roundtrips/op", "7"}, {9990, "x", "9990"},
		{0, "sec/op", "0"}, {-0.002, "sec/op", "-2.00 ms"}, {math.NaN(), "x", "-"}, {math.Inf(1), "x", "+Inf"},
	} {
		if got := quantity(c.v, c.unit); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.v, c.unit, got, c.want)
		}
	}
	for v, want := range map[float64]string{0.05: "50 ms", 0.0125: "12.5 ms", 0.1025: "102.5 ms", 0.0957654: "95.8 ms", 0.00143477: "1.43 ms", 100: "100 s", 0.1 + 0.2: "300 ms", 0: "0"} {
		if got := drawn("sec/op")(v); got != want {
			t.Errorf("drawn %v: %q, want %q", v, got, want)
		}
	}
	if got := drawn("allocs/op")(34925); got != "34.925k" {
		t.Errorf("a round number of allocations: %q", got)
	}
	for v, want := range map[float64]string{0.132: "+13.2 %", -0.0004: "−0.04 %", 1.17: "+117 %", 0: "0 %", 1e-9: "0 %", 1e20: "∞"} {
		if got := signedPercent(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
