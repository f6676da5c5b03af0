package instrument

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Short names keep a function on a line.
const (
	opLoop     = wasmbin.OpLoop
	opIf       = wasmbin.OpIf
	opElse     = wasmbin.OpElse
	opEnd      = wasmbin.OpEnd
	opBrIf     = wasmbin.OpBrIf
	opBrTable  = wasmbin.OpBrTable
	opReturn   = wasmbin.OpReturn
	opLocalGet = wasmbin.OpLocalGet
	opLocalTee = wasmbin.OpLocalTee
	opI32Const = wasmbin.OpI32Const
)

// module builds a module of one exported function "f" of type (i32) -> i32 with
// one i32 local, from its instructions.
func module(code ...byte) []byte {
	sec := func(id byte, body ...byte) []byte { return append([]byte{id, byte(len(body))}, body...) }
	body := append([]byte{1, 1, 0x7f}, code...)
	return bytes.Join([][]byte{
		[]byte(wasmbin.Header),
		sec(1, 1, 0x60, 1, 0x7f, 1, 0x7f),
		sec(3, 1, 0),
		sec(7, 1, 1, 'f', 0, 0),
		sec(10, append([]byte{1, byte(len(body))}, body...)...),
	}, nil)
}

// wasm builds a module of one section, with code of no functions if it is another.
func wasm(id byte, body ...byte) []byte {
	b := wasmbin.AppendSection([]byte(wasmbin.Header), id, body)
	if id != wasmbin.SectionCode {
		b = wasmbin.AppendSection(b, wasmbin.SectionCode, []byte{0})
	}
	return b
}

func run(t *testing.T, module []byte, arg uint64) (result, instructions uint64) {
	t.Helper()
	counted, counters, err := Count(module)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	m, err := r.Instantiate(ctx, counted)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.ExportedFunction("f").Call(ctx, arg)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		instructions += m.ExportedGlobal(c.Global).Get()
	}
	return got[0], instructions
}

// The counts are those of a person with a pencil.
func TestCountsByHand(t *testing.T) {
	tests := []struct {
		name         string
		code         []byte
		arg          uint64
		result, want uint64
	}{
		{"straight line", []byte{opLocalGet, 0, opI32Const, 1, 0x6a, opEnd}, 41, 42, 3},
		// i = arg; loop { sum += i; i--; if i != 0 continue }: 1 for loop itself, 9 a turn, 1 at the end.
		{"loop", []byte{
			opLoop, 0x40,
			opLocalGet, 1, opLocalGet, 0, 0x6a, 0x21, 1, // sum = sum + i
			opLocalGet, 0, opI32Const, 1, 0x6b, opLocalTee, 0, // i = i - 1
			opBrIf, 0,
			opEnd,
			opLocalGet, 1, opEnd,
		}, 10, 55, 1 + 10*9 + 1},
		// if arg { 7 } else { 9 + 1 }
		{"then", []byte{opLocalGet, 0, opIf, 0x7f, opI32Const, 7, opElse, opI32Const, 9, opI32Const, 1, 0x6a, opEnd, opEnd}, 1, 7, 2 + 2},
		{"else", []byte{opLocalGet, 0, opIf, 0x7f, opI32Const, 7, opElse, opI32Const, 9, opI32Const, 1, 0x6a, opEnd, opEnd}, 0, 10, 2 + 3},
		// Code behind a return is not executed and not counted.
		{"early return", []byte{opI32Const, 5, opReturn, opI32Const, 6, opEnd}, 0, 5, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result, got := run(t, module(tt.code...), tt.arg)
			if result != tt.result || got != tt.want {
				t.Errorf("result %d after %d instructions, want %d after %d", result, got, tt.result, tt.want)
			}
		})
	}
}

