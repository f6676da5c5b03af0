package frame

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

func TestClasses(t *testing.T) {
	last := 0
	for c := range 90 {
		size := classSize(c)
		if size <= last {
			t.Fatalf("class %d has %d bytes, the one before %d", c, size, last)
		}
		if class(size) != c || class(size+1) != c+1 {
			t.Errorf("%d bytes are in class %d and one more in %d, want %d and %d", size, class(size), class(size+1), c, c+1)
		}
		if c > 0 && size > last+last/4 {
			t.Errorf("class %d of %d bytes wastes more than a quarter for %d bytes", c, size, last+1)
		}
		last = size
	}
}

// TestLargestFrame encodes at the limit of pools of many sizes: the largest
// buffer must have a class.
func TestLargestFrame(t *testing.T) {
	for _, n := range []int{1, 4000, 4096 - HeaderSize, 4096, 5000, 65536, 1<<20 - 20, 1 << 20} {
		p := NewPool(n)
		for _, c := range codecs {
			f, err := p.Encode(c, noise(1, n), 1)
			if err != nil {
				t.Fatal(err)
			}
			f.Release()
		}
	}
}

// TestPoolIsBounded holds what the free lists may keep: the most that was in
// use at once, however many frames went through.
func TestPoolIsBounded(t *testing.T) {
	p := NewPool(8 << 20)
	raw := noise(1, 8<<20)
	sizes := rand.New(rand.NewPCG(1, 2))

	peak := 0
	for range 40 {
		var out []*Frame
		used := 0
		for range 1 + sizes.IntN(8) {
			f, err := p.Encode(None, raw[:sizes.IntN(len(raw))], 1)
			if err != nil {
				t.Fatal(err)
			}
			used += len(f.mem)
			out = append(out, f)
		}
		peak = max(peak, used)
		for _, f := range out {
			f.Release()
		}

		held := 0
		for c, list := range p.free {
			for _, f := range list {
				if len(f.mem) != classSize(c) || f.class != c {
					t.Fatalf("a buffer of %d bytes, class %d, is in list %d of %d bytes", len(f.mem), f.class, c, classSize(c))
				}
				held += len(f.mem)
			}
		}
		if held != p.idle || p.used != 0 || p.peak != peak {
			t.Fatalf("holds %d bytes, counts %d; in use 0, counts %d; peak %d, counts %d", held, p.idle, p.used, peak, p.peak)
		}
		if held > max(peak, minIdle) {
			t.Fatalf("holds %d bytes, at most %d were in use", held, peak)
		}
	}
}

// TestFramesKeepTheirSize encodes what compresses well: the frame must not sit
// in a buffer of the message's size.
func TestFramesKeepTheirSize(t *testing.T) {
	p := NewPool(0)
	for _, c := range []Codec{LZ4, Zstd} {
		f, err := p.Encode(c, eventBatch(1, 8192), 8192)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.mem) > f.Len()*8/5 { // two classes
			t.Errorf("%s: a frame of %d bytes holds a buffer of %d", c, f.Len(), len(f.mem))
		}
		f.Release()
	}
}

// TestConcurrentUse has many stages at work on one pool. Every frame is still
// what it was when another goroutine releases it; the race detector and the
// checksum see a buffer that is used twice.
func TestConcurrentUse(t *testing.T) {
	p := NewPool(1 << 20)
	queue := make(chan *Frame, 8)
	var encoders, decoders sync.WaitGroup
	for n := range 4 {
		encoders.Go(func() {
			for i := range 50 {
				c := codecs[(n+i)%len(codecs)]
				f, err := p.Encode(c, eventBatch(n*1000, 10+i*10), n*1000)
				if err != nil {
					t.Error(err)
					return
				}
				queue <- f
			}
		})
		decoders.Go(func() {
			for f := range queue {
				dst := make([]byte, f.RawLen())
				if err := f.Decode(dst); err != nil {
					t.Error(err)
				}
				if first := eventBatch(f.Rows(), 1)[:4]; !bytes.Equal(dst[:4], first) {
					t.Errorf("frame of %d begins with row % x, want % x", f.Rows(), dst[:4], first)
				}
				f.Release()
			}
		})
	}
	encoders.Wait()
	close(queue)
	decoders.Wait()
	if p.used != 0 {
		t.Errorf("%d bytes count as in use after all is released", p.used)
	}
}

// TestNoAllocations holds the promise of a steady state, in which the collector
// runs between batches too.
func TestNoAllocations(t *testing.T) {
	raw := eventBatch(1, 2000)
	dst := make([]byte, len(raw))
	for _, c := range codecs {
		p := NewPool(1 << 20)
		cycle := func() {
			var frames [3]*Frame
			for i := range frames {
				f, err := p.Encode(c, raw[:len(raw)-i*100], 1)
				if err != nil {
					t.Fatal(err)
				}
				frames[i] = f
			}
			for _, f := range frames {
				if err := f.Decode(dst); err != nil {
					t.Fatal(err)
				}
				f.Release()
			}
		}
		cycle()
		if n := testing.AllocsPerRun(20, cycle); n > 0 && !raceEnabled {
			t.Errorf("%s: %v allocations for three batches", c, n)
		}

		// Two collections empty a sync.Pool.
		runtime.GC()
		runtime.GC()
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		cycle()
		runtime.ReadMemStats(&m1)
		if n := m1.TotalAlloc - m0.TotalAlloc; n > uint64(len(raw)/2) {
			t.Errorf("%s: %d bytes allocated after a collection, buffers were lost", c, n)
		}
	}
}

func TestStates(t *testing.T) {
	var s states[int]
	if s.get() != nil {
		t.Error("an empty list lends something")
	}
	a, b := new(int), new(int)
	s.put(a)
	s.put(b)
	if s.get() != b || s.get() != a || s.get() != nil {
		t.Error("want the last one first, and each once")
	}
}
