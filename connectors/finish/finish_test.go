package finish

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	op "github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// goModule is a module as Go's linker writes it, of one function and the callee.
func goModule(body []byte) []byte {
	const elements = "\x01\x00\x41\x80\x20\x0b\x02\x00\x01" // functions 0 and 1 from 4096 on
	const names = "\x04name\x01\x16\x01\x01\x13" + deferReturnName
	var out []byte
	module := moduleOf(body)
	for s, err := range op.Sections(module) {
		if err != nil {
			panic(err)
		}
		if s.ID == op.SectionCode {
			out = op.AppendSection(out, op.SectionElement, []byte(elements))
		}
		out = append(out, module[s.Start:s.End]...)
	}
	return op.AppendSection(slices.Concat([]byte(op.Header), out), op.SectionCustom, []byte(names))
}

// Only what is known to be Go's gets other jumps.
func TestGuest(t *testing.T) {
	f := goFunction{pieces: []goPiece{{}, {when: []goJump{{3, 1}}}, {leaves: 2}}}
	module := goModule(f.body(0, 1))
	replace := func(old, new string) []byte {
		t.Helper()
		if bytes.Count(module, []byte(old)) != 1 {
			t.Fatalf("%q is not there once", old)
		}
		return bytes.Replace(module, []byte(old), []byte(new), 1)
	}
	for _, tt := range []struct {
		name    string
		module  []byte
		changed bool
	}{
		{"as it is", module, true},
		{"functions elsewhere in the table", replace("\x41\x80\x20\x0b", "\x41\x81\x20\x0b"), false},
		{"functions in another order", replace("\x0b\x02\x00\x01", "\x0b\x02\x01\x00"), false},
		{"without deferred calls", replace(deferReturnName, strings.Replace(deferReturnName, "d", "D", 1)), false},
		{"without names", module[:bytes.Index(module, []byte("\x04name"))-2], false},
	} {
		before := bytes.Clone(tt.module)
		out, err := Guest(tt.module)
		if err != nil || bytes.Equal(out, tt.module) == tt.changed {
			t.Errorf("%s: changed: %v, error %v", tt.name, !bytes.Equal(out, tt.module), err)
		}
		if !bytes.Equal(before, tt.module) {
			t.Errorf("%s: the input was changed", tt.name)
		}
		if again, err := Guest(out); err != nil || !bytes.Equal(again, out) {
			t.Errorf("%s: finished again it is another module, error %v", tt.name, err)
		}
	}
}

func TestGuestErrors(t *testing.T) {
	f := goFunction{pieces: []goPiece{{leaves: 2}}}
	module := goModule(f.body(0, 1))
	code := bytes.Index(module, f.body(0, 1))
	with := func(at int, b byte) []byte {
		m := bytes.Clone(module)
		m[at] = b
		return m
	}
	for _, tt := range []struct {
		name, want string
		module     []byte
	}{
		{"fewer functions than declared", "code section: 1 functions, 2 were declared", with(code-2, 1)},
		{"more functions than there is room for", "code section: unexpected EOF", with(code-2, 0x7f)},
		{"a function longer than the section", "code section: unexpected EOF", with(code-1, 0x7f)},
		{"types longer than the section", "type section: unexpected EOF", with(len(op.Header)+2, 9)},
		{"not a module", "byte 0: it does not begin", []byte("hello")},
	} {
		if out, err := Guest(tt.module); out != nil || err == nil || !strings.Contains(err.Error(), "finish: module is not valid: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d bytes, error %v, want %q", tt.name, len(out), err, tt.want)
		}
	}
}

// What was a valid module is one.
func FuzzGuest(f *testing.F) {
	for _, g := range []goFunction{
		{pieces: []goPiece{{}, {when: []goJump{{3, 1}}}, {leaves: 2}}},
		{pieces: []goPiece{{calls: true}, {leaves: 1, to: 3}, {}, {when: []goJump{{3, 2}}}, {leaves: 2}}},
		{noUnwind: true, pieces: []goPiece{{when: []goJump{{2, 2}}}, {extra: []byte{op.OpBlock, op.TypeEmpty, op.OpEnd}}, {when: []goJump{{5, 0}}}, {leaves: 2}}},
	} {
		f.Add(goModule(g.body(0, 1)))
	}
	f.Add(moduleOf(threeLocals(cut(localX), load(i64Load, 0), cut(localX), store(i64Store, 8))))
	f.Add([]byte(op.Header))
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		out, err := Guest(in)
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
		if err != nil || bytes.Equal(out, in) || len(in) > 1<<12 {
			return
		}
		ctx := context.Background()
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer r.Close(ctx)
		if _, err := r.CompileModule(ctx, in); err != nil {
			return // it was none
		}
		if _, err := r.CompileModule(ctx, out); err != nil {
			t.Errorf("%v\n%x became\n%x", err, in, out)
		}
	})
}
