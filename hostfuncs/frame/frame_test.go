package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
)

// codecs is every codec there is.
var codecs = []Codec{None, LZ4, Zstd}

func TestParseCodec(t *testing.T) {
	for name, want := range map[string]Codec{"": None, "none": None, "lz4": LZ4, "zstd": Zstd} {
		got, err := ParseCodec(name)
		if got != want || err != nil {
			t.Errorf("ParseCodec(%q) = %v, %v, want %v", name, got, err, want)
		}
		if name != "" && got.String() != name {
			t.Errorf("codec %q prints as %q", name, got)
		}
	}
	for _, name := range []string{"LZ4", "gzip", " lz4"} {
		if c, err := ParseCodec(name); !errors.Is(err, ErrCodec) {
			t.Errorf("ParseCodec(%q) = %v, %v, want ErrCodec", name, c, err)
		}
	}
	if got := Codec(9).String(); got != "codec(9)" {
		t.Errorf("Codec(9) prints as %q", got)
	}
}

func TestRoundTrip(t *testing.T) {
	messages := []struct {
		name string
		raw  []byte
	}{
		{"empty", nil},
		{"one byte", []byte{7}},
		{"end of stream", []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}},
		{"a few rows", eventBatch(1, 10)},
		{"a batch", eventBatch(1, 8192)},
		{"over a zstd block", eventBatch(1, 1400)},
		{"zeros", make([]byte, 300_000)},
		{"noise", noise(1, 300_000)},
		{"noise, then text", append(noise(1, 100_000), eventBatch(1, 1000)...)},
	}
	p := NewPool(1 << 20)
	for _, c := range codecs {
		for _, m := range messages {
			t.Run(fmt.Sprintf("codec=%s/%s", c, m.name), func(t *testing.T) {
				want := bytes.Clone(m.raw)
				f, err := p.Encode(c, m.raw, 1234)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Release()
				clear(m.raw) // the frame must not hold on to it
				defer copy(m.raw, want)

				if f.Rows() != 1234 || f.RawLen() != len(want) || f.Len() != len(f.Bytes()) {
					t.Errorf("rows %d, raw length %d, length %d of %d bytes, want 1234 rows and raw length %d",
						f.Rows(), f.RawLen(), f.Len(), len(f.Bytes()), len(want))
				}
				if f.Len() > HeaderSize+len(want) {
					t.Errorf("%d bytes for a message of %d: stored would be smaller", f.Len(), len(want))
				}
				checkDecode(t, f, want)

				// The same from bytes.
				g, err := p.Parse(f.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				defer g.Release()
				if g.Rows() != f.Rows() || g.Codec() != f.Codec() || g.Stored() != f.Stored() {
					t.Errorf("parsed: rows %d, codec %s, stored %v, want %d, %s, %v",
						g.Rows(), g.Codec(), g.Stored(), f.Rows(), f.Codec(), f.Stored())
				}
				checkDecode(t, g, want)
			})
		}
	}
}

