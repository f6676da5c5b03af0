package finish

import (
	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// Go keeps pointers in locals of 64 bits and cuts each to 32 where it is used:
//
//	local.get X   i32.wrap_i64   i64.load offset=0
//	local.get X   i32.wrap_i64   i64.load offset=8
//
// So no two accesses have the same address in the eyes of a compiler that does not
// look for equal expressions, and wazero's does not: it checks each against the
// end of memory. It leaves that out for an address that it has checked with a
// larger offset (memOpSetup in internal/engine/wazevo/frontend/lower.go). So where
// code in a row cuts the same local again, the first result is kept in a local of
// its own, and the largest offset comes first, in a load whose result nobody wants
// and which machine code is therefore without:
//
//	local.get X   i32.wrap_i64   local.tee T
//	local.get T   i32.load8_u offset=15   drop
//	              i64.load offset=0
//	local.get T   i64.load offset=8
//
// An access outside memory ends the guest a little earlier than it would have been
// ended. Nothing in the guest can tell: from the first of the accesses to the last of
// those that the load stands for, there is no branch and no call. A host that reads
// the memory of a guest that was ended may find stores missing.

// address is a local that is cut, from a cut to when the local may have another
// value.
type address struct {
	first int    // the instruction that is the first cut
	kept  uint32 // the local that keeps it, if it is cut again
	again bool

	row        int    // the row of instructions of the first cut, and of the accesses below
	begin, end uint64 // what the first access touches up to, and what any does
}

// shareAddresses returns a function's body with each address cut and checked once.
func shareAddresses(body []byte, params uint32) []byte {
	declarations, locals, code, ok := instructions(body)
	if !ok {
		return body
	}
	a := addresses{known: make(map[int64]*address), cuts: make(map[int]*address), kept: make(map[int64]uint32), next: params + locals}
	for i := range code {
		a.read(code, i)
	}
	if len(a.kept) == 0 {
		return body
	}

	out := declare(declarations, uint32(len(a.kept)))
	for i := 0; i < len(code); i++ {
		if c := a.cuts[i+1]; c != nil && c.first != i+1 {
			out = wasmbin.AppendU32(append(out, wasmbin.OpLocalGet), c.kept)
			i++ // the cut
			continue
		}
		out = append(out, body[code[i].Start:code[i].End]...)
		if c := a.cuts[i]; c != nil && c.again {
			out = wasmbin.AppendU32(append(out, wasmbin.OpLocalTee), c.kept)
			if c.end > c.begin {
				out = wasmbin.AppendU32(append(out, wasmbin.OpLocalGet), c.kept)
				out = wasmbin.AppendU32(append(out, wasmbin.OpI32Load8U, 0), uint32(c.end-1))
				out = append(out, wasmbin.OpDrop)
			}
		}
	}
	return out
}

// addresses finds the addresses of a function.
type addresses struct {
	known map[int64]*address // by local: what it holds now
	cuts  map[int]*address   // by the instruction that cuts
	kept  map[int64]uint32   // by local: the one that keeps its cuts
	next  uint32             // the number of the first of those

	row   int
	stack []*address // since the row began; nil for what is no address
}

// read reads instruction i.
func (a *addresses) read(code []wasmbin.Instruction, i int) {
	in := &code[i]
	takes, puts, straight := in.Stack()
	if !straight {
		a.row, a.stack = a.row+1, a.stack[:0]
		switch in.Op {
		case wasmbin.OpLoop, wasmbin.OpElse, wasmbin.OpEnd:
			clear(a.known) // control comes from elsewhere, too
		}
		return
	}

	var result *address
	switch in.Op {
	case wasmbin.OpLocalSet, wasmbin.OpLocalTee:
		delete(a.known, in.Arg)
	case wasmbin.OpI32WrapI64:
		if i > 0 && (code[i-1].Op == wasmbin.OpLocalGet || code[i-1].Op == wasmbin.OpLocalTee) {
			result = a.cut(code[i-1].Arg, i)
		}
	default:
		if n := in.Access(); n > 0 && len(a.stack) >= takes {
			a.access(a.stack[len(a.stack)-takes], uint64(in.Arg)+uint64(n))
		}
	}
	a.stack = a.stack[:max(len(a.stack)-takes, 0)]
	for range puts {
		a.stack = append(a.stack, result)
	}
}

// cut notes that instruction i cuts a local.
func (a *addresses) cut(local int64, i int) *address {
	c := a.known[local]
	if c == nil {
		c = &address{first: i, row: a.row}
		a.known[local] = c
	} else {
		kept, ok := a.kept[local]
		if !ok {
			kept = a.next + uint32(len(a.kept))
			a.kept[local] = kept
		}
		c.again, c.kept = true, kept
	}
	a.cuts[i] = c
	return c
}

// access notes that memory is touched at an address, up to end from there.
func (a *addresses) access(c *address, end uint64) {
	if c == nil || c.row != a.row {
		return
	}
	if c.begin == 0 {
		c.begin = end
	}
	c.end = max(c.end, end)
}

// declare returns declarations of locals with n more of 32 bits at the end.
func declare(declarations []byte, n uint32) []byte {
	d := wasmbin.NewDecoder(declarations, 0)
	groups := d.U32("")
	out := wasmbin.AppendU32(nil, groups+1)
	out = append(out, declarations[d.At():]...)
	return append(wasmbin.AppendU32(out, n), wasmbin.TypeI32)
}
