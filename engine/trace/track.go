package trace

import (
	"strconv"
	"time"
)

// Track is one line of a trace: spans that never overlap. It belongs to one
// goroutine at a time.
type Track struct {
	// Attempt is noted in every span; 0: nothing is.
	Attempt int

	w     *Writer
	id    int
	kinds [][]byte // quoted

	last    span // may still grow; kind -1: there is none
	written int  // spans at this resolution

	// Behind the first perLevel spans those of a window are put together.
	window time.Duration // 0: every span is written
	begun  time.Duration // when the window began
	merged int           // spans in it
	sums   []sum         // what they add up to, by kind

	buf []byte
}

// span is a piece of a track that was all of one kind.
type span struct {
	kind    int
	from, d time.Duration
}

// sum is all spans of a kind in a window.
type sum struct {
	d time.Duration
	n int
}

// perLevel is how many spans a track has before its resolution is lowered: some
// 5 MB of file.
const perLevel = 50_000

// firstWindow is the resolution then; it doubles from level to level, so that a
// day makes twice the file an hour does.
const firstWindow = time.Millisecond

// Add appends a span of the given kind, by its place among the track's kinds. It
// begins at from, a time since the start of the trace, not before the end of the
// one before. Spans of one kind that touch become one.
//
// The first 50,000 are written one by one. From there on those within 1 ms are put
// together by kind and laid end to end, the next 50,000 within 2 ms, and so on: a
// kind's sum stays true to the nanosecond, and only what is shorter than a window
// loses its place in it.
func (t *Track) Add(kind int, from, d time.Duration) {
	if d <= 0 {
		return
	}
	if t.last.kind == kind && t.last.from+t.last.d == from {
		t.last.d += d
		return
	}
	t.settle()
	t.last = span{kind, from, d}
}

// Flush gives up what the track still holds back, so that nothing behind it can
// be put together with what was before.
func (t *Track) Flush() {
	t.settle()
	t.closeWindow()
	t.drain()
}

// drain writes the track's buffer.
func (t *Track) drain() {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.w.flush(1) // the head must come first
	t.w.write(t.buf)
	t.buf = t.buf[:0]
}

// settle books the last span, which is finished.
func (t *Track) settle() {
	s := t.last
	t.last.kind = -1
	if s.kind < 0 {
		return
	}
	if s.d >= t.window { // always, where there is none
		t.closeWindow()
		t.write(s, 1)
		return
	}

	// A gap ends a window: nothing may be laid into it.
	if t.merged > 0 && (s.from > t.end() || s.from+s.d-t.begun > t.window) {
		t.closeWindow()
	}
	if t.merged == 0 {
		t.begun = s.from
	}
	t.sums[s.kind].d += s.d
	t.sums[s.kind].n++
	t.merged++
}

// end returns where the window's spans end, which have no gap between them.
func (t *Track) end() time.Duration {
	at := t.begun
	for _, s := range t.sums {
		at += s.d
	}
	return at
}

// closeWindow writes what was put together.
func (t *Track) closeWindow() {
	at := t.begun
	for kind, s := range t.sums {
		if s.n > 0 {
			t.write(span{kind, at, s.d}, s.n)
			at += s.d
		}
	}
	clear(t.sums)
	t.merged = 0
}

// write writes one span that n others became.
func (t *Track) write(s span, n int) {
	b := appendEvent(t.buf, "X", t.id, s.from)
	b = append(b, `,"dur":`...)
	b = appendMicros(b, s.d)
	b = append(b, `,"name":`...)
	b = append(b, t.kinds[s.kind]...)
	sep := `,"args":{`
	if t.Attempt > 0 {
		b = append(append(b, sep...), `"attempt":`...)
		b = strconv.AppendInt(b, int64(t.Attempt), 10)
		sep = ","
	}
	if n > 1 {
		b = append(append(b, sep...), `"merged":`...)
		b = strconv.AppendInt(b, int64(n), 10)
		sep = ","
	}
	if sep == "," {
		b = append(b, '}')
	}
	t.buf = append(b, '}')

	if len(t.buf) >= flushAt {
		t.drain()
	}
	if t.written++; t.written == perLevel {
		t.written = 0
		t.window = max(firstWindow, 2*t.window)
	}
}
