package frame

import "testing"

func TestRoundTrip(t *testing.T) {
	p := NewPool(1 << 20)
	raw := make([]byte, 100000)
	for i := range raw {
		raw[i] = byte(i / 1000)
	}
	for c := range numCodecs {
		f, err := p.Encode(c, raw, 7)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, len(raw))
		if err := f.Decode(dst); err != nil {
			t.Fatal(err)
		}
		if string(dst) != string(raw) || f.Rows() != 7 {
			t.Fatal("differs", c)
		}
		t.Log(c, f.Len())
		f.Release()
	}
}
