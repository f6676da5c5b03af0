package finish

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// section and the functions below write modules, such as need not be valid.
func section(id byte, body string) string {
	return string(wasmbin.AppendSection(nil, id, []byte(body)))
}

// segmentsOf is a data section of n segments.
func segmentsOf(n int, segments ...string) string {
	return section(11, string(binary.AppendUvarint(nil, uint64(n)))+strings.Join(segments, ""))
}

// at is an active segment; its offset is in the longest form there is.
func at(offset uint32, content string) string {
	s := int32(offset)
	leb := []byte{byte(s) | 0x80, byte(s>>7) | 0x80, byte(s>>14) | 0x80, byte(s>>21) | 0x80, byte(s>>28) & 0x7f}
	return "\x00\x41" + string(leb) + "\x0b" + string(binary.AppendUvarint(nil, uint64(len(content)))) + content
}

var (
	imported = section(2, "\x01\x01m\x01f\x00\x07") // a function
	memory   = section(5, "\x01\x00\x01")
	custom   = section(0, "\x01nx") + "\x00\x82\x80\x00\x01y" // the second with a long size
	zeros    = func(n int) string { return strings.Repeat("\x00", n) }
)

func TestMergeData(t *testing.T) {
	gap := func(n uint32) string { return segmentsOf(2, at(1024, "ab"), at(1026+n, "cd")) }
	for _, tt := range []struct {
		name, in string
		want     string // empty: the input
	}{
		{"merged", imported + memory + gap(8) + custom,
			imported + memory + section(11, "\x01\x00\x41\x80\x08\x0b\x0cab"+zeros(8)+"cd") + custom},
		{"no gap", gap(0), section(11, "\x01\x00\x41\x80\x08\x0b\x04abcd")},
		{"an offset whose sign bit would be set in one byte", segmentsOf(2, at(64, "a"), at(65, "b")), section(11, "\x01\x00\x41\xc0\x00\x0b\x02ab")},
		{"the largest gap", gap(maxGap), section(11, "\x01\x00\x41\x80\x08\x0b\x44ab"+zeros(maxGap)+"cd")},
		{"too large a gap", gap(maxGap + 1), ""},
		{"two of three", segmentsOf(3, at(1, "a"), at(500, "b"), at(502, "c")),
			section(11, "\x02\x00\x41\x01\x0b\x01a\x00\x41\xf4\x03\x0b\x03b\x00c")},
		{"descending", segmentsOf(3, at(20, "c"), at(10, "a"), at(12, "b")),
			section(11, "\x01\x00\x41\x0a\x0b\x0ba\x00b"+zeros(7)+"c")},
		{"an empty one ends it", segmentsOf(2, at(1, "a"), at(4, "")), section(11, "\x01\x00\x41\x01\x0b\x03a\x00\x00")},
		{"above 2 GiB", segmentsOf(2, at(0xfffffff0, "a"), at(0xfffffff2, "b")), section(11, "\x01\x00\x41\x70\x0b\x03a\x00b")},
		{"across the middle", segmentsOf(2, at(0x7fffffff, "a"), at(0x80000001, "b")),
			section(11, "\x01\x00\x41\xff\xff\xff\xff\x07\x0b\x03a\x00b")},
		{"overlap", segmentsOf(3, at(10, "ab"), at(11, "cd"), at(20, "e")), ""},
		{"overlap of the first and the third", segmentsOf(3, at(10, "abcd"), at(20, "e"), at(13, "f")), ""},
		{"one", segmentsOf(1, at(10, "ab")), ""},
		{"none", segmentsOf(0), ""},
		{"no data section", imported + memory, ""},
		{"data count", section(12, "\x02") + gap(8), ""},
		{"imported memory", section(2, "\x02\x01m\x01f\x00\x07\x01m\x01m\x02\x00\x01") + gap(8), ""},
		{"imported global", section(2, "\x01\x01m\x01g\x03\x7f\x00") + gap(8), ""},
		{"passive", segmentsOf(3, at(10, "a"), at(12, "b"), "\x01\x01c"), ""},
		{"passive, with the bytes of an active one", segmentsOf(2, at(10, "a"), "\x01\x41\x0c\x0b\x3e"+zeros(62)), ""},
		{"memory by number", segmentsOf(3, at(10, "a"), at(12, "b"), "\x02\x00\x41\x0e\x0b\x01c"), ""},
		{"offset from a global", segmentsOf(3, at(10, "a"), at(12, "b"), "\x00\x23\x00\x0b\x01c"), ""},
		{"offset that is calculated", segmentsOf(3, at(10, "a"), at(12, "b"), "\x00\x41\x07\x41\x07\x6a\x0b\x01c"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := []byte(wasmbin.Header + tt.in)
			before := slices.Clone(in)
			want := in
			if tt.want != "" {
				want = []byte(wasmbin.Header + tt.want)
			}
			out, err := Guest(in)
			if err != nil || !bytes.Equal(out, want) {
				t.Errorf("got\n%q, %v, want\n%q", out, err, want)
			}
			if !bytes.Equal(in, before) {
				t.Errorf("the input was changed to %q", in)
			}
		})
	}
}

