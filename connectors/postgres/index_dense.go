package postgres

import (
	"math/bits"
	"unsafe"
)

// The dense walk goes over the rows a block at a time, and over a block several
// times: for the heads of the rows, for the length of one field without fixed
// width after the other, and for their ends. Each of these loops is short, takes
// four rows at a time and has no branch inside, and none but the first waits for
// the row before. In a sandbox that costs a third of one loop over everything,
// where every jump moves all that is in registers.

const (
	walkRows  = 512 // rows of a block: what they lie in stays in a cache
	shortRow  = 511 // a message's length, at most, that shortHeads takes
	shortText = 127 // a field's length, at most, that shortSpan takes
)

// span is a field without fixed width and the fields of fixed width before it.
type span struct {
	skip  int // from the last place to behind the length of this field
	col   int
	long  bool // a field of the batch was NULL or longer than shortText
	count spanCount
	block spanCount // of the block being walked
}

// spanCount is what is known of the fields of a span.
type spanCount struct {
	nulls, bytes int
	longest      int // no field is longer
}

// The bits of a message's first eight bytes that say that it is a row of x, and
// those that say in addition that it has shortRow bytes at most.
const (
	headMask  = 0x00ffff00000000ff
	shortMask = headMask | 0x00000000feffff00
)

// walkDense indexes rows from p on, one message each, and returns where it
// stopped and whether the batch is full. If it is not, the bytes there are no
// complete row as a dense walk expects it, whatever else they are, or one of the
// rows behind them is none. Behind b.limit at least x.slack bytes must be readable.
func (x *index) walkDense(buf []byte, p int, b *bounds) (next int, full bool) {
	base := unsafe.Pointer(unsafe.SliceData(buf))
	for x.rows < b.rows {
		n := min(b.rows-x.rows, walkRows, (b.limit-p)/(rowHeader+4*len(x.cols))+1)
		x.room(n)
		cut := b.cut
		rows, next, full := x.heads(base, p, n, b)
		if !x.fields(base, rows, next) {
			b.cut = cut
			return p, false
		}
		x.rows += rows
		p = next
		if rows < n {
			return p, full
		}
	}
	return p, true
}

// heads notes where the fields of up to n rows begin, of which the first is at p.
// It returns how many rows these are, where they end, and whether that is because
// the batch is full. It has looked at nothing but their heads.
func (x *index) heads(base unsafe.Pointer, p, n int, b *bounds) (rows, next int, full bool) {
	out := unsafe.Pointer(&x.pos[x.rows])
	want := uint64(msgCopyData) | uint64(bits.ReverseBytes16(uint16(len(x.cols))))<<40
	// Where a row ends too late moves with every row, usually on.
	rows, p = shortHeads(out, base, p, n, want, min(b.limit, b.cut, b.cut+n*b.gain))
	b.cut += rows * b.gain

	for ; rows < n; rows++ {
		head := *(*uint64)(unsafe.Add(base, p))
		end := p + 1 + int(bits.ReverseBytes32(uint32(head>>8)))
		if head&headMask != want || end > b.limit {
			break
		}
		if end > b.cut && x.rows+rows > 0 {
			full = true
			break
		}
		*(*uint32)(unsafe.Add(out, 4*rows)) = uint32(p + rowHeader)
		p = end
		b.cut += b.gain
	}
	*(*uint32)(unsafe.Add(out, 4*rows)) = uint32(p + rowHeader) // says where the last row ends
	return rows, p, full
}

// shortHeads is heads for rows of shortRow bytes at most that end at stop or
// before. It may leave up to three of them, and those near stop: it knows that
// the next heads are readable only because lengths are bounded.
//
//go:noinline
func shortHeads(out, base unsafe.Pointer, p, n int, want uint64, stop int) (rows, next int) {
	at := unsafe.Add(base, p)
	from := uintptr(base) - rowHeader
	last := int(uintptr(base)) + stop - 4*(1+shortRow)
	for (n-4-rows)|(last-int(uintptr(at))) >= 0 {
		a := *(*uint64)(at)
		second := unsafe.Add(at, 1+shortLength(a))
		b := *(*uint64)(second)
		third := unsafe.Add(second, 1+shortLength(b))
		c := *(*uint64)(third)
		fourth := unsafe.Add(third, 1+shortLength(c))
		d := *(*uint64)(fourth)
		if differ(want, a, b, c, d)&shortMask != 0 {
			break
		}
		to := unsafe.Add(out, 4*rows)
		*(*uint32)(to) = uint32(uintptr(at) - from)
		*(*uint32)(unsafe.Add(to, 4)) = uint32(uintptr(second) - from)
		*(*uint32)(unsafe.Add(to, 8)) = uint32(uintptr(third) - from)
		*(*uint32)(unsafe.Add(to, 12)) = uint32(uintptr(fourth) - from)
		at = unsafe.Add(fourth, 1+shortLength(d))
		rows += 4
	}
	return rows, int(uintptr(at) - uintptr(base))
}

// shortLength returns the length in a message's first eight bytes, of which it
// looks at the last nine bits.
func shortLength(head uint64) int { return int(head>>16&0x100 | head>>32&0xff) }

