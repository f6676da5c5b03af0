package wasmbin

import (
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// instructions has each shape of instruction that is known.
var instructions = []struct {
	name, in string
	want     Instruction // without Start and End
}{
	{"unreachable", "\x00", Instruction{Op: OpUnreachable}},
	{"nop", "\x01", Instruction{Op: OpNop}},
	{"block without results", "\x02\x40", Instruction{Op: OpBlock, Arg: TypeEmpty}},
	{"loop of an i32", "\x03\x7f", Instruction{Op: OpLoop, Arg: TypeI32}},
	{"if of an i64", "\x04\x7e", Instruction{Op: OpIf, Arg: TypeI64}},
	{"block of an f64", "\x02\x7c", Instruction{Op: OpBlock, Arg: 0x7c}},
	{"block of a reference", "\x02\x6f", Instruction{Op: OpBlock, Arg: 0x6f}},
	{"block of type 0", "\x02\x00", Instruction{Op: OpBlock, Arg: 0x100}},
	{"loop of type 63", "\x03\x3f", Instruction{Op: OpLoop, Arg: 0x13f}},
	{"if of type 64", "\x04\xc0\x00", Instruction{Op: OpIf, Arg: 0x140}}, // which in one byte were TypeEmpty
	{"block of a large type", "\x02\xff\xff\xff\xff\x0f", Instruction{Op: OpBlock, Arg: math.MaxUint32 + 0x100}},
	{"else", "\x05", Instruction{Op: OpElse}},
	{"end", "\x0b", Instruction{Op: OpEnd}},
	{"br", "\x0c\x03", Instruction{Op: OpBr, Arg: 3}},
	{"br_if", "\x0d\xac\x02", Instruction{Op: OpBrIf, Arg: 300}},
	{"br_table", "\x0e\x03\x01\x80\x01\x00\x05", Instruction{Op: OpBrTable, Labels: []uint32{1, 128, 0, 5}}},
	{"br_table of the default", "\x0e\x00\x07", Instruction{Op: OpBrTable, Labels: []uint32{7}}},
	{"return", "\x0f", Instruction{Op: OpReturn}},
	{"call", "\x10\xff\xff\xff\xff\x0f", Instruction{Op: OpCall, Arg: math.MaxUint32}},
	{"call_indirect", "\x11\x85\x01\x00", Instruction{Op: OpCallInd}},
	{"drop", "\x1a", Instruction{Op: OpDrop}},
	{"select", "\x1b", Instruction{Op: OpSelect}},
	{"select of a type", "\x1c\x01\x7f", Instruction{Op: OpSelectTyped}},
	{"select of two types", "\x1c\x02\x7f\x7e", Instruction{Op: OpSelectTyped}},
	{"local.get", "\x20\x07", Instruction{Op: OpLocalGet, Arg: 7}},
	{"local.set", "\x21\x07", Instruction{Op: OpLocalSet, Arg: 7}},
	{"local.tee", "\x22\x80\x01", Instruction{Op: OpLocalTee, Arg: 128}},
	{"global.get", "\x23\x02", Instruction{Op: OpGlobalGet, Arg: 2}},
	{"global.set", "\x24\x02", Instruction{Op: OpGlobalSet, Arg: 2}},
	{"table.get", "\x25\x01", Instruction{Op: OpTableGet, Arg: 1}},
	{"table.set", "\x26\x01", Instruction{Op: OpTableSet, Arg: 1}},
	{"i32.load", "\x28\x02\x10", Instruction{Op: OpMemFirst, Arg: 16}},
	{"i32.load8_u", "\x2d\x00\x00", Instruction{Op: OpI32Load8U}},
	{"i64.load32_u", "\x35\x02\x80\x08", Instruction{Op: 0x35, Arg: 1024}},
	{"i32.store", "\x36\x82\x00\x04", Instruction{Op: OpStoreFirst, Arg: 4}}, // its alignment in a long form
	{"i64.store32", "\x3e\x02\xff\xff\xff\xff\x0f", Instruction{Op: OpMemLast, Arg: math.MaxUint32}},
	{"memory.size", "\x3f\x00", Instruction{Op: OpMemorySize}},
	{"memory.grow", "\x40\x00", Instruction{Op: OpMemoryGrow}},
	{"i32.const", "\x41\x7f", Instruction{Op: OpI32Const, Arg: -1}},
	{"the smallest i32.const", "\x41\x80\x80\x80\x80\x78", Instruction{Op: OpI32Const, Arg: math.MinInt32}},
	{"i64.const", "\x42\xc0\x00", Instruction{Op: OpI64Const, Arg: 64}},
	{"the smallest i64.const", "\x42" + strings.Repeat("\x80", 9) + "\x7f", Instruction{Op: OpI64Const, Arg: math.MinInt64}},
	{"f32.const", "\x43\x80\x80\x80\x80", Instruction{Op: OpF32Const}},
	{"f64.const", "\x44\x80\x80\x80\x80\x80\x80\x80\x80", Instruction{Op: OpF64Const}},
	{"i32.eqz", "\x45", Instruction{Op: OpNumFirst}},
	{"i64.add", "\x7c", Instruction{Op: OpI64Add}},
	{"i32.wrap_i64", "\xa7", Instruction{Op: OpI32WrapI64}},
	{"i64.extend32_s", "\xc4", Instruction{Op: OpNumLast}},
	{"ref.null", "\xd0\x70", Instruction{Op: OpRefNull}},
	{"ref.is_null", "\xd1", Instruction{Op: OpRefIsNull}},
	{"ref.func", "\xd2\x80\x02", Instruction{Op: OpRefFunc, Arg: 256}},
	{"i32.trunc_sat_f32_s", "\xfc\x00", Instruction{Op: OpPrefixFC}},
	{"i64.trunc_sat_f64_u", "\xfc\x07", Instruction{Op: OpPrefixFC}},
	{"memory.init", "\xfc\x08\x81\x01\x00", Instruction{Op: OpPrefixFC}},
	{"data.drop", "\xfc\x09\x81\x01", Instruction{Op: OpPrefixFC}},
	{"memory.copy", "\xfc\x0a\x00\x00", Instruction{Op: OpPrefixFC}},
	{"memory.fill", "\xfc\x0b\x00", Instruction{Op: OpPrefixFC}},
	{"table.init", "\xfc\x0c\x81\x01\x00", Instruction{Op: OpPrefixFC}},
	{"elem.drop", "\xfc\x0d\x81\x01", Instruction{Op: OpPrefixFC}},
	{"table.copy", "\xfc\x0e\x00\x01", Instruction{Op: OpPrefixFC}},
	{"table.grow", "\xfc\x0f\x01", Instruction{Op: OpPrefixFC}},
	{"table.size", "\xfc\x10\x01", Instruction{Op: OpPrefixFC}},
	{"table.fill", "\xfc\x11\x01", Instruction{Op: OpPrefixFC}},
	{"memory.copy in a long form", "\xfc\x8a\x80\x00\x00\x00", Instruction{Op: OpPrefixFC}},
}

func TestInstruction(t *testing.T) {
	for _, tt := range instructions {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			want.Start, want.End = 1, 1+len(tt.in)
			d := from(tt.in + "\x80\x80") // what follows is not read
			if got := d.Instruction(); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			check(t, d, len(tt.in), nil)

			for n := range len(tt.in) {
				d := from(tt.in[:n])
				in := d.Instruction()
				if err := d.Err(); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "instruction: ") {
					t.Errorf("%q: error %v, want %v", tt.in[:n], err, io.ErrUnexpectedEOF)
				}
				if in.Start != 1 || in.End != d.At() || in.End > 1+n {
					t.Errorf("%q: got %+v and is at byte %d", tt.in[:n], in, d.At())
				}
			}
		})
	}
}

