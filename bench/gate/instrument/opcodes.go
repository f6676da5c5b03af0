package instrument

import "fmt"

// Opcodes of the WebAssembly 2.0 binary format that matter here.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opLoop        = 0x03
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opBrTable     = 0x0e
	opReturn      = 0x0f
	opCall        = 0x10
	opCallInd     = 0x11
	opSelectTyped = 0x1c
	opLocalGet    = 0x20
	opLocalTee    = 0x22
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opTableGet    = 0x25
	opTableSet    = 0x26
	opMemFirst    = 0x28 // i32.load
	opMemLast     = 0x3e // i64.store32
	opMemorySize  = 0x3f
	opMemoryGrow  = 0x40
	opI32Const    = 0x41
	opI64Const    = 0x42
	opF32Const    = 0x43
	opF64Const    = 0x44
	opNumFirst    = 0x45 // i32.eqz
	opI64Add      = 0x7c
	opNumLast     = 0xc4 // i64.extend32_s
	opRefNull     = 0xd0
	opRefIsNull   = 0xd1
	opRefFunc     = 0xd2
	opPrefixFC    = 0xfc
)

// skipImmediates moves the reader behind the immediates of op, which it has
// just read.
func (r *reader) skipImmediates(op byte) error {
	switch {
	case op == opBlock || op == opLoop || op == opIf:
		r.s64() // block type: a value type, empty, or a type index, as signed LEB128
	case op == opBr || op == opBrIf || op == opCall || op >= opLocalGet && op <= opTableSet || op == opRefFunc:
		r.u32()
	case op == opBrTable:
		for range r.count() {
			r.u32()
		}
		r.u32()
	case op == opCallInd:
		r.u32()
		r.u32()
	case op == opSelectTyped:
		for range r.count() {
			r.u8()
		}
	case op >= opMemFirst && op <= opMemLast:
		r.u32() // alignment
		r.u32() // offset
	case op == opMemorySize || op == opMemoryGrow || op == opRefNull:
		r.u8()
	case op == opI32Const || op == opI64Const:
		r.s64()
	case op == opF32Const:
		r.bytes(4)
	case op == opF64Const:
		r.bytes(8)
	case op == opPrefixFC:
		return r.skipFC()
	case op <= 0x01, op == opElse, op == opEnd, op == opReturn, op == 0x1a, op == 0x1b, // nop, drop, select
		op >= opNumFirst && op <= opNumLast, op == opRefIsNull:
	default:
		return fmt.Errorf("unknown opcode %#x: only WebAssembly 2.0 without SIMD can be counted", op)
	}
	return nil
}

// skipFC skips the immediates of an instruction with the prefix 0xfc.
func (r *reader) skipFC() error {
	switch sub := r.u32(); {
	case sub <= 7: // saturating truncation
	case sub == 9 || sub == 11 || sub == 13 || sub >= 15 && sub <= 17: // data.drop, memory.fill, elem.drop, table.grow, size, fill
		r.u32()
	case sub == 8 || sub == 10 || sub == 12 || sub == 14: // memory.init, memory.copy, table.init, table.copy
		r.u32()
		r.u32()
	default:
		return fmt.Errorf("unknown opcode 0xfc %#x: only WebAssembly 2.0 without SIMD can be counted", sub)
	}
	return nil
}
