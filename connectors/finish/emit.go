package finish

import (
	"slices"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// emitter writes a function of pieces as one of blocks and loops:
//
//	block $unwind
//	  block $never              what the table has for a PC_B that cannot come
//	    loop $again             if a jump back is left to the table
//	      block $4 block $1 block $0
//	        local.get PC_B
//	        br_table $0 $1 $never
//	      end $0  ...           a piece that is entered by the table
//	      end $1  ...  br $4
//	      loop $2
//	        block $3 ... br $3 ... end $3  ...  br $2
//	      end $2
//	      end $4  ...
//	    end $again
//	  end $never
//	  unreachable
//	end $unwind
//
// The block of a piece that is jumped forward to begins where the innermost loop
// around the piece does, or with the function.
type emitter struct {
	*function
	loops []loop

	out    []byte
	labels []label // that are open
	around []int   // of each piece: the innermost loop it is in and does not begin, or -1
	begun  []int   // of each piece: the loop it begins, or -1
	needed []bool  // of each piece: whether it has a block
	failed bool
}

// label is what a branch may go to.
type label struct {
	kind labelKind
	n    int // of the piece or the loop
}

type labelKind byte

const (
	unwind labelKind = iota
	never
	again
	block
	loopBegin
)

// emit reports false if the function cannot be written so.
func (e *emitter) emit() bool {
	e.plan()
	table := e.needsTable()

	for _, in := range e.prefix {
		e.copy(in)
	}
	if e.unwinds {
		e.open(wasmbin.OpBlock, label{kind: unwind})
	}
	e.open(wasmbin.OpBlock, label{kind: never})
	if table {
		e.open(wasmbin.OpLoop, label{kind: again})
	}
	e.openBlocks(-1, 0, len(e.pieces)-1)
	e.emitTable()
	for n := range e.pieces {
		e.closeLoops(n - 1)
		if e.needed[n] {
			e.close(label{block, n})
		}
		if l := e.begun[n]; l >= 0 {
			e.open(wasmbin.OpLoop, label{loopBegin, l})
			e.openBlocks(l, n+1, e.loops[l].last)
		}
		e.emitPiece(n)
	}
	e.closeLoops(len(e.pieces) - 1)
	if table {
		e.close(label{kind: again})
	}
	// Go's last piece never ends; what is behind $never is unreachable.
	e.close(label{kind: never})
	for _, in := range e.tail {
		if in.Op == wasmbin.OpEnd && len(e.labels) > 0 {
			e.close(label{kind: unwind})
			continue
		}
		e.copy(in)
	}
	return !e.failed && len(e.labels) == 0
}

// plan finds out what each piece needs.
func (e *emitter) plan() {
	e.around, e.begun, e.needed = make([]int, len(e.pieces)), make([]int, len(e.pieces)), slices.Clone(e.resumed)
	for n := range e.pieces {
		e.around[n], e.begun[n] = -1, -1
		for l, loop := range e.loops { // outer ones first
			switch {
			case loop.first == n:
				e.begun[n] = l
			case loop.first < n && n <= loop.last:
				e.around[n] = l
			}
		}
	}
	for n, code := range e.pieces {
		for _, in := range code {
			if in.Op == opJump && int(in.Arg) > n {
				e.needed[in.Arg] = true
			}
		}
	}
}

// inLoop reports whether piece n may branch to the begin of the loop that target
// begins.
func (e *emitter) inLoop(n, target int) bool {
	l := e.begun[target]
	return l >= 0 && n >= e.loops[l].first && n <= e.loops[l].last
}

// direct reports whether a jump from piece n does not need the table.
func (e *emitter) direct(n int, in wasmbin.Instruction) bool {
	return int(in.Arg) > n || e.inLoop(n, int(in.Arg))
}

// needsTable reports whether any jump goes through the table.
func (e *emitter) needsTable() bool {
	for n, code := range e.pieces {
		for _, in := range code {
			if in.Op == opJump && !e.direct(n, in) {
				return true
			}
		}
	}
	return false
}

// openBlocks begins the blocks of pieces first to last whose innermost loop is l.
func (e *emitter) openBlocks(l, first, last int) {
	for n := last; n >= first; n-- {
		if e.needed[n] && e.around[n] == l {
			e.open(wasmbin.OpBlock, label{block, n})
		}
	}
}

// emitTable writes the table of pieces that are resumed.
func (e *emitter) emitTable() {
	var labels []uint32
	longest := 0
	for pc := range len(e.table) - 1 {
		l := label{kind: never}
		if n, ok := e.piece(int64(pc)); ok && e.resumed[n] {
			l, longest = label{block, n}, pc+1
		}
		labels = append(labels, e.depth(l))
	}
	e.out = append(e.out, wasmbin.OpLocalGet, pcB, wasmbin.OpBrTable)
	e.out = wasmbin.AppendU32(e.out, uint32(longest))
	for _, l := range labels[:longest] {
		e.out = wasmbin.AppendU32(e.out, l)
	}
	e.out = wasmbin.AppendU32(e.out, e.depth(label{kind: never}))
}

func (e *emitter) emitPiece(n int) {
	code, inner := e.pieces[n], uint32(0)
	for i := 0; i < len(code); i++ {
		switch in := code[i]; in.Op {
		case opJump:
			e.jump(n, in, wasmbin.OpBr, inner)
			continue
		case opUnwindIf:
			e.branch(wasmbin.OpBrIf, label{kind: unwind}, inner)
			continue
		case wasmbin.OpIf:
			// if, jump, end is a conditional branch
			if i+2 < len(code) && code[i+1].Op == opJump && code[i+2].Op == wasmbin.OpEnd && e.direct(n, code[i+1]) {
				e.jump(n, code[i+1], wasmbin.OpBrIf, inner)
				i += 2
				continue
			}
			inner++
		case wasmbin.OpBlock, wasmbin.OpLoop:
			inner++
		case wasmbin.OpEnd:
			inner--
		}
		e.copy(code[i])
	}
}

// jump writes a jump from piece n, within so many blocks of that, as a branch.
func (e *emitter) jump(n int, in wasmbin.Instruction, op byte, inner uint32) {
	switch target := int(in.Arg); {
	case e.inLoop(n, target):
		e.branch(op, label{loopBegin, e.begun[target]}, inner)
	case target > n:
		e.branch(op, label{block, target}, inner)
	default:
		e.out = wasmbin.AppendI64(append(e.out, wasmbin.OpI32Const), int64(in.Start))
		e.out = append(e.out, wasmbin.OpLocalSet, pcB)
		e.branch(op, label{kind: again}, inner)
	}
}

func (e *emitter) branch(op byte, to label, inner uint32) {
	e.out = wasmbin.AppendU32(append(e.out, op), e.depth(to)+inner)
}

// depth returns how many labels are open within l.
func (e *emitter) depth(l label) uint32 {
	for i := len(e.labels) - 1; i >= 0; i-- {
		if e.labels[i] == l {
			return uint32(len(e.labels) - 1 - i)
		}
	}
	e.failed = true
	return 0
}

func (e *emitter) open(op byte, l label) {
	e.out = append(e.out, op, wasmbin.TypeEmpty)
	e.labels = append(e.labels, l)
}

func (e *emitter) close(l label) {
	if len(e.labels) == 0 || e.labels[len(e.labels)-1] != l {
		e.failed = true
		return
	}
	e.labels = e.labels[:len(e.labels)-1]
	e.out = append(e.out, wasmbin.OpEnd)
}

// closeLoops ends the loops whose last piece is n, inner ones first.
func (e *emitter) closeLoops(n int) {
	for len(e.labels) > 0 {
		l := e.labels[len(e.labels)-1]
		if l.kind != loopBegin || e.loops[l.n].last != n {
			return
		}
		e.close(l)
	}
}

func (e *emitter) copy(in wasmbin.Instruction) { e.out = append(e.out, e.body[in.Start:in.End]...) }
