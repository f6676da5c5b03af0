package lab

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

func TestGridPartitions(t *testing.T) {
	names := func(vars map[string]string) []string {
		g, err := GridFromEnv(lookupIn(vars))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range g.Partitions() {
			names = append(names, strings.TrimPrefix(c.String(), "Partitions/"))
		}
		return names
	}
	got := names(map[string]string{"BENCH_ROWS": "5,70"})
	if want := []string{"rows=70/partitions=1/table=existing", "rows=70/partitions=2/table=existing",
		"rows=70/partitions=auto/table=existing", "rows=70/partitions=2/table=new"}; !slices.Equal(got, want) {
		t.Errorf("by default: %q", got)
	}
	got = names(map[string]string{"BENCH_ROWS": "5", "BENCH_PARTITIONS": "auto,32"})
	if want := []string{"rows=5/partitions=auto/table=existing", "rows=5/partitions=32/table=existing",
		"rows=5/partitions=auto/table=new", "rows=5/partitions=32/table=new"}; !slices.Equal(got, want) {
		t.Errorf("by choice: %q", got)
	}
	for value, want := range map[string]string{
		"0": "1 to 32", "33": "1 to 32", "02": "1 to 32", "all": "auto", "2,2": "twice", "auto,auto": "twice", ",": "no value",
	} {
		_, err := GridFromEnv(lookupIn(map[string]string{"BENCH_PARTITIONS": value}))
		if err == nil || !strings.Contains(err.Error(), "BENCH_PARTITIONS") || !strings.Contains(err.Error(), want) {
			t.Errorf("BENCH_PARTITIONS=%s gives %v, want %q in it", value, err, want)
		}
	}
}

// A run in another number of partitions than the case's name says is no run of that case.
func TestInPartitions(t *testing.T) {
	two := pipeline.Resources{Parallelism: 2}
	auto := pipeline.Resources{Parallelism: 4, AutoParallelism: true}
	for _, tt := range []struct {
		name  string
		asked pipeline.Resources
		rows  []int64 // of each partition; 10 together are right
		want  string
	}{
		{"two", two, []int64{7, 3}, ""},
		{"one instead", two, []int64{10}, "moved in 1 partitions, and 2 were asked for"},
		{"three instead", two, []int64{4, 3, 3}, "moved in 3 partitions"},
		{"none", two, nil, "moved in 0 partitions"},
		{"auto, fewer", auto, []int64{10}, ""},
		{"auto, all", auto, []int64{4, 2, 2, 2}, ""},
		{"auto, more", auto, []int64{2, 2, 2, 2, 2}, "moved in 5 partitions"},
		{"auto, none", auto, nil, "moved in 0 partitions"},
		{"a row twice", two, []int64{7, 4}, "11 rows instead of 10"},
	} {
		s := engine.StreamResult{Name: "s", RowsWritten: 10}
		for _, n := range tt.rows {
			s.Partitions = append(s.Partitions, engine.PartitionResult{Rows: n})
		}
		err := inPartitions(&engine.Result{Streams: []engine.StreamResult{s}}, &tt.asked)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Each case moves every value, and says how even its partitions were; package testing's report has it.
func TestPartitionTrials(t *testing.T) {
	e := openEnv(t)
	times(t, "2")
	e.Grid.Rows = []int{20000}
	for _, c := range e.Grid.Partitions() {
		trial, err := e.PartitionTrial(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", c, err)
			continue
		}
		passed := false
		result := testing.Benchmark(func(b *testing.B) {
			e.Measure(b, trial)
			passed = !b.Failed()
		})
		skew := result.Extra["partition-skew"]
		if n := c.Param("partitions"); !passed || skew < 1 || n == "1" && skew != 1 || n == "2" && skew >= 2 {
			t.Errorf("%s: passed %v, partition-skew %v", c, passed, skew)
		}
	}

	s := openSource(t, e, 20000)
	if err := s.canPrepare(t.Context(), 1<<20); !errors.Is(err, ErrNoPrepared) {
		t.Errorf("a million prepared transactions: %v", err)
	}
	if err := errors.Join(s.canPrepare(t.Context(), 1), s.withNewTable().canPrepare(t.Context(), 1<<20)); err != nil {
		t.Errorf("a run that prepares nothing: %v", err)
	}
}

// A table that the run makes is gone before each run, and the one that is there is another.
func TestNewTable(t *testing.T) {
	e := openEnv(t)
	s := openSource(t, e, 100)
	made := s.withNewTable()
	ctx := t.Context()
	there := func() (there bool) {
		if err := s.conn.QueryRow(ctx, `SELECT to_regclass('raw_new.bench_events') IS NOT NULL`).Scan(&there); err != nil {
			t.Fatal(err)
		}
		return there
	}
	run := `CREATE SCHEMA IF NOT EXISTS raw_new; CREATE TABLE raw_new.bench_events AS TABLE public.bench_events`

	for range 2 {
		if err := made.Reset(ctx); err != nil {
			t.Fatal(err)
		}
		if there() {
			t.Fatal("the table is there before the run")
		}
		if counters, err := before(ctx, made); err != nil || counters.table != 0 {
			t.Fatalf("before the run the table has %d bytes, %v", counters.table, err)
		}
		if err := made.Verify(ctx, false); err == nil {
			t.Error("a run that makes no table is right")
		}
		if _, err := s.conn.Exec(ctx, run); err != nil {
			t.Fatal(err)
		}
		if err := made.Verify(ctx, true); err != nil {
			t.Error(err)
		}
	}
	var size snapshot
	if err := size.readServer(ctx, made); err != nil || size.table == 0 {
		t.Errorf("after the run the table has %d bytes, %v", size.table, err)
	}
	if err := s.Verify(ctx, false); !errors.Is(err, ErrWrongData) {
		t.Errorf("the other destination: %v, want it empty", err)
	}
}
