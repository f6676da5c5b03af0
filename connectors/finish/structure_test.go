package finish

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	op "github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// The functions below write functions as Go's compiler does. Their module has four
// globals: a hash of what was done, how many pieces may still be entered, where a
// call returns to, and Go's stack pointer.
const (
	hash = iota
	fuel
	back
	stack
)

// goFunction is a function of pieces; piece n has the PC_Bs 2n and 2n+1.
type goFunction struct {
	pieces   []goPiece
	noUnwind bool // it calls nothing
	prefix   []byte
}

// goPiece is what a piece does besides counting that it is entered.
type goPiece struct {
	when     []goJump // conditional ones
	panics   int      // if the hash is divisible by it
	calls    bool     // at its end, returning to the next piece
	indirect bool     // the call is of a function in the table
	leaves   byte     // how it ends: 0 goes on, 1 jumps to, 2 returns
	to       int
	extra    []byte
}

// goJump is taken if the hash is divisible by of.
type goJump struct{ of, to int }

func get(global byte) []byte { return []byte{op.OpGlobalGet, global} }
func set(global byte) []byte { return []byte{op.OpGlobalSet, global} }
func constant(n int64) []byte {
	return op.AppendI64([]byte{op.OpI64Const}, n)
}

const (
	i32Eqz, i64Eqz = 0x45, 0x50
	i32Sub         = 0x6b
	i64Mul, i64Rem = 0x7e, 0x82
	i64ShrU        = 0x88
)

// The functions of a test's module.
const (
	tested = iota
	called
	panicking // runtime.sigpanic
	deferring // runtime.deferreturn, which there is not
)

// body returns the body of own function number i.
func (f *goFunction) body(i uint32) []byte {
	n := len(f.pieces)
	b := append([]byte{0}, f.prefix...)
	if !f.noUnwind {
		b = append(b, op.OpBlock, op.TypeEmpty)
	}
	b = append(b, op.OpLoop, op.TypeEmpty)
	for range n {
		b = append(b, op.OpBlock, op.TypeEmpty)
	}
	b = append(b, op.OpLocalGet, pcB, op.OpBrTable)
	b = op.AppendU32(b, uint32(2*n))
	for piece := range n {
		b = op.AppendU32(op.AppendU32(b, uint32(piece)), uint32(piece))
	}
	b = append(op.AppendU32(b, uint32(n-1)), op.OpEnd)

	for at, p := range f.pieces {
		jump := func(to, inner int) {
			b = append(b, op.OpI32Const)
			b = op.AppendI64(b, int64(2*to))
			b = op.AppendU32(append(b, op.OpLocalSet, pcB, op.OpBr), uint32(n-1-at+inner))
		}
		b = bytes.Join([][]byte{b, get(fuel), {i32Eqz, op.OpIf, op.TypeEmpty, op.OpI32Const, 0, op.OpReturn, op.OpEnd},
			get(fuel), {op.OpI32Const, 1, i32Sub}, set(fuel),
			get(hash), constant(31), {i64Mul}, constant(int64(at + 1)), {op.OpI64Add}, set(hash), p.extra}, nil)
		for _, j := range p.when {
			b = bytes.Join([][]byte{b, get(hash), constant(int64(j.of)), {i64Rem, i64Eqz, op.OpIf, op.TypeEmpty}}, nil)
			jump(j.to, 1)
			b = append(b, op.OpEnd)
		}
		call := func(returnsTo int, function []byte, inner int) {
			b = bytes.Join([][]byte{b, {op.OpI32Const}, op.AppendI64(nil, int64(returnsTo)), set(back),
				constant(int64(firstFunction+i)<<16 | int64(returnsTo)), {op.OpDrop}, function,
				{op.OpGlobalGet, stack, op.OpDrop, op.OpBrIf}, op.AppendU32(nil, uint32(n-at+inner))}, nil)
		}
		if p.panics > 0 {
			b = bytes.Join([][]byte{b, get(hash), constant(int64(p.panics)), {i64Rem, i64Eqz, op.OpIf, op.TypeEmpty}}, nil)
			call(2*at+1, []byte{op.OpI32Const, 0, op.OpCall, panicking}, 1)
			b = append(b, op.OpEnd)
		}
		switch {
		case p.indirect:
			number := append(constant((firstFunction+called)<<16), op.OpI64Const, 16, i64ShrU, wrap)
			call(2*at+2, append(number, op.OpLocalSet, pcB, op.OpI32Const, 0, op.OpLocalGet, pcB, op.OpCallInd, 0, 0), 0)
		case p.calls:
			call(2*at+2, []byte{op.OpI32Const, 0, op.OpCall, called}, 0)
		}
		switch p.leaves {
		case 1:
			jump(p.to, 0)
		case 2:
			b = append(b, op.OpI32Const, 0, op.OpReturn)
		}
		b = append(b, op.OpEnd) // of the last, that of $again
	}
	b = append(b, op.OpUnreachable)
	if !f.noUnwind {
		b = append(b, op.OpEnd, op.OpI32Const, 1)
	}
	return append(b, op.OpEnd)
}