// fields notes where the fields without fixed width end in n rows behind the last,
// whose heads are noted and which end at end. It reports whether the fields fill
// their rows exactly. If not, the counts are as before.
func (x *index) fields(base unsafe.Pointer, n, end int) bool {
	first := unsafe.Pointer(&x.pos[x.rows])
	at := first
	for i := range x.spans {
		s := &x.spans[i]
		to := unsafe.Add(at, 4*x.stride)
		lengths := unsafe.Add(base, s.skip-4)
		if !s.long {
			var all uint64
			s.block.bytes, all = shortSpan(to, at, lengths, s.skip, n)
			s.block.nulls, s.block.longest = 0, int(all>>24)
			s.long = all&^(shortText<<24) != 0
		}
		if s.long {
			s.block = longSpan(to, at, lengths, s.skip, n, end+1)
		}
		at = to
	}
	if misfits(at, unsafe.Add(first, 4), x.tail+rowHeader, n) {
		return false
	}
	for i := range x.spans {
		s := &x.spans[i]
		s.count.nulls += s.block.nulls
		s.count.bytes += s.block.bytes
		s.count.longest |= s.block.longest
	}
	return true
}

// shortSpan notes at to where fields of shortText bytes at most end in n rows, the
// lengths of which lie at lengths + from[i]. It returns the sum of the lengths and,
// OR-ed together, the lengths as they are: if one is not short, that shows it, and
// what is noted is wrong.
//
//go:noinline
func shortSpan(to, from, lengths unsafe.Pointer, skip, n int) (bytes int, all uint64) {
	i := 0
	for ; i+4 <= n; i += 4 {
		p, q := unsafe.Add(from, 4*i), unsafe.Add(to, 4*i)
		a := shortField(q, p, lengths, skip)
		b := shortField(unsafe.Add(q, 4), unsafe.Add(p, 4), lengths, skip)
		c := shortField(unsafe.Add(q, 8), unsafe.Add(p, 8), lengths, skip)
		d := shortField(unsafe.Add(q, 12), unsafe.Add(p, 12), lengths, skip)
		all |= a | b | c | d
		bytes += int(a>>24 + b>>24 + c>>24 + d>>24)
	}
	for ; i < n; i++ {
		a := shortField(unsafe.Add(to, 4*i), unsafe.Add(from, 4*i), lengths, skip)
		all |= a
		bytes += int(a >> 24)
	}
	return bytes, all
}

// shortField is shortSpan for one row. A short length needs no swap: it is the last
// of its four bytes.
func shortField(to, from, lengths unsafe.Pointer, skip int) (length uint64) {
	p := *(*uint32)(from)
	length = uint64(*(*uint32)(unsafe.Add(lengths, p)))
	*(*uint32)(to) = uint32(uint64(p) + uint64(skip) + length>>24)
	return length
}

// longSpan is shortSpan for fields of any length and NULLs, which have none. What
// would lie behind limit is noted there; that is no row's end.
//
//go:noinline
func longSpan(to, from, lengths unsafe.Pointer, skip, n, limit int) (c spanCount) {
	for i := range n {
		p := *(*uint32)(unsafe.Add(from, 4*i))
		length := swap4(uint64(*(*uint32)(unsafe.Add(lengths, p))))
		null := (length + 1) >> 32 // 1 if the length is -1
		length &= null - 1
		c.nulls += int(null)
		c.bytes += int(length)
		c.longest |= int(length)
		*(*uint32)(unsafe.Add(to, 4*i)) = uint32(min(uint64(p)+uint64(skip)+length, uint64(limit)))
	}
	return c
}

// misfits reports whether one of n rows does not begin gap bytes behind the last
// place of the row before.
//
//go:noinline
func misfits(ends, nexts unsafe.Pointer, gap, n int) bool {
	diff := uint64(0)
	i := 0
	for ; i+4 <= n; i += 4 {
		p, q := unsafe.Add(ends, 4*i), unsafe.Add(nexts, 4*i)
		diff |= misfit(p, q, gap) | misfit(unsafe.Add(p, 4), unsafe.Add(q, 4), gap) |
			misfit(unsafe.Add(p, 8), unsafe.Add(q, 8), gap) | misfit(unsafe.Add(p, 12), unsafe.Add(q, 12), gap)
	}
	for ; i < n; i++ {
		diff |= misfit(unsafe.Add(ends, 4*i), unsafe.Add(nexts, 4*i), gap)
	}
	return diff != 0
}

// misfit is misfits for one row: what it returns is 0 if it fits.
func misfit(end, next unsafe.Pointer, gap int) uint64 {
	return (uint64(*(*uint32)(end)) + uint64(gap)) ^ uint64(*(*uint32)(next))
}

// swap4 reverses the four bytes of v, which has no more. In wasm two products are
// cheaper than shifts: they move two bytes each to where they belong in the upper
// half, and what they leave in the lower is shifted out.
func swap4(v uint64) uint64 {
	return (v&0x00ff00ff*(1<<56|1<<24) + v&0xff00ff00*(1<<40|1<<8)) >> 32
}