// Every byte is an opcode or is not.
func TestUnknownOpcodes(t *testing.T) {
	unknown := [][2]int{{0x06, 0x0a}, {0x12, 0x19}, {0x1d, 0x1f}, {0x27, 0x27}, {0xc5, 0xcf}, {0xd3, 0xfb}, {0xfd, 0xff}}
	const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00"
	for op := range 0x100 {
		d := from(string([]byte{byte(op)}) + zeros)
		in := d.Instruction()
		bad := slices.ContainsFunc(unknown, func(r [2]int) bool { return op >= r[0] && op <= r[1] })
		if err := d.Err(); !bad && err != nil || bad && (err == nil || !strings.Contains(err.Error(), "instruction: unknown opcode 0x")) {
			t.Errorf("%#x: error %v, want one: %t", op, err, bad)
		}
		if int(in.Op) != op || bad && d.More() {
			t.Errorf("%#x: got %+v, and whether there is more is %t", op, in, d.More())
		}
	}
	for sub, after := range map[string]string{"\x12": zeros, "\x7f": zeros, "\x80\x01": zeros, "\xff\xff\xff\xff\x0f": ""} {
		d := from("\xfc" + sub + after)
		d.Instruction()
		if err := d.Err(); err == nil || !strings.Contains(err.Error(), "instruction: unknown opcode 0xfc 0x") {
			t.Errorf("0xfc %q: error %v", sub, err)
		}
	}
}

func TestInstructionsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     error
	}{
		{"a label of 33 bits", "\x0c\x80\x80\x80\x80\x10", errTooLarge},
		{"a label of a br_table of 33 bits", "\x0e\x01\x80\x80\x80\x80\x10\x00", errTooLarge},
		{"more labels than bytes", "\x0e\xff\xff\xff\xff\x0f\x00\x00", io.ErrUnexpectedEOF},
		{"a default of 33 bits", "\x0e\x00\x80\x80\x80\x80\x10", errTooLarge},
		{"a function of 33 bits", "\x10\x80\x80\x80\x80\x10", errTooLarge},
		{"more types than bytes", "\x1c\x03\x7f\x7f", io.ErrUnexpectedEOF},
		{"an offset of 33 bits", "\x28\x02\x80\x80\x80\x80\x10", errTooLarge},
		{"a constant of 71 bits", "\x42" + strings.Repeat("\x80", 10) + "\x00", errTooLarge},
		{"a prefixed opcode of 33 bits", "\xfc\x80\x80\x80\x80\x10", errTooLarge},
	} {
		d := from(tt.in)
		d.Instruction()
		if err := d.Err(); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestAccess(t *testing.T) {
	want := map[byte]uint32{
		0x28: 4, // i32.load
		0x29: 8, // i64.load
		0x2a: 4, // f32.load
		0x2b: 8, // f64.load
		0x2c: 1, // i32.load8_s
		0x2d: 1, // i32.load8_u
		0x2e: 2, // i32.load16_s
		0x2f: 2, // i32.load16_u
		0x30: 1, // i64.load8_s
		0x31: 1, // i64.load8_u
		0x32: 2, // i64.load16_s
		0x33: 2, // i64.load16_u
		0x34: 4, // i64.load32_s
		0x35: 4, // i64.load32_u
		0x36: 4, // i32.store
		0x37: 8, // i64.store
		0x38: 4, // f32.store
		0x39: 8, // f64.store
		0x3a: 1, // i32.store8
		0x3b: 2, // i32.store16
		0x3c: 1, // i64.store8
		0x3d: 2, // i64.store16
		0x3e: 4, // i64.store32
	}
	for op := range 0x100 {
		in := Instruction{Op: byte(op)}
		if got := in.Access(); got != want[in.Op] {
			t.Errorf("%#x: got %d, want %d", op, got, want[in.Op])
		}
	}
}

// The rows are those of the specification's list of instructions; the opcodes
// between them are ones whose effect is not known.
func TestStack(t *testing.T) {
	type effect struct{ takes, puts int }
	var want [0x100]*effect
	for _, row := range []struct{ first, last, takes, puts int }{
		{0x01, 0x01, 0, 0}, // nop
		{0x1a, 0x1a, 1, 0}, // drop
		{0x1b, 0x1b, 3, 1}, // select
		{0x20, 0x20, 0, 1}, // local.get
		{0x21, 0x21, 1, 0}, // local.set
		{0x22, 0x22, 1, 1}, // local.tee
		{0x23, 0x23, 0, 1}, // global.get
		{0x24, 0x24, 1, 0}, // global.set
		{0x28, 0x35, 1, 1}, // loads
		{0x36, 0x3e, 2, 0}, // stores
		{0x3f, 0x3f, 0, 1}, // memory.size
		{0x41, 0x44, 0, 1}, // constants
		{0x45, 0x45, 1, 1}, // i32.eqz
		{0x46, 0x4f, 2, 1}, // i32.eq to ge_u
		{0x50, 0x50, 1, 1}, // i64.eqz
		{0x51, 0x5a, 2, 1}, // i64.eq to ge_u
		{0x5b, 0x60, 2, 1}, // f32.eq to ge
		{0x61, 0x66, 2, 1}, // f64.eq to ge
		{0x67, 0x69, 1, 1}, // i32.clz, ctz, popcnt
		{0x6a, 0x78, 2, 1}, // i32.add to rotr
		{0x79, 0x7b, 1, 1}, // i64.clz, ctz, popcnt
		{0x7c, 0x8a, 2, 1}, // i64.add to rotr
		{0x8b, 0x91, 1, 1}, // f32.abs to sqrt
		{0x92, 0x98, 2, 1}, // f32.add to copysign
		{0x99, 0x9f, 1, 1}, // f64.abs to sqrt
		{0xa0, 0xa6, 2, 1}, // f64.add to copysign
		{0xa7, 0xbf, 1, 1}, // conversions, i32.wrap_i64 to f64.reinterpret_i64
		{0xc0, 0xc4, 1, 1}, // i32.extend8_s to i64.extend32_s
	} {
		for op := row.first; op <= row.last; op++ {
			want[op] = &effect{row.takes, row.puts}
		}
	}
	for op := range want {
		in := Instruction{Op: byte(op)}
		takes, puts, ok := in.Stack()
		if want[op] == nil {
			if ok || takes != 0 || puts != 0 {
				t.Errorf("%#x: got %d, %d, %t, want nothing known", op, takes, puts, ok)
			}
		} else if (effect{takes, puts}) != *want[op] || !ok {
			t.Errorf("%#x: got %d, %d, %t, want %v", op, takes, puts, ok, *want[op])
		}
	}
}

// FuzzInstruction: every input is read to its end or to an error, and the
// instructions lie side by side.
func FuzzInstruction(f *testing.F) {
	all := ""
	for _, tt := range instructions {
		f.Add([]byte(tt.in))
		all += tt.in
	}
	f.Add([]byte(all))
	f.Add([]byte(all + "\xfd"))
	f.Add([]byte("\x0e\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(b, 0)
		for end := 0; d.More(); {
			in := d.Instruction()
			if in.Start != end || in.End != d.At() || in.End > len(b) || len(in.Labels) > len(b) {
				t.Fatalf("got %+v behind byte %d and is at byte %d of %d", in, end, d.At(), len(b))
			}
			if d.Err() != nil {
				return
			}
			if in.End <= in.Start || in.Op != b[in.Start] {
				t.Fatalf("got %+v, whose first byte is %#x", in, b[in.Start])
			}
			end = in.End
			in.Access()
			in.Stack()

			// What follows it makes no difference.
			alone := NewDecoder(b[:in.End], in.Start)
			if again := alone.Instruction(); alone.Err() != nil || !reflect.DeepEqual(again, in) {
				t.Fatalf("got %+v, alone %+v, %v", in, again, alone.Err())
			}
		}
		if d.At() != len(b) || d.Left() != 0 {
			t.Fatalf("ends at byte %d of %d", d.At(), len(b))
		}
	})
}
