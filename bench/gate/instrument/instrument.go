// Package instrument rewrites a WebAssembly module so that it counts the
// instructions it executes, function by function.
//
// A counter is added at the head of every basic block: one 64-bit global per
// function, raised by the number of the block's original instructions. The
// rewritten module computes exactly what the original does, slower; its count
// depends on the module and its input alone, so it is the same on every
// machine and one run is enough.
//
// The rewriter knows the instructions that package wasmbin reads: those that Go's
// compiler and clang emit for WebAssembly 2.0 without SIMD. A module with others
// is refused by name.
package instrument

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// Counter is one function's counter in a rewritten module.
type Counter struct {
	Global   string // the name under which the counter is exported
	Function string // the function's name in the module, or "func[N]"
}

// Count returns module rewritten to count, and its counters in the order of the
// functions. The input is not changed.
func Count(module []byte) ([]byte, []Counter, error) {
	m, err := parse(module)
	if err != nil {
		return nil, nil, fmt.Errorf("instrument: %w", err)
	}
	if m.section(wasmbin.SectionCode) == nil {
		return nil, nil, errors.New("instrument: module has no code")
	}

	// The counters come behind the globals the module has.
	imports, err := wasmbin.ReadImports(module)
	if err != nil {
		return nil, nil, fmt.Errorf("instrument: %w", err)
	}
	globals, _, err := m.vector(wasmbin.SectionGlobal, "global section")
	if err != nil {
		return nil, nil, fmt.Errorf("instrument: %w", err)
	}
	firstCounter := imports.Globals + globals

	names := wasmbin.FunctionNames(module)
	var bodies []byte
	var counters []Counter
	for f, err := range wasmbin.Functions(module) {
		if err != nil {
			return nil, nil, fmt.Errorf("instrument: %w", err)
		}
		counted, err := countBody(module[:f.End], f.Start, firstCounter+uint32(len(counters)))
		if err != nil {
			return nil, nil, fmt.Errorf("instrument: function %d: %w", f.Index, err)
		}
		bodies = wasmbin.AppendU32(bodies, uint32(len(counted)))
		bodies = append(bodies, counted...)

		name := names[f.Index]
		if name == "" {
			name = "func[" + strconv.Itoa(int(f.Index)) + "]"
		}
		counters = append(counters, Counter{Global: "instructions." + strconv.Itoa(len(counters)), Function: name})
	}
	code := append(wasmbin.AppendU32(nil, uint32(len(counters))), bodies...)
	out, err := m.write(code, counters, firstCounter)
	if err != nil {
		return nil, nil, fmt.Errorf("instrument: %w", err)
	}
	return out, counters, nil
}

// countBody rewrites the function whose body is module from start: its locals
// stay, and every basic block gets its counter.
func countBody(module []byte, start int, global uint32) ([]byte, error) {
	d := wasmbin.NewDecoder(module, start)
	d.Locals()
	out := append(make([]byte, 0, (len(module)-start)*2), module[start:d.At()]...)

	block, count := d.At(), uint32(0)
	flush := func(end int) {
		if count > 0 {
			out = appendAdd(out, global, count)
		}
		out = append(out, module[block:end]...)
		block, count = end, 0
	}
	for d.More() {
		in := d.Instruction()
		// "end" does nothing by itself; all others are work.
		if in.Op != wasmbin.OpEnd {
			count++
		}
		if endsBlock(in.Op) {
			flush(in.End)
		}
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	flush(len(module))
	return out, nil
}

// endsBlock reports whether control may leave after op or come in behind it.
func endsBlock(op byte) bool {
	switch op {
	case wasmbin.OpBlock, wasmbin.OpLoop, wasmbin.OpIf, wasmbin.OpElse, wasmbin.OpEnd,
		wasmbin.OpBr, wasmbin.OpBrIf, wasmbin.OpBrTable, wasmbin.OpReturn, wasmbin.OpUnreachable:
		return true
	}
	return false
}

// appendAdd appends code that raises a global by n. It leaves the stack as it
// was, so it may stand before any instruction.
func appendAdd(b []byte, global, n uint32) []byte {
	b = wasmbin.AppendU32(append(b, wasmbin.OpGlobalGet), global)
	b = wasmbin.AppendI64(append(b, wasmbin.OpI64Const), int64(n))
	b = append(b, wasmbin.OpI64Add)
	return wasmbin.AppendU32(append(b, wasmbin.OpGlobalSet), global)
}
