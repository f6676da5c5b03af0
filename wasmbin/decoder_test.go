package wasmbin

import (
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// section is one of fewer than 128 bytes.
func section(id byte, body string) string { return string([]byte{id, byte(len(body))}) + body }

// from returns a decoder of in that has a byte before it.
func from(in string) *Decoder { return NewDecoder([]byte("\xff"+in), 1) }

// check reports what differs from a decoder that has read so many bytes of what
// from was given, or that has failed where it then is.
func check(t *testing.T, d *Decoder, read int, want error) {
	t.Helper()
	if err := d.Err(); !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	} else if err != nil && !strings.HasPrefix(err.Error(), "byte 1: it: ") {
		t.Errorf("error %q does not say that it is of byte 1", err)
	}
	if d.At() != 1+read {
		t.Errorf("at byte %d, want %d", d.At(), 1+read)
	}
	if want != nil && d.More() {
		t.Error("there is more after an error")
	}
}

func TestU32(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     uint32
		read     int
		err      error
	}{
		{"zero", "\x00", 0, 1, nil},
		{"the largest of one byte", "\x7f", 127, 1, nil},
		{"the smallest of two", "\x80\x01", 128, 2, nil},
		{"the specification's", "\xe5\x8e\x26", 624485, 3, nil},
		{"the largest", "\xff\xff\xff\xff\x0f", math.MaxUint32, 5, nil},
		{"in a long form", "\x83\x80\x80\x80\x00", 3, 5, nil},
		{"followed by others", "\x05\x80\x80\x80\x80\x80", 5, 1, nil},
		{"33 bits", "\x80\x80\x80\x80\x10", 0, 0, errTooLarge},
		{"35 bits", "\xff\xff\xff\xff\x7f", 0, 0, errTooLarge},
		{"six bytes", "\x80\x80\x80\x80\x80\x00", 0, 0, errTooLarge},
		{"five bytes and no end", "\x80\x80\x80\x80\x80", 0, 0, errTooLarge},
		{"nothing", "", 0, 0, io.ErrUnexpectedEOF},
		{"cut off", "\x80", 0, 0, io.ErrUnexpectedEOF},
		{"cut off after four", "\x80\x80\x80\x80", 0, 0, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := from(tt.in)
			if got := d.U32("it"); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			check(t, d, tt.read, tt.err)
		})
	}
}

func TestI32(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     int32
		read     int
		err      error
	}{
		{"zero", "\x00", 0, 1, nil},
		{"the largest of one byte", "\x3f", 63, 1, nil},
		{"the smallest of one byte", "\x40", -64, 1, nil},
		{"minus one", "\x7f", -1, 1, nil},
		{"just above one byte", "\xc0\x00", 64, 2, nil},
		{"just below one byte", "\xbf\x7f", -65, 2, nil},
		{"the specification's", "\xc0\xbb\x78", -123456, 3, nil},
		{"the largest", "\xff\xff\xff\xff\x07", math.MaxInt32, 5, nil},
		{"the smallest", "\x80\x80\x80\x80\x78", math.MinInt32, 5, nil},
		{"minus one in a long form", "\xff\xff\xff\xff\x7f", -1, 5, nil},
		{"followed by others", "\x05\xff", 5, 1, nil},
		{"just above the largest", "\x80\x80\x80\x80\x08", 0, 0, errTooLarge},
		{"just below the smallest", "\xff\xff\xff\xff\x77", 0, 0, errTooLarge},
		{"six bytes", "\x80\x80\x80\x80\x80\x00", 0, 0, errTooLarge},
		{"nothing", "", 0, 0, io.ErrUnexpectedEOF},
		{"cut off after four", "\xff\xff\xff\xff", 0, 0, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := from(tt.in)
			if got := d.I32("it"); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			check(t, d, tt.read, tt.err)
		})
	}
}