// checkDecode decodes f into the middle of a larger buffer, whose other bytes
// must stay.
func checkDecode(t *testing.T, f *Frame, want []byte) {
	t.Helper()
	got, err := decodeGuarded(f)
	if err != nil {
		t.Error(err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("the %d bytes decoded differ from the %d encoded", len(got), len(want))
	}
}

// guard is how many bytes before and behind a destination are watched. Decoders
// that copy in wide steps overshoot by less.
const guard = 256

// decodeGuarded decodes f and reports a write outside the destination.
func decodeGuarded(f *Frame) ([]byte, error) {
	n := f.RawLen()
	buf := bytes.Repeat([]byte{0xa5}, guard+n+guard)
	err := f.Decode(buf[guard:]) // longer than need be, as a guest's memory is
	for i, b := range buf {
		if (i < guard || i >= guard+n) && b != 0xa5 {
			panic(fmt.Sprintf("codec %s wrote at %d of a destination of %d bytes", f.Codec(), i-guard, n))
		}
	}
	return buf[guard : guard+n], err
}

// TestStoreMode holds the limit from both sides: a twentieth saved is worth it,
// less is not.
func TestStoreMode(t *testing.T) {
	p := NewPool(0)
	for _, c := range []Codec{LZ4, Zstd} {
		for _, test := range []struct {
			zeros  int // of 100,000 bytes, the rest noise
			stored bool
		}{{0, true}, {4_000, true}, {7_000, false}, {50_000, false}} {
			raw := append(make([]byte, test.zeros), noise(1, 100_000-test.zeros)...)
			f, err := p.Encode(c, raw, 1)
			if err != nil {
				t.Fatal(err)
			}
			if f.Stored() != test.stored || (f.Codec() == None) != test.stored {
				t.Errorf("%s, %d of 100000 bytes compressible: codec %s, stored %v, %d bytes, want stored %v",
					c, test.zeros, f.Codec(), f.Stored(), f.Len(), test.stored)
			}
			if test.stored && f.Len() != HeaderSize+len(raw) {
				t.Errorf("%s: stored frame has %d bytes, want %d", c, f.Len(), HeaderSize+len(raw))
			}
			f.Release()
		}
	}

	f, err := p.Encode(None, noise(1, 100), 1)
	if err != nil || f.Stored() {
		t.Errorf("codec none: stored %v, error %v: nothing was tried", f.Stored(), err)
	}
}

func TestLimits(t *testing.T) {
	p := NewPool(1000)
	if p.MaxRaw() != 1000 || NewPool(0).MaxRaw() != MaxRaw || NewPool(MaxRaw+1).MaxRaw() != MaxRaw {
		t.Error("MaxRaw is not the limit given, or the format's for none and for more")
	}
	for _, c := range codecs {
		if _, err := p.Encode(c, make([]byte, 1000), MaxRows); err != nil {
			t.Errorf("%s: message and rows at the limit: %v", c, err)
		}
		if _, err := p.Encode(c, make([]byte, 1001), 1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: a message over the limit: %v, want ErrTooLarge", c, err)
		}
		for _, rows := range []int{-1, MaxRows + 1} {
			if _, err := p.Encode(c, nil, rows); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s: %d rows: %v, want ErrTooLarge", c, rows, err)
			}
		}

		f, err := p.Encode(c, make([]byte, 1000), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Decode(make([]byte, 999)); !errors.Is(err, ErrShortBuffer) {
			t.Errorf("%s: decoding into too little: %v, want ErrShortBuffer", c, err)
		}
		if _, err := NewPool(999).Parse(f.Bytes()); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: parsing in a pool with a lower limit: %v, want ErrTooLarge", c, err)
		}
	}
	if _, err := p.Encode(numCodecs, nil, 0); !errors.Is(err, ErrCodec) {
		t.Errorf("codec %d: %v, want ErrCodec", numCodecs, err)
	}
}

