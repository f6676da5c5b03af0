package hostfuncs

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

func encode(t *testing.T, pool *frame.Pool, n, rows int) *frame.Frame {
	t.Helper()
	f, err := pool.Encode(frame.None, make([]byte, n), rows)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLinkHoldsThePutterBack(t *testing.T) {
	pool := frame.NewPool(1 << 20)
	size := encode(t, pool, 1000, 1).Len()
	for _, tt := range []struct {
		name             string
		frames, maxBytes int
		want             int // frames that fit
	}{
		{"by count", 3, 1 << 20, 3},
		{"by bytes", 16, 2*size + size/2, 2},
		{"one too large for the bound passes alone", 16, 10, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLink(tt.frames, tt.maxBytes)
				ctx, cancel := context.WithCancelCause(t.Context())
				put := 0
				stop := errors.New("stop")
				result := make(chan error, 1)
				go func() {
					for {
						if err := l.Put(ctx, encode(t, pool, 1000, put)); err != nil {
							result <- err
							return
						}
						put++
					}
				}()

				synctest.Wait()
				if put != tt.want {
					t.Errorf("%d frames were put before the link was full, want %d", put, tt.want)
				}
				if frames, bytes := l.Fill(); frames != tt.want || bytes != tt.want*size {
					t.Errorf("it holds %d frames and %d bytes, want %d of %d bytes", frames, bytes, tt.want, size)
				}
				if f, err := l.Take(ctx); err != nil || f.Rows() != 0 {
					t.Fatalf("Take = %v, %v, want the oldest frame", f, err)
				}
				synctest.Wait()
				if put != tt.want+1 {
					t.Errorf("%d frames were put after one was taken, want %d", put, tt.want+1)
				}

				cancel(stop)
				if err := <-result; !errors.Is(err, stop) {
					t.Errorf("a waiting Put ended with %v, want the context's cause", err)
				}
				l.Drain()
			})
		})
	}
}

func TestLinkKeepsOrderAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := frame.NewPool(1 << 20)
		l := NewLink(4, 1<<20)
		const n = 1000
		go func() {
			for i := range n {
				if err := l.Put(t.Context(), encode(t, pool, 8, i)); err != nil {
					t.Error(err)
				}
			}
			l.Close()
		}()
		for i := range n {
			f, err := l.Take(t.Context())
			if err != nil || f.Rows() != i {
				t.Fatalf("frame %d: got rows %d, error %v", i, f.Rows(), err)
			}
			f.Release()
		}
		if _, err := l.Take(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after the last frame Take returned %v, want io.EOF", err)
		}
	})
}

// A putter that failed does not close: its taker must not believe the stream
// to be whole.
func TestLinkLeftOpenEndsByContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLink(4, 1<<20)
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := l.Take(ctx)
			result <- err
		}()
		synctest.Wait()
		cause := errors.New("the source died")
		cancel(cause)
		if err := <-result; !errors.Is(err, cause) {
			t.Errorf("Take returned %v, want the cause", err)
		}
	})
}
