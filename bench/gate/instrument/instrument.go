// Package instrument rewrites a WebAssembly module so that it counts the
// instructions it executes, function by function.
//
// A counter is added at the head of every basic block: one 64-bit global per
// function, raised by the number of the block's original instructions. The
// rewritten module computes exactly what the original does, slower; its count
// depends on the module and its input alone, so it is the same on every
// machine and one run is enough.
//
// The rewriter knows the instructions that Go's compiler and clang emit for
// WebAssembly 2.0 without SIMD. A module with others is refused by name.
package instrument

import (
	"errors"
	"fmt"
	"strconv"
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
	code := m.section(sectionCode)
	if code == nil {
		return nil, nil, errors.New("instrument: module has no code")
	}

	// The counters come behind the globals the module has.
	imported, functions, err := m.imports()
	if err != nil {
		return nil, nil, fmt.Errorf("instrument: %w", err)
	}
	globals, err := m.vectorLen(sectionGlobal)
	if err != nil {
		return nil, nil, fmt.Errorf("instrument: %w", err)
	}
	firstCounter := imported + globals

	r := reader{b: code}
	n := r.count()
	body := appendU32(nil, n)
	for i := range n {
		size := r.u32()
		f := r.bytes(int(size))
		if r.err != nil {
			return nil, nil, fmt.Errorf("instrument: code of function %d: %w", i, r.err)
		}
		counted, err := countBody(f, firstCounter+i)
		if err != nil {
			return nil, nil, fmt.Errorf("instrument: function %d: %w", functions+i, err)
		}
		body = appendU32(body, uint32(len(counted)))
		body = append(body, counted...)
	}

	names := m.functionNames()
	counters := make([]Counter, n)
	for i := range counters {
		index := functions + uint32(i)
		name := names[index]
		if name == "" {
			name = "func[" + strconv.Itoa(int(index)) + "]"
		}
		counters[i] = Counter{Global: "instructions." + strconv.Itoa(i), Function: name}
	}
	out, err := m.write(body, counters, firstCounter)
	if err != nil {
		return nil, nil, fmt.Errorf("instrument: %w", err)
	}
	return out, counters, nil
}

// countBody rewrites one function body: its locals stay, and every basic block
// gets its counter.
func countBody(body []byte, global uint32) ([]byte, error) {
	r := reader{b: body}
	for range r.count() {
		r.u32() // how many
		r.u8()  // of which type
	}
	out := append(make([]byte, 0, len(body)*2), body[:r.pos]...)

	start, count := r.pos, uint32(0)
	flush := func(end int) {
		if count > 0 {
			out = appendAdd(out, global, count)
		}
		out = append(out, body[start:end]...)
		start, count = end, 0
	}
	for r.err == nil && r.pos < len(body) {
		op := r.u8()
		if err := r.skipImmediates(op); err != nil {
			return nil, err
		}
		// "end" does nothing by itself; all others are work.
		if op != opEnd {
			count++
		}
		if endsBlock(op) {
			flush(r.pos)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	flush(len(body))
	return out, nil
}

// endsBlock reports whether control may leave after op or come in behind it.
func endsBlock(op byte) bool {
	switch op {
	case opBlock, opLoop, opIf, opElse, opEnd, opBr, opBrIf, opBrTable, opReturn, opUnreachable:
		return true
	}
	return false
}

// appendAdd appends code that raises a global by n. It leaves the stack as it
// was, so it may stand before any instruction.
func appendAdd(b []byte, global, n uint32) []byte {
	b = appendU32(append(b, opGlobalGet), global)
	b = appendS64(append(b, opI64Const), int64(n))
	b = append(b, opI64Add)
	return appendU32(append(b, opGlobalSet), global)
}