// callee asks the caller to unwind now and then.
var callee = bytes.Join([][]byte{{0}, get(hash), constant(13), set(hash), get(hash), {op.OpI64Add}, set(hash), get(hash), constant(5), {i64Rem, i64Eqz, op.OpEnd}}, nil)

// panicker asks the caller to unwind, for good.
var panicker = bytes.Join([][]byte{{0, op.OpI32Const, 1}, set(stack), {op.OpI32Const, 1, op.OpEnd}}, nil)

// moduleOf returns a module of functions of type (i32) -> i32, the first exported
// as f, and of those behind it that it calls. All are in the table where Go's linker
// puts them.
func moduleOf(body []byte) []byte {
	functions := [][]byte{tested: body, called: callee, panicking: panicker}
	code := []byte{byte(len(functions))}
	for _, b := range functions {
		code = append(op.AppendU32(code, uint32(len(b))), b...)
	}
	m := []byte(op.Header)
	m = op.AppendSection(m, op.SectionType, []byte{1, op.TypeFunction, 1, op.TypeI32, 1, op.TypeI32})
	m = op.AppendSection(m, op.SectionFunction, []byte{3, 0, 0, 0})
	m = op.AppendSection(m, op.SectionTable, []byte{1, 0x70, 0, 0x83, 0x20}) // of 4099
	m = op.AppendSection(m, op.SectionMemory, []byte{1, 0, 1})
	m = op.AppendSection(m, op.SectionGlobal, []byte{4,
		op.TypeI64, 1, op.OpI64Const, 7, op.OpEnd,
		op.TypeI32, 1, op.OpI32Const, 0xe8, 0x07, op.OpEnd, // fuel for 1000 pieces
		op.TypeI32, 1, op.OpI32Const, 0, op.OpEnd,
		op.TypeI32, 1, op.OpI32Const, 0, op.OpEnd})
	m = op.AppendSection(m, op.SectionExport, []byte{6, 1, 'f', 0, 0, 1, 'h', 3, hash, 1, 'u', 3, fuel, 1, 'b', 3, back, 1, 's', 3, stack, 1, 'm', 2, 0})
	m = op.AppendSection(m, op.SectionElement, []byte{1, 0, op.OpI32Const, 0x80, 0x20, op.OpEnd, 3, tested, called, panicking})
	return op.AppendSection(m, op.SectionCode, code)
}

// did is what a function did.
type did struct {
	hash, fuel uint64
	calls      string // results, and where it was resumed
	trapped    bool
	panicked   bool
}

// perform runs a function as a goroutine does that is suspended and resumed.
func perform(t *testing.T, r wazero.Runtime, body []byte) (d did) {
	t.Helper()
	ctx := t.Context()
	m, err := r.InstantiateWithConfig(ctx, moduleOf(body), wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatalf("%v\n%x", err, body)
	}
	defer m.Close(ctx)
	for pc := uint64(0); ; {
		result, err := m.ExportedFunction("f").Call(ctx, pc)
		d.trapped, d.panicked = err != nil, m.ExportedGlobal("s").Get() != 0
		if d.trapped || d.panicked || result[0] == 0 || len(d.calls) > 4000 {
			break
		}
		pc = api.EncodeU32(uint32(m.ExportedGlobal("b").Get()))
		d.calls += fmt.Sprintf("%d ", pc)
	}
	d.hash, d.fuel = m.ExportedGlobal("h").Get(), m.ExportedGlobal("u").Get()
	return d
}

