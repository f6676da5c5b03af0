package lab

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// times makes testing.Benchmark run n iterations, as -benchtime=nx does.
func times(t *testing.T, n string) {
	t.Helper()
	old := flag.Lookup("test.benchtime").Value.String()
	if err := flag.Set("test.benchtime", n+"x"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set("test.benchtime", old) })
}

// insertDirectly is a run that is right and needs no connector.
func insertDirectly(s *Source) func(context.Context) (Outcome, error) {
	return func(ctx context.Context) (Outcome, error) {
		tag, err := s.conn.Exec(ctx, `INSERT INTO raw.bench_events SELECT * FROM public.bench_events`)
		return Outcome{Rows: tag.RowsAffected(), Bytes: 12345}, err
	}
}

// measure runs a trial of 100 rows three times and returns the samples' error
// text if the benchmark failed.
func measure(t *testing.T, e *Env, change func(*Trial)) (testing.BenchmarkResult, bool) {
	t.Helper()
	s := openSource(t, e, 100)
	trial := Trial{Case: NewCase("Pipeline", "100", "copy", "none"), Source: s, Run: insertDirectly(s)}
	if change != nil {
		change(&trial)
	}
	passed := false
	result := testing.Benchmark(func(b *testing.B) {
		e.Measure(b, trial)
		passed = !b.Failed()
	})
	return result, passed
}

// On a clock that only sleeping moves, everything but the run takes hours, and
// the benchmark must not see a second of it.
func TestOnlyTheRunIsTimed(t *testing.T) {
	server := pgtest.Shared(t)
	times(t, "3")
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e, err := Open(t.Context(), server, DefaultGrid())
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		e.Results, e.Samples = filepath.Join(dir, "results.jsonl"), dir

		runs := 0
		result, passed := measure(t, e, func(trial *Trial) {
			run := trial.Run
			trial.Prepare = func(context.Context) error { time.Sleep(time.Hour); return nil }
			trial.Run = func(ctx context.Context) (Outcome, error) {
				runs++
				time.Sleep(time.Duration(runs) * time.Second)
				return run(ctx)
			}
			trial.Verify = func(context.Context, bool) error { time.Sleep(time.Hour); return nil }
		})
		if !passed {
			t.Fatal("the benchmark failed")
		}
		// One warm-up of 1 s, then 2, 3 and 4 s.
		if result.N != 3 || result.T != 9*time.Second {
			t.Errorf("%d iterations took %v, want 3 and 9s", result.N, result.T)
		}
		if got, want := result.Extra["ns/row"], 3e9/100; got != want {
			t.Errorf("ns/row is %v, want %v", got, want)
		}
		if got, want := result.Extra["cpu-ns/op"], 1e9; got <= 0 || got > want {
			t.Errorf("cpu-ns/op is %v: sleeping counts as work", got)
		}
	})

	records, bad, err := history.Read(filepath.Join(dir, "results.jsonl"))
	if err != nil || len(bad) > 0 || len(records) != 3 {
		t.Fatalf("results: %d lines, bad %v, %v; want 3", len(records), bad, err)
	}
	for i, r := range records {
		if want := float64(i+2) * 1e9; r.Metrics["ns/op"] != want || r.Iter != i+1 {
			t.Errorf("line %d is iteration %d with %v ns/op, want %v", i+1, r.Iter, r.Metrics["ns/op"], want)
		}
	}
}

func TestMeasureVerifiesFirstAndLastFully(t *testing.T) {
	e := openEnv(t)
	times(t, "4")
	var fulls []bool
	_, passed := measure(t, e, func(trial *Trial) {
		trial.Verify = func(ctx context.Context, full bool) error {
			fulls = append(fulls, full)
			return trial.Source.Verify(ctx, full)
		}
	})
	// The warm-up, four runs, and the last one again.
	want := []bool{false, true, false, false, false, true}
	if !passed || len(fulls) != len(want) {
		t.Fatalf("passed %v with the checks %v, want %v", passed, fulls, want)
	}
	for i := range want {
		if fulls[i] != want[i] {
			t.Errorf("check %d is full: %v, want %v", i, fulls[i], want[i])
		}
	}

	records, _, err := history.Read(e.Results)
	if err != nil {
		t.Fatal(err)
	}
	var how []string
	for _, r := range records {
		how = append(how, r.Verified)
	}
	if got := strings.Join(how, " "); got != "checksum rows rows checksum" {
		t.Errorf("the results say they were verified by %s", got)
	}
}

