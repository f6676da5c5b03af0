package finish

import (
	"slices"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// loop is a run of pieces of which the first is jumped back to. It is entered
// nowhere else.
type loop struct{ first, last int }

// maxCopy bounds the instructions of a piece that is copied to where it is jumped
// to. The longest condition of a loop in this repository's connectors has 90.
const maxCopy = 120

// findLoops returns the loops, outer ones before those in them. What cannot be a
// loop, because a goroutine may come back into the middle of it, is left to the
// table: its first piece becomes one that is resumed.
func (f *function) findLoops() []loop {
	// Each round but the last copies a piece or gives up a loop. Copies bring jumps,
	// which may want further copies, without end where a function jumps wildly.
	f.copies = 1000
	for _, code := range f.pieces {
		f.copies += 3 * len(code)
	}
	for {
		if loops, done := f.tryLoops(); done {
			return loops
		}
	}
}

// tryLoops finds the loops, or changes something and reports false.
func (f *function) tryLoops() ([]loop, bool) {
	var loops []loop
	jumps := f.spans()
	for first, last := range f.lastJumpsBack() {
		if last < 0 {
			continue
		}
		possible := !slices.Contains(f.resumed[first+1:last+1], true)
		n, i, entered := 0, 0, slices.ContainsFunc(jumps[first+1:last+1], func(j span) bool { return j.first < first || j.last > last })
		if entered && possible {
			n, i, entered = f.entrance(loop{first, last})
		}
		if possible && entered {
			into := int(f.pieces[n][i].Arg)
			possible = endsAway(f.pieces[first]) && f.moveBegin(first) || f.bringCopy(n, i, first) || into == first+1 && f.moveBegin(first)
		}
		if !possible {
			f.resumed[first], f.givenUp[first] = true, true
		}
		if !possible || entered {
			return nil, false
		}
		loops = append(loops, loop{first, last})
	}
	return loops, true
}

// span is where a piece is jumped to from: the first and the last piece.
type span struct{ first, last int }

// spans returns the span of each piece; one that nobody jumps to is its own.
func (f *function) spans() []span {
	spans := make([]span, len(f.pieces))
	for n := range spans {
		spans[n] = span{len(f.pieces), -1}
	}
	for n, code := range f.pieces {
		for _, in := range code {
			if in.Op == opJump {
				s := &spans[in.Arg]
				s.first, s.last = min(s.first, n), max(s.last, n)
			}
		}
	}
	for n := range spans {
		if spans[n].last < 0 {
			spans[n] = span{n, n}
		}
	}
	return spans
}

// lastJumpsBack returns for each piece the last one of the loop it begins, or -1.
// Of two loops one lies in the other, or they have nothing in common.
func (f *function) lastJumpsBack() []int {
	last := make([]int, len(f.pieces))
	for n := range last {
		last[n] = -1
	}
	for n, code := range f.pieces {
		for _, in := range code {
			if in.Op == opJump && int(in.Arg) <= n && !f.givenUp[in.Arg] {
				last[in.Arg] = max(last[in.Arg], n)
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for first := range last {
			for n := first + 1; n <= last[first]; n++ {
				if last[n] > last[first] {
					last[first], changed = last[n], true
				}
			}
		}
	}
	return last
}

// entrance finds a jump from outside a loop into the middle of it: instruction i of
// piece n.
func (f *function) entrance(l loop) (n, i int, found bool) {
	for n, code := range f.pieces {
		if n >= l.first && n <= l.last {
			continue
		}
		for i, in := range code {
			if in.Op == opJump && int(in.Arg) > l.first && int(in.Arg) <= l.last {
				return n, i, true
			}
		}
	}
	return 0, 0, false
}

// bringCopy replaces a jump, instruction i of piece n, by a copy of the piece it
// goes to, if from there it goes to first. Go writes a loop with its condition at
// the end and jumps there to begin: with a copy of the condition before it the loop
// is entered at its begin.
func (f *function) bringCopy(n, i, first int) bool {
	code, target := f.pieces[n], int(f.pieces[n][i].Arg)
	if !jumpsTo(f.pieces[target], first) {
		return false
	}
	copied, ok := f.copyOf(target, 1)
	if ok {
		f.pieces[n] = slices.Concat(code[:i], copied, code[i+1:])
	}
	return ok
}

// moveBegin replaces all jumps back to first by copies of it. What comes behind it
// is the begin of the loop then: so a loop is entered there that Go writes with
// what comes between two turns first. Where first ends with a jump it was no loop,
// but something that Go put before those who jump to it.
func (f *function) moveBegin(first int) bool {
	if jumpsTo(f.pieces[first], first) {
		return false
	}
	sites := 0
	for _, code := range f.pieces[first+1:] {
		for _, in := range code {
			if in.Op == opJump && int(in.Arg) == first {
				sites++
			}
		}
	}
	copied, ok := f.copyOf(first, sites)
	if !ok {
		return false
	}
	for n := first + 1; n < len(f.pieces); n++ {
		for i := 0; i < len(f.pieces[n]); i++ {
			if in := f.pieces[n][i]; in.Op == opJump && int(in.Arg) == first {
				f.pieces[n] = slices.Concat(f.pieces[n][:i], copied, f.pieces[n][i+1:])
				i += len(copied) - 1
			}
		}
	}
	return true
}

// copyOf returns what piece n does and, if it does not jump away, a jump to the one
// behind it.
func (f *function) copyOf(n, sites int) ([]wasmbin.Instruction, bool) {
	code := f.pieces[n]
	if len(code) > maxCopy || f.copies < sites*(len(code)+1) {
		return nil, false
	}
	f.copies -= sites * (len(code) + 1)
	if endsAway(code) {
		return code, true
	}
	next := n + 1
	pc := slices.Index(f.table, uint32(next))
	if next == len(f.pieces) || pc < 0 {
		return nil, false
	}
	return append(slices.Clip(code), wasmbin.Instruction{Op: opJump, Arg: int64(next), Start: pc}), true
}

// jumpsTo reports whether code jumps to piece n.
func jumpsTo(code []wasmbin.Instruction, n int) bool {
	return slices.ContainsFunc(code, func(in wasmbin.Instruction) bool { return in.Op == opJump && int(in.Arg) == n })
}

// endsAway reports whether code does not go on behind its last instruction.
func endsAway(code []wasmbin.Instruction) bool {
	if len(code) == 0 {
		return false
	}
	switch code[len(code)-1].Op {
	case wasmbin.OpUnreachable, wasmbin.OpReturn, opJump:
		return true
	}
	return false
}