func newRuntime(t *testing.T) wazero.Runtime {
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

// structured is structure for what body writes.
func structured(body []byte) []byte {
	return structure(body, &program{isGo: true, deferReturn: deferring, sigPanic: panicking}, 0)
}

// Functions of any shape do the same with jumps of their own as by the table.
func TestStructureOfAnyShape(t *testing.T) {
	r := newRuntime(t)
	const functions = 1000
	changed, withoutTable := 0, 0
	for seed := range uint64(functions) {
		random := rand.New(rand.NewPCG(seed, 1))
		f := randomFunction(random)
		body := f.body(0)
		out := structured(body)
		if !bytes.Equal(out, body) {
			changed++
		}
		if countJumps(t, out).table == 0 {
			withoutTable++
		}
		if before, after := perform(t, r, body), perform(t, r, out); before != after {
			t.Fatalf("function %d, %+v:\ndid  %+v\ndoes %+v", seed, f, before, after)
		}
	}
	// Half of them have a call in the middle of every loop.
	if changed < functions*95/100 || withoutTable < functions/5 {
		t.Errorf("of %d functions %d were changed and %d need no table any more", functions, changed, withoutTable)
	}
}

// jumps counts what a function does to get from piece to piece.
type jumps struct{ table, loops int }

func countJumps(t *testing.T, body []byte) (n jumps) {
	t.Helper()
	_, _, code, ok := instructions(body)
	if !ok {
		t.Fatalf("a function cannot be read: %x", body)
	}
	for i, in := range code {
		switch {
		case in.Op == op.OpLoop:
			n.loops++
		case in.Op == op.OpLocalSet && in.Arg == pcB && code[i-1].Op == op.OpI32Const:
			n.table++
		}
	}
	return n
}

func randomFunction(r *rand.Rand) goFunction {
	n := 1 + r.IntN(12)
	f := goFunction{noUnwind: r.IntN(2) == 0, pieces: make([]goPiece, n)}
	for i := range f.pieces {
		p := &f.pieces[i]
		for range r.IntN(3) {
			p.when = append(p.when, goJump{2 + r.IntN(5), r.IntN(n)})
		}
		if r.IntN(3) == 0 { // a block of its own, and a branch out of it
			p.extra = bytes.Join([][]byte{{op.OpBlock, op.TypeEmpty}, get(fuel), {op.OpBrIf, 0, op.OpEnd}}, nil)
		}
		switch k := r.IntN(6); {
		case i == n-1 || k == 0:
			p.leaves = 2
		case k == 1 || k == 2:
			p.leaves, p.to = 1, r.IntN(n)
		case k == 3 && !f.noUnwind:
			p.calls, p.indirect = true, r.IntN(3) == 0
		}
		if !f.noUnwind && r.IntN(8) == 0 {
			p.panics = 50 + r.IntN(200)
		}
	}
	return f
}

// counted is a loop as Go writes it: piece 1 is what comes between two turns, 2 the
// condition.
func counted(body goPiece) goFunction {
	return goFunction{pieces: []goPiece{{leaves: 1, to: 2}, {}, {when: []goJump{{7, 4}}}, body, {leaves: 2}}}
}

func TestStructure(t *testing.T) {
	loop := goPiece{leaves: 1, to: 1}
	long := slices.Repeat([]byte{op.OpNop}, maxCopy)
	for _, tt := range []struct {
		name  string
		f     goFunction
		loops int // in what comes out
		table int // jumps that still go through the table
	}{
		{"forward", goFunction{pieces: []goPiece{{when: []goJump{{3, 2}}}, {leaves: 1, to: 3}, {}, {leaves: 2}}}, 0, 0},
		{"condition at the end", goFunction{pieces: []goPiece{{leaves: 1, to: 2}, {}, {when: []goJump{{3, 1}}}, {leaves: 2}}}, 1, 0},
		{"condition after the increment", counted(loop), 1, 0},
		{"to itself", goFunction{pieces: []goPiece{{}, {when: []goJump{{3, 1}}}, {leaves: 2}}}, 1, 0},
		{"one in another", goFunction{pieces: []goPiece{{}, {}, {when: []goJump{{3, 2}}}, {when: []goJump{{5, 1}}}, {leaves: 2}}}, 2, 0},
		{"two that overlap", goFunction{pieces: []goPiece{{}, {}, {}, {when: []goJump{{3, 1}}}, {when: []goJump{{5, 2}}}, {leaves: 2}}}, 2, 0},
		{"one after another", goFunction{pieces: []goPiece{{}, {when: []goJump{{3, 1}}}, {when: []goJump{{5, 2}}}, {leaves: 2}}}, 2, 0},
		{"a call before it", goFunction{pieces: []goPiece{{calls: true}, {}, {when: []goJump{{3, 2}}}, {leaves: 2}}}, 1, 0},
		{"a call that returns to its begin", goFunction{pieces: []goPiece{{calls: true}, {when: []goJump{{3, 1}}}, {leaves: 2}}}, 1, 0},
		{"a call in it", counted(goPiece{calls: true, leaves: 0}), 0, 0},
		{"a call in the middle of it", goFunction{pieces: []goPiece{{}, {calls: true}, {when: []goJump{{3, 1}}}, {leaves: 2}}}, 1, 1},
		{"a call in the outer one", goFunction{pieces: []goPiece{{}, {}, {when: []goJump{{3, 2}}}, {calls: true}, {when: []goJump{{5, 1}}}, {leaves: 2}}}, 2, 1},
		{"entered in the middle", goFunction{pieces: []goPiece{{when: []goJump{{3, 2}}}, {}, {}, {when: []goJump{{5, 1}}}, {leaves: 2}}}, 1, 0},
		{"entered in the middle, far from the begin", goFunction{pieces: []goPiece{{when: []goJump{{3, 3}}}, {}, {}, {}, {when: []goJump{{5, 1}}}, {leaves: 2}}}, 1, 1},
		{"back to what is no loop", goFunction{pieces: []goPiece{{when: []goJump{{3, 3}}}, {leaves: 1, to: 3}, {leaves: 2}, {when: []goJump{{5, 2}}}, {leaves: 2}}}, 0, 0},
		{"back to what is no loop, in a loop", goFunction{pieces: []goPiece{{}, {when: []goJump{{3, 3}}}, {leaves: 1, to: 1}, {when: []goJump{{5, 5}}}, {leaves: 1, to: 2}, {leaves: 2}}}, 1, 0},
		{"an indirect call before it", goFunction{pieces: []goPiece{{calls: true, indirect: true}, {}, {when: []goJump{{3, 2}}}, {leaves: 2}}}, 1, 0},
		{"a nil pointer in it", counted(goPiece{panics: 50, leaves: 1, to: 1}), 1, 0},
		{"a nil pointer in it, and a call", counted(goPiece{panics: 50, calls: true}), 0, 0},
		{"to what the table has for all else", goFunction{pieces: []goPiece{{when: []goJump{{3, 9}}}, {}, {leaves: 2}}}, 0, 0},
		{"to a PC_B below zero", goFunction{pieces: []goPiece{{when: []goJump{{3, -1}}}, {}, {leaves: 2}}}, 0, 0},
		{"condition and increment too long to copy", goFunction{pieces: []goPiece{{leaves: 1, to: 2}, {extra: long}, {when: []goJump{{3, 1}}, extra: long}, {leaves: 2}}}, 1, 1},
		{"calls nothing", goFunction{noUnwind: true, pieces: []goPiece{{}, {when: []goJump{{3, 1}}}, {leaves: 2}}}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := tt.f.body(0)
			out := structured(body)
			if bytes.Equal(out, body) {
				t.Fatal("nothing was changed")
			}
			r := newRuntime(t)
			if before, after := perform(t, r, body), perform(t, r, out); before != after {
				t.Errorf("did  %+v\ndoes %+v", before, after)
			}
			if n := countJumps(t, out); n != (jumps{tt.table, tt.loops}) {
				t.Errorf("it has %d loops and %d jumps through the table, want %d and %d", n.loops, n.table, tt.loops, tt.table)
			}
		})
	}
}

