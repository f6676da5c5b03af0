package arrowipc

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Plan says how large one column of a batch gets.
type Plan struct {
	Nulls   int // rows that are null
	DataLen int // Utf8 and Binary only: bytes of all values together
}

// Column gives the parts of one column of a batch, as views of the message.
//
// The value under a null has no meaning, but must be there: a fixed width, or an
// offset equal to the one before.
type Column struct {
	Nulls    int
	Validity []byte  // bitmap, least significant bit first, 1 = not null; nil when Nulls is 0
	Offsets  []int32 // Utf8 and Binary only: rows+1 offsets into Data
	Data     []byte  // values, little endian; the bitmap of a Bool; or the bytes of Utf8 and Binary
}

const (
	// align is where the buffers of a batch begin; Arrow demands it.
	align = 8
	// bodyAlign is where the body begins in memory and in the message, so that
	// whoever keeps the message aligned has the first column aligned to a cache
	// line.
	bodyAlign = 64
	// slack is how many bytes behind the data of a column of fixed width belong to
	// nobody, so that a kernel may write a few values more. textSlack is the same for
	// the others: texts may be copied without looking how long they are.
	slack     = 16
	textSlack = 128
)

// Writer lays out batches of one schema, in one buffer that it uses again and
// again. It is not safe for concurrent use.
type Writer struct {
	schema   *Schema
	maxBytes int

	// header is the message up to its body: of constant shape, so a batch only
	// fills in numbers. at holds their places.
	header []byte
	at     batchPlaces

	buf     []byte // begins at a multiple of bodyAlign
	columns []Column
	size    int // of the message laid out last
}

// batchPlaces are the places of a batch's numbers in its message.
type batchPlaces struct {
	bodyLength, rows, nodes, buffers int
}

// NewWriter returns a writer for batches of s. maxBytes is the largest message
// Begin accepts; zero or less sets no limit.
func NewWriter(s *Schema, maxBytes int) *Writer {
	if maxBytes <= 0 {
		maxBytes = math.MaxInt
	}
	w := &Writer{schema: s, maxBytes: maxBytes, columns: make([]Column, len(s.Fields))}

	var b builder
	header, bodyLength := b.message(headerRecordBatch)
	places := b.table(header, 8, 4, 4)
	w.at.rows = prefixLen + places[batchLength]
	w.at.bodyLength = prefixLen + bodyLength
	w.at.nodes = prefixLen + b.vector(places[batchNodes], len(s.Fields), structSize)
	w.at.buffers = prefixLen + b.vector(places[batchBuffers], s.buffers(), structSize)
	for (prefixLen+len(b.b))%bodyAlign != 0 {
		b.b = append(b.b, 0)
	}
	w.header = b.appendTo(nil)
	return w
}

