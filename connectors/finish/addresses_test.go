package finish

import (
	"bytes"
	"math/rand/v2"
	"testing"

	op "github.com/rapidbyte-go/rapidbyte/wasmbin"
)

const (
	i64Load, i64Load8U, i64Load32U   = 0x29, 0x31, 0x35
	i64Store, i64Store16, i64Store32 = 0x37, 0x3d, 0x3e
	localX, localY                   = 1, 2 // of 64 bits; parameter 0 has 32
	i64And, i64Xor, wrap             = 0x83, 0x85, op.OpI32WrapI64
)

// threeLocals is a function of one parameter and three locals of 64 bits.
func threeLocals(code ...[]byte) []byte {
	body := append([]byte{1, 3, op.TypeI64}, bytes.Join(code, nil)...)
	return append(body, op.OpI32Const, 0, op.OpEnd)
}

func local(kind, n byte) []byte { return []byte{kind, n} }
func cut(n byte) []byte         { return []byte{op.OpLocalGet, n, wrap} }

// load drops what it loads from the address on the stack, store stores a number
// there.
func load(code byte, offset uint32) []byte {
	return append(op.AppendU32([]byte{code, 0}, offset), op.OpDrop)
}
func store(code byte, offset uint32) []byte {
	return op.AppendU32([]byte{op.OpI64Const, 5, code, 0}, offset)
}

func TestShareAddresses(t *testing.T) {
	keep, kept := local(op.OpLocalTee, 4), local(op.OpLocalGet, 4)
	ahead := func(n byte) []byte { return []byte{op.OpLocalGet, 4, op.OpI32Load8U, 0, n, op.OpDrop} }
	other := []byte{op.OpLocalGet, localY, op.OpLocalSet, localX}
	for _, tt := range []struct {
		name     string
		in, want [][]byte // nil: it stays as it is
	}{
		{"once", [][]byte{cut(localX), load(i64Load, 0)}, nil},
		{"twice, the larger offset first", [][]byte{cut(localX), load(i64Load, 8), cut(localX), load(i64Load, 0)},
			[][]byte{cut(localX), keep, load(i64Load, 8), kept, load(i64Load, 0)}},
		{"the larger offset last", [][]byte{cut(localX), load(i64Load, 0), cut(localX), load(i64Load, 8)},
			[][]byte{cut(localX), keep, ahead(15), load(i64Load, 0), kept, load(i64Load, 8)}},
		{"the same offset, more bytes", [][]byte{cut(localX), load(i64Load8U, 3), cut(localX), load(i64Load32U, 3)},
			[][]byte{cut(localX), keep, ahead(6), load(i64Load8U, 3), kept, load(i64Load32U, 3)}},
		{"stores", [][]byte{cut(localX), store(i64Store32, 0), cut(localX), store(i64Store16, 4)},
			[][]byte{cut(localX), keep, ahead(5), store(i64Store32, 0), kept, store(i64Store16, 4)}},
		{"a store of what is loaded there", [][]byte{cut(localX), cut(localX), {i64Load, 0, 8}, {i64Store, 0, 0}},
			[][]byte{cut(localX), keep, kept, {i64Load, 0, 8}, {i64Store, 0, 0}}},
		{"behind a tee", [][]byte{local(op.OpLocalGet, localY), local(op.OpLocalTee, localX), {wrap}, load(i64Load, 0), cut(localX), load(i64Load, 0)},
			[][]byte{local(op.OpLocalGet, localY), local(op.OpLocalTee, localX), {wrap}, keep, load(i64Load, 0), kept, load(i64Load, 0)}},
		{"two locals", [][]byte{cut(localX), load(i64Load, 0), cut(localY), load(i64Load, 0), cut(localX), load(i64Load, 0)},
			[][]byte{cut(localX), keep, load(i64Load, 0), cut(localY), load(i64Load, 0), kept, load(i64Load, 0)}},
		{"changed between", [][]byte{cut(localX), load(i64Load, 0), other, cut(localX), load(i64Load, 0)}, nil},
		{"changed and cut again twice", [][]byte{cut(localX), load(i64Load, 0), other, cut(localX), load(i64Load, 0), cut(localX), load(i64Load, 0)},
			[][]byte{cut(localX), load(i64Load, 0), other, cut(localX), keep, load(i64Load, 0), kept, load(i64Load, 0)}},
		{"a tee that changes it", [][]byte{cut(localX), load(i64Load, 0), local(op.OpLocalGet, localY), local(op.OpLocalTee, localX), {wrap}, load(i64Load, 0)}, nil},
		{"behind the end of a block", [][]byte{{op.OpBlock, op.TypeEmpty}, cut(localX), load(i64Load, 0), {op.OpEnd}, cut(localX), load(i64Load, 0)}, nil},
		{"in a loop", [][]byte{cut(localX), load(i64Load, 0), {op.OpLoop, op.TypeEmpty}, cut(localX), load(i64Load, 0), {op.OpEnd}}, nil},
		{"in the other branch", [][]byte{local(op.OpLocalGet, 0), {op.OpIf, op.TypeEmpty}, cut(localX), load(i64Load, 0), {op.OpElse}, cut(localX), load(i64Load, 0), {op.OpEnd}}, nil},
		// It is known behind a branch that is not taken and behind a call, but what comes
		// there may never be reached, and is not looked at ahead.
		{"behind a branch", [][]byte{{op.OpBlock, op.TypeEmpty}, cut(localX), load(i64Load, 0), local(op.OpLocalGet, 0), {op.OpBrIf, 0}, cut(localX), load(i64Load, 64), {op.OpEnd}},
			[][]byte{{op.OpBlock, op.TypeEmpty}, cut(localX), keep, load(i64Load, 0), local(op.OpLocalGet, 0), {op.OpBrIf, 0}, kept, load(i64Load, 64), {op.OpEnd}}},
		{"behind a call", [][]byte{cut(localX), load(i64Load, 0), {op.OpI32Const, 0, op.OpCall, 1, op.OpDrop}, cut(localX), load(i64Load, 64)},
			[][]byte{cut(localX), keep, load(i64Load, 0), {op.OpI32Const, 0, op.OpCall, 1, op.OpDrop}, kept, load(i64Load, 64)}},
		{"a store whose address is from before a call", [][]byte{cut(localX), {op.OpI32Const, 0, op.OpCall, called, op.OpStoreFirst, 0, 8}, cut(localX), load(i64Load, 0)},
			[][]byte{cut(localX), keep, {op.OpI32Const, 0, op.OpCall, called, op.OpStoreFirst, 0, 8}, kept, load(i64Load, 0)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := threeLocals(tt.in...)
			want := in
			if tt.want != nil {
				want = append([]byte{2, 3, op.TypeI64, 1, op.TypeI32}, threeLocals(tt.want...)[3:]...)
			}
			if out := shareAddresses(in, 1); !bytes.Equal(out, want) {
				t.Errorf("got\n% x, want\n% x", out, want)
			}
			r := newRuntime(t)
			if before, after := perform(t, r, in), perform(t, r, want); before != after {
				t.Errorf("did %+v, does %+v", before, after)
			}
		})
	}
}

