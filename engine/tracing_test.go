package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// traceEvent is one event as a viewer reads it.
type traceEvent struct {
	Ph, Name string
	Tid      int
	Ts, Dur  float64 // microseconds
	Args     map[string]any
}

// traceOf parses a trace and holds every track to its rule: spans do not overlap.
func traceOf(t *testing.T, text []byte) (events []traceEvent, tracks map[int]string) {
	t.Helper()
	var file struct{ TraceEvents []traceEvent }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, text)
	}
	tracks = make(map[int]string)
	end := make(map[int]int64)
	for _, e := range file.TraceEvents {
		switch {
		case e.Ph == "M" && e.Name == "thread_name":
			tracks[e.Tid] = e.Args["name"].(string)
		case e.Ph == "X":
			from := int64(math.Round(e.Ts * 1e3))
			if from < end[e.Tid] {
				t.Errorf("%s on %q begins at %d ns, within the one before, which ends at %d", e.Name, tracks[e.Tid], from, end[e.Tid])
			}
			end[e.Tid] = from + int64(math.Round(e.Dur*1e3))
		}
	}
	return file.TraceEvents, tracks
}

// readTrace is traceOf for a run of whole streams: what a stage's tracks add up to
// is what the result says.
func readTrace(t *testing.T, text []byte, r *engine.Result) (events []traceEvent, tracks map[int]string) {
	t.Helper()
	events, tracks = traceOf(t, text)
	sums := make(map[string]float64) // by stage and phase, seconds
	for _, e := range events {
		if e.Ph == "X" {
			stage, _, _ := strings.Cut(tracks[e.Tid], ": ")
			sums[stage+"/"+e.Name] += e.Dur / 1e6
		}
	}

	for _, m := range engine.Metrics() {
		stage := map[string]string{"source": "source", "dest": "destination", "wasm": "destination"}[strings.Split(m.Key, "_")[0]]
		leaf := !slices.ContainsFunc(engine.Metrics(), func(c engine.Metric) bool { return c.Parent == m.Key })
		if m.Parent == "" || !leaf {
			continue
		}
		name := strings.ToLower(m.Label[:1]) + m.Label[1:]
		if m.Label == "VM setup" {
			name = m.Label
		}
		if got, want := sums[stage+"/"+name], m.Get(r); math.Abs(got-want) > 1e-8 {
			t.Errorf("%s: the trace's %q adds up to %.9f s, the result says %.9f s", stage, name, got, want)
		}
		delete(sums, stage+"/"+name)
	}
	for phase, s := range sums {
		if !strings.HasPrefix(phase, "transform-") {
			t.Errorf("phase %s of %f s is none of the breakdown", phase, s)
		}
	}
	return events, tracks
}

func TestTrace(t *testing.T) {
	e := newEngine(t, engine.Native, nil)
	p := withTransform(parse(t, "batches: 50", "streams: [{name: a, sync_mode: full_refresh}, {name: 'b\"', sync_mode: full_refresh}]"), "")
	p.Resources.Compression = "lz4"
	var b bytes.Buffer
	res, err := e.Run(t.Context(), p, engine.RunOptions{Trace: &b})
	if err != nil {
		t.Fatal(err)
	}
	events, tracks := readTrace(t, b.Bytes(), res)

	// Every stage has a track of its own and one for each stream, and works there.
	used := make(map[string]bool)
	counters := make(map[string]map[string]any)
	for _, event := range events {
		switch event.Ph {
		case "X":
			used[tracks[event.Tid]] = true
			if event.Args["attempt"] != 1.0 {
				t.Fatalf("%+v, want attempt 1", event)
			}
		case "C":
			counters[event.Name] = event.Args
		}
	}
	for _, stage := range []string{"source", "transform-1", "destination"} {
		for _, stream := range []string{"", ": a", `: b"`} {
			if !used[stage+stream] {
				t.Errorf("nothing happens on track %q", stage+stream)
			}
		}
		if counters["rows"][stage] != 10_000.0 {
			t.Errorf("rows = %v, want 10000 at %s", counters["rows"], stage)
		}
	}
	if _, ok := counters["channel transform-1 to destination, bytes"]; !ok {
		t.Errorf("no counter for the second channel: %v", counters)
	}
	for b := range hostfuncs.NumBuckets {
		var sum float64
		for _, event := range events {
			if stage, _, _ := strings.Cut(tracks[event.Tid], ": "); stage == "transform-1" && event.Ph == "X" && event.Name == engine.PhaseName(abi.RoleTransform, b) {
				sum += event.Dur / 1e6
			}
		}
		if want := res.Stages[1].Ledger[b].Seconds(); math.Abs(sum-want) > 1e-8 {
			t.Errorf("the transform's %v adds up to %.9f s, the result says %.9f s", b, sum, want)
		}
	}
}

// However a run ends, its trace is whole.
func TestTraceOfTroubledRuns(t *testing.T) {
	two := "streams: [{name: a, sync_mode: full_refresh}, {name: b, sync_mode: full_refresh}]"
	for name, c := range map[string]struct {
		settings []string
		cancel   bool
		attempts int
	}{
		"tried again":   {[]string{"dest:", "mode: transient-run", two}, false, 3},
		"failed":        {[]string{"mode: config-run", two}, false, 1},
		"panicked":      {[]string{"dest:", "mode: panic-run", two}, false, 1},
		"cancelled":     {[]string{"mode: wait-run", two}, true, 1},
		"not startable": {[]string{"mode: error-open"}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, engine.Native, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.cancel {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			var b bytes.Buffer
			res, err := e.Run(ctx, parse(t, c.settings...), engine.RunOptions{Trace: &b})
			if (err == nil) != (c.attempts > 1) {
				t.Fatalf("the run ended with %v", err)
			}
			events, _ := readTrace(t, b.Bytes(), res)
			attempts, retries := 0.0, 0
			for _, event := range events {
				if event.Ph == "X" {
					attempts = max(attempts, event.Args["attempt"].(float64))
				}
				if event.Ph == "i" && event.Name == "retry" && event.Args["stage"] == "destination" {
					retries++
				}
			}
			if int(attempts) != c.attempts || retries != c.attempts-1 {
				t.Errorf("the trace has %v attempts and %d retries, want %d and one less", attempts, retries, c.attempts)
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// A trace that cannot be written is an error after the run, which it does not stop.
func TestTraceCannotBeWritten(t *testing.T) {
	res, err := newEngine(t, engine.Native, nil).Run(t.Context(), parse(t), engine.RunOptions{Trace: brokenWriter{}})
	if !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "every stream was committed") || !res.Streams[0].Committed {
		t.Errorf("streams %+v, error %v", res.Streams, err)
	}
}