// TestHostileHeader changes one thing in a good frame and names the error.
func TestHostileHeader(t *testing.T) {
	set := func(off int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[off:], v)
			return b
		}
	}
	for _, test := range []struct {
		name   string
		codec  Codec
		change func([]byte) []byte
		want   error
	}{
		{"nothing", None, func([]byte) []byte { return nil }, ErrCorrupt},
		{"half a header", None, func(b []byte) []byte { return b[:HeaderSize/2] }, ErrCorrupt},
		{"header only", LZ4, func(b []byte) []byte { return b[:HeaderSize] }, ErrCorrupt},
		{"payload cut off", Zstd, func(b []byte) []byte { return b[:len(b)-1] }, ErrCorrupt},
		{"more behind it", None, func(b []byte) []byte { return append(b, 0) }, ErrCorrupt},
		{"another magic", None, func(b []byte) []byte { b[0]++; return b }, ErrCorrupt},
		{"a codec that does not exist", LZ4, func(b []byte) []byte { b[offCodec] = 3; return b }, ErrCodec},
		{"the last codec number", None, func(b []byte) []byte { b[offCodec] = 255; return b }, ErrCodec},
		{"a flag that does not exist", None, func(b []byte) []byte { b[offFlags] = 2; return b }, ErrCorrupt},
		{"stored with a codec", LZ4, func(b []byte) []byte { b[offFlags] = flagStored; return b }, ErrCorrupt},
		{"codec none for a block", LZ4, func(b []byte) []byte { b[offCodec] = byte(None); return b }, ErrCorrupt},
		{"codec lz4 for a stored message", None, func(b []byte) []byte { b[offCodec] = byte(LZ4); return b }, ErrCorrupt},
		{"rows beyond all", None, set(offRows, 1<<31), ErrTooLarge},
		{"a message of 4 GiB", Zstd, set(offRaw, 1<<32-1), ErrTooLarge},
		{"a payload of 4 GiB", Zstd, set(offPayload, 1<<32-1), ErrCorrupt},
		{"a payload of nothing", Zstd, set(offPayload, 0), ErrCorrupt},
		{"a message shorter than its block", LZ4, set(offRaw, 10), ErrCorrupt},
		{"stored, another length", None, set(offRaw, 10), ErrCorrupt},
	} {
		p := NewPool(1 << 20)
		f, err := p.Encode(test.codec, eventBatch(1, 100), 100)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Parse(test.change(bytes.Clone(f.Bytes()))); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// TestHostilePayload decodes payloads whose header is in order.
func TestHostilePayload(t *testing.T) {
	p := NewPool(1 << 20)
	raw := eventBatch(1, 100)
	for _, test := range []struct {
		name   string
		codec  Codec
		change func([]byte) []byte
	}{
		{"wrong checksum", None, func(b []byte) []byte { b[offCRC]++; return b }},
		{"wrong checksum", LZ4, func(b []byte) []byte { b[offCRC]++; return b }},
		{"wrong checksum", Zstd, func(b []byte) []byte { b[offCRC]++; return b }},
		{"other rows", None, func(b []byte) []byte { b[offRows]++; return b }},
		{"other contents", None, func(b []byte) []byte { b[HeaderSize]++; return b }},
		{"longer than its block", LZ4, func(b []byte) []byte { b[offRaw]++; return b }},
		{"longer than its frame", Zstd, func(b []byte) []byte { b[offRaw]++; return b }},
		{"far longer than its block", LZ4, func(b []byte) []byte { b[offRaw+2]++; return b }},
		{"far longer than its frame", Zstd, func(b []byte) []byte { b[offRaw+2]++; return b }},
		{"shorter than its block", LZ4, func(b []byte) []byte { b[offRaw]--; return b }},
		{"shorter than its frame", Zstd, func(b []byte) []byte { b[offRaw]--; return b }},
		{"lz4 called zstd", LZ4, func(b []byte) []byte { b[offCodec] = byte(Zstd); return b }},
		{"zstd called lz4", Zstd, func(b []byte) []byte { b[offCodec] = byte(LZ4); return b }},
		{"a block cut off", LZ4, cutPayload},
		{"a frame cut off", Zstd, cutPayload},
		{"noise", LZ4, func(b []byte) []byte { copy(b[HeaderSize:], noise(2, len(b))); return b }},
		{"noise", Zstd, func(b []byte) []byte { copy(b[HeaderSize:], noise(2, len(b))); return b }},
	} {
		f, err := p.Encode(test.codec, raw, 100)
		if err != nil {
			t.Fatal(err)
		}
		g, err := p.Parse(test.change(bytes.Clone(f.Bytes())))
		if err != nil {
			t.Errorf("%s, %s: the header is refused: %v", test.codec, test.name, err)
			continue
		}
		if _, err := decodeGuarded(g); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s, %s: %v, want ErrCorrupt", test.codec, test.name, err)
		}
	}
}

// TestShortPayload decodes a payload that ends early into a buffer that still
// holds the message from before: the checksum alone would pass.
func TestShortPayload(t *testing.T) {
	p := NewPool(1 << 20)
	raw := eventBatch(1, 100)
	for _, c := range []Codec{LZ4, Zstd} {
		f, err := p.Encode(c, raw[:len(raw)/2], 100)
		if err != nil {
			t.Fatal(err)
		}
		f.seal(c, 0, raw, 100, f.Len()-HeaderSize)
		if err := f.Decode(bytes.Clone(raw)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: half a message: %v, want ErrCorrupt", c, err)
		}
	}
}

