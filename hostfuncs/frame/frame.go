package frame

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// HeaderSize is the number of bytes in front of every payload.
const HeaderSize = 20

// MaxRaw is the largest message the format takes, in bytes. A guest's whole
// memory is at most four times that.
const MaxRaw = 1 << 30

// MaxRows is the largest number of rows the header may claim.
const MaxRows = 1<<31 - 1

// Offsets of the header's fields.
const (
	offMagic   = 0
	offCodec   = 2
	offFlags   = 3
	offRows    = 4
	offRaw     = 8
	offPayload = 12
	offCRC     = 16
)

const (
	magic0, magic1 = 'R', 'B'

	flagStored = 1 << 0
	knownFlags = flagStored
)

// sumPiece is how many bytes are copied before they are summed: less than the
// smallest second-level cache.
const sumPiece = 32 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Frame is one encoded message: header and payload in one buffer of its pool.
// Between [Pool.Encode] or [Pool.Parse] and [Frame.Release] it does not change,
// so any number of goroutines may read it. Using it after Release panics.
type Frame struct {
	pool  *Pool
	class int    // size class of mem
	mem   []byte // the buffer
	buf   []byte // mem while the frame is out, nil once it is released
	n     int    // bytes in use: header and payload
}

// Rows returns the number of rows in the message; 0 for a schema or an end of
// stream.
func (f *Frame) Rows() int { return int(f.field(offRows)) }

// RawLen returns the message's length in bytes, the size [Frame.Decode] needs.
func (f *Frame) RawLen() int { return int(f.field(offRaw)) }

// Len returns the bytes the frame takes on the channel, header included.
func (f *Frame) Len() int { return len(f.Bytes()) }

// Codec returns how the payload is encoded. It is None if the codec asked for
// did not pay, see [Frame.Stored].
func (f *Frame) Codec() Codec { return Codec(f.Bytes()[offCodec]) }

// Stored reports whether a codec was asked for and left out because it saved
// too little.
func (f *Frame) Stored() bool { return f.Bytes()[offFlags]&flagStored != 0 }

// Bytes returns header and payload. The slice is the frame's own: read it only,
// and not after Release.
func (f *Frame) Bytes() []byte {
	if f.buf == nil {
		panic("frame: used after Release")
	}
	return f.buf[:f.n]
}

func (f *Frame) field(off int) uint32 { return binary.LittleEndian.Uint32(f.Bytes()[off:]) }

// Decode writes the message to dst[:f.RawLen()] and nothing beyond, and checks
// its checksum. After an error those bytes are undefined. It fails with
// [ErrShortBuffer] if dst is too small and with [ErrCorrupt] if the payload is
// not the message that was encoded.
func (f *Frame) Decode(dst []byte) error {
	b := f.Bytes()
	raw := f.RawLen()
	if len(dst) < raw {
		return fmt.Errorf("%w: %d bytes for a message of %d", ErrShortBuffer, len(dst), raw)
	}

	// The capacity is cut too: no codec may touch what lies behind.
	dst = dst[:raw:raw]
	payload := b[HeaderSize:]
	sum := crc32.Checksum(b[:offCRC], castagnoli)
	switch c := f.Codec(); c {
	case None:
		sum = copySum(dst, payload, sum)
	case LZ4:
		if err := f.pool.lz4.decode(dst, payload); err != nil {
			return err
		}
		sum = crc32.Update(sum, castagnoli, dst)
	case Zstd:
		if err := f.pool.zstd.decode(dst, payload); err != nil {
			return err
		}
		sum = crc32.Update(sum, castagnoli, dst)
	}

	if sum != f.field(offCRC) {
		return fmt.Errorf("%w: checksum %08x, want %08x", ErrCorrupt, sum, f.field(offCRC))
	}
	return nil
}

// Release gives the frame back to its pool. The frame, and what [Frame.Bytes]
// returned, must not be used afterwards; a second Release panics.
func (f *Frame) Release() {
	if f.buf == nil {
		panic("frame: released twice")
	}
	f.pool.put(f)
}

// copySum copies src to dst, which is at least as long, and returns sum updated
// with it. Each piece is summed while it is in the processor's cache: a message
// is often larger than that, and would come from memory twice.
func copySum(dst, src []byte, sum uint32) uint32 {
	for len(src) > 0 {
		n := copy(dst, src[:min(len(src), sumPiece)])
		sum = crc32.Update(sum, castagnoli, dst[:n])
		dst, src = dst[n:], src[n:]
	}
	return sum
}

// seal writes the header of a frame whose payload is in place and of the given
// length.
func (f *Frame) seal(c Codec, flags byte, raw []byte, rows, payload int) {
	sum := f.putHeader(c, flags, len(raw), rows, payload)
	f.putSum(crc32.Update(sum, castagnoli, raw))
}

// putHeader writes the header but for its checksum, which it returns as far as
// it goes: the message's is to be added.
func (f *Frame) putHeader(c Codec, flags byte, raw, rows, payload int) uint32 {
	b := f.buf
	b[offMagic], b[offMagic+1] = magic0, magic1
	b[offCodec] = byte(c)
	b[offFlags] = flags
	binary.LittleEndian.PutUint32(b[offRows:], uint32(rows))
	binary.LittleEndian.PutUint32(b[offRaw:], uint32(raw))
	binary.LittleEndian.PutUint32(b[offPayload:], uint32(payload))
	f.n = HeaderSize + payload
	return crc32.Checksum(b[:offCRC], castagnoli)
}

// putSum writes the CRC32C over the header's fields and the message.
func (f *Frame) putSum(sum uint32) { binary.LittleEndian.PutUint32(f.buf[offCRC:], sum) }

// checkHeader reports what is wrong with b as a frame, as far as that shows
// without decoding it. maxRaw is the limit on the message.
func checkHeader(b []byte, maxRaw int) error {
	if len(b) < HeaderSize {
		return fmt.Errorf("%w: %d bytes are less than a header", ErrCorrupt, len(b))
	}
	if b[offMagic] != magic0 || b[offMagic+1] != magic1 {
		return fmt.Errorf("%w: starts with %02x %02x", ErrCorrupt, b[offMagic], b[offMagic+1])
	}
	c, flags := Codec(b[offCodec]), b[offFlags]
	if c >= numCodecs {
		return fmt.Errorf("%w: number %d", ErrCodec, b[offCodec])
	}
	if flags&^knownFlags != 0 || flags&flagStored != 0 && c != None {
		return fmt.Errorf("%w: flags %02x with codec %s", ErrCorrupt, flags, c)
	}

	rows := binary.LittleEndian.Uint32(b[offRows:])
	raw := binary.LittleEndian.Uint32(b[offRaw:])
	payload := binary.LittleEndian.Uint32(b[offPayload:])
	if rows > MaxRows {
		return fmt.Errorf("%w: %d rows", ErrTooLarge, rows)
	}
	if uint64(raw) > uint64(maxRaw) {
		return fmt.Errorf("%w: a message of %d bytes, the limit is %d", ErrTooLarge, raw, maxRaw)
	}
	if uint64(payload) != uint64(len(b)-HeaderSize) {
		return fmt.Errorf("%w: payload of %d bytes, the header says %d", ErrCorrupt, len(b)-HeaderSize, payload)
	}

	// A codec is used only where it makes the payload smaller.
	if c == None && payload != raw || c != None && (payload >= raw || payload == 0) {
		return fmt.Errorf("%w: payload of %d bytes for a message of %d with codec %s", ErrCorrupt, payload, raw, c)
	}
	return nil
}
