package frame

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// zstdWindow is how far back the encoder looks for a match. More makes no
// difference to the size of Arrow columns, where a value resembles its
// neighbours, but each encoder keeps twice the window in memory.
const zstdWindow = 512 << 10

// zstdCoder keeps the encoders and decoders of a pool.
//
// One encoder could serve every stage by itself, with a state for each
// processor, but it lends the states in turn: on two processors that costs
// nothing, on four times as many states half the speed, and on a large machine
// a gigabyte. Coders for one call at a time, the last one first, have neither
// problem. None of them starts a goroutine.
type zstdCoder struct {
	encoders states[zstd.Encoder]
	decoders states[zstd.Decoder]
}

// zstdBound returns the most bytes that n bytes can become: three for each block
// of 128 KiB that is stored, and the zstd header.
func zstdBound(n int) int { return n + n>>15 + 64 }

// encode writes src to dst, which must have zstdBound(len(src)) bytes, and
// returns the length.
func (z *zstdCoder) encode(dst, src []byte) int {
	enc := z.encoders.get()
	if enc == nil {
		enc = newZstdEncoder()
	}
	n := len(enc.EncodeAll(src, dst[:0]))
	z.encoders.put(enc)
	return n
}

// decode fills dst, whose capacity must be its length, from src.
func (z *zstdCoder) decode(dst, src []byte) error {
	dec := z.decoders.get()
	if dec == nil {
		dec = newZstdDecoder()
	}
	out, err := dec.DecodeAll(src, dst[:0])
	z.decoders.put(dec)
	if err != nil {
		return fmt.Errorf("%w: zstd: %w", ErrCorrupt, err)
	}
	if len(out) != len(dst) {
		return fmt.Errorf("%w: zstd: %d bytes, the header says %d", ErrCorrupt, len(out), len(dst))
	}
	if len(out) > 0 && &out[0] != &dst[0] {
		copy(dst, out) // the decoder is free to grow elsewhere, though the limit leaves it no reason
	}
	return nil
}

// newZstdEncoder leaves checksum and length to our own header. A single segment
// lets the decoder write to its destination only, without a window of its own.
func newZstdEncoder() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true))
	if err != nil {
		panic("frame: zstd encoder: " + err.Error()) // only for options that cannot be
	}
	return enc
}

// newZstdDecoder never writes more than its destination holds.
func newZstdDecoder() *zstd.Decoder {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(MaxRaw),
		zstd.WithDecoderMaxWindow(MaxRaw))
	if err != nil {
		panic("frame: zstd decoder: " + err.Error())
	}
	return dec
}