// Any code loads and stores the same, and is ended where it was ended.
func TestShareAddressesAnywhere(t *testing.T) {
	r := newRuntime(t)
	const functions = 1000
	changed, trapped := 0, 0
	for seed := range uint64(functions) {
		body := randomAccesses(rand.New(rand.NewPCG(seed, 2)))
		out := shareAddresses(body, 1)
		before, after := perform(t, r, body), perform(t, r, out)
		if !bytes.Equal(out, body) {
			changed++
		}
		if before.trapped {
			trapped++
			before.hash = after.hash // it may have been ended a little earlier
		}
		if before != after {
			t.Fatalf("function %d did %+v and does %+v:\n% x\n% x", seed, before, after, body, out)
		}
	}
	if changed < functions/2 || trapped < functions/20 || trapped > functions/2 {
		t.Errorf("of %d functions %d were changed and %d ended at an access", functions, changed, trapped)
	}
}

// randomAccesses returns a function that loads and stores at a few addresses, some
// of them near the end of memory, in straight code, branches and loops, and puts
// what it loads into the hash.
func randomAccesses(r *rand.Rand) []byte {
	var code [][]byte
	add := func(parts ...[]byte) { code = append(code, parts...) }
	for _, x := range []byte{localX, localY} {
		at := int64(r.IntN(200))
		if r.IntN(4) == 0 {
			at = 1<<16 - at
		}
		add(constant(at|int64(r.Uint32())<<32), local(op.OpLocalSet, x)) // Go's pointers have nothing in the upper half
	}
	open := 0
	for range 4 + r.IntN(30) {
		x, offset := byte(localX+r.IntN(2)), uint32(r.IntN(24))
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			add(get(hash), cut(x), op.AppendU32([]byte{i64Load, 0}, offset), []byte{i64Xor}, set(hash))
		case 4, 5:
			add(get(hash), cut(x), op.AppendU32([]byte{i64Load32U, 0}, offset), []byte{op.OpI64Add}, set(hash))
		case 6, 7:
			add(cut(x), get(hash), op.AppendU32([]byte{byte(i64Store + r.IntN(2)*6), 0}, offset))
		case 8:
			add(local(op.OpLocalGet, x), constant(int64(r.IntN(9))), []byte{op.OpI64Add}, local(op.OpLocalTee, x), []byte{wrap}, load(i64Load8U, offset))
		case 9:
			if open < 3 {
				open++
				add([]byte{op.OpBlock, op.TypeEmpty})
			}
		case 10:
			if open > 0 {
				add(get(hash), []byte{op.OpI64Const, 2, i64And, wrap, op.OpBrIf, byte(r.IntN(open))})
			}
		case 11:
			if open > 0 {
				open--
				add([]byte{op.OpEnd})
			}
		}
	}
	for range open {
		add([]byte{op.OpEnd})
	}
	// All of it a few times, until there is no fuel.
	turn := bytes.Join([][]byte{{op.OpLoop, op.TypeEmpty}, bytes.Join(code, nil), get(fuel), {op.OpI32Const, 0x90, 0x02, i32Sub}, set(fuel),
		get(fuel), {op.OpI32Const, 0, 0x4a, op.OpBrIf, 0, op.OpEnd}}, nil)
	return threeLocals(turn)
}
