package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

// progress shows a run while it goes on. update is called from one goroutine,
// close when that has ended.
type progress interface {
	update(engine.Progress)
	close(err error)
}

// progress returns the display that fits: a bar on a terminal, lines elsewhere,
// nothing if told so.
func (c *cli) progress(ctx context.Context, eng *engine.Engine, p *pipeline.Pipeline) progress {
	if c.quiet {
		return noProgress{}
	}
	if width := terminalWidth(c.stderr); width != nil {
		b := newBar(ctx, c.logs, p.Name, width)
		b.ask = func() { b.askTotal(eng, p) }
		return b
	}
	return &lines{ctx: ctx, w: c.logs, name: p.Name, what: fmt.Sprintf("%s from %s to %s, runtime %s",
		count(len(p.Source.Streams), "stream"), p.Source.Use, p.Destination.Use, c.runtimeName)}
}

// terminalWidth returns a function that tells the width of the terminal that w
// is, or nil if it is none.
func terminalWidth(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}
}

type noProgress struct{}

func (noProgress) update(engine.Progress) {}
func (noProgress) close(error)            {}

// lineInterval is how often lines tell of progress. A log of a long run stays
// readable, and who waits sees that it is alive.
const lineInterval = 5 * time.Second

// lines shows progress as lines.
type lines struct {
	ctx  context.Context
	w    io.Writer
	name string
	what string        // is run
	next time.Duration // of the run, for the next line; 0 before the first update
	rate meter
	last engine.Progress
}

func (l *lines) update(p engine.Progress) {
	l.last = p
	l.rate.add(p)
	if l.next == 0 {
		// Only now is it sure that the run has started.
		l.next = lineInterval
		fmt.Fprintf(l.w, "%s: started: %s\n", l.name, l.what)
	}
	if p.Elapsed < l.next || p.Done {
		return
	}
	l.next += lineInterval
	fmt.Fprintf(l.w, "%s: %s: %s; %s\n", l.name, p.Elapsed.Truncate(time.Second), l.rate.text(p), states(p))
}

func (l *lines) close(err error) {
	if l.next == 0 {
		return
	}
	fmt.Fprintf(l.w, "%s: %s after %s: %s rows\n", l.name, outcome(l.ctx, err),
		l.last.Elapsed.Round(time.Millisecond), humanize.Comma(l.last.Rows))
}

// bar shows progress as one line that changes.
type bar struct {
	ctx    context.Context
	cancel context.CancelFunc
	screen *screen
	name   string
	width  func() int
	rate   meter
	ask    func() // finds out the total; nil once it was called
	asking sync.WaitGroup

	// Only touched while the screen is held.
	line  *progressbar.ProgressBar
	total int64 // 0: unknown
}

// barWidth is the width of the bar proper, where the total is known.
const barWidth = 20

func newBar(ctx context.Context, s *screen, name string, width func() int) *bar {
	b := &bar{screen: s, name: name, width: width}
	b.ctx, b.cancel = context.WithCancel(ctx)
	b.line = b.newLine(-1)
	s.set(b)
	return b
}

// newLine makes the library's bar; total -1 makes it a spinner.
func (b *bar) newLine(total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(b.screen.w),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetWidth(barWidth),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetSpinnerChangeInterval(0), // else it draws on its own, past the screen
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}),
	)
}

// askAfter is when the source is asked how many rows there are. That is a second
// instance and a second connection beside the run: a short one, which may be a
// measurement, should not pay for it.
const askAfter = 2 * time.Second

// askTotal asks the source how many rows there are, about. Where it does not
// know, or the run is over first, the bar stays without a total.
func (b *bar) askTotal(eng *engine.Engine, p *pipeline.Pipeline) {
	catalog, err := eng.Discover(b.ctx, p)
	if err != nil {
		return // the run itself will say what is wrong
	}
	var total int64
	for _, want := range p.Source.Streams {
		rows := int64(-1)
		for _, s := range catalog.Streams {
			if s.Name == want.Name {
				rows = s.Rows
			}
		}
		if rows < 0 {
			return
		}
		total += rows
	}

	b.screen.draw(func() {
		if total > 0 {
			b.total, b.line = total, b.newLine(total)
		}
	})
}

func (b *bar) update(p engine.Progress) {
	b.rate.add(p)
	if p.Done {
		return
	}
	if b.ask != nil && p.Elapsed >= askAfter && p.Rows > 0 {
		b.asking.Go(b.ask)
		b.ask = nil
	}

	text := fmt.Sprintf("%s  %s  %s  %s", b.name, p.Elapsed.Truncate(time.Second), b.rate.text(p), states(p))
	b.screen.draw(func() {
		// The text may not pass the line: a terminal would keep every part that does.
		room := b.width() - 4
		if b.total > 0 {
			room -= barWidth + 8
		}
		b.line.Describe(cut(text, room))
		if b.total > 0 {
			// It is a guess: only the end is the end.
			_ = b.line.Set64(min(p.Rows, b.total-1)) // what cannot be drawn is no reason to stop
		}
	})
}

func (b *bar) close(error) {
	b.cancel()
	b.screen.set(nil)
	b.asking.Wait() // it uses the engine and writes to the log, which end next
}

// clear takes the bar off the screen; the next update puts it back.
func (b *bar) clear() { _ = b.line.Clear() }

// states tells what each stage does.
func states(p engine.Progress) string {
	parts := make([]string, len(p.Stages))
	for i, s := range p.Stages {
		parts[i] = s.Name + " " + s.State
	}
	return strings.Join(parts, ", ")
}

// cut shortens text to n characters.
func cut(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	return string(r[:max(n-1, 0)]) + "…"
}

// meter tells the speed of the last seconds, which says more than that of the
// whole run when something has just become slow.
type meter struct {
	seen []engine.Progress // a window, oldest first
}

const meterWindow = 3 * time.Second

func (m *meter) add(p engine.Progress) {
	m.seen = append(m.seen, engine.Progress{Rows: p.Rows, Bytes: p.Bytes, Elapsed: p.Elapsed})
	for len(m.seen) > 1 && p.Elapsed-m.seen[1].Elapsed >= meterWindow {
		m.seen = m.seen[1:]
	}
}

// text tells rows and speed.
func (m *meter) text(p engine.Progress) string {
	var first engine.Progress // the start, until the window has gone on
	if len(m.seen) > 0 && p.Elapsed-m.seen[0].Elapsed >= meterWindow {
		first = m.seen[0]
	}
	secs := max((p.Elapsed - first.Elapsed).Seconds(), 1e-3)
	// A retry starts again from nothing.
	rows, bytes := max(p.Rows-first.Rows, 0), max(p.Bytes-first.Bytes, 0)
	return fmt.Sprintf("%s rows, %s rows/s, %.1f MB/s", humanize.Comma(p.Rows),
		humanize.Comma(int64(float64(rows)/secs)), float64(bytes)/(1<<20)/secs)
}

// screen is where the bar and other lines meet: a line takes the bar away for
// its moment. It is safe for use by several goroutines.
type screen struct {
	mu  sync.Mutex
	w   io.Writer
	bar *bar
}

// Write writes whole lines.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		s.bar.clear()
	}
	return s.w.Write(p)
}

// set makes b the bar that lines take away, or, nil, takes the present one off
// for good.
func (s *screen) set(b *bar) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		s.bar.clear()
	}
	s.bar = b
}

// draw calls f while nothing else is written, if there is a bar.
func (s *screen) draw(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		f()
	}
}
