package hostfuncs

import (
	"context"
	"io"
	"sync"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// Link carries one stream's frames from a stage to the next. It is bounded by
// count and by bytes; a single frame over the byte bound passes alone, so that
// a small bound slows a pipeline but never stops it.
//
// One goroutine puts and closes, one takes. A frame in the link belongs to it.
type Link struct {
	bound *bound

	// Guarded by bound.mu.
	queue  []*frame.Frame // ring: len(queue) == bound.maxFrames, or nil while empty
	first  int
	count  int
	closed bool

	ready chan struct{} // capacity 1: the putter added a frame or closed
}

// bound is what the links between two stages may hold together: a stage that is
// streams ahead of the next must not fill a link for each of them.
type bound struct {
	maxFrames int
	maxBytes  int

	mu    sync.Mutex
	count int
	bytes int

	room chan struct{} // capacity 1: the taker made room
}

// NewLink returns a link that holds up to maxFrames frames and maxBytes bytes,
// both at least 1.
func NewLink(maxFrames, maxBytes int) *Link { return NewLinks(1, maxFrames, maxBytes)[0] }

// NewLinks returns a link for each of n streams between the same two stages.
// Together they hold up to maxFrames frames and maxBytes bytes. One goroutine
// puts into all of them and one takes from all of them, both in their order and
// each link to its end.
func NewLinks(n, maxFrames, maxBytes int) []*Link {
	b := &bound{maxFrames: maxFrames, maxBytes: maxBytes, room: make(chan struct{}, 1)}
	links := make([]*Link, n)
	for i := range links {
		links[i] = &Link{bound: b, ready: make(chan struct{}, 1)}
	}
	return links
}

// Put adds f, waiting for room or for ctx. On success the link owns f; on an
// error, which is the context's cause, the caller still does.
func (l *Link) Put(ctx context.Context, f *frame.Frame) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if l.tryPut(f) {
			signal(l.ready)
			return nil
		}
		select {
		case <-l.bound.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *Link) tryPut(f *frame.Frame) bool {
	b := l.bound
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.count == b.maxFrames || (b.count > 0 && b.bytes+f.Len() > b.maxBytes) {
		return false
	}
	if l.queue == nil {
		l.queue = make([]*frame.Frame, b.maxFrames)
	}
	l.queue[(l.first+l.count)%b.maxFrames] = f
	l.count++
	b.count++
	b.bytes += f.Len()
	return true
}

// Close says that no frame follows. The putter calls it once, after its last
// Put, and only when the stream is whole: a link whose putter failed stays open
// and its taker is ended through the context.
func (l *Link) Close() {
	l.bound.mu.Lock()
	l.closed = true
	l.bound.mu.Unlock()
	signal(l.ready)
}

// Take removes the oldest frame, waiting for one or for ctx. The caller owns
// it. After the last one it returns io.EOF.
func (l *Link) Take(ctx context.Context) (*frame.Frame, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		f, closed := l.tryTake()
		if f != nil {
			signal(l.bound.room)
			return f, nil
		}
		if closed {
			return nil, io.EOF
		}
		select {
		case <-l.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// waitMore waits until Take would not have to: until a frame is there or the
// link is closed.
func (l *Link) waitMore(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l.bound.mu.Lock()
		more := l.closed || l.count > 0
		l.bound.mu.Unlock()
		if more {
			return nil
		}
		select {
		case <-l.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *Link) tryTake() (f *frame.Frame, closed bool) {
	b := l.bound
	b.mu.Lock()
	defer b.mu.Unlock()

	if l.count == 0 {
		if l.closed {
			l.queue = nil // for good
		}
		return nil, l.closed
	}
	f = l.queue[l.first]
	l.queue[l.first] = nil
	l.first = (l.first + 1) % b.maxFrames
	l.count--
	b.count--
	b.bytes -= f.Len()
	return f, false
}

// Fill returns how many frames and bytes the link and those that share its
// bounds hold at this moment. It may be called from any goroutine.
func (l *Link) Fill() (frames, bytes int) {
	l.bound.mu.Lock()
	defer l.bound.mu.Unlock()
	return l.bound.count, l.bound.bytes
}

// Drain releases every frame still in the link. Call it when neither end is in
// use any more.
func (l *Link) Drain() {
	for {
		f, _ := l.tryTake()
		if f == nil {
			return
		}
		f.Release()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
