package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
	"github.com/rapidbyte-go/rapidbyte/engine/testdata/chaos"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

var runtimes = []engine.Runtime{engine.Compiled, engine.Interpreted, engine.Native}

func TestRunMovesEveryRowOnEveryRuntime(t *testing.T) {
	for _, rt := range runtimes {
		for _, codec := range []string{"none", "lz4", "zstd"} {
			t.Run(fmt.Sprintf("runtime=%v/codec=%s", rt, codec), func(t *testing.T) {
				e := newEngine(t, rt, nil)
				p := parse(t, "batches: 37", "size: 5000", "streams: [{name: a, sync_mode: full_refresh}, {name: b, sync_mode: full_refresh}]",
					"resources:", "compression: "+codec)
				res, err := e.Run(t.Context(), p, engine.RunOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range res.Streams {
					if s.RowsRead != 3700 || s.RowsWritten != 3700 || !s.Committed || s.BytesRead != s.BytesWritten {
						t.Errorf("stream %+v, want 3700 rows read, written and committed", s)
					}
				}
				if (codec != "none") != (slicesGet(res, "channel_bytes") < slicesGet(res, "bytes_read")/2) {
					t.Errorf("channel bytes %v of %v with codec %s", slicesGet(res, "channel_bytes"), slicesGet(res, "bytes_read"), codec)
				}
			})
		}
	}
}

func slicesGet(r *engine.Result, key string) float64 {
	i := slices.IndexFunc(engine.Metrics(), func(m engine.Metric) bool { return m.Key == key })
	return engine.Metrics()[i].Get(r)
}

// The clock's buckets are all of a stage's time: a stage's shares add up to it,
// and it to the run.
func TestSharesAddUp(t *testing.T) {
	e := newEngine(t, engine.Compiled, nil)
	res, err := e.Run(t.Context(), parse(t, "batches: 3000", "size: 100000", "resources:", "compression: lz4"), engine.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sums := make(map[string]float64)
	for _, m := range engine.Metrics() {
		if m.Parent != "" {
			sums[m.Parent] += m.Get(res)
		}
	}
	if len(sums) < 4 {
		t.Fatalf("only %d metrics have shares", len(sums))
	}
	for key, sum := range sums {
		if v := slicesGet(res, key); math.Abs(v-sum) > v*1e-6+1e-9 {
			t.Errorf("the shares of %s add up to %v of %v", key, sum, v)
		}
	}
	for _, key := range []string{"source_duration_secs", "dest_duration_secs"} {
		if v := slicesGet(res, key); v > res.Duration.Seconds()*1.01 {
			t.Errorf("%s = %v is longer than the run, %v", key, v, res.Duration)
		}
	}
	// Both stages begin with the run, and the last to end ends it.
	longest := max(slicesGet(res, "source_duration_secs"), slicesGet(res, "dest_duration_secs"))
	if longest < res.Duration.Seconds()*0.9 {
		t.Errorf("the longer stage took %v of a run of %v: time is missing from the clocks", longest, res.Duration)
	}
}

// All 28 keys of the original's line are there, under their names.
func TestJSONHasTheSeedsKeys(t *testing.T) {
	seed := strings.Fields(`records_read records_written bytes_read bytes_written duration_secs source_duration_secs
		dest_duration_secs dest_connect_secs dest_flush_secs dest_commit_secs dest_vm_setup_secs dest_recv_secs
		wasm_overhead_secs source_connect_secs source_query_secs source_fetch_secs source_module_load_ms
		dest_module_load_ms source_emit_nanos source_compress_nanos source_emit_count dest_recv_nanos
		dest_decompress_nanos dest_recv_count transform_count transform_duration_secs transform_module_load_ms retry_count`)
	if len(seed) != 28 {
		t.Fatalf("%d seed keys in this test", len(seed))
	}
	e := newEngine(t, engine.Native, nil)
	res, err := e.Run(t.Context(), parse(t), engine.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	line, err := res.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(line, &object); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	for _, key := range seed {
		if _, ok := object[key]; !ok {
			t.Errorf("key %s is missing", key)
		}
	}
	if _, ok := object["transform_module_load_ms"].([]any); !ok {
		t.Errorf("transform_module_load_ms = %v, want a list", object["transform_module_load_ms"])
	}
	if strings.Contains(string(line), "\n") {
		t.Error("the line has a line break in it")
	}
}

func TestMetricTableIsConsistent(t *testing.T) {
	keys, units := map[string]bool{}, map[string]bool{}
	for _, m := range engine.Metrics() {
		if keys[m.Key] || (m.Bench != "" && units[m.Bench]) {
			t.Errorf("%s or its unit %s stands twice", m.Key, m.Bench)
		}
		keys[m.Key], units[m.Bench] = true, true
		if (m.Get == nil) == (m.Each == nil) {
			t.Errorf("%s needs exactly one of Get and Each", m.Key)
		}
		if m.Bench != "" && m.Better == "" {
			t.Errorf("%s is reported by benchmarks and does not say which way is better", m.Key)
		}
	}
	for _, m := range engine.Metrics() {
		if m.Parent != "" && !keys[m.Parent] {
			t.Errorf("%s is a share of %s, which is not in the table", m.Key, m.Parent)
		}
	}
}

// TestUnwind has a guest call itself so often that the machine's stack would
// overflow, were it not unwound. Go's stack, in the guest's memory, has room.
func TestUnwind(t *testing.T) {
	e := newEngine(t, engine.Compiled, nil)
	if _, err := e.Run(t.Context(), parse(t, "mode: deep-run", "resources:", "max_memory: 1gb"), engine.RunOptions{}); err != nil {
		t.Error(err)
	}
}

// However a guest fails, the error names stage, connector and cause, and
// nothing is committed.
func TestFailuresAreTyped(t *testing.T) {
	all := []engine.Runtime{engine.Compiled, engine.Native}
	wasm := []engine.Runtime{engine.Compiled}
	tests := []struct {
		name     string
		settings []string
		runtimes []engine.Runtime
		want     []string
	}{
		{"panic in open", []string{"mode: panic-open"}, all, []string{"source (chaos-source)", "panicked in open", "chaos in open"}},
		{"panic in run", []string{"mode: panic-run"}, all, []string{`source (chaos-source), stream "numbers", fetch`, "panicked in run"}},
		{"panic in the destination", []string{"dest:", "mode: panic-run"}, all, []string{`destination (chaos-dest), stream "numbers", flush`, "panicked"}},
		{"exit 0 in the middle", []string{"mode: exit0-run"}, wasm, []string{`source (chaos-source), stream "numbers", fetch: `, "exited with code 0 in the middle of run"}},
		{"exit 3 in open", []string{"dest:", "mode: exit3-open"}, wasm, []string{"destination (chaos-dest)", "exited with code 3 in the middle of open"}},
		{"out of memory", []string{"mode: memory-run", "resources:", "max_memory: 48mb", "max_batch_bytes: 1mb"}, wasm, []string{"ran out of memory during", "raise resources.max_memory"}},
		{"deadlock", []string{"mode: deadlock-run"}, wasm, []string{"all goroutines are asleep"}},
		{"endless recursion", []string{"mode: recurse-run", "resources:", "max_memory: 64mb", "max_batch_bytes: 1mb"}, wasm, []string{"source (chaos-source)", "run"}},
		{"plain error", []string{"mode: error-run"}, all, []string{"plain error"}},
		{"described error", []string{"mode: config-open"}, all, []string{"mode is bad really", "choose another"}},
		{"cancelled by itself", []string{"dest:", "mode: lie-run"}, all, []string{`destination (chaos-dest), stream "numbers"`, "says that the run was cancelled, which it was not"}},
		{"stream without end", []string{"mode: no-end"}, all, []string{"before its end-of-stream mark"}},
		{"row lost", []string{"dest:", "mode: lose-row"}, all, []string{"confirmed 999 rows of 1000", "unknown whether"}},
		{"batch over the limit", []string{"size: 2000000", "resources:", "max_batch_bytes: 1mb"}, all, []string{"a batch of 2000000 bytes is over the limit of 1048576 bytes", "raise resources.max_batch_bytes"}},
		{"commit unknown", []string{"dest:", "mode: unknown-commit-commit", "resources:", "max_retries: 5"}, all, []string{"answer lost", "unknown whether the stream was committed"}},
		{"panic in commit", []string{"dest:", "mode: panic-commit"}, all, []string{`destination (chaos-dest), stream "numbers", commit: `, "panicked", "unknown whether"}},
		{"exit 0 in commit", []string{"dest:", "mode: exit0-commit"}, wasm, []string{`destination (chaos-dest), stream "numbers", commit: `, "exited with code 0", "unknown whether"}},
	}
	for _, tt := range tests {
		for _, rt := range tt.runtimes {
			t.Run(fmt.Sprintf("%s/%v", tt.name, rt), func(t *testing.T) {
				e := newEngine(t, rt, nil)
				res, err := e.Run(t.Context(), parse(t, tt.settings...), engine.RunOptions{})
				if err == nil {
					t.Fatal("the run succeeded")
				}
				var stage *engine.StageError
				if !errors.As(err, &stage) {
					t.Fatalf("%v is no *StageError", err)
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error is %q, want it to say %q", err, want)
					}
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("error has several lines: %q", err)
				}
				if res.Streams[0].Committed || res.Retries != 0 {
					t.Errorf("stream = %+v after %d retries, want nothing committed and none", res.Streams[0], res.Retries)
				}
			})
		}
	}
}

// A source that fails after its last message has taken the stream back: nobody
// may have committed it.
func TestSourceThatFailsAtItsEnd(t *testing.T) {
	for _, transforms := range []int{0, 1} {
		e := newEngine(t, engine.Native, nil)
		p := parse(t, "mode: error-end")
		for range transforms {
			withTransform(p, "")
		}
		res, err := e.Run(t.Context(), p, engine.RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "plain error") {
			t.Errorf("error = %v, want that of the source", err)
		}
		if s := res.Streams[0]; s.Committed || s.RowsWritten != 0 || res.Stages[1+transforms].Metrics["rows_written"] != 0 {
			t.Errorf("with %d transforms: stream %+v was committed", transforms, s)
		}
	}
}

// A transform that ends a stream before it has read all of it loses rows, and
// leaves its source waiting for room.
func TestTransformThatEndsEarly(t *testing.T) {
	for _, batches := range []string{"batches: 3", "batches: 1000"} {
		e := newEngine(t, engine.Native, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		res, err := e.Run(ctx, withTransform(parse(t, batches), "early"), engine.RunOptions{})
		if err == nil || !strings.Contains(err.Error(), `transform-1 (chaos-transform), stream "numbers": connector ended the stream before`) {
			t.Errorf("error = %v", err)
		}
		if res.Streams[0].Committed {
			t.Errorf("stream %+v was committed", res.Streams[0])
		}
	}
}

// A cancelled run ends soon, wherever it is, says what it left behind, and
// leaves no goroutine.
func TestCancellation(t *testing.T) {
	for _, settings := range [][]string{
		{"mode: wait-open"},
		{"mode: wait-run"},
		{"mode: stubborn-run"}, // ended by force
		{"dest:", "mode: wait-run"},
		{"batches: 1000000000"},                             // the source at work
		{"batches: 1000000000", "dest:", "mode: wait-open"}, // the source held back
	} {
		for _, rt := range []engine.Runtime{engine.Compiled, engine.Native} {
			if rt == engine.Native && strings.Contains(strings.Join(settings, " "), "stubborn") {
				continue // a native guest that does not listen cannot be ended
			}
			t.Run(fmt.Sprintf("%s/%v", strings.Join(settings, ","), rt), func(t *testing.T) {
				e := newEngine(t, rt, nil)
				if _, err := e.Run(t.Context(), parse(t), engine.RunOptions{}); err != nil {
					t.Fatal(err)
				}
				before := runtime.NumGoroutine()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(50*time.Millisecond, cancel)
				rec := &recorder{}
				_, err := e.Run(ctx, parse(t, settings...), engine.RunOptions{Recorder: rec})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error = %v, want it to match context.Canceled", err)
				}
				if err != nil && !strings.Contains(err.Error(), "as it was") {
					t.Errorf("error = %q does not say what was left behind", err)
				}
				if got := rec.statuses(); !slices.Equal(got, []engine.RunStatus{engine.StatusRunning, engine.StatusCancelled}) {
					t.Errorf("records = %v", got)
				}
				for range 100 {
					if runtime.NumGoroutine() <= before {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
			})
		}
	}
}

// Frames in flight stay within the bounds while nobody takes any, however many
// streams there are: a source does not run ahead into the next ones.
func TestFramesInFlight(t *testing.T) {
	// A stream is a schema, batches of 100 rows, and an end.
	const threeStreams = "streams: [{name: a, sync_mode: full_refresh}, {name: b, sync_mode: full_refresh}, {name: c, sync_mode: full_refresh}]"
	for name, tt := range map[string]struct {
		source, resources []string
		rows              int64
	}{
		"three frames":            {[]string{"batches: 1", threeStreams}, []string{"max_inflight_batches: 3"}, 100},
		"16 frames":               {[]string{"batches: 100"}, nil, 1500},
		"4 MiB":                   {[]string{"batches: 100", "size: 1000000"}, nil, 400},
		"as many as asked for":    {[]string{"batches: 100", "size: 1000000"}, []string{"max_inflight_batches: 16"}, 1500},
		"a quarter of max_memory": {[]string{"batches: 100", "size: 1000000"}, []string{"max_inflight_batches: 16", "max_memory: 32mb"}, 800},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, engine.Native, nil)
			p := parse(t, slices.Concat(tt.source, []string{"dest:", "mode: wait-open", "resources:"}, tt.resources)...)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Second, cancel)
			var last engine.Progress
			_, err := e.Run(ctx, p, engine.RunOptions{Progress: func(p engine.Progress) {
				if last = p; p.Stages[0].Rows >= tt.rows {
					time.AfterFunc(50*time.Millisecond, cancel) // it would go on at once if it could
				}
			}})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if got := last.Stages[0].Rows; got != tt.rows {
				t.Errorf("the source emitted %d rows, want %d", got, tt.rows)
			}
		})
	}
}

