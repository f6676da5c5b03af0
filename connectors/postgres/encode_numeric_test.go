package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

func unsafeBytes(words [][64]byte) []byte {
	return unsafe.Slice(&words[0][0], len(words)*64)
}

// referenceNumeric encodes a number the plain way.
func referenceNumeric(text string) []byte {
	put := func(values ...uint16) (b []byte) {
		for _, v := range values {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		return b
	}
	switch text {
	case "NaN":
		return put(0, 0, 0xC000, 0)
	case "Infinity":
		return put(0, 0, 0xD000, 0x20)
	case "-Infinity":
		return put(0, 0, 0xF000, 0x20)
	}
	number, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(number, ".")
	scale := len(fraction)

	// Zeros on both sides make every group whole.
	whole = strings.Repeat("0", -len(whole)&3) + whole
	fraction += strings.Repeat("0", -len(fraction)&3)
	weight := len(whole)/4 - 1
	var groups []uint16
	for digits := whole + fraction; digits != ""; digits = digits[4:] {
		group, err := strconv.ParseUint(digits[:4], 10, 16)
		if err != nil {
			panic(err)
		}
		groups = append(groups, uint16(group))
	}
	for len(groups) > 0 && groups[0] == 0 {
		groups = groups[1:]
		weight--
	}
	for len(groups) > 0 && groups[len(groups)-1] == 0 {
		groups = groups[:len(groups)-1]
	}
	sign := uint16(0)
	if len(groups) == 0 {
		weight = 0
	} else if negative {
		sign = 0x4000
	}
	return put(append([]uint16{uint16(len(groups)), uint16(weight), sign, uint16(scale)}, groups...)...)
}

func randomNumeric(r *rand.Rand) string {
	if r.IntN(20) == 0 {
		return []string{"NaN", "Infinity", "-Infinity", "0", "0.000", "0.0001", "10000", "99990000", "100000000.00000000"}[r.IntN(9)]
	}
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + r.IntN(10))
			if r.IntN(3) == 0 {
				b[i] = '0'
			}
		}
		return string(b)
	}
	s := strings.TrimLeft(digits(r.IntN(30)), "0")
	if s == "" {
		s = "0"
	}
	if n := r.IntN(30); n > 0 {
		s += "." + digits(n)
	}
	if r.IntN(2) == 0 && strings.Trim(s, "0.") != "" {
		s = "-" + s
	}
	return s
}

// TestPutNumeric names numbers whose bytes are known from a server:
// SELECT numeric_send('...').
func TestPutNumeric(t *testing.T) {
	tests := []struct{ text, hex string }{
		{"0", "0000000000000000"},
		{"0.00", "0000000000000002"},
		{"1", "00010000000000000001"},
		{"-1", "00010000400000000001"},
		{"1.5", "000200000000000100011388"},
		{"1.50", "000200000000000200011388"},
		{"0.0001", "0001ffff000000040001"},
		{"0.00012345", "0002ffff0000000800010929"},
		{"0.00000001", "0001fffe000000080001"},
		{"10000", "00010001000000000001"},
		{"12345", "000200010000000000010929"},
		{"123456789.123456789", "0006000200000009000109291a8504d2162e2328"},
		{"NaN", "00000000c0000000"},
		{"Infinity", "00000000d0000020"},
		{"-Infinity", "00000000f0000020"},
	}
	for _, tt := range tests {
		dst := make([]byte, 12+len(tt.text)/2)
		n := putNumeric(dst, []byte(tt.text))
		if got := fmt.Sprintf("%x", dst[:n]); got != tt.hex {
			t.Errorf("putNumeric(%q) = %s, want %s", tt.text, got, tt.hex)
		}
	}
}

func TestPutNumericRefuses(t *testing.T) {
	for _, text := range []string{
		"", "-", "+1", "1e5", "1E5", ".5", "5.", "-.5", "1.2.3", "1,5", " 1", "1 ", "--1", "0x10", "1_000", "nan", "NAN", "-NaN", "inf", "infinity",
		"+Infinity", "1234a", "a1234", "12:4", "1.12/4", "1.123456:", "1.1234567/", "\x00", "1\x00", "12345678\xff", "１",
		strings.Repeat("1", maxIntegerDigits+1), "0." + strings.Repeat("1", maxFractionDigits+1),
	} {
		dst := make([]byte, 12+len(text)/2)
		if n := putNumeric(dst, []byte(text)); n != 0 {
			t.Errorf("putNumeric(%.20q) wrote %x, want a refusal", text, dst[:n])
		}
	}
}

// TestPutNumericMatchesReference includes the longest numbers there are.
func TestPutNumericMatchesReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{
		strings.Repeat("9", maxIntegerDigits),
		"0." + strings.Repeat("9", maxFractionDigits),
		"1" + strings.Repeat("0", maxIntegerDigits-1) + "." + strings.Repeat("0", maxFractionDigits-1) + "1",
	}
	for range 20000 {
		texts = append(texts, randomNumeric(r))
	}
	for _, text := range texts {
		dst := make([]byte, 12+len(text)/2)
		n := putNumeric(dst, []byte(text))
		if want := referenceNumeric(text); !bytes.Equal(dst[:n], want) {
			t.Fatalf("putNumeric(%.60q) = %.80x, want %.80x", text, dst[:n], want)
		}
	}
}

// FuzzPutNumeric: what is accepted is a number to the reference too, in the same
// bytes, and nothing is written outside the room that is promised.
func FuzzPutNumeric(f *testing.F) {
	for _, s := range []string{"0", "-0", "-0.0", "1.5", "NaN", "-Infinity", "00012.34000", "99999999999999999999.000000001", "1e5", "5."} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		room := 12 + len(text)/2
		n := putNumeric(make([]byte, room, room), text)
		plain := len(text) > 0
		for i, c := range bytes.TrimPrefix(text, []byte("-")) {
			plain = plain && (c >= '0' && c <= '9' || c == '.' && i > 0)
		}
		plain = plain && text[len(text)-1] >= '0' && text[len(text)-1] <= '9' && bytes.Count(text, []byte(".")) <= 1
		special := string(text) == "NaN" || string(text) == "Infinity" || string(text) == "-Infinity"
		if len(text) > maxFractionDigits {
			return // limits are told apart elsewhere
		}
		if (n > 0) != (plain || special) {
			t.Fatalf("putNumeric(%q) = %d bytes, want a number: %t", text, n, plain || special)
		}
		if n == 0 {
			return
		}
		dst := make([]byte, room)
		if n = putNumeric(dst, text); !bytes.Equal(dst[:n], referenceNumeric(string(text))) {
			t.Errorf("putNumeric(%q) = %x, want %x", text, dst[:n], referenceNumeric(string(text)))
		}
	})
}
