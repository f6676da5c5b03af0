package lab

import (
	"math"
	"runtime"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

// batchRows is how many rows of the events are one batch.
const batchRows = 8192

// Once a run is under way, a batch costs the host's heap nothing: it is the difference between runs of 40 and of 20 batches,
// from which drops out what a run costs once. The connectors have tests of their own, as guests have heaps of their own.
func TestBatchAllocatesNothing(t *testing.T) {
	switch {
	case testing.Short():
		t.Skip("moves millions of rows")
	case raceEnabled:
		t.Skip("under the race detector sync.Pool loses things, and zstd keeps small tables in one")
	}
	e := openEnv(t)
	for _, tt := range []struct {
		load, compression string
		noise             float64
	}{
		{"copy", "none", 0.5}, {"copy", "lz4", 0.5}, {"copy", "zstd", 0.5},
		// A busy server makes the writes of a batch's 33 statements wait, and what is read ahead meanwhile ends with an
		// error that package net allocates.
		{"insert", "none", 2},
	} {
		t.Run(tt.load+"/"+tt.compression, func(t *testing.T) {
			const few, many = 20, 60
			first, second := leastAllocs(t, e, few, tt.load, tt.compression), leastAllocs(t, e, many, tt.load, tt.compression)
			each := float64(second-first) / (many - few)
			t.Logf("runs of %d and %d batches allocate %d and %d times: %.2f a batch", few, many, first, second, each)
			if each >= tt.noise {
				t.Errorf("a batch allocates %.2f times, want 0", each)
			}
		})
	}
}

// leastAllocs returns the fewest allocations of some runs that move so many batches: what others do in this process meanwhile
// only adds to them.
func leastAllocs(t *testing.T, e *Env, batches int, load, compression string) int64 {
	t.Helper()
	s := openSource(t, e, batches*batchRows)
	p, err := e.Pipeline(s, load, compression)
	if err != nil {
		t.Fatal(err)
	}
	p.Resources.MaxInflightBatches = 1 // how many frames there are must not be a matter of luck
	eng, err := e.Engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	least := int64(math.MaxInt64)
	for range 3 {
		if err := s.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := outcome(eng.Run(t.Context(), p, engine.RunOptions{}))
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.Result.Stages[0].Counters.Batches; got != int64(batches) {
			t.Fatalf("%d rows are %d batches, want %d", out.Rows, got, batches)
		}
		least = min(least, int64(after.Mallocs-before.Mallocs))
	}
	if err := s.Verify(t.Context(), true); err != nil {
		t.Error(err)
	}
	return least
}
