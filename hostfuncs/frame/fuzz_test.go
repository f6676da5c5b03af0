package frame

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzParse feeds anything to Parse and Decode. They return one of this
// package's errors or a message that encodes and decodes to itself.
func FuzzParse(f *testing.F) {
	p := NewPool(1 << 20)
	for _, c := range codecs {
		for _, raw := range [][]byte{nil, {1}, eventBatch(1, 10), eventBatch(1, 2000), noise(1, 100)} {
			fr, err := p.Encode(c, raw, 10)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(bytes.Clone(fr.Bytes()))
			f.Add(bytes.Clone(fr.Bytes()[:fr.Len()/2]))
			fr.Release()
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := p.Parse(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrCodec) {
				t.Fatalf("Parse: %v", err)
			}
			return
		}
		defer fr.Release()
		raw, err := decodeGuarded(fr)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("Decode: %v", err)
			}
			return
		}
		again, err := p.Encode(fr.Codec(), raw, fr.Rows())
		if err != nil {
			t.Fatal(err)
		}
		defer again.Release()
		checkDecode(t, again, raw)
	})
}

// FuzzPayload feeds anything to the decoders behind a header that fits it, so
// that only the checksum stands between them and the caller.
func FuzzPayload(f *testing.F) {
	p := NewPool(1 << 20)
	for _, c := range codecs {
		fr, err := p.Encode(c, eventBatch(1, 100), 1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(c), fr.RawLen(), bytes.Clone(fr.Bytes()[HeaderSize:]))
		fr.Release()
	}
	f.Add(byte(LZ4), 100, []byte{0x1f, 1, 1, 0, 255, 255, 255, 255, 0})
	f.Fuzz(func(t *testing.T, codec byte, raw int, payload []byte) {
		if raw < 0 || raw > p.MaxRaw() {
			return
		}
		fr := p.get(HeaderSize + len(payload))
		defer fr.Release()
		copy(fr.buf[HeaderSize:], payload)
		fr.seal(Codec(codec), 0, make([]byte, raw), 1, len(payload))

		checked, err := p.Parse(fr.Bytes())
		if err != nil {
			return
		}
		defer checked.Release()
		got, err := decodeGuarded(checked)
		switch {
		case err == nil && !bytes.Equal(got, make([]byte, raw)):
			t.Fatal("another message passed the checksum")
		case err != nil && !errors.Is(err, ErrCorrupt):
			t.Fatal(err)
		}
	})
}

// FuzzRoundTrip compares every codec with the message itself.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(nil), 1)
	f.Add(eventBatch(1, 20), 3)
	f.Add(noise(1, 300), 500)
	p := NewPool(4 << 20)
	f.Fuzz(func(t *testing.T, part []byte, repeat int) {
		raw := bytes.Repeat(part, min(max(repeat, 1), 1+(1<<20)/(len(part)+1)))
		for _, c := range codecs {
			fr, err := p.Encode(c, raw, len(part))
			if err != nil {
				t.Fatal(err)
			}
			checkDecode(t, fr, raw)
			fr.Release()
		}
	})
}
