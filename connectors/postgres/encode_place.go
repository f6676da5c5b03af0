package postgres

import "unsafe"

// The first pass: where each row starts. A guest pays for
// loads and stores, which are checked, and for jumps rather than for arithmetic,
// so what has 32 bits, cursors and offsets, is taken in pairs: two rows in one
// word, the first in the lower half. No half ever reaches into the other one,
// because rows start at 0 or behind it and end within their buffer.

// bothHalves times a number is a pair of it.
const bothHalves = 1<<32 | 1

func load64(p unsafe.Pointer, at int) uint64     { return *(*uint64)(unsafe.Add(p, at)) }
func store64(p unsafe.Pointer, at int, v uint64) { *(*uint64)(unsafe.Add(p, at)) = v }

// place sets the cursor of each row, from lo, to where the row starts, and
// returns where the last one ends.
func (e *encoder) place(cur []uint32, lo int) int {
	if e.nulls {
		return e.placeNulls(cur, lo)
	}

	// Without nulls offsets are running sums already.
	placed := false
	for i := range e.fields {
		switch f := &e.fields[i]; {
		case !f.variable:
		case placed:
			addOffsets(cur, f.offsets[lo:])
		default:
			placeOffsets(cur, uint32(e.fixed), f.offsets[lo:])
			placed = true
		}
	}
	if !placed {
		placeFixed(cur, uint32(e.fixed))
	}
	return e.bound(lo, lo+len(cur))
}

// placeFixed sets the cursors of rows that are all of one size.
func placeFixed(cur []uint32, size uint32) {
	cursors := unsafe.Pointer(unsafe.SliceData(cur))
	at, two := uint64(size)<<32, uint64(size)*(2*bothHalves)
	i := 0
	for ; i+4 <= len(cur); i += 4 {
		c := unsafe.Add(cursors, i*4)
		store64(c, 0, at)
		at += two
		store64(c, 8, at)
		at += two
	}
	for ; i < len(cur); i++ {
		cur[i] = uint32(i) * size
	}
}

// placeOffsets sets the cursors of rows of the given size and one variable value.
func placeOffsets(cur []uint32, size uint32, offsets []int32) {
	offsets = offsets[:len(cur)]
	cursors, values := unsafe.Pointer(unsafe.SliceData(cur)), unsafe.Pointer(unsafe.SliceData(offsets))
	at, two := uint64(size)<<32-uint64(offsets[0])*bothHalves, uint64(size)*(2*bothHalves)
	i := 0
	for ; i+4 <= len(cur); i += 4 {
		c, o := unsafe.Add(cursors, i*4), unsafe.Add(values, i*4)
		store64(c, 0, load64(o, 0)+at)
		at += two
		store64(c, 8, load64(o, 8)+at)
		at += two
	}
	for ; i < len(cur); i++ {
		cur[i] = uint32(i)*size + uint32(offsets[i]-offsets[0])
	}
}

// addOffsets makes room for one more variable value in each row.
func addOffsets(cur []uint32, offsets []int32) {
	offsets = offsets[:len(cur)]
	cursors, values := unsafe.Pointer(unsafe.SliceData(cur)), unsafe.Pointer(unsafe.SliceData(offsets))
	first := uint64(offsets[0]) * bothHalves
	i := 0
	for ; i+4 <= len(cur); i += 4 {
		c, o := unsafe.Add(cursors, i*4), unsafe.Add(values, i*4)
		store64(c, 0, load64(c, 0)+load64(o, 0)-first)
		store64(c, 8, load64(c, 8)+load64(o, 8)-first)
	}
	for ; i < len(cur); i++ {
		cur[i] += uint32(offsets[i] - offsets[0])
	}
}

// placeNulls is place for a batch with nulls: each row's size comes first and
// the sum last. A null in a variable column may have bytes of its own, which do
// not count.
func (e *encoder) placeNulls(cur []uint32, lo int) int {
	for i := range cur {
		cur[i] = uint32(e.fixed)
	}
	for i := range e.fields {
		f := &e.fields[i]
		switch {
		case f.variable && f.validity == nil:
			addLengths(cur, f.offsets[lo:])
		case f.variable:
			addLengthsNull(cur, f.offsets[lo:], f.validity, lo, f.width)
		case f.validity != nil:
			dropNulls(cur, f.validity, lo, f.width)
		}
	}
	sum := uint32(0)
	for i := range cur {
		size := cur[i]
		cur[i] = sum
		sum += size
	}
	return int(sum)
}

func addLengths(cur []uint32, offsets []int32) {
	offsets = offsets[:len(cur)+1]
	start := offsets[0]
	for i := range cur {
		end := offsets[i+1]
		cur[i] += uint32(end - start)
		start = end
	}
}

func addLengthsNull(cur []uint32, offsets []int32, validity unsafe.Pointer, lo int, width uint32) {
	offsets = offsets[:len(cur)+1]
	start := offsets[0]
	for i := range cur {
		end := offsets[i+1]
		mask := -validBit(validity, lo+i)
		cur[i] += uint32(end-start)&mask - width&^mask
		start = end
	}
}

func dropNulls(cur []uint32, validity unsafe.Pointer, lo int, width uint32) {
	for i := range cur {
		cur[i] -= width &^ -validBit(validity, lo+i)
	}
}
