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
	maxFrames int
	maxBytes  int

	mu     sync.Mutex
	queue  []*frame.Frame // ring: len(queue) == maxFrames
	first  int
	count  int
	bytes  int
	closed bool

	room  chan struct{} // capacity 1: the taker made room
	ready chan struct{} // capacity 1: the putter added a frame or closed
}

// NewLink returns a link that holds up to maxFrames frames and maxBytes bytes,
// both at least 1.
func NewLink(maxFrames, maxBytes int) *Link {
	return &Link{
		maxFrames: maxFrames,
		maxBytes:  maxBytes,
		queue:     make([]*frame.Frame, maxFrames),
		room:      make(chan struct{}, 1),
		ready:     make(chan struct{}, 1),
	}
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
		case <-l.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *Link) tryPut(f *frame.Frame) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.count == l.maxFrames || (l.count > 0 && l.bytes+f.Len() > l.maxBytes) {
		return false
	}
	l.queue[(l.first+l.count)%l.maxFrames] = f
	l.count++
	l.bytes += f.Len()
	return true
}

// Close says that no frame follows. The putter calls it once, after its last
// Put, and only when the stream is whole: a link whose putter failed stays open
// and its taker is ended through the context.
func (l *Link) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
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
			signal(l.room)
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

func (l *Link) tryTake() (f *frame.Frame, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.count == 0 {
		return nil, l.closed
	}
	f = l.queue[l.first]
	l.queue[l.first] = nil
	l.first = (l.first + 1) % l.maxFrames
	l.count--
	l.bytes -= f.Len()
	return f, false
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
