package finish

import (
	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// A goroutine of a guest may be left in the middle of a function and come back
// there, which WebAssembly cannot. So Go's compiler (cmd/internal/obj/wasm) cuts a
// function into pieces, numbers them, and begins it with a table of jumps that goes
// by its parameter, PC_B:
//
//	block $unwind
//	  loop $again
//	    block $2 block $1 block $0
//	      local.get PC_B
//	      br_table $0 $1 $1 $2
//	    end $0  ... i32.const 3, local.set PC_B, br $again ...
//	    end $1  ... call f, br_if $unwind
//	    end $2  ...
//	  end $again
//	  unreachable
//	end $unwind
//	i32.const 1
//
// All jumps go through that table, not only those of goroutines that come back.
// What hurts is not the jump: every variable may have another value at $again, and
// each piece may be reached from there, so a compiler to machine code has them all
// go through memory between any two pieces. Most pieces, though, are only jumped
// to. Those are left out of the table here, and jumps to them become those that
// WebAssembly has for loops and for going forward.

// Instructions that are not WebAssembly's: a branch to a piece (Arg, with the PC_B
// that the table had for it in Start), and one to the end of $unwind if a call
// says so.
const (
	opJump     = 0xff
	opUnwindIf = 0xfe
)

// maxPieces bounds the work, which may grow with the third power: 1200 pieces with
// 300 loops take up to 0.1 s, 4000 with 1000 a second, 12,000 with 3000 twenty.
const maxPieces = 1000

// pcB is the number of the parameter.
const pcB = 0

// function is a function as Go's compiler writes it.
type function struct {
	body    []byte
	prefix  []wasmbin.Instruction // before the first block
	unwinds bool                  // there is $unwind
	table   []uint32              // by PC_B: the piece; the default last
	pieces  [][]wasmbin.Instruction
	tail    []wasmbin.Instruction // behind the last piece, from the end of $again or what comes in its place

	resumed []bool // by piece: it is entered by the table
	givenUp []bool // by piece: it is jumped back to by the table
	copies  int    // how many instructions copies may still add
}

// structure returns the body of own function number i with jumps instead of the
// table, or as it is if it is not one of those described above.
func structure(body []byte, p *program, i uint32) []byte {
	declarations, _, code, ok := instructions(body)
	if !ok {
		return body
	}
	f := &function{body: body}
	if !f.split(code) || !f.findResumed(code, p, i) || !f.findJumps() {
		return body
	}
	out := emitter{function: f, loops: f.findLoops(), out: declarations}
	if !out.emit() {
		return body
	}
	return out.out
}

// split finds the table and the pieces.
func (f *function) split(code []wasmbin.Instruction) bool {
	at := 0
	for at < len(code) && code[at].Op != wasmbin.OpBlock && code[at].Op != wasmbin.OpLoop {
		if op := code[at].Op; op == wasmbin.OpIf || op == wasmbin.OpEnd {
			return false
		}
		at++
	}
	f.prefix = code[:at]
	if at < len(code) && code[at].Op == wasmbin.OpBlock {
		f.unwinds = true
		at++
	}
	if at == len(code) || code[at].Op != wasmbin.OpLoop {
		return false // no jumps: there is nothing to gain
	}
	at++
	pieces := 0
	for ; at < len(code) && code[at].Op == wasmbin.OpBlock; at++ {
		pieces++
	}
	if pieces > maxPieces || at+3 > len(code) || code[at].Op != wasmbin.OpLocalGet || code[at].Arg != pcB || code[at+1].Op != wasmbin.OpBrTable || code[at+2].Op != wasmbin.OpEnd {
		return false
	}
	f.table = code[at+1].Labels
	at += 3

	depth, start := 0, at
	for ; at < len(code) && len(f.pieces) < pieces; at++ {
		switch code[at].Op {
		case wasmbin.OpBlock, wasmbin.OpLoop, wasmbin.OpIf:
			depth++
		case wasmbin.OpEnd:
			if depth > 0 {
				depth--
				continue
			}
			f.pieces = append(f.pieces, code[start:at])
			start = at + 1
		}
	}
	f.tail = code[start:]
	for _, in := range code[len(f.prefix) : len(f.prefix)+pieces+2] {
		if (in.Op == wasmbin.OpBlock || in.Op == wasmbin.OpLoop) && in.Arg != wasmbin.TypeEmpty {
			return false
		}
	}
	return len(f.pieces) == pieces && f.tailIsGo()
}

// tailIsGo reports whether the tail is what it always is.
func (f *function) tailIsGo() bool {
	want := []byte{wasmbin.OpUnreachable, wasmbin.OpEnd}
	if f.unwinds {
		want = []byte{wasmbin.OpUnreachable, wasmbin.OpEnd, wasmbin.OpI32Const, wasmbin.OpEnd}
	}
	if len(f.tail) != len(want) {
		return false
	}
	for i, op := range want {
		if f.tail[i].Op != op {
			return false
		}
	}
	return true
}

// piece returns the piece for a value of PC_B; there is none for some.
func (f *function) piece(pc int64) (n int, ok bool) {
	last := len(f.table) - 1
	n = int(f.table[last])
	if pc >= 0 && pc < int64(last) {
		n = int(f.table[pc])
	}
	return n, n < len(f.pieces)
}

// findResumed finds the pieces that a call returns to and that a function begins
// with. It reports false if the function may be entered elsewhere: at its deferred
// calls, when a panic is recovered.
//
// The address that a call returns to is a constant that is stored before the call:
// the function's number and, in the lowest 16 bits, PC_B. That of sigpanic, which is
// called where a pointer is nil, is only for the stack trace: sigpanic unwinds, and
// never comes back.
func (f *function) findResumed(code []wasmbin.Instruction, p *program, i uint32) bool {
	f.resumed, f.givenUp = make([]bool, len(f.pieces)), make([]bool, len(f.pieces))
	f.resumed[0] = true
	returns := 0 // the piece that the next call returns to; 0 is resumed anyway
	for _, in := range code {
		switch {
		case in.Op == wasmbin.OpCall && uint32(in.Arg) == p.deferReturn:
			return false
		case in.Op == wasmbin.OpCall && uint32(in.Arg) == p.sigPanic:
			returns = 0
		case in.Op == wasmbin.OpI64Const && in.Arg>>16 == int64(firstFunction+i):
			pc := in.Arg & 0xffff
			n, ok := f.piece(pc)
			if !ok || pc >= int64(len(f.table)-1) {
				return false // the default comes back: only assembly does that
			}
			f.resumed[returns] = true
			returns = n
		}
	}
	f.resumed[returns] = true
	return true
}

// findJumps replaces what stands for a jump by one instruction. It reports false if
// PC_B or the table is used in another way, or if there is a call without the
// constant that names where it returns to.
func (f *function) findJumps() bool {
	for n, code := range f.pieces {
		inner, outer := int64(0), int64(len(f.pieces)-1-n) // blocks within the piece, and around it within $again
		var out []wasmbin.Instruction
		for i := 0; i < len(code); i++ {
			in := code[i]
			switch in.Op {
			case wasmbin.OpBlock, wasmbin.OpLoop, wasmbin.OpIf:
				inner++
			case wasmbin.OpEnd:
				inner--
			case wasmbin.OpLocalSet:
				if in.Arg == pcB {
					if !isIndirectCall(code[i:]) {
						return false
					}
					out = append(out, code[i:i+3]...)
					i += 3
					in = code[i]
				}
			case wasmbin.OpLocalGet, wasmbin.OpLocalTee:
				if in.Arg == pcB {
					return false
				}
			case wasmbin.OpBrTable:
				return false
			case wasmbin.OpI32Const:
				if i+2 >= len(code) || code[i+1].Op != wasmbin.OpLocalSet || code[i+1].Arg != pcB {
					break
				}
				target, ok := f.piece(in.Arg)
				if br := code[i+2]; !ok || br.Op != wasmbin.OpBr || br.Arg != inner+outer {
					return false
				}
				in = wasmbin.Instruction{Op: opJump, Arg: int64(target), Start: int(in.Arg)}
				i += 2
			case wasmbin.OpBr, wasmbin.OpBrIf:
				if in.Arg < inner {
					break // to a block of the piece
				}
				if !f.unwinds || in.Op == wasmbin.OpBr || in.Arg != inner+outer+1 {
					return false
				}
				// A call that may unwind ends its piece, and returns to the next one. Within an if
				// are those of morestack and sigpanic.
				if inner == 0 && (i+1 < len(code) || n+1 == len(f.pieces) || !f.resumed[n+1]) {
					return false
				}
				in.Op = opUnwindIf
			}
			out = append(out, in)
		}
		f.pieces[n] = out
	}
	return true
}

// isIndirectCall reports whether code begins with the call of a function whose
// number is on the stack. The callee's PC_B comes before that number, which the
// caller's own PC_B holds meanwhile.
func isIndirectCall(code []wasmbin.Instruction) bool {
	return len(code) > 3 && code[0].Op == wasmbin.OpLocalSet && code[0].Arg == pcB &&
		code[1].Op == wasmbin.OpI32Const && code[1].Arg == 0 &&
		code[2].Op == wasmbin.OpLocalGet && code[2].Arg == pcB &&
		code[3].Op == wasmbin.OpCallInd
}
