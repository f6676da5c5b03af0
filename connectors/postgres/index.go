package postgres

import (
	"math"
	"math/bits"
	"unsafe"
)

// A row of COPY's binary format, as it lies in a CopyData message of its own:
//
//	'd' | length 4 | columns 2 | [ length 4 | value ] ...
//
// All integers are big endian; a length of -1 is a NULL and has no value.
// https://www.postgresql.org/docs/current/sql-copy.html
const (
	rowHeader = headerSize + 2
	endMark   = 0xffff // in place of the number of columns: end of the data
	noWidth   = -2     // wanted length of a field that may have any; -1 is NULL

	// kernelSlack is how many bytes a kernel may read behind the last field, and
	// kernelRows how many rows it takes at a time, at most.
	kernelSlack = 128
	kernelRows  = 8
)

// index notes where the fields of a batch's rows lie in the buffer, and counts
// on the way what the Arrow columns need: NULLs, and bytes of the columns that
// vary in width.
//
// Rows are hostile until they are indexed. There are two ways to walk them. The
// dense one, in index_dense.go, assumes that no field of fixed width is NULL: only
// the lengths of the others need to be looked at to find the end of the row, and
// only the places behind those are noted. If the assumption is wrong, nearly every
// row fails to end where its message ends; and where it does not fail, the kernels
// find that a length is not what it must be (see decoder.column), and the batch
// is walked again in the exact way, field by field. Both ways, no place lies
// outside the row that was checked.
type index struct {
	cols  []indexColumn
	spans []span
	tail  int // bytes of the fixed-width fields behind the last span

	minRow int // bytes of a row and its message's header if the values of varying width are empty
	slack  int // bytes behind the end of the data that walks and kernels may read

	dense  bool     // how the rows were walked
	absent int      // bytes that NULLs of fixed width do not take here, and do in Arrow
	pos    []uint32 // the places of slot s are pos[s*stride:][:rows]
	slots  int      // places of a row
	stride int      // rows there is room for
	rows   int
}

// indexColumn is one column of an index. A field lies delta bytes behind the
// place number slot of its row.
type indexColumn struct {
	want  int // length of the value, or noWidth
	width int // the same, or 0
	nulls int
	bytes int // of all values together, if the width is not fixed

	denseSlot, denseDelta int
}

// newIndex returns an index for rows of the given types.
func newIndex(types []pgType) *index {
	x := &index{cols: make([]indexColumn, len(types)), minRow: rowHeader}
	at := 0 // from the last place
	for i, t := range types {
		c := &x.cols[i]
		c.denseSlot, c.denseDelta = len(x.spans), at
		x.minRow += 4
		if t.width >= 0 {
			c.want, c.width = int(t.width), int(t.width)
			x.minRow += int(t.width)
			at += 4 + int(t.width)
			continue
		}
		c.want = noWidth
		x.spans = append(x.spans, span{skip: at + 4, col: i})
		at = 0
	}
	x.tail = at
	// A walk may be led too far by the least row, and by a short text in each span.
	x.slack = x.minRow + shortText*len(x.spans) + kernelSlack
	x.reset(true)
	return x
}

// reset empties the index and chooses how to walk.
func (x *index) reset(dense bool) {
	x.rows, x.dense, x.absent = 0, dense, 0
	x.slots = max(1, len(x.cols))
	if dense {
		x.slots = len(x.spans) + 1
	}
	x.stride = len(x.pos) / x.slots
	for i := range x.spans {
		s := &x.spans[i]
		s.count, s.long = spanCount{}, false
	}
	for i := range x.cols {
		x.cols[i].bytes, x.cols[i].nulls = 0, 0
	}
}

// settle ends a walk. It makes the counts of a dense one those of the columns.
// And it gives the last row's places to the rows behind it, at which kernels look
// that take several at a time.
func (x *index) settle() {
	if x.dense {
		for i := range x.spans {
			s := &x.spans[i]
			x.cols[s.col].bytes, x.cols[s.col].nulls = s.count.bytes, s.count.nulls
		}
	}
	if x.rows == 0 {
		return
	}
	for s := range x.slots {
		last := x.pos[s*x.stride+x.rows-1:][:kernelRows]
		for i := range last {
			last[i] = last[0]
		}
	}
}

// fixedNulls reports whether a field of fixed width was NULL in an exact walk.
func (x *index) fixedNulls() bool {
	for i := range x.cols {
		if x.cols[i].want != noWidth && x.cols[i].nulls > 0 {
			return true
		}
	}
	return false
}