// What is not as Go's compiler writes it stays as it is.
func TestStructureLeavesAlone(t *testing.T) {
	simple := goFunction{pieces: []goPiece{{}, {when: []goJump{{3, 1}}}, {leaves: 2}}}
	with := func(extra ...byte) goFunction {
		f := goFunction{pieces: append([]goPiece{}, simple.pieces...)}
		f.pieces[1].extra = extra
		return f
	}
	body := simple.body(0)
	if bytes.Equal(structured(body), body) {
		t.Fatal("the function that the others are made from stays as it is")
	}
	long := func(n int) []byte { // a loop and as many pieces as it takes
		return goFn(goFunction{pieces: append(append([]goPiece{}, simple.pieces[:2]...), make([]goPiece, n-2)...)})
	}
	if body := long(maxPieces); bytes.Equal(structured(body), body) {
		t.Errorf("a function of %d pieces stays as it is", maxPieces)
	}
	calling := goFunction{pieces: []goPiece{{calls: true}, {when: []goJump{{3, 1}}}, {leaves: 2}}}
	for name, body := range map[string][]byte{
		"PC_B is read":                            goFn(with(op.OpLocalGet, pcB, op.OpDrop)),
		"PC_B is set":                             goFn(with(op.OpI64Const, 0, op.OpDrop, op.OpGlobalGet, fuel, op.OpLocalSet, pcB)),
		"an indirect call of a number too few":    goFn(with(op.OpGlobalGet, fuel, op.OpLocalSet, pcB, op.OpI32Const, 0, op.OpLocalGet, pcB, op.OpDrop, op.OpDrop)),
		"an indirect call that is cut off":        goFn(goFunction{pieces: append([]goPiece{{extra: []byte{op.OpGlobalGet, fuel, op.OpLocalSet, pcB, op.OpI32Const, 0, op.OpLocalGet, pcB}}}, simple.pieces[1:]...)}),
		"an indirect call with another PC_B":      goFn(with(op.OpGlobalGet, fuel, op.OpLocalSet, pcB, op.OpI32Const, 2, op.OpLocalGet, pcB, op.OpCallInd, 0, 0, op.OpDrop)),
		"an indirect call of another local":       goFn(with(op.OpGlobalGet, fuel, op.OpLocalSet, pcB, op.OpI32Const, 0, op.OpLocalGet, 1, op.OpCallInd, 0, 0, op.OpDrop)),
		"a branch to the end, without condition":  goFn(with(op.OpBlock, op.TypeEmpty, op.OpBr, 3, op.OpEnd)),
		"PC_B is set and another jump":            goFn(with(op.OpBlock, op.TypeEmpty, op.OpI32Const, 0, op.OpLocalSet, pcB, op.OpBr, 0, op.OpEnd)),
		"PC_B is set and no jump":                 goFn(with(op.OpI32Const, 0, op.OpLocalSet, pcB)),
		"deferred calls":                          goFn(with(op.OpI32Const, 0, op.OpCall, deferring, op.OpDrop)),
		"a table of its own":                      goFn(with(op.OpBlock, op.TypeEmpty, op.OpI32Const, 0, op.OpBrTable, 0, 0, op.OpEnd)),
		"a branch to a piece that is not a jump":  goFn(with(op.OpI32Const, 0, op.OpBrIf, 0)),
		"a call without where it returns to":      calling.body(1), // of another function
		"a jump to where there is no piece":       bytes.Replace(goFn(goFunction{pieces: []goPiece{{}, {when: []goJump{{3, 9}}}, {leaves: 2}}}), []byte{op.OpBrTable, 6, 0, 0, 1, 1, 2, 2, 2}, []byte{op.OpBrTable, 6, 0, 0, 1, 1, 2, 2, 3}, 1),
		"too many pieces":                         long(maxPieces + 1),
		"no loop":                                 {0, op.OpBlock, op.TypeEmpty, op.OpEnd, op.OpI32Const, 0, op.OpEnd},
		"no blocks":                               {0, op.OpI32Const, 0, op.OpEnd},
		"code before the table":                   goFn(goFunction{prefix: []byte{op.OpI32Const, 0, op.OpIf, op.TypeEmpty, op.OpEnd}, pieces: simple.pieces}),
		"an end that is not Go's":                 append(bytes.Clone(body[:len(body)-1]), op.OpDrop, op.OpI32Const, 0, op.OpEnd),
		"an instruction that nobody knows":        goFn(with(0xfd, 0x0c)),
		"an instruction that is cut off":          append(bytes.Clone(body), op.OpI64Const),
		"more ends than there are blocks":         append(bytes.Clone(body), op.OpEnd, op.OpEnd),
		"a table of which nothing is left":        body[:20],
		"a function that ends in the first block": {0, op.OpLoop, op.TypeEmpty, op.OpBlock, op.TypeEmpty, op.OpLocalGet, 0, op.OpBrTable, 0, 0, op.OpEnd},
	} {
		if out := structured(body); !bytes.Equal(out, body) {
			t.Errorf("%s: %x became %x", name, body, out)
		}
	}
}

func goFn(f goFunction) []byte { return f.body(0) }