// cutPayload takes the last byte away and corrects the header.
func cutPayload(b []byte) []byte {
	b = b[:len(b)-1]
	binary.LittleEndian.PutUint32(b[offPayload:], uint32(len(b)-HeaderSize))
	return b
}

// TestFlippedBits flips each bit of a frame. The result is refused, or it is
// the same message all the same: a compressed one can be written in more than
// one way. It is never another message.
func TestFlippedBits(t *testing.T) {
	p := NewPool(1 << 20)
	raw := eventBatch(1, 20)
	for _, c := range codecs {
		f, err := p.Encode(c, raw, 20)
		if err != nil {
			t.Fatal(err)
		}
		same := 0
		for i := range f.Len() * 8 {
			b := bytes.Clone(f.Bytes())
			b[i/8] ^= 1 << (i % 8)
			g, err := p.Parse(b)
			if err != nil {
				continue
			}
			got, err := decodeGuarded(g)
			switch {
			case err != nil && !errors.Is(err, ErrCorrupt):
				t.Errorf("%s, bit %d of byte %d: %v, want ErrCorrupt", c, i%8, i/8, err)
			case err == nil && (i < HeaderSize*8 || g.Rows() != 20 || !bytes.Equal(got, raw)):
				t.Errorf("%s, bit %d of byte %d: not noticed", c, i%8, i/8)
			case err == nil:
				same++
			}
			g.Release()
		}
		if c == None && same > 0 {
			t.Errorf("none: %d flipped bits gave the same message", same)
		}
		t.Logf("%s: of %d flipped bits %d change nothing", c, f.Len()*8, same)
	}
}

func TestRelease(t *testing.T) {
	f, err := NewPool(0).Encode(None, []byte("abc"), 1)
	if err != nil {
		t.Fatal(err)
	}
	f.Release()
	for name, use := range map[string]func(){
		"Release": f.Release,
		"Bytes":   func() { f.Bytes() },
		"RawLen":  func() { f.RawLen() },
		"Decode":  func() { f.Decode(make([]byte, 3)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s after Release does not panic", name)
				}
			}()
			use()
		}()
	}
}

// TestLayout holds the bytes of a frame: files and other versions have them.
func TestLayout(t *testing.T) {
	f, err := NewPool(0).Encode(None, []byte("rapid"), 0x01020304)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(
		[]byte{'R', 'B', 0, 0},
		[]byte{4, 3, 2, 1},
		[]byte{5, 0, 0, 0},
		[]byte{5, 0, 0, 0},
		[]byte{0, 0, 0, 0},
		[]byte("rapid"))
	copy(want[offCRC:], f.Bytes()[offCRC:HeaderSize])
	if !bytes.Equal(f.Bytes(), want) {
		t.Errorf("layout\n% x, want\n% x", f.Bytes(), want)
	}
	if sum := binary.LittleEndian.Uint32(f.Bytes()[offCRC:]); sum != checksum(want[:offCRC], []byte("rapid")) {
		t.Errorf("checksum %08x", sum)
	}
}

// checksum is the format's, taken in one go.
func checksum(header, message []byte) uint32 {
	return crc32.Checksum(slices.Concat(header, message), crc32.MakeTable(crc32.Castagnoli))
}

// TestChecksumOfPieces has messages end before, at and after the end of a piece.
func TestChecksumOfPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, sumPiece - 1, sumPiece, sumPiece + 1, 3*sumPiece + 17} {
		message := make([]byte, n)
		for i := range message {
			message[i] = byte(random.Uint32())
		}
		for _, c := range codecs {
			f, err := NewPool(0).Encode(c, message, 1)
			if err != nil {
				t.Fatal(err)
			}
			b := f.Bytes()
			if got, want := binary.LittleEndian.Uint32(b[offCRC:]), checksum(b[:offCRC], message); got != want {
				t.Errorf("%d bytes, %s: checksum %08x, want %08x", n, c, got, want)
			}
			checkDecode(t, f, message)
		}
	}
}