// Begin lays out a batch: afterwards every [Writer.Column] has parts of the
// right length to be filled in, in any order. Bitmaps and first offsets are zero;
// everything else must be written in full.
//
// At least 16 bytes behind each Data, 128 if it is of Utf8 or Binary, and the rest of
// the last 8 bytes behind each Validity, may be overwritten with anything;
// [Writer.Finish] tidies up.
//
// Begin returns an error that matches [ErrTooLarge] or [ErrNulls]. It panics if
// there is not one plan for each column, or if a number is impossible: both are
// mistakes of the caller.
func (w *Writer) Begin(rows int, plans []Plan) error {
	if len(plans) != len(w.columns) || rows < 0 || rows > abi.MaxRows {
		panic("arrowipc: Begin with a wrong number of plans or rows")
	}

	// Measure, before anything is written.
	size := int64(len(w.header))
	for i := range plans {
		n, err := w.measure(&w.schema.Fields[i], rows, plans[i])
		if err != nil {
			return err
		}
		size += n
	}
	if size > int64(w.maxBytes) {
		return &messageError{ErrTooLarge, strconv.FormatInt(size, 10) + " bytes, the limit is " + strconv.Itoa(w.maxBytes)}
	}
	w.grow(int(size))
	w.size = int(size)

	// Lay out.
	copy(w.buf, w.header)
	put64(w.buf[w.at.bodyLength:], uint64(w.size-len(w.header)))
	put64(w.buf[w.at.rows:], uint64(rows))
	pos, node, buffer := len(w.header), w.at.nodes, w.at.buffers
	for i := range plans {
		f, plan, c := &w.schema.Fields[i], plans[i], &w.columns[i]
		*c = Column{Nulls: plan.Nulls}
		putPair(w.buf[node:], rows, plan.Nulls)
		node += structSize

		validity := 0
		if plan.Nulls > 0 {
			validity = bitmapLen(rows)
			c.Validity = w.buf[pos : pos+validity : pos+padded(validity)]
			clear(c.Validity)
		}
		putPair(w.buf[buffer:], pos-len(w.header), validity)
		pos += padded(validity)
		buffer += structSize

		dataLen, behind := plan.DataLen, textSlack
		if f.varWidth() {
			n := 4 * (rows + 1)
			c.Offsets = offsetsView(w.buf[pos:], rows+1)
			c.Offsets[0] = 0
			clear(w.buf[pos+n : pos+padded(n)])
			putPair(w.buf[buffer:], pos-len(w.header), n)
			pos += padded(n)
			buffer += structSize
		} else {
			dataLen, behind = int(f.dataLen(rows)), slack
		}

		c.Data = w.buf[pos : pos+dataLen : pos+padded(dataLen+behind)]
		if f.Type == Bool {
			clear(c.Data)
		}
		putPair(w.buf[buffer:], pos-len(w.header), dataLen)
		pos += padded(dataLen + behind)
		buffer += structSize
	}
	return nil
}

// measure returns the bytes a column takes in the body.
func (w *Writer) measure(f *Field, rows int, plan Plan) (int64, error) {
	if plan.Nulls < 0 || plan.Nulls > rows || plan.DataLen < 0 {
		panic("arrowipc: Begin with an impossible plan for column " + strconv.Quote(f.Name))
	}
	size := int64(0)
	if plan.Nulls > 0 {
		if !f.Nullable {
			return 0, &messageError{ErrNulls, "column " + strconv.Quote(f.Name)}
		}
		size += int64(padded(bitmapLen(rows)))
	}
	if !f.varWidth() {
		return size + (f.dataLen(rows)+slack+align-1)&^(align-1), nil
	}
	if int64(plan.DataLen) > math.MaxInt32-textSlack-align {
		return 0, &messageError{ErrTooLarge, "column " + strconv.Quote(f.Name) + ": " + strconv.Itoa(plan.DataLen) + " bytes of text in one batch"}
	}
	return size + int64(padded(4*(rows+1))+padded(plan.DataLen+textSlack)), nil
}

// Column returns the parts of column i to fill in place. They are valid until
// the next Begin.
func (w *Writer) Column(i int) *Column { return &w.columns[i] }

// Finish returns the message that Begin laid out. It is valid until the next
// Begin.
func (w *Writer) Finish() []byte {
	// Kernels may have left anything behind the data. It must not travel: equal
	// rows shall be equal bytes.
	for i := range w.columns {
		c := &w.columns[i]
		clear(c.Data[len(c.Data):cap(c.Data)])
		clear(c.Validity[len(c.Validity):cap(c.Validity)])
	}
	return w.buf[:w.size]
}

// grow makes room for a message of n bytes. Nothing is kept.
func (w *Writer) grow(n int) {
	if n <= len(w.buf) {
		return
	}

	// Batches of a stream differ in size; a quarter more than asked for makes the
	// second and third fit, too.
	n = min(n+n/4, max(n, w.maxBytes))
	b := make([]byte, n+bodyAlign)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (bodyAlign - 1))
	w.buf = b[skip : skip+n : skip+n]
}

func padded(n int) int { return (n + align - 1) &^ (align - 1) }

// putPair writes a node (length, nulls) or a buffer (offset, length).
func putPair(b []byte, x, y int) {
	put64(b, uint64(x))
	put64(b[8:], uint64(y))
}

// offsetsView returns the first n offsets in b, which is aligned. It needs a
// little-endian machine, as wasm is and every machine this project runs on.
func offsetsView(b []byte, n int) []int32 {
	_ = b[:4*n]
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(b))), n)
}