// A run that is fast because it is wrong must not become a number anywhere.
func TestMeasureFailsOnWrongData(t *testing.T) {
	const all = `INSERT INTO raw.bench_events SELECT * FROM public.bench_events`
	for _, tt := range []struct {
		name string
		sql  string
		from int // the run that goes wrong, from 1 with the warm-up
		rows int64
	}{
		{"a row too few in the warm-up", all + ` WHERE id > 1`, 1, 100},
		{"a row too few in the middle", all + ` WHERE id > 1`, 3, 100},
		{"right rows, wrong count", all, 3, 99},
		{"a changed value in the first run", all + `; UPDATE raw.bench_events SET amount = 0 WHERE id = 9`, 2, 100},
		{"a NULL in the last run", all + `; UPDATE raw.bench_events SET payload = NULL WHERE id = 9`, 4, 100},
		{"a doubled row in the last run", all + `; DELETE FROM raw.bench_events WHERE id = 1;
			INSERT INTO raw.bench_events SELECT * FROM raw.bench_events WHERE id = 2`, 4, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := openEnv(t)
			e.Samples = t.TempDir()
			times(t, "3")
			run := 0
			_, passed := measure(t, e, func(trial *Trial) {
				right := trial.Run
				trial.Run = func(ctx context.Context) (Outcome, error) {
					if run++; run != tt.from {
						return right(ctx)
					}
					_, err := trial.Source.conn.Exec(ctx, tt.sql)
					return Outcome{Rows: tt.rows}, err
				}
			})
			if passed {
				t.Error("the benchmark passed")
			}
			if _, _, err := history.Read(e.Results); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("wrong runs are in the results (%v)", err)
			}
			if files, err := os.ReadDir(e.Samples); err != nil || len(files) > 0 {
				t.Errorf("wrong runs left samples: %v, %v", files, err)
			}
		})
	}
}

func TestMeasureFailsWhenResultsCannotBeKept(t *testing.T) {
	e := openEnv(t)
	e.Results = "/dev/full"
	if _, err := os.Stat(e.Results); err != nil {
		t.Skip("this system has no /dev/full")
	}
	times(t, "1")
	if _, passed := measure(t, e, nil); passed {
		t.Error("the benchmark passed although its results are lost")
	}
}

func TestSideFilesReadBack(t *testing.T) {
	e := openEnv(t)
	e.Samples = t.TempDir()
	times(t, "3")
	for range 2 { // the head must come once only
		if _, passed := measure(t, e, nil); !passed {
			t.Fatal("the benchmark failed")
		}
	}

	f, err := os.Open(filepath.Join(e.Samples, SamplesText))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := benchfmt.NewReader(f, SamplesText)
	n := 0
	for r.Scan() {
		if err, ok := r.Result().(*benchfmt.SyntaxError); ok {
			t.Error(err)
		}
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue // what a unit means
		}
		n++
		if c, err := ParseCase(result.Name.String()); err != nil || c.String() != "Pipeline/rows=100/load=copy/compression=none" {
			t.Errorf("the name is %s (%v)", result.Name, err)
		}
		for _, unit := range []string{"sec/op", "sec/row", "rows/s", "cpu-sec/op", "wal-B/row", "B/op", "allocs/op"} {
			if v, ok := result.Value(unit); !ok || v <= 0 {
				t.Errorf("sample %d has %v %s", n, v, unit)
			}
		}
		for _, p := range e.Config() {
			if got := result.GetConfig(p.Key); got != p.Value {
				t.Errorf("%s is %q, want %q", p.Key, got, p.Value)
			}
		}
	}
	if err := r.Err(); err != nil || n != 6 {
		t.Errorf("%d samples, %v; want 6", n, err)
	}

	samples, err := ReadSamples(e.Samples)
	if err != nil || len(samples) != 6 {
		t.Fatalf("%d samples, %v; want 6", len(samples), err)
	}
	if s := samples[5]; s.Iter != 3 || s.Verified != "checksum" || s.Run != e.Run || s.Values["ns/op"] <= 0 {
		t.Errorf("the last sample is %+v", s)
	}
}

func TestReadSamplesNamesTheLine(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadSamples(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder gives %v", err)
	}
	for text, want := range map[string]string{
		`{"v":1}` + "\n" + `{"v":1`: "samples.jsonl:2: unexpected end",
		`{"v":2}`:                   "samples.jsonl:1: a sample of version 2",
	} {
		if err := os.WriteFile(filepath.Join(dir, SamplesJSON), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSamples(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want an error with %q", text, err, want)
		}
	}
}