// What was committed before the cancellation was heard of is known, and so is
// that nothing of the next stream was.
func TestCancellationBetweenStreams(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	res, err := e.Run(ctx, parse(t, "dest:", "mode: deaf-commit", "streams: [{name: a, sync_mode: full_refresh}, {name: b, sync_mode: full_refresh}]"), engine.RunOptions{})
	var stage *engine.StageError
	if !errors.Is(err, context.Canceled) || errors.As(err, &stage) || !strings.Contains(err.Error(), "1 of 2 streams were committed") {
		t.Errorf("error = %v, want a plain cancellation after one of two streams", err)
	}
	if !res.Streams[0].Committed || res.Streams[1].Committed {
		t.Errorf("streams = %+v", res.Streams)
	}
}

// A destination that is ended in the middle of its commit, because another stage
// failed with something that may pass, has an outcome nobody knows: its stream
// must not be moved again.
func TestStrictDestinationEndedInCommitIsNotRetried(t *testing.T) {
	e := newEngine(t, engine.Compiled, nil)
	p := parse(t, "mode: transient-b", "dest:", "mode: spin-commit", "resources:", "max_retries: 1",
		"streams: [{name: a, sync_mode: full_refresh}, {name: b, sync_mode: full_refresh}]")
	p.Destination.Strict = true
	if _, err := e.Load(t.Context(), "chaos-dest", true); err != nil {
		t.Fatal(err)
	}
	res, err := e.Run(t.Context(), p, engine.RunOptions{})
	var stage *engine.StageError
	if !errors.As(err, &stage) || stage.CommitState != abi.CommitUnknown || stage.Stage != "destination" || res.Retries != 0 {
		t.Errorf("error = %v after %d retries, want the destination's commit unknown and none", err, res.Retries)
	}
}