func TestI64(t *testing.T) {
	zeros, ones := strings.Repeat("\x80", 8), strings.Repeat("\xff", 8)
	for _, tt := range []struct {
		name, in string
		want     int64
		read     int
		err      error
	}{
		{"zero", "\x00", 0, 1, nil},
		{"minus one", "\x7f", -1, 1, nil},
		{"the smallest of one byte", "\x40", -64, 1, nil},
		{"just below one byte", "\xbf\x7f", -65, 2, nil},
		{"32 bits", "\x80\x80\x80\x80\x08", 1 << 31, 5, nil},
		{"the largest of nine bytes", ones + "\x3f", 1<<62 - 1, 9, nil},
		{"the smallest of nine bytes", zeros + "\x40", -1 << 62, 9, nil},
		{"just above nine bytes", zeros + "\xc0\x00", 1 << 62, 10, nil},
		{"the largest", ones + "\xff\x00", math.MaxInt64, 10, nil},
		{"the smallest", zeros + "\x80\x7f", math.MinInt64, 10, nil},
		{"minus one in a long form", ones + "\xff\x7f", -1, 10, nil},
		{"followed by others", "\x05\xff", 5, 1, nil},
		{"eleven bytes", zeros + "\x80\x80\x00", 0, 0, errTooLarge},
		{"nothing", "", 0, 0, io.ErrUnexpectedEOF},
		{"cut off after nine", zeros + "\x80", 0, 0, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := from(tt.in)
			if got := d.I64("it"); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			check(t, d, tt.read, tt.err)
		})
	}
}

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     uint32
		read     int
		says     string
	}{
		{"none", "\x00", 0, 1, ""},
		{"as many as there are bytes", "\x02ab", 2, 1, ""},
		{"more than that", "\x03ab", 0, 1, "byte 2: it: unexpected EOF"},
		{"the largest", "\xff\xff\xff\xff\x0fab", 0, 5, "byte 6: it: unexpected EOF"},
		{"no number", "\x80", 0, 0, "byte 1: it: unexpected EOF"},
	} {
		d := from(tt.in)
		if got := d.Count("it"); got != tt.want || d.At() != 1+tt.read {
			t.Errorf("%s: got %d and is at byte %d, want %d and %d", tt.name, got, d.At(), tt.want, 1+tt.read)
		}
		if err := d.Err(); tt.says == "" && err != nil || tt.says != "" && (err == nil || err.Error() != tt.says) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.says)
		}
	}
}

func TestBytes(t *testing.T) {
	b := []byte("abcdef")
	d := NewDecoder(b, 1)
	if got := d.Byte("it"); got != 'b' || d.At() != 2 || d.Left() != 4 || !d.More() {
		t.Errorf("got %q and is at byte %d with %d left, want 'b', 2 and 4", got, d.At(), d.Left())
	}
	got := d.Bytes(3, "it")
	if string(got) != "cde" || d.At() != 5 || d.Left() != 1 || !d.More() {
		t.Errorf("got %q and is at byte %d with %d left, want \"cde\", 5 and 1", got, d.At(), d.Left())
	}
	if &got[0] != &b[2] {
		t.Error("got a copy, want a part of the input")
	}
	if got := d.Byte("it"); got != 'f' || d.Left() != 0 || d.More() || d.Err() != nil {
		t.Errorf("got %q, %v with %d left, want 'f' and nothing left", got, d.Err(), d.Left())
	}
	if got := d.Bytes(0, "it"); len(got) != 0 || d.Err() != nil {
		t.Errorf("no bytes at the end are %q, %v", got, d.Err())
	}

	for _, n := range []uint32{4, math.MaxInt32, math.MaxUint32} {
		d := from("abc")
		if got := d.Bytes(n, "it"); got != nil {
			t.Errorf("%d bytes of 3 are %q", n, got)
		}
		check(t, d, 0, io.ErrUnexpectedEOF)
	}
	d = NewDecoder(nil, 0)
	if got := d.Byte("it"); got != 0 || !errors.Is(d.Err(), io.ErrUnexpectedEOF) {
		t.Errorf("a byte of nothing is %d, %v", got, d.Err())
	}
}

