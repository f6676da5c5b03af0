package arrowipc

import (
	"math/bits"
	"strconv"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Reader reads batches of one schema in place. It is not safe for concurrent
// use.
type Reader struct {
	schema  *Schema
	columns []Column
}

// NewReader returns a reader for batches of s.
func NewReader(s *Schema) *Reader {
	return &Reader{schema: s, columns: make([]Column, len(s.Fields))}
}

// Parse checks a batch message and returns its rows. Nothing in msg is trusted:
// after Parse every part of every column has the length its rows need and lies in
// msg, offsets ascend and stay in Data, and the nulls are as many as Validity
// says. Whether Utf8 is UTF-8 is not looked at.
//
// msg must begin at an address that is a multiple of 8, as what [sdk.Host.Next]
// and [Writer.Finish] return does. The columns are views of msg.
//
// Errors match [ErrCorrupt], [ErrUnsupported] or [ErrNulls]; the columns are
// empty then.
func (r *Reader) Parse(msg []byte) (rows int, err error) {
	rows, err = r.parse(msg)
	if err != nil {
		clear(r.columns)
	}
	return rows, err
}

// Column returns column i of the batch parsed last. It is valid as long as the
// message is, and until the next Parse.
func (r *Reader) Column(i int) *Column { return &r.columns[i] }

func (r *Reader) parse(msg []byte) (rows int, err error) {
	if uintptr(unsafe.Pointer(unsafe.SliceData(msg)))%align != 0 {
		return 0, corrupt("message does not begin at a multiple of 8 bytes in memory")
	}
	header, f, kind, _, err := openMessage(msg)
	switch {
	case err != nil:
		return 0, err
	case kind != KindBatch:
		return 0, corrupt("expected a batch, found " + kind.String())
	}

	// The shape must be the schema's.
	length := f.int64(header, batchLength)
	node, nodes := f.vector(header, batchNodes, structSize)
	buffer, buffers := f.vector(header, batchBuffers, structSize)
	_, variadic := f.vector(header, batchVariadicCounts, 8)
	_, compressed := f.child(header, batchCompression)
	switch {
	case f.bad:
		return 0, corrupt("batch metadata")
	case compressed:
		return 0, unsupported("compressed bodies")
	case length < 0 || length > abi.MaxRows:
		return 0, corrupt("batch of " + strconv.FormatInt(length, 10) + " rows")
	case nodes != len(r.columns) || buffers != r.schema.buffers() || variadic != 0:
		return 0, corrupt("batch of " + strconv.Itoa(nodes) + " columns in " + strconv.Itoa(buffers) +
			" buffers, the schema has " + strconv.Itoa(len(r.columns)) + " in " + strconv.Itoa(r.schema.buffers()))
	}

	b := batch{meta: f.b, body: msg[prefixLen+len(f.b):], rows: int(length), node: node, buffer: buffer}
	for i := range r.columns {
		r.columns[i] = Column{}
		if err := b.column(&r.columns[i], &r.schema.Fields[i]); err != nil {
			return 0, err
		}
	}
	return b.rows, nil
}

// batch walks through the nodes and buffers of a batch.
type batch struct {
	meta, body   []byte
	rows         int
	node, buffer int // places in meta of the next ones; all are within it
}

func (b *batch) column(c *Column, f *Field) error {
	length, nulls := pair(b.meta[b.node:])
	b.node += structSize
	if length != int64(b.rows) || nulls < 0 || nulls > length {
		return columnError(f, "length or null count does not match the batch")
	}
	c.Nulls = int(nulls)
	if c.Nulls > 0 && !f.Nullable {
		return &messageError{ErrNulls, "column " + strconv.Quote(f.Name)}
	}

	// A bitmap is there if there are nulls. If there are none it may be, and then
	// must agree.
	validity, ok := b.next()
	switch n := bitmapLen(b.rows); {
	case !ok || len(validity) < n && (c.Nulls > 0 || len(validity) > 0):
		return columnError(f, "validity bitmap")
	case len(validity) > 0:
		validity = validity[:n:n]
		if b.rows-ones(validity, b.rows) != c.Nulls {
			return columnError(f, "null count does not match the validity bitmap")
		}
		if c.Nulls > 0 {
			c.Validity = validity
		}
	}

	if !f.varWidth() {
		data, ok := b.next()
		n := f.dataLen(b.rows)
		if !ok || int64(len(data)) < n {
			return columnError(f, "values")
		}
		c.Data = data[:n:n]
		return nil
	}

	offsets, ok := b.next()
	data, ok2 := b.next()
	if !ok || !ok2 {
		return columnError(f, "offsets or bytes")
	}
	switch n := b.rows + 1; {
	case b.rows == 0 && len(offsets) == 0: // older writers leave the one offset out
		c.Offsets = noRows[:]
	case len(offsets) < 4*n:
		return columnError(f, "offsets")
	default:
		c.Offsets = offsetsView(offsets, n)
	}
	last := c.Offsets[b.rows]
	if !ascending(c.Offsets) || int(last) > len(data) {
		return columnError(f, "offsets out of order or out of range")
	}
	c.Data = data[:last:last]
	return nil
}

// noRows is what a column without rows has for offsets. It is never written.
var noRows [1]int32

func columnError(f *Field, text string) error {
	return corrupt("column " + strconv.Quote(f.Name) + ": " + text)
}

// next returns the bytes of the next buffer, aligned to 8, and whether they are
// in the body.
func (b *batch) next() ([]byte, bool) {
	offset, length := pair(b.meta[b.buffer:])
	b.buffer += structSize
	size := int64(len(b.body))
	if offset < 0 || length < 0 || offset > size || length > size-offset || offset%align != 0 {
		return nil, false
	}
	return b.body[offset : offset+length : offset+length], true
}

func pair(b []byte) (x, y int64) {
	return int64(get64(b)), int64(get64(b[8:]))
}

// ones counts the bits that are set among the first n of bitmap.
func ones(bitmap []byte, n int) (count int) {
	for ; n >= 64; n -= 64 {
		count += bits.OnesCount64(get64(bitmap))
		bitmap = bitmap[8:]
	}
	for ; n >= 8; n -= 8 {
		count += bits.OnesCount8(bitmap[0])
		bitmap = bitmap[1:]
	}
	if n > 0 {
		count += bits.OnesCount8(bitmap[0] << (8 - n))
	}
	return count
}

// ascending reports whether no offset is negative or less than the one before.
func ascending(offsets []int32) bool {
	// All tests are one: the sign bits of the offsets and of the differences.
	// Differences of numbers that are not negative do not overflow. Two offsets are
	// one word: if the lower difference borrows from the upper one, its own sign
	// says enough. Straight lines matter here: a taken branch costs a guest more
	// than these loads.
	const signBits = 1<<63 | 1<<31
	last := uint64(uint32(offsets[0]))
	signs := last
	rest := offsets[1:]
	for len(rest) >= 8 {
		o := (*[4]uint64)(unsafe.Pointer(unsafe.SliceData(rest)))
		a, b, c, d := o[0], o[1], o[2], o[3]
		signs |= a | (a - (a<<32 | last)) |
			b | (b - (b<<32 | a>>32)) |
			c | (c - (c<<32 | b>>32)) |
			d | (d - (d<<32 | c>>32))
		last = d >> 32
		rest = rest[8:]
	}
	for _, o := range rest {
		next := uint64(uint32(o))
		signs |= next | (next-last)&(1<<32-1)
		last = next
	}
	return signs&signBits == 0
}