// places returns where the fields of column c lie, from row lo on: the field of
// row lo+i is at base + pos[i] + delta, pos counting in uint32.
func (x *index) places(c, lo int) (pos unsafe.Pointer, delta int) {
	slot := c
	if x.dense {
		slot, delta = x.cols[c].denseSlot, x.cols[c].denseDelta
	}
	return unsafe.Pointer(&x.pos[slot*x.stride+lo]), delta
}

// ends returns where the values of column c, whose width varies, end from row lo
// on, as places returns where they begin, and a number that no length passes. After
// an exact walk it is not known: then there is no such number.
func (x *index) ends(c, lo int) (ends unsafe.Pointer, longest int) {
	if !x.dense {
		return nil, math.MaxInt
	}
	s := x.cols[c].denseSlot
	return unsafe.Pointer(&x.pos[(s+1)*x.stride+lo]), x.spans[s].count.longest
}

// room makes room for n more rows, and for those that kernels look at behind the
// last.
func (x *index) room(n int) {
	need := x.rows + n + kernelRows
	if need <= x.stride {
		return
	}
	pos, stride := x.pos, x.stride
	x.stride = max(need, 2*stride)
	x.pos = make([]uint32, x.slots*x.stride)
	for s := range x.slots {
		copy(x.pos[s*x.stride:], pos[s*stride:][:x.rows])
	}
}

// bounds say how far a walk may go.
type bounds struct {
	limit int // end of the bytes that are there
	rows  int // rows of a batch
	// A row is the first of the next batch if it ends behind cut, which moves on
	// by gain for every row taken: a row takes less room in Arrow than here.
	cut, gain int
}

// walkExact indexes rows from p on, one message each, field by field, and returns
// where it stopped and whether the batch is full. If it is not, the bytes there are
// no complete row.
func (x *index) walkExact(buf []byte, p int, b *bounds) (next int, full bool) {
	x.room(min(b.rows-x.rows, (b.limit-p)/(rowHeader+4*len(x.cols))+1))
	for x.rows < b.rows {
		if p+rowHeader > b.limit {
			return p, false
		}
		end := p + 1 + int(be32(buf[p+1:]))
		if end > b.limit || end < p+rowHeader || buf[p] != msgCopyData || columnsAt(buf, p+headerSize) != len(x.cols) {
			return p, false
		}
		if x.rows > 0 && end+x.absent > b.cut {
			return p, true
		}
		if !x.row(buf, p+rowHeader, end) {
			return p, false
		}
		p = end
		b.cut += b.gain
	}
	return p, true
}

// columnsAt returns the number of columns a row says it has.
func columnsAt(buf []byte, p int) int { return int(buf[p])<<8 | int(buf[p+1]) }

// row indexes the row whose fields lie in buf[q:end] and reports whether they
// fill it exactly and have the lengths they must have. If not, the index is as
// before. Behind end at least minRow bytes must be readable: that many the
// fields of fixed width may lead too far before it is noticed.
func (x *index) row(buf []byte, q, end int) bool {
	base := unsafe.Pointer(unsafe.SliceData(buf))
	pos, at := unsafe.Pointer(&x.pos[x.rows]), 0
	for i := range x.cols {
		c := &x.cols[i]
		*(*uint32)(unsafe.Add(pos, at)) = uint32(q)
		at += 4 * x.stride
		n := int(int32(bits.ReverseBytes32(*(*uint32)(unsafe.Add(base, q)))))
		q += 4
		if n == c.want {
			q += n
			continue
		}
		if n == -1 {
			c.nulls++
			x.absent += c.width
			continue
		}
		if c.want != noWidth || n < 0 || q+n > end {
			x.undo(base, i)
			return false
		}
		c.bytes += n
		q += n
	}
	if q != end {
		x.undo(base, len(x.cols))
		return false
	}
	x.rows++
	return true
}

// undo takes the first n fields of the row being indexed out of the counts.
func (x *index) undo(base unsafe.Pointer, n int) {
	for i := range n {
		c := &x.cols[i]
		q := x.pos[i*x.stride+x.rows]
		length := int32(bits.ReverseBytes32(*(*uint32)(unsafe.Add(base, q))))
		switch {
		case length == -1:
			c.nulls--
			x.absent -= c.width
		case c.want == noWidth:
			c.bytes -= int(length)
		}
	}
}

// measure counts column c in rows lo to hi.
func (x *index) measure(buf []byte, c, lo, hi int) (nulls, bytes int) {
	pos, delta := x.places(c, lo)
	base := unsafe.Add(unsafe.Pointer(unsafe.SliceData(buf)), delta)
	for i := range hi - lo {
		n := int32(bits.ReverseBytes32(*(*uint32)(fieldAt(base, pos, i))))
		if n < 0 {
			nulls++
		} else {
			bytes += int(n)
		}
	}
	return nulls, bytes
}