// The first error stays, and nothing more is read.
func TestErrorStays(t *testing.T) {
	first := errors.New("broken")
	d := from("\x01\x02\x03\x04")
	d.Fail("it", first)
	d.Fail("that", errors.New("broken again"))
	if d.Byte("it") != 0 || d.Bytes(1, "it") != nil || d.Bytes(9, "it") != nil || d.U32("it") != 0 || d.Count("it") != 0 ||
		d.I32("it") != 0 || d.I64("it") != 0 || d.Instruction().Op != 0 {
		t.Error("something was read after an error")
	}
	check(t, d, 0, first)
}

func TestSections(t *testing.T) {
	type sections = []Section
	for _, tt := range []struct {
		name, module string
		want         sections
		err          string // of the last
	}{
		{"none", Header, nil, ""},
		{"one without content", Header + "\x0a\x00", sections{{ID: SectionCode, Start: 8, Body: 10, End: 10}}, ""},
		{"several", Header + section(0, "\x01nx") + section(3, "ab") + section(0, ""),
			sections{{ID: SectionCustom, Start: 8, Body: 10, End: 13}, {ID: 3, Start: 13, Body: 15, End: 17}, {ID: 0, Start: 17, Body: 19, End: 19}}, ""},
		{"a long size", Header + "\x0b\x82\x80\x00ab" + section(0, ""),
			sections{{ID: SectionData, Start: 8, Body: 12, End: 14}, {ID: 0, Start: 14, Body: 16, End: 16}}, ""},
		{"empty", "", nil, "byte 0: it does not begin with the magic number and version 1"},
		{"half a header", Header[:7], nil, "byte 0: it does not begin with the magic number and version 1"},
		{"magic", "\x00asn" + Header[4:], nil, "byte 0: it does not begin with the magic number and version 1"},
		{"version", Header[:4] + "\x02\x00\x00\x00", nil, "byte 0: it does not begin with the magic number and version 1"},
		{"no size", Header + "\x0b", nil, "byte 9: size of a section: unexpected EOF"},
		{"half a size", Header + "\x0b\x80", nil, "byte 9: size of a section: unexpected EOF"},
		{"large size", Header + "\x0b\xff\xff\xff\xff\x10", nil, "byte 9: size of a section: a number of more than 32 bits"},
		{"largest size", Header + "\x0b\xff\xff\xff\xff\x0f", nil, "byte 14: section: unexpected EOF"},
		{"cut", Header + "\x0b\x02\x01", nil, "byte 10: section: unexpected EOF"},
		{"good ones first", Header + section(3, "ab") + "\x0b\x01", sections{{ID: 3, Start: 8, Body: 10, End: 12}}, "byte 14: section: unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []Section
			var last error
			for s, err := range Sections([]byte(tt.module)) {
				if last != nil {
					t.Errorf("%v came after the error %v", s, last)
				}
				if last = err; err == nil {
					got = append(got, s)
				} else if s != (Section{}) {
					t.Errorf("with the error came %v", s)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if tt.err == "" && last != nil || tt.err != "" && (last == nil || last.Error() != tt.err) {
				t.Errorf("error %v, want %q", last, tt.err)
			}
		})
	}
}

func TestSectionsCanBeLeft(t *testing.T) {
	n := 0
	for range Sections([]byte(Header + section(1, "") + section(2, ""))) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("got %d sections, want 1", n)
	}
}

