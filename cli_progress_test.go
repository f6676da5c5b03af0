package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

func at(elapsed time.Duration, rows int64) engine.Progress {
	return engine.Progress{Pipeline: "p", Rows: rows, Bytes: rows * 100, Elapsed: elapsed, Stages: []engine.StageProgress{
		{Name: "source", State: "fetch"}, {Name: "destination", State: "waiting"},
	}}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		ctx  func() context.Context
		err  error
		want string
	}{
		{context.Background, nil, "completed"},
		{context.Background, errors.New("x"), "failed"},
		{func() context.Context { ctx, cancel := context.WithCancel(context.Background()); cancel(); return ctx }, context.Canceled, "cancelled"},
	} {
		var b bytes.Buffer
		l := &lines{ctx: c.ctx(), w: &b, name: "p", what: "1 stream from a to b, runtime native"}
		for _, p := range []engine.Progress{
			at(100*time.Millisecond, 0), at(4900*time.Millisecond, 490_000), at(5*time.Second, 500_000), at(9*time.Second, 1_000_000),
			at(10100*time.Millisecond, 1_000_000), at(12*time.Second, 2_000_000),
		} {
			l.update(p)
		}
		last := at(14321*time.Millisecond, 2_100_000)
		last.Done = true
		l.update(last)
		l.close(c.err)

		want := `p: started: 1 stream from a to b, runtime native
p: 5s: 500,000 rows, 102,040 rows/s, 9.7 MB/s; source fetch, destination waiting
p: 10s: 1,000,000 rows, 98,039 rows/s, 9.3 MB/s; source fetch, destination waiting
p: ` + c.want + ` after 14.321s: 2,100,000 rows
`
		if b.String() != want {
			t.Errorf("got:\n%s\nwant:\n%s", &b, want)
		}
	}
}

// A run that never started shows nothing.
func TestLinesOfNothing(t *testing.T) {
	var b bytes.Buffer
	l := &lines{ctx: t.Context(), w: &b, name: "p"}
	l.close(errors.New("x"))
	if b.Len() > 0 {
		t.Errorf("got %q", &b)
	}
}

func TestMeter(t *testing.T) {
	var m meter
	for i, c := range []struct {
		p    engine.Progress
		want string
	}{
		{at(0, 0), "0 rows, 0 rows/s, 0.0 MB/s"},
		{at(time.Second, 1000), "1,000 rows, 1,000 rows/s, 0.1 MB/s"},
		{at(2*time.Second, 1000), "1,000 rows, 500 rows/s, 0.0 MB/s"},
		{at(5*time.Second, 4000), "4,000 rows, 1,000 rows/s, 0.1 MB/s"},
		{at(9*time.Second, 4000), "4,000 rows, 0 rows/s, 0.0 MB/s"},      // it has come to a halt
		{at(13*time.Second, 1000), "1,000 rows, 0 rows/s, 0.0 MB/s"},     // a retry began again
		{at(17*time.Second, 9000), "9,000 rows, 2,000 rows/s, 0.2 MB/s"}, // and goes on
	} {
		m.add(c.p)
		if got := m.text(c.p); got != c.want {
			t.Errorf("%d: got %q, want %q", i, got, c.want)
		}
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

func TestBar(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		var b bytes.Buffer
		s := &screen{w: &b}
		bar := newBar(t.Context(), s, "p", func() int { return width })
		bar.update(at(time.Second, 250_000))
		log := slog.New(slog.NewTextHandler(s, nil))
		log.Warn("retry")
		s.draw(func() { bar.total, bar.line = 1_000_000, bar.newLine(1_000_000) })
		bar.update(at(2*time.Second, 500_000))
		bar.update(at(3*time.Second, 5_000_000)) // more than was guessed
		bar.close(nil)

		// Every state of the line fits, the log's line is alone on its own, and
		// nothing is left in the end.
		out := b.String()
		for part := range strings.FieldsFuncSeq(out, func(r rune) bool { return r == '\r' || r == '\n' }) {
			text := escapes.ReplaceAllString(part, "")
			if n := utf8.RuneCountInString(text); n > width && !strings.Contains(text, "retry") {
				t.Errorf("width %d: %d characters: %q", width, n, text)
			}
		}
		if !regexp.MustCompile(`\x1b\[2K\rtime=\S+ level=WARN msg=retry\n`).MatchString(out) {
			t.Errorf("width %d: the log's line is not alone: %q", width, out)
		}
		if !strings.HasSuffix(out, "\x1b[2K\r") {
			t.Errorf("width %d: something is left at the end: %q", width, out)
		}
		if width == 200 {
			for _, want := range []string{"p  1s  250,000 rows, 250,000 rows/s, 23.8 MB/s  source fetch, destination waiting", " 50% ", " 99% "} {
				if !strings.Contains(out, want) {
					t.Errorf("the bar never shows %q: %q", want, out)
				}
			}
		}
	}
}

// A short run is not disturbed, and neither is one that has no rows yet.
func TestTotalIsAskedLate(t *testing.T) {
	b := newBar(t.Context(), &screen{w: io.Discard}, "p", func() int { return 80 })
	defer b.close(nil)
	b.ask = func() { t.Error("asked") }
	b.update(at(askAfter-1, 1000))
	b.update(at(askAfter, 0))
}

// Nobody is still asking once the bar is closed, which ends the question.
func TestCloseEndsTheQuestion(t *testing.T) {
	b := newBar(t.Context(), &screen{w: io.Discard}, "p", func() int { return 80 })
	ended := false
	b.ask = func() {
		<-b.ctx.Done()
		time.Sleep(20 * time.Millisecond)
		ended = true
	}
	b.update(at(askAfter, 1))
	b.close(nil)
	if !ended {
		t.Error("the question outlives the bar")
	}
}

// The bar, the log and the question for the total meet on one screen.
func TestScreenIsShared(t *testing.T) {
	workspace(t)
	c := testCLI(io.Discard, io.Discard)
	c.runtimeName = "native"
	c.logs = &screen{w: io.Discard}
	eng, err := c.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close(t.Context())
	p, err := pipeline.Load("good.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}

	b := newBar(t.Context(), c.logs, "p", func() int { return 80 })
	var wg sync.WaitGroup
	asked := make(chan struct{}, 2)
	b.ask = func() { b.askTotal(eng, p); asked <- struct{}{} }
	wg.Go(func() {
		for i := range int64(100) {
			b.update(at(time.Duration(i)*askAfter/50, i))
		}
		<-asked
	})
	wg.Go(func() {
		for range 100 {
			fmt.Fprintln(c.logs, "line")
		}
	})
	wg.Wait()
	if b.total != 1234567 {
		t.Errorf("the total is %d, want the source's guess", b.total)
	}
	if len(asked) > 0 {
		t.Error("the source was asked twice")
	}
	b.close(nil)
	b.askTotal(eng, p) // too late: nothing to draw on
}
