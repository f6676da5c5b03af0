package trend

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

// file is records as a suite writes them.
type file struct {
	records []*history.Record
	at      time.Time
}

func (f *file) add(sha, run, mode string, change func(*history.Record), ns ...float64) {
	for i, v := range ns {
		f.at = f.at.Add(time.Second)
		r := &history.Record{
			Timestamp: f.at, Mode: mode, Rows: 1000, GitSHA: sha, Run: run, Iter: i + 1, Load: mode, Compression: "lz4",
			Runtime: "compiled", Machine: "m1", PGVersion: "15", PGConf: "quiet", Metrics: map[string]float64{"ns/op": v},
		}
		if mode == "floor" {
			r.Load, r.Compression, r.Runtime, r.Via = "copy", "", "", "pgx"
		}
		if change != nil {
			change(r)
		}
		f.records = append(f.records, r)
	}
}

func TestRatioOfTheSameProcess(t *testing.T) {
	f := &file{}
	f.add("aaaa111", "r1", "copy", nil, 30, 31, 500) // medians: a stray does not count
	f.add("aaaa111", "r1", "floor", nil, 10, 10, 11)
	f.add("aaaa111", "r2", "copy", nil, 96) // a slower machine, the same ratio
	f.add("aaaa111", "r2", "floor", nil, 30)
	f.add("bbbb222", "r3", "copy", nil, 20)
	f.add("bbbb222", "r4", "floor", nil, 10) // by another process of the commit
	f.add("cccc333", "r5", "copy", nil, 20)  // without a floor
	f.add("cccc333", "r5", "floor", func(r *history.Record) { r.Via = "psql" }, 10)
	f.add("cccc333", "r5", "floor", func(r *history.Record) { r.Rows = 7 }, 10)
	f.add("aaaa111", "r1", "copy", func(r *history.Record) { r.Metrics = nil }, 1)
	f.add("aaaa111", "r1", "pipelinecold", nil, 9000)

	got := Of(f.records)
	if len(got) != 1 || got[0].Name() != "copy lz4, 1000 rows" || len(got[0].Points) != 2 {
		t.Fatalf("got %d series: %+v, want one with two points", len(got), got)
	}
	first, second := got[0].Points[0], got[0].Points[1]
	if first.Commit.Name != "aaaa111" || first.Runs != 2 || math.Abs(first.Ratio-math.Sqrt(3.1*3.2)) > 1e-9 {
		t.Errorf("the first point is %+v, want the geometric mean of 3.1 and 3.2", first)
	}
	if second.Commit.Name != "bbbb222" || second.Runs != 1 || second.Ratio != 2 {
		t.Errorf("the second point is %+v, want 2", second)
	}
}

// The same runs count as in tables.
func TestDisturbedRunsAreLeftOut(t *testing.T) {
	disturbed := func(r *history.Record) { r.Contaminated = []string{"checkpoint"} }
	f := &file{}
	f.add("aaaa111", "r1", "copy", nil, 20)
	f.add("aaaa111", "r1", "copy", disturbed, 500, 600, 700)
	f.add("aaaa111", "r1", "floor", nil, 10)
	f.add("aaaa111", "r2", "copy", disturbed, 900) // a process of which nothing is left
	f.add("aaaa111", "r2", "floor", nil, 10)
	f.add("bbbb222", "r3", "copy", disturbed, 30) // all there is
	f.add("bbbb222", "r3", "floor", disturbed, 10)
	got := Of(f.records)
	if len(got) != 1 || len(got[0].Points) != 2 {
		t.Fatalf("got %d series, want one of two points", len(got))
	}
	first, second := got[0].Points[0], got[0].Points[1]
	if math.Abs(first.Ratio-2) > 1e-9 || first.Runs != 1 || math.Abs(second.Ratio-3) > 1e-9 {
		t.Errorf("got %+v and %+v, want 2 from one process, and 3", first, second)
	}
}

func TestSeriesAreKeptApart(t *testing.T) {
	for name, change := range map[string]func(*history.Record){
		"machine":     func(r *history.Record) { r.Machine = "m2" },
		"profile":     func(r *history.Record) { r.PGConf = "durable" },
		"rows":        func(r *history.Record) { r.Rows = 7 },
		"compression": func(r *history.Record) { r.Compression = "zstd" },
		"runtime":     func(r *history.Record) { r.Runtime = "interpreted" },
	} {
		f := &file{}
		f.add("aaaa111", "r1", "copy", nil, 20)
		f.add("aaaa111", "r1", "floor", nil, 10)
		f.add("bbbb222", "r2", "copy", change, 60)
		f.add("bbbb222", "r2", "floor", func(r *history.Record) {
			compression, runtime := r.Compression, r.Runtime
			change(r)
			r.Compression, r.Runtime = compression, runtime
		}, 10)
		if got := Of(f.records); len(got) != 2 || len(got[0].Points) != 1 || len(got[1].Points) != 1 {
			t.Errorf("another %s: got %d series, want two with one point each", name, len(got))
		}
	}
}

func TestStepOverCommits(t *testing.T) {
	f := &file{}
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 24 {
		sha, run := fmt.Sprintf("%07x", i+1), fmt.Sprint("r", i)
		slow := 1 + r.Float64() // of the machine on that day
		ratio := 1.40
		if i >= 12 {
			ratio = 1.54
		}
		for range 3 {
			noise := 1 + 0.02*r.NormFloat64()
			f.add(sha, run, "copy", nil, 1e7*slow*ratio*noise)
			f.add(sha, run, "floor", nil, 1e7*slow)
		}
	}
	got := Of(f.records)
	if len(got) != 1 || len(got[0].Points) != 24 || len(got[0].Changes) != 1 {
		t.Fatalf("got %+v, want one series of 24 points with one change", got)
	}
	c := got[0].Changes[0]
	if c.Index != 12 || math.Abs(c.Before-1.40) > 0.02 || math.Abs(c.After-1.54) > 0.02 {
		t.Errorf("got %+v (%s), want 1.40 to 1.54 at 12", c, got[0].Text(c))
	}
}

func TestOfNothing(t *testing.T) {
	if got := Of(nil); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	if got := Of([]*history.Record{{Mode: "copy", Rows: 1}}); len(got) != 0 { // a line of the seed's own tools
		t.Errorf("got %v", got)
	}
}
