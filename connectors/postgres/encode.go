package postgres

import (
	"strconv"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// An encoder turns rows of Arrow batches into the rows of COPY's binary format
// or into the parameters of Bind. Both write a value the same way:
//
//	+--------------------+-----------------+
//	| length, big endian | value, length   |   length -1 and no value: NULL
//	| 4 bytes            | bytes           |
//	+--------------------+-----------------+
//
// and a row as its values in order, in COPY after a count of them.
//
// It works by column, not by row. The first pass computes where each row
// starts, from the widths of the columns alone. Then one loop for each column
// writes that column's value of every row. cursors holds each row's place; a
// column whose values are all of one width leaves them as they are and moves
// delta, what the next column adds to them, instead.
//
// No loop writes a byte outside its own value, so their order does not matter
// for the rows that follow, and none reads outside its column.
type encoder struct {
	fields []encodeField
	prefix uint32 // bytes before a row's first value: 2 for COPY, 0 for Bind
	fixed  int    // bytes of a row without nulls, but for what offsets say

	cursors []uint32
	nulls   bool // the batch that is loaded has any

	yield func() error // called after a millisecond of work at most; nil: not called
}

// encodeField is one column: how it is encoded and, from load to load, where
// its values lie.
type encodeField struct {
	name string
	kind kind
	// width is the bytes of a value that is not null, without those that the
	// offsets say: 0 for text, 1 for jsonb with its version byte.
	width    uint32
	variable bool // a value's bytes lie between two offsets

	validity unsafe.Pointer // bitmap; nil: no nulls
	values   unsafe.Pointer // of a fixed width, or the bytes behind offsets
	offsets  []int32        // variable: rows + 1

	fixedBinary bool    // a FixedSizeBinary that is encoded as bytea
	stride      int32   // its bytes
	strides     []int32 // offsets made up for it

	numeric numericColumn // what text was converted to
}

const (
	// encodeRows bounds the rows of one call of encode, so that the cursors, which
	// every loop walks, stay in the first-level cache.
	encodeRows = 4096
	// loadRows bounds the numbers that are converted between two yields.
	loadRows   = 8192
	copyPrefix = 2
	bindPrefix = 0
)

// newEncoder returns an encoder for columns of the given fields and types.
func newEncoder(s *arrowipc.Schema, types []pgType, prefix uint32, yield func() error) *encoder {
	e := &encoder{prefix: prefix, fixed: int(prefix), cursors: make([]uint32, encodeRows), yield: yield}
	for i := range s.Fields {
		f := encodeField{name: s.Fields[i].Name, kind: types[i].kind}
		switch f.kind {
		case kindBytes, kindNumeric:
			f.variable = true
			f.fixedBinary, f.stride = s.Fields[i].Type == arrowipc.FixedSizeBinary, s.Fields[i].Width
		case kindJSONB:
			f.variable, f.width = true, 1
		default:
			f.width = uint32(types[i].width)
		}
		e.fixed += 4 + int(f.width)
		e.fields = append(e.fields, f)
	}
	return e
}

// load points the encoder to the batch that r parsed last. The batch must stay
// as it is until its last row is encoded. The error names the column and the
// row, counted from first, of a value that Postgres cannot hold.
func (e *encoder) load(r *arrowipc.Reader, rows int, first int64) error {
	e.nulls = false
	for i := range e.fields {
		f, c := &e.fields[i], r.Column(i)

		f.validity = nil
		if c.Nulls > 0 {
			f.validity = unsafe.Pointer(unsafe.SliceData(c.Validity))
			e.nulls = true
		}
		f.values = unsafe.Pointer(unsafe.SliceData(c.Data))
		f.offsets = c.Offsets

		switch {
		case f.kind == kindNumeric:
			if err := e.loadNumeric(f, c, rows, first); err != nil {
				return err
			}
			f.values = unsafe.Pointer(unsafe.SliceData(f.numeric.binary))
			f.offsets = f.numeric.offsets[:rows+1]
		case f.fixedBinary:
			for n := len(f.strides); n <= rows; n++ {
				f.strides = append(f.strides, int32(n)*f.stride) // once for the longest batch
			}
			f.offsets = f.strides[:rows+1]
		}
	}
	return nil
}

// loadNumeric converts a column of numbers.
func (e *encoder) loadNumeric(f *encodeField, c *arrowipc.Column, rows int, first int64) error {
	f.numeric.reserve(c, rows)
	for lo := 0; lo < rows; lo += loadRows {
		if bad := f.numeric.convert(c, lo, min(lo+loadRows, rows)); bad >= 0 {
			return f.badValue("is no number as Postgres writes one", first+int64(bad))
		}
		if e.yield != nil {
			if err := e.yield(); err != nil {
				return err
			}
		}
	}
	return nil
}

// bound returns the bytes that rows lo to hi of the batch take at most, and
// exactly if no value is null.
func (e *encoder) bound(lo, hi int) int {
	n := (hi - lo) * e.fixed
	for i := range e.fields {
		if f := &e.fields[i]; f.variable {
			n += int(f.offsets[hi] - f.offsets[lo])
		}
	}
	return n
}

// fit returns the largest hi up to rows for which rows lo to hi take at most
// limit bytes and may be encoded at once, but at least lo+1.
func (e *encoder) fit(lo, rows, limit int) int {
	good, bad := lo+1, min(rows, lo+encodeRows)+1
	for good+1 < bad {
		middle := int(uint(good+bad) / 2)
		if e.bound(lo, middle) <= limit {
			good = middle
		} else {
			bad = middle
		}
	}
	return good
}

// encode writes rows lo to hi, at most encodeRows, to dst, which has room for
// their bound, and returns the bytes written. The error names the column and
// the row, counted from first, of a value that Postgres cannot hold.
func (e *encoder) encode(dst []byte, lo, hi int, first int64) (int, error) {
	sdk.Unwind() // for the loops that follow, most of a destination's work
	cur := e.cursors[:hi-lo]
	size := e.place(cur, lo)
	if len(dst) < size {
		return 0, &abi.Error{Category: abi.CategoryInternal, Message: "postgres: encode: no room for the rows"}
	}
	base := unsafe.Pointer(unsafe.SliceData(dst))

	delta := e.prefix
	if e.prefix == copyPrefix {
		encodeCount(base, cur, uint16(len(e.fields)))
	}
	for i := range e.fields {
		f := &e.fields[i]
		ok := true
		switch {
		case f.variable && f.validity == nil && f.width == 0:
			encodeBytes(base, cur, delta, f.offsets[lo:], f.values)
			delta = 0
		case f.variable:
			encodeBytesNull(base, cur, delta, f.offsets[lo:], f.values, f.validity, lo, f.width)
			delta = 0
		case f.validity == nil:
			ok = f.encodeFixed(unsafe.Add(base, delta), cur, lo)
			delta += 4 + f.width
		default:
			ok = f.encodeFixedNull(base, cur, delta, lo)
			delta = 0
		}
		if !ok {
			return 0, f.outOfRange(lo, hi, first)
		}
	}

	// Where the last row ends is known twice; if the two differ, the bytes are
	// not what the rows say.
	if last := int(cur[len(cur)-1] + delta); last != size {
		return 0, &abi.Error{
			Category: abi.CategoryInternal,
			Message:  "postgres: encode: rows end at " + strconv.Itoa(last) + " and not at " + strconv.Itoa(size),
		}
	}
	return size, nil
}

// validBit returns bit i of a bitmap.
func validBit(bitmap unsafe.Pointer, i int) uint32 {
	return uint32(*(*uint8)(unsafe.Add(bitmap, i>>3))) >> (i & 7) & 1
}

// badValue is the error of a value that Postgres cannot hold.
func (f *encodeField) badValue(what string, row int64) *abi.Error {
	return &abi.Error{
		Category: abi.CategoryData,
		Message:  "postgres: the value of column " + quoteIdent(f.name) + " in row " + strconv.FormatInt(row+1, 10) + " " + what,
		Column:   f.name,
	}
}
