package compare

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/paired"
)

// The floor is what comparisons of equal code report: of many such comparisons about one in twenty is beyond it.
func TestFloorIsTheNoiseOfComparisons(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	draw := func(n int) []float64 {
		d := make([]float64, n)
		for i := range d {
			d[i] = 0.02 * (r.NormFloat64() - r.NormFloat64())
		}
		return d
	}
	n := &Noise{Cells: []NoiseCell{{one, "sec/op", draw(200)}}}
	for _, pairs := range []int{8, 12, 24, 40} {
		floor, ok := n.Floor(one, "sec/op", pairs)
		if !ok {
			t.Fatal("no floor")
		}
		beyond := 0
		const trials = 2000
		for range trials {
			if math.Abs(math.Expm1(paired.Centre(draw(pairs)))) > floor {
				beyond++
			}
		}
		if rate := float64(beyond) / trials; rate < 0.02 || rate > 0.09 {
			t.Errorf("%d pairs: %.3f of comparisons are beyond the floor of %.4f, want about 0.05", pairs, rate, floor)
		}
		if again, _ := n.Floor(one, "sec/op", pairs); again != floor {
			t.Errorf("%d pairs: the floor was %v and is %v", pairs, floor, again)
		}
	}

	pair, _ := n.PairFloor(one, "sec/op")
	if floor, _ := n.Floor(one, "sec/op", 12); pair < 0.045 || pair > 0.07 || floor > pair/2 {
		t.Errorf("single pairs move by %.4f, comparisons of 12 by %.4f", pair, floor)
	}
	// Neither of two equal programs is the base: one that always came out slower is noise too, not a change that a floor
	// as high would hide.
	n.Cells[0].Ratios, n.floors = []float64{0.02, 0.03, 0.04, 0.05, 0.06}, nil
	if floor, _ := n.Floor(one, "sec/op", 12); floor > 0.035 {
		t.Errorf("pairs that differ by 2 to 6 %% in the same direction give a floor of %v", floor)
	}
	if _, ok := n.Floor(one, "cpu-sec/op", 12); ok {
		t.Error("a floor of a unit that was not measured")
	}
	var none *Noise
	if _, ok := none.Floor(one, "sec/op", 12); ok {
		t.Error("a floor out of nothing")
	}
}

func TestNoiseOfAComparison(t *testing.T) {
	m := newMachine(1, grid(1000)...)
	m.noise = 0.02
	o := m.options()
	o.Every, o.Rounds = true, 20
	r := measure(t, m, o)
	r.Base.Commit, r.Head.Commit = "c1", "c1"
	n, err := r.Noise(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n.Machine != "3f2a9c1e" || n.Commit != "c1" || !n.Taken.Equal(m.clock) || len(n.Cells) != 8*4 {
		t.Errorf("noise %+v of %d cells", n, len(n.Cells))
	}
	for _, c := range n.Cells {
		if len(c.Ratios) != 20 {
			t.Errorf("%s %s has %d pairs", c.Case, c.Unit, len(c.Ratios))
		}
	}
	if len(r.Blocks) != 1 {
		t.Error("noise was confirmed in a second block")
	}

	r.Head.Commit = "c2"
	if _, err := r.Noise(nil); err == nil || !strings.Contains(err.Error(), "c1 and c2") {
		t.Errorf("noise of two programs: %v", err)
	}
	if _, err := (&Report{}).Noise(nil); err == nil {
		t.Error("noise of nothing")
	}
}

func TestNoiseFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "noise.json")
	if n, err := LoadNoise(path, "m1"); n != nil || err != nil {
		t.Errorf("a missing file: %v, %v", n, err)
	}
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	save := func(machine, conf string, taken time.Time) *Noise {
		t.Helper()
		n := &Noise{Machine: machine, Taken: taken, Commit: "c", Config: map[string]string{"machine": machine, "pg-conf": conf},
			Cells: []NoiseCell{{one, "sec/op", []float64{0.01, -0.02}}}}
		if err := SaveNoise(path, n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	save("m1", "quiet", day)
	save("m2", "quiet", day)
	save("m1", "durable", day.AddDate(0, 0, -1))
	want := save("m1", "quiet", day.AddDate(0, 0, 1))

	got, err := LoadNoise(path, "m1")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("loaded %+v, %v; want the latest of m1, %+v", got, err, want)
	}
	f, err := readNoise(path)
	if err != nil || len(f.Noise) != 3 {
		t.Errorf("%d measurements kept, want one for each machine and server settings (%v)", len(f.Noise), err)
	}

	if err := SaveNoise(path, &Noise{}); err == nil {
		t.Error("noise of a machine without a fingerprint was kept")
	}
	if err := os.WriteFile(path, []byte(`{"v":1,"noise":[{"mach`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadNoise(path, "m1"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a torn file: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"v":99,"noise":[]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := LoadNoise(path, "m1"); n != nil || err != nil {
		t.Errorf("a file of the future: %v, %v", n, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".noise-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestNoiseStale(t *testing.T) {
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	n := &Noise{Machine: "m1", Taken: day, Config: map[string]string{"machine": "m1", "pg-conf": "quiet", "pg-version": "15.18"}}
	for _, c := range []struct {
		n      *Noise
		now    time.Time
		config map[string]string
		want   string
	}{
		{n, day.AddDate(0, 0, 13), map[string]string{"machine": "m1", "pg-conf": "quiet", "goos": "linux"}, ""},
		{n, day.AddDate(0, 0, 15), nil, "measured 15 days ago"},
		{n, day, map[string]string{"machine": "m2"}, `machine "m1", and this is "m2"`},
		{n, day, map[string]string{"machine": "m1", "pg-conf": "durable"}, `pg-conf "quiet", and this is "durable"`},
		{nil, day, nil, "never measured"},
	} {
		if got := c.n.Stale(c.now, c.config); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("stale: %q, want %q", got, c.want)
		}
	}
}

// Noise of another machine is not used, and the report says so.
func TestReportWarnsOfForeignNoise(t *testing.T) {
	m := newMachine(1, one)
	o := m.options()
	o.Noise = &Noise{Machine: "other", Taken: m.clock, Config: map[string]string{"machine": "other"},
		Cells: []NoiseCell{{one, "cpu-sec/op", []float64{0.5, -0.5}}}}
	r := measure(t, m, o)
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], `machine "other", and this is "3f2a9c1e"`) {
		t.Errorf("warnings %q", r.Warnings)
	}
	if v := verdict(t, r, one, "cpu-sec/op"); v.Band.Change > 0.1 || len(r.Resolves) > 0 {
		t.Errorf("foreign noise was used: band %+v, resolves %v", v.Band, r.Resolves)
	}
	if _, err := Measure(canceled(), m, o); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled comparison: %v", err)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
