package finish

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	op "github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// goModule is a module as Go's linker writes it.
func goModule(body []byte) []byte {
	names := []byte{2} // how many
	for _, f := range []struct {
		index byte
		name  string
	}{{panicking, sigPanicName}, {deferring, deferReturnName}} {
		names = append(append(names, f.index, byte(len(f.name))), f.name...)
	}
	section := append([]byte("\x04name\x01"), byte(len(names)))
	return op.AppendSection(moduleOf(body), op.SectionCustom, append(section, names...))
}

// Only what is known to be Go's gets other jumps.
func TestGuest(t *testing.T) {
	f := goFunction{pieces: []goPiece{{}, {when: []goJump{{3, 1}}}, {leaves: 2}}}
	module := goModule(f.body(0))
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
		{"functions elsewhere in the table", replace("\x41\x80\x20\x0b", "\x41\xff\x1f\x0b"), false},
		{"functions in another order", replace("\x0b\x03\x00\x01\x02", "\x0b\x03\x01\x00\x02"), false},
		{"without deferred calls", replace(deferReturnName, strings.Replace(deferReturnName, "d", "D", 1)), false},
		{"without nil pointers", replace(sigPanicName, strings.Replace(sigPanicName, "s", "S", 1)), false},
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
	module := goModule(f.body(0))
	code := bytes.Index(module, f.body(0))
	with := func(at int, b byte) []byte {
		m := bytes.Clone(module)
		m[at] = b
		return m
	}
	for _, tt := range []struct {
		name, want string
		module     []byte
	}{
		{"fewer functions than declared", "code section: 1 functions, 3 were declared", with(code-2, 1)},
		{"more functions than declared", "code section: 127 functions, 3 were declared", with(code-2, 0x7f)},
		{"a function longer than the section", "code section: unexpected EOF", with(code-1, 0x7f)},
		{"types longer than the section", "type section: unexpected EOF", with(len(op.Header)+2, 9)},
		{"not a module", "byte 0: it does not begin", []byte("hello")},
	} {
		if out, err := Guest(tt.module); out != nil || err == nil || !strings.Contains(err.Error(), "finish: module is not valid: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d bytes, error %v, want %q", tt.name, len(out), err, tt.want)
		}
	}
}

// isModule reports what speaks against a module.
func isModule(module []byte) error {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	_, err := r.CompileModule(ctx, module)
	return err
}

// What was a valid module is one.
func FuzzGuest(f *testing.F) {
	for _, g := range []goFunction{
		{pieces: []goPiece{{}, {when: []goJump{{3, 1}}}, {leaves: 2}}},
		{pieces: []goPiece{{calls: true}, {leaves: 1, to: 3}, {calls: true, indirect: true}, {when: []goJump{{3, 2}}, panics: 9}, {leaves: 2}}},
		{noUnwind: true, pieces: []goPiece{{when: []goJump{{2, 2}}}, {extra: []byte{op.OpBlock, op.TypeEmpty, op.OpEnd}}, {when: []goJump{{5, 0}}}, {leaves: 2}}},
	} {
		module := goModule(g.body(0))
		if out, err := Guest(module); err != nil || bytes.Equal(out, module) || isModule(module) != nil {
			f.Fatalf("%+v: it is not a module that is changed: %v, %v", g, err, isModule(module))
		}
		f.Add(module)
	}
	f.Add(moduleOf(threeLocals(cut(localX), load(i64Load, 0), cut(localX), store(i64Store, 8))))
	f.Add([]byte(op.Header))
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		out, err := Guest(in)
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
		if err != nil || bytes.Equal(out, in) || len(in) > 1<<12 || isModule(in) != nil {
			return
		}
		if err := isModule(out); err != nil {
			t.Errorf("%v\n%x became\n%x", err, in, out)
		}
	})
}
