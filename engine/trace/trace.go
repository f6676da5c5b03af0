// Package trace writes what happened when as a Chrome trace: JSON that
// chrome://tracing and Perfetto open. It knows tracks, spans, counters and marks,
// and nothing of what they stand for.
//
// A trace may be of a run of any length, so nothing is kept but a small buffer for
// each track, and the file grows ever more slowly; see [Track.Add].
package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// Writer writes one trace of one process. Its methods may be called from several
// goroutines. After an error it takes everything and writes nothing; Close returns
// the error.
type Writer struct {
	tracks []*Track

	mu  sync.Mutex
	w   io.Writer
	err error
	buf []byte // events without a track
}

// flushAt is how many bytes a buffer holds before they are written.
const flushAt = 32 << 10

// NewWriter begins a trace of the named process. info is kept in the file for
// people.
func NewWriter(w io.Writer, process string, info map[string]string) *Writer {
	head, _ := json.Marshal(info) // texts cannot fail
	// The first event is the one without a comma before it.
	text := fmt.Appendf(nil, `{"displayTimeUnit":"ns","otherData":%s,"traceEvents":[
{"ph":"M","pid":1,"name":"process_name","args":{"name":%s}}`, head, quote(process))
	return &Writer{w: w, buf: text}
}

// NewTrack adds a track below those there are. kinds are the names its spans may
// have. Call it before any other goroutine uses the writer.
func (w *Writer) NewTrack(name string, kinds []string) *Track {
	t := &Track{w: w, id: len(w.tracks) + 1, last: span{kind: -1}, sums: make([]sum, len(kinds))}
	for _, k := range kinds {
		t.kinds = append(t.kinds, quote(k))
	}
	w.tracks = append(w.tracks, t)
	w.buf = fmt.Appendf(w.buf, `,
{"ph":"M","pid":1,"tid":%d,"name":"thread_name","args":{"name":%s}},
{"ph":"M","pid":1,"tid":%[1]d,"name":"thread_sort_index","args":{"sort_index":%[1]d}}`, t.id, quote(name))
	return t
}

// Value is one line of a counter.
type Value struct {
	Name string
	N    int64
}

// Count says what a counter's values are from at on, a time since the start of the
// trace.
func (w *Writer) Count(at time.Duration, counter string, values ...Value) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = appendEvent(w.buf, "C", 0, at)
	w.buf = append(append(w.buf, `,"name":`...), quote(counter)...)
	w.buf = append(w.buf, `,"args":`...)
	for i, v := range values {
		between := ","
		if i == 0 {
			between = "{"
		}
		w.buf = append(append(append(w.buf, between...), quote(v.Name)...), ':')
		w.buf = strconv.AppendInt(w.buf, v.N, 10)
	}
	w.buf = append(w.buf, "}}"...)
	w.flush(flushAt)
}

// Mark puts a mark across all tracks, with notes for who selects it.
func (w *Writer) Mark(at time.Duration, name string, notes map[string]string) {
	text, _ := json.Marshal(notes) // texts cannot fail
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = appendEvent(w.buf, "i", 0, at)
	w.buf = fmt.Appendf(w.buf, `,"s":"p","name":%s,"args":%s}`, quote(name), text)
	w.flush(flushAt)
}

// Close writes what is left and ends the trace. No track may be in use any more.
func (w *Writer) Close() error {
	for _, t := range w.tracks {
		t.Flush()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, "\n]}\n"...)
	w.flush(1)
	return w.err
}

// flush writes the buffer if it has so many bytes. w.mu is held.
func (w *Writer) flush(atLeast int) {
	if len(w.buf) >= atLeast {
		w.write(w.buf)
		w.buf = w.buf[:0]
	}
}

// write writes events. w.mu is held.
func (w *Writer) write(events []byte) {
	if w.err != nil {
		return
	}
	if _, err := w.w.Write(events); err != nil {
		w.err = fmt.Errorf("trace: %w", err)
	}
}

// appendEvent begins an event; tid 0 is none.
func appendEvent(b []byte, ph string, tid int, at time.Duration) []byte {
	b = append(b, ",\n{\"ph\":\""...)
	b = append(b, ph...)
	b = append(b, `","pid":1`...)
	if tid > 0 {
		b = append(b, `,"tid":`...)
		b = strconv.AppendInt(b, int64(tid), 10)
	}
	b = append(b, `,"ts":`...)
	return appendMicros(b, at)
}

// appendMicros writes microseconds with the nanoseconds behind the point.
func appendMicros(b []byte, d time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/time.Microsecond), 10)
	rest := int(d % time.Microsecond)
	return append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
}

func quote(s string) []byte {
	text, _ := json.Marshal(s) // a text cannot fail
	return text
}
