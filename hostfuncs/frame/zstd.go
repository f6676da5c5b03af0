package frame

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// zstdCoders holds one encoder and one decoder for all stages of a pool. Both
// keep a state for each processor and lend it for one call: compressing does
// nothing but compute, so more states than processors would be memory without
// use. Neither starts a goroutine.
type zstdCoders struct {
	once sync.Once
	enc  *zstd.Encoder
	dec  *zstd.Decoder
}

func (z *zstdCoders) start() {
	states := runtime.GOMAXPROCS(0)

	// The frame's own header has checksum and length. A single segment lets the
	// decoder write to the destination only, without a window of its own.
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(states),
		zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true))
	if err != nil {
		panic("frame: zstd encoder: " + err.Error()) // only for options that cannot be
	}
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(states),
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(MaxRaw))
	if err != nil {
		panic("frame: zstd decoder: " + err.Error())
	}
	z.enc, z.dec = enc, dec
}

// zstdBound returns the most bytes that n bytes can become: three for each block
// of 128 KiB that is stored, and the zstd header.
func zstdBound(n int) int { return n + n>>15 + 64 }

// encode writes src to dst, which must have zstdBound(len(src)) bytes, and
// returns the length.
func (z *zstdCoders) encode(dst, src []byte) int {
	z.once.Do(z.start)
	return len(z.enc.EncodeAll(src, dst[:0]))
}

// decode fills dst, whose capacity must be its length, from src.
func (z *zstdCoders) decode(dst, src []byte) error {
	z.once.Do(z.start)
	out, err := z.dec.DecodeAll(src, dst[:0])
	if err != nil {
		return fmt.Errorf("%w: zstd: %w", ErrCorrupt, err)
	}
	if len(out) != len(dst) {
		return fmt.Errorf("%w: zstd: %d bytes, the header says %d", ErrCorrupt, len(out), len(dst))
	}
	if len(out) > 0 && &out[0] != &dst[0] {
		copy(dst, out) // not seen; the message is right all the same
	}
	return nil
}