func TestFunctionNames(t *testing.T) {
	const functions = "\x01\x0b\x02" + "\x00\x03one" + "\x07\x03two"
	one := map[uint32]string{0: "one"}
	both := map[uint32]string{0: "one", 7: "two"}
	names := func(body string) string { return section(0, "\x04name"+body) }
	for _, tt := range []struct {
		name, module string
		want         map[uint32]string
	}{
		{"names", Header + names(functions), both},
		{"beside others", Header + section(1, "") + names("\x00\x02\x01m"+functions+"\x02\x01\x00") + section(0, "\x04more"), both},
		{"an empty name", Header + names("\x01\x03\x01\x05\x00"), map[uint32]string{5: ""}},
		{"an index of two bytes", Header + names("\x01\x05\x01\x80\x01\x01x"), map[uint32]string{128: "x"}},
		{"in two sections", Header + names("\x01\x06\x01\x00\x03one") + names("\x01\x06\x01\x07\x03two"), both},
		{"no module", "hello", nil},
		{"no sections", Header, nil},
		{"another section", Header + section(1, "\x04name"+functions), nil},
		{"another custom section", Header + section(0, "\x04note"+functions), nil},
		{"no functions", Header + names("\x02"+functions[1:]), nil},
		{"the section has no name", Header + section(0, ""), nil},
		{"the section's name is cut", Header + section(0, "\x04nam") + "e" + functions, nil},
		{"nothing is in it", Header + names(""), nil},
		{"no size", Header + names("\x01"), nil},
		{"large size", Header + names("\x01\xff\xff\xff\xff\x0f"+functions[2:]), nil},
		{"too large a size", Header + names("\x01\xff\xff\xff\xff\x10"+functions[2:]), nil},
		{"functions beyond the section", Header + names(functions[:13-4]) + "\x03two", nil},
		{"too many", Header + names("\x01\x06\x09\x00\x03one"), nil},
		{"a name beyond its part", Header + names("\x01\x0a"+functions[2:]), one},
		{"a name beyond its part, and other names", Header + names("\x01\x0a\x02\x00\x03one\x07\x04tw"+"\x01\x06\x01\x07\x03two"), both},
		{"one too few", Header + names("\x01\x06\x02\x00\x03one"), one},
		{"damage behind it", Header + names(functions) + "\x01\x01", both},
		{"damage before it", Header + "\x01\x7f" + names(functions), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := FunctionNames([]byte(tt.module)); got == nil || !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestReadImports(t *testing.T) {
	const (
		function  = "\x01m\x01f\x00\x80\x01"
		table     = "\x01m\x01t\x01\x70\x00\x01"
		maxTable  = "\x01m\x01t\x01\x70\x01\x01\x80\x01"
		refTable  = "\x01m\x01t\x01\x63\x80\x01\x00\x01"
		memory    = "\x01m\x00\x02\x00\x80\x02"
		maxMem    = "\x00\x01m\x02\x01\x01\x7f"
		shared    = "\x01m\x01m\x02\x03\x01\x7f"
		memory64  = "\x01m\x01m\x02\x05\x01\x80\x80\x80\x80\x80\x80\x01"
		global    = "\x01m\x01g\x03\x7f\x01"
		reference = "\x01m\x01g\x03\x64\x70\x00"
		tag       = "\x01m\x01e\x04\x00\x80\x01"
	)
	for _, tt := range []struct {
		name, module string
		want         Imports
		err          string
	}{
		{"no sections", Header, Imports{}, ""},
		{"no imports", Header + section(2, "\x00") + section(3, "\x01\x00"), Imports{}, ""},
		{"a function", Header + section(1, "\x00") + section(2, "\x01"+function), Imports{Functions: 1}, ""},
		{"a table", Header + section(2, "\x02"+table+function), Imports{Functions: 1, Tables: 1}, ""},
		{"a table with a maximum", Header + section(2, "\x02"+maxTable+function), Imports{Functions: 1, Tables: 1}, ""},
		{"a table of references to a type", Header + section(2, "\x02"+refTable+function), Imports{Functions: 1, Tables: 1}, ""},
		{"a memory", Header + section(2, "\x02"+memory+function), Imports{Functions: 1, Memories: 1}, ""},
		{"a memory with a maximum", Header + section(2, "\x02"+maxMem+function), Imports{Functions: 1, Memories: 1}, ""},
		{"a shared memory", Header + section(2, "\x02"+shared+function), Imports{Functions: 1, Memories: 1}, ""},
		{"a memory of 64 bits", Header + section(2, "\x02"+memory64+function), Imports{Functions: 1, Memories: 1}, ""},
		{"a global", Header + section(2, "\x02"+global+function), Imports{Functions: 1, Globals: 1}, ""},
		{"a global that is a reference", Header + section(2, "\x02"+reference+function), Imports{Functions: 1, Globals: 1}, ""},
		{"a tag", Header + section(2, "\x02"+tag+function), Imports{Functions: 1, Tags: 1}, ""},
		{"all", Header + section(2, "\x09"+global+function+table+function+memory+global+function+maxMem+tag),
			Imports{Functions: 3, Tables: 1, Memories: 2, Globals: 2, Tags: 1}, ""},
		{"not in another section", Header + section(4, "\x01"+function), Imports{}, ""},
		{"no module", "hello", Imports{}, "byte 0: it does not begin with"},
		{"a damaged section", Header + section(2, "\x01"+function) + "\x03\x01", Imports{}, "byte 20: section: unexpected EOF"},
		{"an empty section", Header + section(2, ""), Imports{}, "byte 10: import section: unexpected EOF"},
		{"too many", Header + section(2, "\x02"+function) + section(3, "\x00"), Imports{}, "byte 18: import section: unexpected EOF"},
		{"more than bytes", Header + section(2, "\x09"+function), Imports{}, "byte 11: import section: unexpected EOF"},
		{"what nobody knows", Header + section(2, "\x01\x01m\x01t\x05\x00\x00"), Imports{}, "import section: import of unknown kind 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadImports([]byte(tt.module))
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}

	const all = "\x0b" + function + table + maxTable + refTable + memory + maxMem + shared + memory64 + global + reference + tag
	if got, err := ReadImports([]byte(Header + section(2, all))); err != nil || got != (Imports{1, 3, 4, 2, 1}) {
		t.Errorf("all: %+v, %v", got, err)
	}
	for n := range len(all) {
		if _, err := ReadImports([]byte(Header + section(2, all[:n]))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off after %q: error %v, want %v", all[:n], err, io.ErrUnexpectedEOF)
		}
	}
}

func TestFunctions(t *testing.T) {
	imported := section(2, "\x01\x01m\x01f\x00\x00")
	for _, tt := range []struct {
		name, module string
		want         []string // bodies
		first        uint32
		err          string
	}{
		{"no sections", Header, nil, 0, ""},
		{"none", Header + section(10, "\x00"), nil, 0, ""},
		{"two", Header + section(10, "\x02\x01a\x02bc"), []string{"a", "bc"}, 0, ""},
		{"behind an imported one", Header + imported + section(10, "\x02\x01a\x00"), []string{"a", ""}, 1, ""},
		{"beside other sections", Header + section(3, "\x01\x00") + section(10, "\x01\x01a") + section(11, "\x00"), []string{"a"}, 0, ""},
		{"a size of two bytes", Header + section(10, "\x01\x81\x00a"), []string{"a"}, 0, ""},
		{"no module", "hello", nil, 0, "byte 0: it does not begin with the magic number and version 1"},
		{"a damaged section", Header + section(10, "\x01\x01a") + "\x0b\x01", nil, 0, "byte 15: section: unexpected EOF"},
		{"damaged imports", Header + section(2, "\x01"), nil, 0, "byte 11: import section: unexpected EOF"},
		{"too many", Header + section(10, "\x09\x01a"), nil, 0, "byte 11: code section: unexpected EOF"},
		{"one too few", Header + section(10, "\x02\x02ab") + section(11, "\x00"), []string{"ab"}, 0, "function 1: byte 14: code section: unexpected EOF"},
		{"a body beyond the section", Header + section(10, "\x01\x02a") + section(11, "\x00"), nil, 0, "function 0: byte 12: code section: unexpected EOF"},
		{"more behind them", Header + section(10, "\x01\x01abc"), []string{"a"}, 0, "byte 13: code section: 2 bytes behind the last function"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			var last error
			for f, err := range Functions([]byte(tt.module)) {
				if last != nil {
					t.Error("it goes on behind an error")
				}
				if last = err; err != nil {
					continue
				}
				if want := tt.first + uint32(len(got)); f.Index != want {
					t.Errorf("function %d has index %d, want %d", len(got), f.Index, want)
				}
				got = append(got, tt.module[f.Start:f.End])
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.err == "" && last != nil || tt.err != "" && (last == nil || last.Error() != tt.err) {
				t.Errorf("error %v, want %q", last, tt.err)
			}
		})
	}
	n := 0
	for range Functions([]byte(Header + section(10, "\x02\x01a\x02bc"))) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("left after the first it yields %d functions", n)
	}
}

func TestLocals(t *testing.T) {
	for in, want := range map[string]uint32{"\x00": 0, "\x01\x03\x7e": 3, "\x02\x80\x01\x7f\x02\x7e": 130, "\x01\x01\x63\x00": 1} {
		d := NewDecoder([]byte(in+"\x0b"), 0)
		if n := d.Locals(); n != want || d.Left() != 1 || d.Err() != nil {
			t.Errorf("%q: %d locals, %d bytes left, error %v, want %d and 1", in, n, d.Left(), d.Err(), want)
		}
	}
	d := NewDecoder([]byte("\x01\x03"), 0)
	if d.Locals(); !errors.Is(d.Err(), io.ErrUnexpectedEOF) {
		t.Errorf("cut off: error %v", d.Err())
	}
}

func TestAppendU32(t *testing.T) {
	for v, want := range map[uint32]string{
		0: "\x00", 127: "\x7f", 128: "\x80\x01", 1<<14 - 1: "\xff\x7f", 1 << 14: "\x80\x80\x01", 624485: "\xe5\x8e\x26",
		math.MaxUint32: "\xff\xff\xff\xff\x0f",
	} {
		if got := AppendU32([]byte("x"), v); string(got) != "x"+want {
			t.Errorf("%d: got %q, want %q", v, got, "x"+want)
		}
	}
}

func TestAppendI64(t *testing.T) {
	for v, want := range map[int64]string{
		0: "\x00", 63: "\x3f", 64: "\xc0\x00", -1: "\x7f", -64: "\x40", -65: "\xbf\x7f", 8191: "\xff\x3f", 8192: "\x80\xc0\x00",
		-8192: "\x80\x40", -8193: "\xff\xbf\x7f", -123456: "\xc0\xbb\x78",
		math.MaxInt32: "\xff\xff\xff\xff\x07", math.MinInt32: "\x80\x80\x80\x80\x78",
		math.MaxInt64: strings.Repeat("\xff", 9) + "\x00", math.MinInt64: strings.Repeat("\x80", 9) + "\x7f",
	} {
		if got := AppendI64([]byte("x"), v); string(got) != "x"+want {
			t.Errorf("%d: got %q, want %q", v, got, "x"+want)
		}
	}
}

// Around every power of two, what is written is read again.
func TestNumbersAgain(t *testing.T) {
	for bit := range 64 {
		for _, v := range []uint64{1<<bit - 1, 1 << bit, 1<<bit + 1, -(1<<bit - 1), -(1 << bit), -(1<<bit + 1)} {
			b := AppendI64(nil, int64(v))
			if got := NewDecoder(b, 0).I64("it"); got != int64(v) {
				t.Errorf("%d became %q and then %d", int64(v), b, got)
			}
			b = AppendI64(nil, int64(int32(v)))
			if got := NewDecoder(b, 0).I32("it"); got != int32(v) {
				t.Errorf("%d became %q and then %d", int32(v), b, got)
			}
			b = AppendU32(nil, uint32(v))
			if got := NewDecoder(b, 0).U32("it"); got != uint32(v) {
				t.Errorf("%d became %q and then %d", uint32(v), b, got)
			}
		}
	}
}

func TestAppendSection(t *testing.T) {
	large := strings.Repeat("y", 200)
	for content, want := range map[string]string{"": "x\x0b\x00", "ab": "x\x0b\x02ab", large: "x\x0b\xc8\x01" + large} {
		if got := AppendSection([]byte("x"), SectionData, []byte(content)); string(got) != want {
			t.Errorf("%q: got %q, want %q", content, got, want)
		}
	}
}