// Close frees code and memory that a guest may be using: it waits for the guest.
func TestCloseWaitsForStages(t *testing.T) {
	files, err := chaosFS()
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Options{Connectors: files, CacheDir: filepath.Join(shared, "cache")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := e.Run(ctx, parse(t, "mode: wait-end"), engine.RunOptions{Tap: func(_ string, m []byte, _ int) error {
			if string(m) == string(chaos.EOS) {
				close(opened)
			}
			return nil
		}})
		ended <- err
	}()
	<-opened

	closed := make(chan error, 1)
	go func() { closed <- e.Close(context.Background()) }()
	select {
	case err := <-closed:
		t.Errorf("Close returned %v while a run was under way", err)
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := e.Run(t.Context(), parse(t), engine.RunOptions{}); err == nil || !strings.Contains(err.Error(), "engine: closed") {
		t.Errorf("a run of a closed engine ended with %v", err)
	}
}

// A guest that computes for ever and asks nothing is beyond reach, unless it is
// strict.
func TestStrictGuestIsInterrupted(t *testing.T) {
	e := newEngine(t, engine.Compiled, nil)
	p := parse(t, "mode: spin-run")
	p.Source.Strict = true
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := e.Run(ctx, p, engine.RunOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want it to match context.Canceled", err)
	}
}

// What may pass is tried again, with a record of one run per stream; what was
// committed is not moved twice.
func TestRetry(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	rec := &recorder{}
	p := parse(t, "dest:", "mode: transient-run", "streams: [{name: a, sync_mode: full_refresh}, {name: b, sync_mode: full_refresh}]")
	res, err := e.Run(t.Context(), p, engine.RunOptions{Recorder: rec, State: &fileState{}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Retries != 2 {
		t.Errorf("%d retries, want 2", res.Retries)
	}
	want := []engine.RunStatus{engine.StatusRunning, engine.StatusRunning, engine.StatusCompleted, engine.StatusCompleted}
	if got := rec.statuses(); !slices.Equal(got, want) {
		t.Errorf("records = %v, want %v", got, want)
	}

	// Each connector of each pipeline has keys of its own, whatever the names.
	state := &fileState{}
	p.Name = "chaos/destination"
	if _, err := e.Run(t.Context(), p, engine.RunOptions{State: state}); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := state.Get(t.Context(), `"chaos/destination"/destination/failures`); !ok {
		t.Error("the key does not say where the pipeline's name ends")
	}

	p.Resources.MaxRetries = 1
	res, err = e.Run(t.Context(), p, engine.RunOptions{State: &fileState{}})
	if err == nil || res.Retries != 1 || !strings.Contains(err.Error(), "busy, try again") {
		t.Errorf("with one retry allowed: %d retries, error %v", res.Retries, err)
	}
}

// Once every stream is committed the run is complete, whatever happens while
// the connectors are closed: told otherwise, somebody would run it again.
func TestWhatHappensAfterTheLastCommit(t *testing.T) {
	for _, settings := range [][]string{{"mode: error-close"}, {"dest:", "mode: panic-close"}, {"dest:", "mode: wait-close"}, {"dest:", "mode: deaf-close"}} {
		e := newEngine(t, engine.Native, nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		rec := &recorder{}
		res, err := e.Run(ctx, parse(t, settings...), engine.RunOptions{Recorder: rec})
		if err != nil || !res.Streams[0].Committed {
			t.Errorf("%v: streams %+v, error %v, want a completed run", settings, res.Streams, err)
		}
		if got := rec.statuses(); !slices.Equal(got, []engine.RunStatus{engine.StatusRunning, engine.StatusCompleted}) {
			t.Errorf("%v: records = %v", settings, got)
		}
	}
}

// A record is complete when it is written, though several stages count for it.
func TestRecordsAreComplete(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1")                     // it is not raised then
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // makes the destination overtake the source often
	e := newEngine(t, engine.Native, nil)
	for range 200 {
		rec := &recorder{}
		if _, err := e.Run(t.Context(), parse(t, "batches: 1"), engine.RunOptions{Recorder: rec}); err != nil {
			t.Fatal(err)
		}
		if r := rec.records[1]; r.RowsRead != 100 || r.RowsWritten != 100 || r.BytesRead != r.BytesWritten {
			t.Fatalf("record = %+v, want 100 rows read and written", r)
		}
	}
}

// A record that cannot be written does not stop rows from moving, and the error
// says that they have moved.
func TestRecorderFails(t *testing.T) {
	two := "streams: [{name: a, sync_mode: full_refresh}, {name: b, sync_mode: full_refresh}]"
	e := newEngine(t, engine.Native, nil)

	rec := &recorder{fail: func(r engine.RunRecord) bool { return r.Stream == "b" && r.Status == engine.StatusRunning }}
	_, err := e.Run(t.Context(), parse(t, two), engine.RunOptions{Recorder: rec})
	if err == nil || !strings.Contains(err.Error(), "nothing was started") {
		t.Errorf("without a record at the start: error = %v", err)
	}
	if got := rec.statuses(); !slices.Equal(got, []engine.RunStatus{engine.StatusRunning, engine.StatusFailed}) {
		t.Errorf("records = %v, want the one that was begun to be closed", got)
	}

	rec = &recorder{fail: func(r engine.RunRecord) bool { return r.Stream == "a" && r.Status != engine.StatusRunning }}
	res, err := e.Run(t.Context(), parse(t, two), engine.RunOptions{Recorder: rec})
	if err == nil || !strings.Contains(err.Error(), "every stream was committed") || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("without a record at the end: error = %v", err)
	}
	if !res.Streams[0].Committed || !res.Streams[1].Committed {
		t.Errorf("streams = %+v", res.Streams)
	}

	failed := 0
	rec = &recorder{fail: func(r engine.RunRecord) bool {
		failed++
		return failed == 3 // the first to be finished, once
	}}
	if _, err := e.Run(t.Context(), parse(t, two), engine.RunOptions{Recorder: rec}); err != nil {
		t.Errorf("with a record that could be written later: error = %v", err)
	}
}

// What was captured cannot be taken back, so there is no second try.
func TestCaptureIsNotRetried(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	messages := 0
	_, err := e.Run(t.Context(), parse(t, "mode: transient-run"), engine.RunOptions{
		State:   &fileState{},
		Capture: func(string, []byte, int) error { messages++; return nil },
	})
	if err == nil || messages > 7 {
		t.Errorf("%d messages of the 7 before the failure were captured, error %v", messages, err)
	}
}

func TestFeedAndCaptureTakeTheEndsPlaces(t *testing.T) {
	e := newEngine(t, engine.Compiled, nil)
	var captured [][]byte
	res, err := e.Run(t.Context(), parse(t, "batches: 5"), engine.RunOptions{
		Capture: func(_ string, m []byte, rows int) error {
			captured = append(captured, slices.Clone(m))
			return nil
		},
	})
	if err != nil || len(captured) != 7 || string(captured[6]) != string(chaos.EOS) || res.Streams[0].RowsRead != 500 {
		t.Fatalf("captured %d messages, stream %+v, error %v", len(captured), res.Streams[0], err)
	}

	tapped := 0
	res, err = e.Run(t.Context(), parse(t), engine.RunOptions{
		Feed: func(yield func([]byte, int) bool) {
			for _, m := range captured {
				rows := 0
				if len(m) > 8 {
					rows = int(binary.LittleEndian.Uint64(m))
				}
				if !yield(m, rows) {
					return
				}
			}
		},
		Tap: func(string, []byte, int) error { tapped++; return nil },
	})
	if err != nil || res.Streams[0].RowsWritten != 500 || res.Streams[0].RowsRead != 500 || tapped != 7 {
		t.Errorf("fed: stream %+v, %d tapped, error %v", res.Streams[0], tapped, err)
	}

	full := errors.New("disk full")
	_, err = e.Run(t.Context(), parse(t), engine.RunOptions{Capture: func(string, []byte, int) error { return full }})
	if !errors.Is(err, full) {
		t.Errorf("error = %v, want that of Capture", err)
	}
}

// Whatever moves rows in a run has a processor, and nobody keeps one afterwards.
func TestGuestsHaveProcessors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("GOMAXPROCS is raised on Linux only")
	}
	t.Setenv("GOMAXPROCS", "")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e := newEngine(t, engine.Native, nil)
	for name, c := range map[string]struct {
		pipeline *pipeline.Pipeline
		options  engine.RunOptions
		want     int
	}{
		"two stages":        {parse(t), engine.RunOptions{}, 2},
		"with a transform":  {withTransform(parse(t), ""), engine.RunOptions{}, 3},
		"in two partitions": {parse(t, "resources:", "parallelism: 2", "max_memory: 512mb"), engine.RunOptions{}, 4},
		"in five, too many": {parse(t, "resources:", "parallelism: 5", "max_memory: 1gb"), engine.RunOptions{}, 1},
		"captured":          {parse(t), engine.RunOptions{Capture: func(string, []byte, int) error { return nil }}, 2},
		"fed":               {parse(t), engine.RunOptions{Feed: func(yield func([]byte, int) bool) { yield(chaos.EOS, 0) }}, 2},
	} {
		during := 0
		c.options.Recorder = &recorder{fail: func(engine.RunRecord) bool {
			during = runtime.GOMAXPROCS(0)
			return false
		}}
		if _, err := e.Run(t.Context(), c.pipeline, c.options); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if during != c.want {
			t.Errorf("%s: %d processors, want %d", name, during, c.want)
		}
		if n := runtime.GOMAXPROCS(0); n != 1 {
			t.Errorf("%s: %d processors after the run, want 1 as before", name, n)
		}
	}
}

func TestProgressSeesTheStages(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	var last engine.Progress
	_, err := e.Run(t.Context(), parse(t, "batches: 50"), engine.RunOptions{Progress: func(p engine.Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	if !last.Done || last.Rows != 5000 || len(last.Stages) != 2 || last.Stages[1].State != "done" {
		t.Errorf("last progress = %+v", last)
	}
}

// Checkpoints are told, and so is what a talkative guest was not let say.
func TestLogTellsOfCheckpointsAndDroppedLines(t *testing.T) {
	var said bytes.Buffer
	e := newEngine(t, engine.Native, func(o *engine.Options) {
		o.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	if _, err := e.Run(t.Context(), parse(t, "dest:", "mode: chatter-run"), engine.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"level=DEBUG msg=checkpoint stage=destination stream=numbers rows=100 bytes=1000\n",
		"level=WARN msg=\"a connector's further log lines were dropped\" stage=destination connector=chaos-dest lines=3\n",
	} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

func TestCheckAndDiscover(t *testing.T) {
	e := newEngine(t, engine.Compiled, nil)
	report, err := e.Check(t.Context(), parse(t))
	if err != nil || len(report.Stages) != 2 || report.Stages[0].Message != "chaos is fine" {
		t.Errorf("report %+v, error %v", report, err)
	}
	report, err = e.Check(t.Context(), parse(t, "dest:", "mode: config-check"))
	if err == nil || report.Stages[0].Err != nil || report.Stages[1].Err == nil || !strings.Contains(err.Error(), "destination (chaos-dest): mode is bad") {
		t.Errorf("report %+v, error %v", report, err)
	}
	catalog, err := e.Discover(t.Context(), parse(t))
	if err != nil || catalog.Streams[0].Name != "numbers" {
		t.Errorf("catalog %+v, error %v", catalog, err)
	}
}

// A module is compiled once; other engines find it on disk.
func TestLoadSources(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	for i, want := range []engine.LoadSource{engine.LoadCompiled, engine.LoadDisk} {
		e := newEngine(t, engine.Compiled, func(o *engine.Options) { o.CacheDir = dir })
		for _, want := range []engine.LoadSource{want, engine.LoadMemory} {
			load, err := e.Load(t.Context(), "chaos-source", false)
			if err != nil || load.Source != want {
				t.Errorf("engine %d: load %+v, error %v, want source %s", i, load, err, want)
			}
		}
	}
}

// recorder is a Recorder that remembers.
type recorder struct {
	mu      sync.Mutex
	fail    func(engine.RunRecord) bool // nil: never
	records []engine.RunRecord
}

func (r *recorder) Start(_ context.Context, rec engine.RunRecord) error { return r.add(rec) }

func (r *recorder) Finish(_ context.Context, rec engine.RunRecord) error { return r.add(rec) }

func (r *recorder) add(rec engine.RunRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil && r.fail(rec) {
		return errors.New("disk full")
	}
	r.records = append(r.records, rec)
	return nil
}

func (r *recorder) statuses() []engine.RunStatus {
	var list []engine.RunStatus
	for _, rec := range r.records {
		list = append(list, rec.Status)
	}
	return list
}

// fileState is a State that outlives a run.
type fileState struct{ values sync.Map }

func (s *fileState) Get(_ context.Context, key string) ([]byte, bool, error) {
	v, ok := s.values.Load(key)
	if !ok {
		return nil, false, nil
	}
	return v.([]byte), true, nil
}

func (s *fileState) Put(_ context.Context, key string, value []byte) error {
	s.values.Store(key, slices.Clone(value))
	return nil
}

func (s *fileState) CAS(context.Context, string, []byte, []byte) (bool, error) { return false, nil }
