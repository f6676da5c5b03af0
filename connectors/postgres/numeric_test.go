package postgres

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// numericAsText is what numericLen and writeNumeric make of a numeric in binary
// format; ok is false if it is malformed.
func numericAsText(t *testing.T, v []byte) (text string, ok bool) {
	field := append(append([]byte{}, v...), make([]byte, kernelSlack)...)
	p := unsafe.Pointer(&field[0])
	n := numericLen(p, len(v))
	if n < 0 {
		return "", false
	}
	const guard = 0xa5
	out := make([]byte, n+1)
	out[n] = guard
	if got := writeNumeric(unsafe.Pointer(&out[0]), p); got != n {
		t.Fatalf("%x: wrote %d bytes, %d were announced", v, got, n)
	}
	if out[n] != guard {
		t.Fatalf("%x: wrote behind the end", v)
	}
	return string(out[:n]), true
}

// TestNumericText writes numbers as text, those that no server sends in this
// form included: Postgres shows them all the same.
func TestNumericText(t *testing.T) {
	tests := []struct {
		digits, weight, sign, scale uint16
		rest                        []uint16
		want                        string
	}{
		{0, 0, 0, 0, nil, "0"},
		{0, 0, 0, 3, nil, "0.000"},
		{1, 0, 0, 0, []uint16{7}, "7"},
		{1, 0, 0x4000, 0, []uint16{70}, "-70"},
		{1, 0, 0, 0, []uint16{700}, "700"},
		{1, 0, 0, 0, []uint16{9999}, "9999"},
		{1, 1, 0, 0, []uint16{1}, "10000"},
		{2, 1, 0, 0, []uint16{1, 2}, "10002"},
		{3, 1, 0, 2, []uint16{1, 2, 300}, "10002.03"},
		{1, 0xffff, 0, 4, []uint16{1}, "0.0001"},
		{1, 0xfffe, 0, 8, []uint16{1}, "0.00000001"},
		{1, 0xfffe, 0, 5, []uint16{9999}, "0.00009"}, // the rest is not shown
		{1, 0, 0, 7, []uint16{1}, "1.0000000"},
		{2, 0, 0, 1, []uint16{1, 9876}, "1.9"},
		{2, 0, 0, 2, []uint16{1, 9876}, "1.98"},
		{2, 0, 0, 3, []uint16{1, 9876}, "1.987"},
		{2, 1, 0, 0, []uint16{0, 5}, "00005"}, // not as a server writes it
		{0, 2, 0, 0, nil, "000000000"},
		{0, 0, 0xc000, 0, nil, "NaN"},
		{0, 0, 0xd000, 0x20, nil, "Infinity"},
		{0, 0, 0xf000, 0x20, nil, "-Infinity"},
	}
	for _, test := range tests {
		var v []byte
		for _, w := range append([]uint16{test.digits, test.weight, test.sign, test.scale}, test.rest...) {
			v = binary.BigEndian.AppendUint16(v, w)
		}
		if got, ok := numericAsText(t, v); !ok || got != test.want {
			t.Errorf("%x is %q, %v, want %q", v, got, ok, test.want)
		}
	}
}

// TestNumericTextMatchesReference compares random numbers with a detour over
// whole numbers of any size, and with the other direction.
func TestNumericTextMatchesReference(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 20000 {
		text := randomNumeric(r)
		v := referenceNumeric(text)
		if got, ok := numericAsText(t, v); !ok || got != text {
			t.Fatalf("%x is %q, %v, want %q", v, got, ok, text)
		}

		// Any digits, weight and scale.
		v = binary.BigEndian.AppendUint16(nil, uint16(r.IntN(6)))
		v = binary.BigEndian.AppendUint16(v, uint16(r.IntN(16)-8))
		v = binary.BigEndian.AppendUint16(v, uint16(r.IntN(2))<<14)
		v = binary.BigEndian.AppendUint16(v, uint16(r.IntN(20)))
		for range v[1] {
			v = binary.BigEndian.AppendUint16(v, uint16(r.IntN(10000)))
		}
		if got, ok := numericAsText(t, v); !ok || got != referenceNumericText(v) {
			t.Fatalf("%x is %q, %v, want %q", v, got, ok, referenceNumericText(v))
		}
	}
}

// referenceNumericText writes a numeric in binary format as text, by way of one
// whole number.
func referenceNumericText(v []byte) string {
	word := func(i int) int { return int(binary.BigEndian.Uint16(v[2*i:])) }
	groups, weight, scale := word(0), int(int16(word(1))), word(3)
	switch word(2) {
	case 0xc000:
		return "NaN"
	case 0xd000:
		return "Infinity"
	case 0xf000:
		return "-Infinity"
	}

	// The number times 10000 to the power of shift is whole, and it has scale
	// places at least.
	shift := max(groups-1-weight, (scale+3)/4, 0)
	n, base := new(big.Int), big.NewInt(10000)
	for i := range groups {
		digit := big.NewInt(int64(word(4 + i)))
		power := new(big.Int).Exp(base, big.NewInt(int64(shift+weight-i)), nil)
		n.Add(n, digit.Mul(digit, power))
	}
	text := n.String()
	text = strings.Repeat("0", max(0, 4*shift+1-len(text))) + text
	whole, fraction := text[:len(text)-4*shift], text[len(text)-4*shift:]

	// Postgres writes every digit up to the weight.
	if want := 4*weight + 1; weight > 0 && len(whole) < want {
		whole = strings.Repeat("0", want-len(whole)) + whole
	}
	if scale > 0 {
		whole += "." + fraction[:scale]
	}
	if word(2) == 0x4000 {
		return "-" + whole
	}
	return whole
}
