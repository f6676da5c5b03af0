package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// event is one event as a viewer reads it.
type event struct {
	Ph, Name string
	Tid      int
	Ts, Dur  float64 // microseconds
	Args     map[string]any
}

func parse(t *testing.T, text []byte) []event {
	t.Helper()
	var file struct {
		TraceEvents []event
		OtherData   map[string]string
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("not JSON: %v\n%.2000s", err, text)
	}
	if file.OtherData["by"] != "test" {
		t.Errorf("otherData = %v", file.OtherData)
	}
	return file.TraceEvents
}

var info = map[string]string{"by": "test"}

func TestTrace(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, `pipe "1"`, info)
	track := w.NewTrack("source\n1", []string{"work", "wait"})
	track.Attempt = 2
	track.Add(0, 1500, 1001) // in ns
	track.Add(0, 2501, 0)
	track.Add(0, 2501, 99) // touches
	track.Add(1, 2600, 400)
	track.Add(0, 9000, 1) // after a gap
	w.Count(2*time.Microsecond, "rows", Value{"in", 5}, Value{"out", -1})
	w.Mark(3*time.Microsecond, "again", map[string]string{"n": "1"})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	var spans []event
	for _, e := range parse(t, b.Bytes()) {
		switch e.Ph {
		case "X":
			spans = append(spans, e)
			if e.Tid != 1 || e.Args["attempt"] != 2.0 {
				t.Errorf("span %+v, want attempt 2 on track 1", e)
			}
		case "M":
			if want := map[string]any{"process_name": `pipe "1"`, "thread_name": "source\n1"}[e.Name]; want != nil && e.Args["name"] != want {
				t.Errorf("%+v, want %q", e, want)
			}
		case "C":
			if e.Ts != 2 || e.Args["in"] != 5.0 || e.Args["out"] != -1.0 {
				t.Errorf("counter %+v", e)
			}
		case "i":
			if e.Ts != 3 || e.Name != "again" || e.Args["n"] != "1" {
				t.Errorf("mark %+v", e)
			}
		}
	}
	want := []event{{Name: "work", Ts: 1.5, Dur: 1.1}, {Name: "wait", Ts: 2.6, Dur: 0.4}, {Name: "work", Ts: 9, Dur: 0.001}}
	if len(spans) != len(want) {
		t.Fatalf("%d spans, want %d: %+v", len(spans), len(want), spans)
	}
	for i, e := range spans {
		if e.Name != want[i].Name || e.Ts != want[i].Ts || e.Dur != want[i].Dur {
			t.Errorf("span %d is %+v, want %+v", i, e, want[i])
		}
	}
}

// However long it lasts: the file stays small, spans do not overlap, and what each
// kind adds up to is exact.
func TestLongTrace(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, "p", info)
	kinds := []string{"a", "b", "c"}
	track := w.NewTrack("t", kinds)
	var sums [3]time.Duration
	at := time.Duration(0)
	const n = 3_000_000
	for i := range n {
		kind, d := i%3, time.Duration(1000+i%7919)
		switch {
		case i%100_000 == 0:
			d = 50 * time.Millisecond // longer than any window here
		case i%50_001 == 0:
			at += 300 * time.Microsecond // a gap
		}
		track.Add(kind, at, d)
		sums[kind] += d
		at += d
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 30<<20 {
		t.Errorf("%d spans made %d bytes", n, b.Len())
	}

	var got [3]float64
	merged, events := 0.0, 0
	var end int64
	for _, e := range parse(t, b.Bytes()) {
		if e.Ph != "X" {
			continue
		}
		from := nanos(e.Ts)
		if from < end {
			t.Fatalf("span at %v begins before %v, the end of the one before", e.Ts, end)
		}
		end = from + nanos(e.Dur)
		got[strings.Index("abc", e.Name)] += e.Dur
		events++
		if m, ok := e.Args["merged"].(float64); ok {
			merged += m
		} else {
			merged++
		}
	}
	if merged != n || events < perLevel || events > n/10 {
		t.Errorf("%d events stand for %.0f spans, want %d", events, merged, n)
	}
	for i := range got {
		if want := float64(sums[i]) / 1e3; math.Abs(got[i]-want) > 1e-9*want {
			t.Errorf("%s adds up to %f us, want %f", kinds[i], got[i], want)
		}
	}
	if end != int64(at) {
		t.Errorf("the last span ends at %d, want %d", end, at)
	}
}

func nanos(micros float64) int64 { return int64(math.Round(micros * 1e3)) }

type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// A disk that is full ends the trace, not the program, and is reported once.
func TestFullDisk(t *testing.T) {
	w := NewWriter(&fullDisk{room: 100_000}, "p", info)
	track := w.NewTrack("t", []string{"a", "b"})
	for i := range 10_000 {
		track.Add(i%2, time.Duration(i), 1)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Close returned %v", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	w := NewWriter(&bytes.Buffer{}, "p", info)
	track := w.NewTrack("t", []string{"a", "b"})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		track.Add(i%2, time.Duration(i), 1)
		i++
	}
}