// A real Go program computes the same rewritten, and counts the same each time.
func TestRealModuleCountsTheSameEachTime(t *testing.T) {
	dir := t.TempDir()
	source := `package main

import "sort"

//go:wasmexport f
func f(n int32) int32 {
	m := map[int32]string{}
	for i := range n {
		m[i*7919%1000] = string(rune('a' + i%26))
	}
	keys := []int{}
	for k := range m {
		keys = append(keys, int(k))
	}
	sort.Ints(keys)
	h := int32(0)
	for _, k := range keys {
		h = h*31 + int32(m[int32(k)][0])
	}
	return h
}

func main() {}
`
	for name, text := range map[string]string{"main.go": source, "go.mod": "module x\n\ngo 1.26\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", "x.wasm", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "x.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	counted, counters, err := Count(wasm)
	if err != nil {
		t.Fatal(err)
	}

	ctx := context.Background()
	call := func(r wazero.Runtime, wasm []byte) (uint64, api.Module) {
		m, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := m.ExportedFunction("f").Call(ctx, 5000)
		if err != nil {
			t.Fatal(err)
		}
		return out[0], m
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, r)

	want, _ := call(r, wasm)
	var totals [2]uint64
	for i := range totals {
		got, m := call(r, counted)
		if got != want {
			t.Fatalf("f = %d rewritten, %d before", got, want)
		}
		inF := uint64(0)
		for _, c := range counters {
			n := m.ExportedGlobal(c.Global).Get()
			totals[i] += n
			if strings.HasSuffix(c.Function, "main.f") {
				inF += n
			}
		}
		if inF < 5000*10 {
			t.Errorf("main.f counted %d instructions, want some ten for each of 5000 turns", inF)
		}
	}
	if totals[0] != totals[1] || totals[0] == 0 {
		t.Errorf("counts %d and %d, want them equal and not zero", totals[0], totals[1])
	}
}

func TestWhatCannotBeCountedIsRefused(t *testing.T) {
	good := module(opLocalGet, 0, opEnd)
	for name, tt := range map[string]struct {
		module []byte
		want   string
	}{
		"not a module":       {[]byte("hello"), "byte 0: it does not begin with the magic number"},
		"no code":            {[]byte(wasmbin.Header), "module has no code"},
		"cut off":            {good[:len(good)-2], "byte 29: section: unexpected EOF"},
		"half a number":      {module(opLocalGet, 0x80), "function 0: byte 35: instruction: unexpected EOF"},
		"no immediate":       {module(opI32Const), "function 0: byte 35: instruction: unexpected EOF"},
		"SIMD":               {module(0xfd, 0, opEnd), "instruction: unknown opcode 0xfd"},
		"unknown 0xfc":       {module(0xfc, 99, opEnd), "instruction: unknown opcode 0xfc 0x63"},
		"imports":            {wasm(2, 1, 1, 'm', 1, 'g', 5), "import section: import of unknown kind 5"},
		"globals":            {wasm(6), "global section: unexpected EOF"},
		"exports":            {wasm(7, 0x80), "export section: unexpected EOF"},
		"functions":          {wasm(10, 2, 1), "code section: unexpected EOF"},
		"size of a function": {wasm(10, 1, 5, 0), "function 0: byte 12: code section: unexpected EOF"},
		"locals":             {wasm(10, 1, 1, 1), "function 0: byte 13: locals: unexpected EOF"},
	} {
		if _, _, err := Count(tt.module); err == nil || !strings.HasPrefix(err.Error(), "instrument: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want it to say %q", name, err, tt.want)
		}
	}
	for n := range good {
		if out, counters, err := Count(good[:n]); out != nil || counters != nil || err == nil {
			t.Errorf("the first %d bytes of %d were counted", n, len(good))
		}
	}
}

func FuzzCount(f *testing.F) {
	f.Add(module(opLocalGet, 0, opEnd))
	f.Add(module(opLoop, 0x40, opLocalGet, 0, opBrIf, 0, opEnd, opLocalGet, 0, opEnd))
	f.Add(module(opBrTable, 2, 0, 0, 0, opEnd))
	f.Fuzz(func(t *testing.T, b []byte) {
		Count(b) // must not panic or hang
	})
}
