package wasmbin

import "fmt"

// Opcodes.
const (
	OpUnreachable = 0x00
	OpNop         = 0x01
	OpBlock       = 0x02
	OpLoop        = 0x03
	OpIf          = 0x04
	OpElse        = 0x05
	OpEnd         = 0x0b
	OpBr          = 0x0c
	OpBrIf        = 0x0d
	OpBrTable     = 0x0e
	OpReturn      = 0x0f
	OpCall        = 0x10
	OpCallInd     = 0x11
	OpDrop        = 0x1a
	OpSelect      = 0x1b
	OpSelectTyped = 0x1c
	OpLocalGet    = 0x20
	OpLocalSet    = 0x21
	OpLocalTee    = 0x22
	OpGlobalGet   = 0x23
	OpGlobalSet   = 0x24
	OpTableGet    = 0x25
	OpTableSet    = 0x26
	OpMemFirst    = 0x28 // i32.load
	OpI32Load8U   = 0x2d
	OpStoreFirst  = 0x36 // i32.store
	OpMemLast     = 0x3e // i64.store32
	OpMemorySize  = 0x3f
	OpMemoryGrow  = 0x40
	OpI32Const    = 0x41
	OpI64Const    = 0x42
	OpF32Const    = 0x43
	OpF64Const    = 0x44
	OpNumFirst    = 0x45 // i32.eqz
	OpI64Add      = 0x7c
	OpI32WrapI64  = 0xa7
	OpNumLast     = 0xc4 // i64.extend32_s
	OpRefNull     = 0xd0
	OpRefIsNull   = 0xd1
	OpRefFunc     = 0xd2
	OpPrefixFC    = 0xfc
)

// TypeI32 and TypeI64 are the types of numbers, TypeEmpty that of a block without
// results. TypeFunction begins the type of a function.
const (
	TypeI32      = 0x7f
	TypeI64      = 0x7e
	TypeEmpty    = 0x40
	TypeFunction = 0x60

	typeIndex = 0x100
)

// An Instruction is one instruction of a function. The zero value is unreachable.
type Instruction struct {
	Op byte
	// Arg is the one immediate of a branch, a call, a constant of integers, or an
	// instruction that names a local or a global; the offset of a load or a store; the
	// type of a block, where more than a byte means a function's type.
	Arg int64
	// Labels are those of a br_table, the default last.
	Labels []uint32

	Start, End int // where it lies in what was decoded
}

// Instruction reads the next instruction.
func (d *Decoder) Instruction() Instruction {
	const what = "instruction"
	in := Instruction{Start: d.at}
	in.Op = d.Byte(what)
	switch op := in.Op; {
	case op == OpBlock || op == OpLoop || op == OpIf:
		if in.Arg = d.I64(what); in.Arg < 0 {
			in.Arg &= 0x7f // a type, as the byte it is written as
		} else {
			in.Arg += typeIndex
		}
	case op == OpBr || op == OpBrIf || op == OpCall || op >= OpLocalGet && op <= OpTableSet || op == OpRefFunc:
		in.Arg = int64(d.U32(what))
	case op == OpBrTable:
		n := d.Count(what)
		in.Labels = make([]uint32, 0, n+1)
		for range n {
			in.Labels = append(in.Labels, d.U32(what))
		}
		in.Labels = append(in.Labels, d.U32(what))
	case op == OpCallInd:
		d.U32(what)
		d.U32(what)
	case op == OpSelectTyped:
		for range d.Count(what) {
			d.Byte(what)
		}
	case op >= OpMemFirst && op <= OpMemLast:
		if align := d.U32(what); align > 3 {
			d.Fail(what, fmt.Errorf("alignment of 2^%d: not of WebAssembly 2.0 without SIMD", align))
		}
		in.Arg = int64(d.U32(what))
	case op == OpMemorySize || op == OpMemoryGrow || op == OpRefNull:
		d.Byte(what)
	case op == OpI32Const || op == OpI64Const:
		in.Arg = d.I64(what)
	case op == OpF32Const:
		d.Bytes(4, what)
	case op == OpF64Const:
		d.Bytes(8, what)
	case op == OpPrefixFC:
		d.prefixed(what)
	case op == OpUnreachable, op == OpNop, op == OpElse, op == OpEnd, op == OpReturn, op == OpDrop, op == OpSelect,
		op >= OpNumFirst && op <= OpNumLast, op == OpRefIsNull:
	default:
		d.Fail(what, fmt.Errorf("unknown opcode %#x: not of WebAssembly 2.0 without SIMD", op))
	}
	in.End = d.at
	return in
}

// Access returns how many bytes of memory a load or a store touches, from its
// offset, and 0 for other instructions.
func (in *Instruction) Access() uint32 {
	if in.Op < OpMemFirst || in.Op > OpMemLast {
		return 0
	}
	return uint32(accessBytes[in.Op-OpMemFirst])
}

var accessBytes = [...]byte{
	4, 8, 4, 8, 1, 1, 2, 2, 1, 1, 2, 2, 4, 4, // loads of i32, i64, f32, f64, i32 of 8 and 16 bits, i64 of 8, 16 and 32
	4, 8, 4, 8, 1, 2, 1, 2, 4, // stores
}

// Stack returns how many values an instruction takes from the stack and puts
// there, and whether it is one of those known here: numbers, locals, globals, loads
// and stores, none that branches or calls.
func (in *Instruction) Stack() (takes, puts int, ok bool) {
	switch op := in.Op; {
	case op == OpNop:
		return 0, 0, true
	case op == OpLocalGet, op == OpGlobalGet, op >= OpI32Const && op <= OpF64Const, op == OpMemorySize:
		return 0, 1, true
	case op == OpLocalSet, op == OpGlobalSet, op == OpDrop:
		return 1, 0, true
	case op == OpLocalTee, op >= OpMemFirst && op < OpStoreFirst, op >= OpNumFirst && op <= OpNumLast && unary(op):
		return 1, 1, true
	case op >= OpStoreFirst && op <= OpMemLast:
		return 2, 0, true
	case op >= OpNumFirst && op <= OpNumLast:
		return 2, 1, true
	case op == OpSelect:
		return 3, 1, true
	}
	return 0, 0, false
}

// unary reports whether a numeric instruction has one operand: tests for zero,
// counts of bits, functions of floating-point numbers, and all conversions.
func unary(op byte) bool {
	return op == 0x45 || op == 0x50 || op >= 0x67 && op <= 0x69 || op >= 0x79 && op <= 0x7b ||
		op >= 0x8b && op <= 0x91 || op >= 0x99 && op <= 0x9f || op >= OpI32WrapI64
}

// prefixed skips the immediates of an instruction with the prefix 0xfc.
func (d *Decoder) prefixed(what string) {
	switch sub := d.U32(what); {
	case sub <= 7: // saturating truncation
	case sub == 9 || sub == 11 || sub == 13 || sub >= 15 && sub <= 17: // data.drop, memory.fill, elem.drop, table.grow, size, fill
		d.U32(what)
	case sub == 8 || sub == 10 || sub == 12 || sub == 14: // memory.init, memory.copy, table.init, table.copy
		d.U32(what)
		d.U32(what)
	default:
		d.Fail(what, fmt.Errorf("unknown opcode 0xfc %#x: not of WebAssembly 2.0 without SIMD", sub))
	}
}
