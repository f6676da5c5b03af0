package engine_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const twoStreams = "streams: [{name: a, sync_mode: full_refresh}, {name: b, sync_mode: full_refresh}]"

// told returns what the destination was told of the partitions it had written.
func told(t *testing.T, s *fileState) string {
	t.Helper()
	text, _, err := s.Get(t.Context(), `"chaos"/destination/finished`)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestPartitions(t *testing.T) {
	for _, runtime := range []engine.Runtime{engine.Native, engine.Compiled} {
		t.Run(runtime.String(), func(t *testing.T) {
			e := newEngine(t, runtime, nil)
			state, rec := &fileState{}, &recorder{}
			var last engine.Progress
			p := parse(t, "batches: 31", twoStreams, "resources:", "parallelism: 3", "max_memory: 512mb")
			res, err := e.Run(t.Context(), p, engine.RunOptions{State: state, Recorder: rec, Progress: func(p engine.Progress) { last = p }})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range res.Streams {
				if !s.Committed || s.RowsRead != 3100 || s.RowsWritten != 3100 || s.BytesRead != s.BytesWritten || s.BytesRead < 31_000 {
					t.Errorf("stream %+v, want 3100 rows committed", s)
				}
				var rows []int64
				for _, part := range s.Partitions {
					rows = append(rows, part.Rows)
					if part.Duration <= 0 || part.Duration > res.Duration {
						t.Errorf("a partition took %v of %v", part.Duration, res.Duration)
					}
				}
				if len(rows) != 3 || rows[0] != 1000 || rows[1] != 1000 || rows[2] != 1100 {
					t.Errorf("partitions have %v rows, want 1000, 1000 and 1100", rows)
				}
			}
			if want := "finish a 0,1,2; finish b 0,1,2;"; told(t, state) != want {
				t.Errorf("the destination was told %q, want %q", told(t, state), want)
			}
			if got := rec.statuses(); len(got) != 4 || got[2] != engine.StatusCompleted || got[3] != engine.StatusCompleted {
				t.Errorf("records = %v", got)
			}
			if rec.records[2].RowsWritten != 3100 {
				t.Errorf("the record says %d rows", rec.records[2].RowsWritten)
			}
			if !last.Done || last.Rows != 6200 || len(last.Stages) != 2 || last.Stages[0].Rows != 6200 {
				t.Errorf("last progress = %+v", last)
			}

			// The counters are of all instances together, the ledger is of one.
			for _, s := range res.Stages {
				if wall := s.Ledger.Wall(); wall <= 0 || wall > res.Duration {
					t.Errorf("%s took %v of %v", s.Name, wall, res.Duration)
				}
				if n := s.Counters.OutRows + s.Counters.InRows; n != 6200 {
					t.Errorf("%s counted %d rows", s.Name, n)
				}
			}
			if runtime == engine.Compiled && res.Stages[0].Load.Source == engine.LoadMemory {
				t.Error("the load is that of an instance that found its module in memory")
			}
			for key, want := range map[string]float64{"partition_count": 3, "partition_skew": 1100 * 3 / 3100.0, "records_written": 6200} {
				for _, m := range engine.Metrics() {
					if m.Key == key && math.Abs(m.Get(res)-want) > 1e-9 {
						t.Errorf("%s = %v, want %v", key, m.Get(res), want)
					}
				}
			}
			var text bytes.Buffer
			if err := res.WriteText(&text); err != nil || !strings.Contains(text.String(), "Partitions:         3, the largest 1.06 times their mean") {
				t.Errorf("the text does not tell of partitions (%v):\n%s", err, &text)
			}
		})
	}
}

// A stream that one end moves whole is moved whole, by the words of the source.
func TestPartitionsFewerThanWanted(t *testing.T) {
	for _, settings := range [][]string{{"mode: single"}, {"batches: 1"}, {"dest:", "mode: single"}} {
		var said bytes.Buffer
		e := newEngine(t, engine.Native, func(o *engine.Options) { o.Log = slog.New(slog.NewTextHandler(&said, nil)) })
		state := &fileState{}
		p := parse(t, append(settings, "resources:", "parallelism: 3")...)
		res, err := e.Run(t.Context(), p, engine.RunOptions{State: state})
		if err != nil {
			t.Fatalf("%v: %v", settings, err)
		}
		if n := len(res.Streams[0].Partitions); n != 1 || !res.Streams[0].Committed || told(t, state) != "" {
			t.Errorf("%v: %d partitions, destination told %q; want one that commits by itself", settings, n, told(t, state))
		}
		if !strings.Contains(said.String(), "fewer partitions") || !strings.Contains(said.String(), "stream=numbers") {
			t.Errorf("%v: nothing is said of it: %s", settings, &said)
		}

		said.Reset()
		p.Resources.AutoParallelism = true
		if _, err := e.Run(t.Context(), p, engine.RunOptions{}); err != nil || said.Len() > 0 {
			t.Errorf("%v: with auto: error %v, log %q", settings, err, &said)
		}
	}
}

// A partition is tried again by itself; the others go on.
func TestPartitionIsRetried(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	state := &fileState{}
	p := parse(t, "batches: 30", "dest:", "mode: transient-write-1", "resources:", "parallelism: 3")
	res, err := e.Run(t.Context(), p, engine.RunOptions{State: state})
	if err != nil {
		t.Fatal(err)
	}
	if res.Retries != 2 || res.Streams[0].RowsWritten != 3000 || res.Stages[0].Counters.OutRows != 5000 {
		t.Errorf("%d retries, %d rows written, %d rows read in all; want 2, 3000 and 5000",
			res.Retries, res.Streams[0].RowsWritten, res.Stages[0].Counters.OutRows)
	}
	if told(t, state) != "finish numbers 0,1,2;" {
		t.Errorf("the destination was told %q", told(t, state))
	}

	p.Resources.MaxRetries = 1
	state = &fileState{}
	res, err = e.Run(t.Context(), p, engine.RunOptions{State: state})
	if err == nil || res.Retries != 1 || res.Streams[0].Committed || told(t, state) != "undo numbers 0,1,2;" {
		t.Errorf("with one retry allowed: %d retries, told %q, error %v", res.Retries, told(t, state), err)
	}
}

// Where it is not known what a partition has written, or where the moment to read
// is lost, the stream is tried again as a whole and what was written is undone
// first.
func TestPartitionedStreamIsRetried(t *testing.T) {
	for name, settings := range map[string][]string{
		"lost commit":   {"batches: 30", "dest:", "mode: transient-commit-1"},
		"lost snapshot": {"batches: 30", "mode: error-check", "dest:", "mode: transient-write-1"},
		"lost answer":   {"batches: 30", "dest:", "mode: lost-commit-1"},
	} {
		e := newEngine(t, engine.Native, nil)
		state := &fileState{}
		res, err := e.Run(t.Context(), parse(t, append(settings, "resources:", "parallelism: 3")...), engine.RunOptions{State: state})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := "undo numbers 0,1,2; undo numbers 0,1,2; finish numbers 0,1,2;"; told(t, state) != want || res.Retries != 2 {
			t.Errorf("%s: the destination was told %q after %d retries, want %q after 2", name, told(t, state), res.Retries, want)
		}
		if s := res.Streams[0]; s.RowsRead != 3000 || s.RowsWritten != 3000 || len(s.Partitions) != 3 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// Nothing of a stream is visible when one of its partitions fails.
func TestPartitionFails(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	for _, mode := range []string{"config-write-1", "panic-write-1", "unknown-commit-commit-1"} {
		state := &fileState{}
		p := parse(t, "batches: 3000", twoStreams, "dest:", "mode: "+mode, "resources:", "parallelism: 3", "max_retries: 0")
		res, err := e.Run(t.Context(), p, engine.RunOptions{State: state})
		var stage *engine.StageError
		if !errors.As(err, &stage) || stage.Stage != "destination" || stage.Stream != "a" || stage.CommitState != abi.CommitNone {
			t.Errorf("%s: error %v, want one of the destination in stream a that left nothing", mode, err)
		}
		if res.Streams[0].Committed || res.Streams[1].Committed || res.Streams[0].RowsWritten != 0 || told(t, state) != "undo a 0,1,2;" {
			t.Errorf("%s: streams %+v, destination told %q", mode, res.Streams, told(t, state))
		}
	}
}

// Finishing is tried again until its outcome is known, and undone where it is
// known to have done nothing.
func TestFinishFails(t *testing.T) {
	tests := []struct {
		mode      string
		retries   int
		told, err string
	}{
		{"lost-finish", 2, "finish numbers 0,1; finish numbers 0,1; finish numbers 0,1;", ""},
		{"config-finish", 0, "finish numbers 0,1; undo numbers 0,1;", "mode is bad"},
		{"transient-finish", 2, "finish numbers 0,1; undo numbers 0,1; finish numbers 0,1; undo numbers 0,1; finish numbers 0,1;", ""},
		// Told again it would take what is gone for finished.
		{"missing-finish", 0, "finish numbers 0,1;", "rows are gone"},
		{"unknown-commit-finish", 2, "finish numbers 0,1; finish numbers 0,1; finish numbers 0,1;", "unknown whether the stream was committed"},
	}
	for _, test := range tests {
		e := newEngine(t, engine.Native, nil)
		state := &fileState{}
		res, err := e.Run(t.Context(), parse(t, "dest:", "mode: "+test.mode, "resources:", "parallelism: 2", "max_retries: 2"), engine.RunOptions{State: state})
		if told(t, state) != test.told || res.Retries != test.retries {
			t.Errorf("%s: the destination was told %q, %d retries; want %q, %d", test.mode, told(t, state), res.Retries, test.told, test.retries)
		}
		switch {
		case test.err == "" && (err != nil || !res.Streams[0].Committed):
			t.Errorf("%s: error %v, streams %+v", test.mode, err, res.Streams)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || res.Streams[0].Committed):
			t.Errorf("%s: error %v, want %q", test.mode, err, test.err)
		}
	}
}

// What cannot be removed is told, whatever else went wrong.
func TestPartitionsLeftBehind(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	p := parse(t, "mode: wait-run", "dest:", "mode: config-undo", "resources:", "parallelism: 2")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := e.Run(ctx, p, engine.RunOptions{})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "could not be removed") || !strings.Contains(err.Error(), "mode is bad") {
		t.Errorf("error = %v", err)
	}

	// Nor is the run tried again: what is left could come in its way, or to life.
	p = parse(t, "mode: transient-run", "dest:", "mode: config-undo", "resources:", "parallelism: 2", "max_retries: 1")
	res, err := e.Run(t.Context(), p, engine.RunOptions{State: &fileState{}})
	if err == nil || res.Streams[0].Committed || !strings.Contains(err.Error(), "under the name ") {
		t.Errorf("error = %v", err)
	}
}

// Once it is not known whether a stream is visible, no later failure makes it
// known, and nothing is undone.
func TestFinishStaysUnknown(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	for _, cancel := range []bool{false, true} {
		state := &fileState{}
		ctx, stop := context.WithCancel(t.Context())
		if cancel {
			time.AfterFunc(100*time.Millisecond, stop)
		}
		p := parse(t, "dest:", "mode: gone-finish", "resources:", "parallelism: 2", "max_retries: 2")
		_, err := e.Run(ctx, p, engine.RunOptions{State: state})
		stop()
		var stage *engine.StageError
		if !errors.As(err, &stage) || stage.CommitState != abi.CommitUnknown || told(t, state) != "finish numbers 0,1;" {
			t.Errorf("error %v, told %q; want one whose commit is unknown", err, told(t, state))
		}
	}
}

func TestCancellationOfPartitions(t *testing.T) {
	for _, settings := range [][]string{{"mode: wait-run"}, {"dest:", "mode: wait-write-1"}, {"mode: wait-partition"}, {"mode: wait-open"}} {
		e := newEngine(t, engine.Native, nil)
		state := &fileState{}
		p := parse(t, append(settings, "resources:", "parallelism: 3")...)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		res, err := e.Run(ctx, p, engine.RunOptions{State: state})
		want := "undo numbers 0,1,2;"
		if last := settings[len(settings)-1]; last == "mode: wait-partition" || last == "mode: wait-open" {
			want = "" // nothing was written
		}
		if !errors.Is(err, context.Canceled) || res.Streams[0].Committed || told(t, state) != want {
			t.Errorf("%v: error %v, told %q, want %q", settings, err, told(t, state), want)
		}
	}
}

// A transform that does not say that it may run in partitions does not.
func TestPartitionsNeedEveryConnector(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	p := withTransform(parse(t, "resources:", "parallelism: 2"), "")
	_, err := e.Run(t.Context(), p, engine.RunOptions{})
	if err == nil || !strings.Contains(err.Error(), `connector "chaos-transform" of transform-1 moves streams whole only`) || !strings.Contains(err.Error(), "chaos.yaml:") {
		t.Errorf("error = %v", err)
	}
	p.Resources.AutoParallelism = true
	res, err := e.Run(t.Context(), p, engine.RunOptions{})
	if err != nil || len(res.Streams[0].Partitions) != 1 {
		t.Errorf("with auto: error %v", err)
	}
}

// A tap sees one stream of messages, so there is one.
func TestTapIsGivenWholeStreams(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	var rows int
	res, err := e.Run(t.Context(), parse(t, "resources:", "parallelism: 2"), engine.RunOptions{Tap: func(_ string, _ []byte, n int) error {
		rows += n
		return nil
	}})
	if err != nil || rows != 1000 || len(res.Streams[0].Partitions) != 1 {
		t.Errorf("%d rows seen, error %v", rows, err)
	}
}

// Every partition is drawn on tracks of its own.
func TestTraceOfPartitions(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	var b bytes.Buffer
	res, err := e.Run(t.Context(), parse(t, "batches: 50", "resources:", "parallelism: 2"), engine.RunOptions{Trace: &b})
	if err != nil {
		t.Fatal(err)
	}
	events, tracks := traceOf(t, b.Bytes())
	used := make(map[string]bool)
	rows := 0.0
	for _, event := range events {
		if event.Ph == "X" {
			used[tracks[event.Tid]] = true
		}
		if event.Ph == "C" && event.Name == "rows" {
			rows = max(rows, event.Args["destination"].(float64))
		}
	}
	for _, track := range []string{"source (partition 1)", "source: numbers (partition 2)", "destination: numbers (partition 1)", "destination (partition 2)"} {
		if !used[track] {
			t.Errorf("nothing happens on track %q of %v", track, tracks)
		}
	}
	if rows != float64(res.Streams[0].RowsWritten) {
		t.Errorf("the trace counts %v rows of %d", rows, res.Streams[0].RowsWritten)
	}
}