func TestMergeDataErrors(t *testing.T) {
	const large = "\xff\xff\xff\xff\x10"
	for _, tt := range []struct{ name, module, want string }{
		{"empty", "", "byte 0: it does not begin with"},
		{"version", "\x00asm\x02\x00\x00\x00", "byte 0: it does not begin with"},
		{"no size", wasmbin.Header + "\x0b", "byte 9: size of a section: unexpected EOF"},
		{"half a size", wasmbin.Header + "\x0b\x80", "byte 9: size of a section: unexpected EOF"},
		{"large size", wasmbin.Header + "\x0b" + large, "byte 9: size of a section: a number of more than 32 bits"},
		{"long size", wasmbin.Header + "\x0b\x80\x80\x80\x80\x80\x00", "byte 9: size of a section: a number of more than 32 bits"},
		{"cut", wasmbin.Header + "\x0b\x05\x01", "byte 10: section: unexpected EOF"},
		{"too many segments", wasmbin.Header + "\x0b\x01\x01" + memory, "byte 11: data section: unexpected EOF"},
		{"content beyond the section", wasmbin.Header + section(11, "\x01\x00\x41\x00\x0b\x02a") + memory, "byte 16: data section: unexpected EOF"},
		{"offset beyond the section", wasmbin.Header + section(11, "\x01\x00\x41") + memory, "byte 13: data section: unexpected EOF"},
		{"large offset", wasmbin.Header + section(11, "\x01\x00\x41\x80\x80\x80\x80\x08\x0b\x00"), "byte 13: data section: a number of more than 32 bits"},
		{"large negative offset", wasmbin.Header + section(11, "\x01\x00\x41\xff\xff\xff\xff\x77\x0b\x00"), "byte 13: data section: a number of more than 32 bits"},
		{"behind the last", wasmbin.Header + section(11, "\x00\x00"), "byte 11: data section: 1 bytes behind the last segment"},
		{"two", wasmbin.Header + segmentsOf(0) + segmentsOf(0), "byte 11: a second data section"},
		{"imports", wasmbin.Header + section(2, "\x01\x05m"), "byte 12: import section: unexpected EOF"},
	} {
		out, err := Guest([]byte(tt.module))
		if out != nil || err == nil || !strings.Contains(err.Error(), "finish: module is not valid: "+tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.name, out, err, tt.want)
		}
	}
}

// number takes an unsigned LEB128 number from the front of b.
func number(b *[]byte) uint64 {
	v, n := binary.Uvarint(*b)
	*b = (*b)[n:]
	return v
}

// image is what the plain segments of a module put into a memory of zeros, and
// how long the memory must be. It has a reader of its own and trusts the module.
func image(t *testing.T, module []byte) (memory map[uint64]byte, length uint64) {
	memory = make(map[uint64]byte)
	for s, err := range wasmbin.Sections(module) {
		if err != nil {
			t.Fatal(err)
		}
		if s.ID != wasmbin.SectionData {
			continue
		}
		b := module[s.Body:s.End]
		for range number(&b) {
			if kind := number(&b); kind != 0 || b[0] != 0x41 {
				t.Fatalf("a segment of kind %d was merged, its offset an instruction %#x", kind, b[0])
			}
			b = b[1:]
			// Signed or not, the lowest 32 bits of a long form are right; those of a
			// short one lack their sign.
			before := len(b)
			offset := number(&b)
			if bits := 7 * (before - len(b)); bits < 32 && offset>>(bits-1) == 1 {
				offset |= math.MaxUint32 << bits
			}
			offset &= math.MaxUint32
			b = b[1:]
			n := number(&b)
			for i, c := range b[:n] {
				if delete(memory, offset+uint64(i)); c != 0 {
					memory[offset+uint64(i)] = c
				}
			}
			b = b[n:]
			length = max(length, offset+n)
		}
	}
	return memory, length
}

// withoutData returns everything before and behind the data section.
func withoutData(module []byte) []byte {
	out := slices.Clone(module[:len(wasmbin.Header)])
	for b := module[len(wasmbin.Header):]; len(b) > 0; {
		size, n := binary.Uvarint(b[1:])
		end := 1 + n + int(size)
		if b[0] != 11 {
			out = append(out, b[:end]...)
		}
		b = b[end:]
	}
	return out
}

func FuzzMergeData(f *testing.F) {
	for _, body := range []string{
		"", imported + memory + segmentsOf(2, at(10, "ab"), at(20, "cd")) + custom, segmentsOf(2, at(20, "c"), at(10, "a")),
		segmentsOf(2, at(10, "ab"), at(11, "cd")), segmentsOf(2, at(0xfffffff0, "a"), at(0xffffffff, "bcd")),
		segmentsOf(3, at(1, ""), at(1, "a"), at(200, "b")), segmentsOf(2, at(10, "a"), "\x01\x01c"), section(12, "\x00"),
		section(11, "\x02\x00\x41\x40\x0b\x01a\x00\x41\x42\x0b\x01b"), section(11, "\xff\xff\xff\xff\x0f"),
		section(11, "\x02\x00\x41\x14\x0b\x80\x00\x80\x80\x80\x00\x41\x2a\x0b\x010"), // kinds and lengths in a long form
	} {
		f.Add([]byte(wasmbin.Header + body))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := slices.Clone(in)
		out, err := mergeData(in)
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
		if err != nil || bytes.Equal(out, in) {
			return
		}
		was, wasLong := image(t, in)
		is, isLong := image(t, out)
		if !maps.Equal(was, is) || wasLong != isLong {
			t.Errorf("memory was %v, %d long, and is %v, %d long", was, wasLong, is, isLong)
		}
		if !bytes.Equal(withoutData(in), withoutData(out)) {
			t.Error("more than the data section was changed")
		}
		if again, err := mergeData(out); err != nil || !bytes.Equal(again, out) {
			t.Errorf("finished again it is %q, %v, not %q", again, err, out)
		}
	})
}
