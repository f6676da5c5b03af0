package frame

import (
	"fmt"
	"math/bits"
	"sync"
)

const (
	// smallest is the smallest buffer: room for a schema, whose frames are the
	// smallest there are.
	smallest = 4 << 10

	// minIdle is what the free lists may always hold. Less, and pipelines of
	// small batches would lose buffers each time the sizes of batches drift;
	// more is memory nobody asked for.
	minIdle = 16 << 20
)

// Pool makes frames and takes them back. It is safe for concurrent use. In a
// steady state it allocates nothing: buffers and codec states are kept on free
// lists of its own, which hold at most as many bytes as were in use at the
// busiest moment of the pool's life (and 16 MiB if that is more).
//
// A pool needs no closing; drop it and its memory is collected.
type Pool struct {
	maxRaw int
	lz4    lz4Coder
	zstd   zstdCoder

	mu   sync.Mutex
	free [][]*Frame // by size class; guarded by mu, as are all below
	used int        // bytes of buffers in frames that are out
	peak int        // the most used has been
	idle int        // bytes of buffers in free
}

// NewPool returns a pool for messages of up to maxRaw bytes; 0 means [MaxRaw],
// which is also the most it can be.
func NewPool(maxRaw int) *Pool {
	if maxRaw <= 0 || maxRaw > MaxRaw {
		maxRaw = MaxRaw
	}
	p := &Pool{maxRaw: maxRaw}
	p.free = make([][]*Frame, class(HeaderSize+zstdBound(maxRaw))+1)
	return p
}

// MaxRaw returns the pool's limit on a message, in bytes.
func (p *Pool) MaxRaw() int { return p.maxRaw }

// Encode makes a frame of the message raw, which is not kept. rows is the
// number of rows in it. A codec that saves less than a twentieth is left out:
// the receiver then copies instead of decoding. It fails with [ErrTooLarge] or
// [ErrCodec].
func (p *Pool) Encode(c Codec, raw []byte, rows int) (*Frame, error) {
	if c >= numCodecs {
		return nil, fmt.Errorf("%w: number %d", ErrCodec, c)
	}
	if len(raw) > p.maxRaw {
		return nil, fmt.Errorf("%w: a message of %d bytes, the limit is %d", ErrTooLarge, len(raw), p.maxRaw)
	}
	if rows < 0 || rows > MaxRows {
		return nil, fmt.Errorf("%w: %d rows", ErrTooLarge, rows)
	}

	// Compress into a buffer that holds the worst case. What comes out smaller
	// than half of that moves into a buffer of its own size: copying it costs
	// far less than compressing did, and a frame then occupies about what its
	// Len says, which is what channels are bounded by.
	flags := byte(0)
	if c != None && len(raw) > 0 {
		f := p.get(HeaderSize + c.bound(len(raw)))
		n := p.compress(c, f.buf[HeaderSize:], raw)
		if n > 0 {
			if HeaderSize+n <= len(f.buf)/2 {
				g := p.get(HeaderSize + n)
				copy(g.buf[HeaderSize:], f.buf[HeaderSize:HeaderSize+n])
				p.put(f)
				f = g
			}
			f.seal(c, 0, raw, rows, n)
			return f, nil
		}
		flags = flagStored
		p.put(f)
	}

	f := p.get(HeaderSize + len(raw))
	sum := f.putHeader(None, flags, len(raw), rows, len(raw))
	f.putSum(copySum(f.buf[HeaderSize:], raw, sum))
	return f, nil
}

// compress writes raw to dst with the codec and returns the length, or 0 if
// that saves less than a twentieth.
func (p *Pool) compress(c Codec, dst, raw []byte) int {
	var n int
	switch c {
	case LZ4:
		n = p.lz4.encode(dst, raw)
	case Zstd:
		n = p.zstd.encode(dst, raw)
	}
	if n > len(raw)-len(raw)/20-1 {
		return 0
	}
	return n
}

// Parse makes a frame of bytes that came from elsewhere, which are copied. It
// checks the header; the payload is checked by Decode. It fails with
// [ErrCorrupt], [ErrTooLarge] or [ErrCodec].
func (p *Pool) Parse(b []byte) (*Frame, error) {
	if err := checkHeader(b, p.maxRaw); err != nil {
		return nil, err
	}
	f := p.get(len(b))
	f.n = copy(f.buf, b)
	return f, nil
}

// get returns a frame with a buffer of at least n bytes, whose contents are
// left over from the frame before.
func (p *Pool) get(n int) *Frame {
	c := class(n)

	p.mu.Lock()
	f := p.take(c)
	if f != nil {
		c = f.class
	}
	p.used += classSize(c)
	p.peak = max(p.peak, p.used)
	p.mu.Unlock()

	if f == nil {
		f = &Frame{pool: p, class: c, mem: make([]byte, classSize(c))}
	}
	f.buf = f.mem
	return f
}

// take returns a frame of class c from the free lists, or nil. The next class
// serves too: the sizes of batches vary around its border, and what one batch
// gave back then fits the next.
func (p *Pool) take(c int) *Frame {
	for c, end := c, min(c+2, len(p.free)); c < end; c++ {
		list := p.free[c]
		if len(list) == 0 {
			continue
		}
		f := list[len(list)-1]
		list[len(list)-1] = nil
		p.free[c] = list[:len(list)-1]
		p.idle -= classSize(c)
		return f
	}
	return nil
}

// put takes a frame back, or leaves it to the collector if the free lists hold
// enough.
func (p *Pool) put(f *Frame) {
	f.buf, f.n = nil, 0
	size := classSize(f.class)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= size
	if p.idle+size > max(p.peak, minIdle) {
		return
	}
	p.idle += size
	p.free[f.class] = append(p.free[f.class], f)
}

// class returns the number of the smallest size class that holds n bytes. There
// are four to each doubling, so that at most a fifth of a buffer is wasted.
func class(n int) int {
	if n <= smallest {
		return 0
	}
	// The two bits under the highest one select the quarter.
	n--
	top := bits.Len(uint(n)) - 1
	return (top-bits.Len(uint(smallest))+1)*4 + n>>(top-2)&3 + 1
}

// classSize returns the bytes of a buffer of class c.
func classSize(c int) int {
	base := smallest << (c / 4)
	return base + base/4*(c%4)
}
