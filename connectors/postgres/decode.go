package postgres

import (
	"errors"
	"strconv"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const (
	// yieldRows is how many values are converted between two chances for the host
	// to run: a fraction of a millisecond's work.
	yieldRows = 8192
	// yieldBytes is how many bytes of a row are as much work as a value: of longer
	// rows, fewer are converted.
	yieldBytes = 128
)

// errGuess is the error of a batch walked the dense way whose fields do not lie
// where that assumed.
var errGuess = errors.New("postgres: a field of fixed width is null")

// decoder turns indexed rows into Arrow batches, one column at a time.
type decoder struct {
	columns []sourceColumn
	stream  string
	x       *index
	writer  *arrowipc.Writer
	plans   []arrowipc.Plan
	ends    []int        // of the values of each column so far, if their width varies
	size    int          // of the columns that plans describe
	yield   func() error // lets the host run
	since   int          // values since the last yield
}

// newDecoder returns a decoder of rows that x indexes. most is the size no batch
// may pass.
func newDecoder(h *sdk.Host, stream string, columns []sourceColumn, x *index, most int) *decoder {
	return &decoder{
		columns: columns,
		stream:  stream,
		x:       x,
		writer:  arrowipc.NewWriter(arrowSchema(columns), most),
		plans:   make([]arrowipc.Plan, len(columns)),
		ends:    make([]int, len(columns)),
		yield:   h.Yield,
	}
}

// arrowSchema returns the Arrow schema of columns.
func arrowSchema(columns []sourceColumn) *arrowipc.Schema {
	s := &arrowipc.Schema{Fields: make([]arrowipc.Field, len(columns))}
	for i, c := range columns {
		f := &s.Fields[i]
		f.Name, f.Type, f.Nullable = c.name, c.typ.arrow, !c.notNull
		f.Metadata = []arrowipc.KeyValue{{Key: pgTypeKey, Value: c.ddl}}
		if f.Type == arrowipc.FixedSizeBinary {
			f.Width = c.typ.width
		}
	}
	return s
}

// arrowRow is how many bytes a row takes in Arrow if the values of varying width
// are empty, never less than it really takes.
func arrowRow(columns []sourceColumn) int {
	bits := 0
	for _, c := range columns {
		switch {
		case c.typ.kind == kindBool:
			bits++
		case c.typ.width < 0:
			bits += 8 * 4 // an offset
		default:
			bits += 8 * int(c.typ.width)
		}
		if !c.notNull {
			bits++
		}
	}
	return (bits + 7) / 8
}

// plan measures rows lo to hi.
func (d *decoder) plan(buf []byte, lo, hi int) error {
	size := 0
	rows := hi - lo
	for i := range d.columns {
		c, p := &d.x.cols[i], &d.plans[i]
		p.Nulls, p.DataLen = c.nulls, c.bytes
		if rows != d.x.rows {
			p.Nulls, p.DataLen = d.x.measure(buf, i, lo, hi)
		}

		// The bytes counted are those of the binary format. Two types have others
		// in Arrow.
		switch typ := &d.columns[i].typ; {
		case typ.kind == kindJSONB || typ.kind == kindNumeric:
			pos, delta := d.x.places(i, lo)
			base := unsafe.Add(unsafe.Pointer(unsafe.SliceData(buf)), delta)
			if typ.kind == kindJSONB {
				p.DataLen = jsonbText(base, pos, rows)
			} else {
				p.DataLen = numericText(base, pos, rows)
			}
			if p.DataLen < 0 {
				if d.x.dense {
					return errGuess
				}
				return d.badValue(i)
			}
			size += p.DataLen + 4*(rows+1)
		case typ.kind == kindBool:
			size += (rows + 7) / 8
		case typ.width < 0:
			size += p.DataLen + 4*(rows+1)
		default:
			p.DataLen = 0
			size += rows * int(typ.width)
		}
		if p.Nulls > 0 {
			size += (rows + 7) / 8
		}
	}
	d.size = size
	return nil
}

// batch returns rows lo to hi as an Arrow message, valid until the next call. Its
// error is errGuess, matches arrowipc.ErrTooLarge, or is ready to be reported.
// Several rows are too large if their columns have more than want bytes, one
// only if its message passes the writer's limit.
func (d *decoder) batch(buf []byte, lo, hi, want int) ([]byte, error) {
	if err := d.plan(buf, lo, hi); err != nil {
		return nil, err
	}
	if d.size > want && hi-lo > 1 {
		return nil, arrowipc.ErrTooLarge
	}

	if err := d.writer.Begin(hi-lo, d.plans); err != nil {
		if errors.Is(err, arrowipc.ErrNulls) {
			return nil, d.unexpectedNull()
		}
		return nil, err
	}
	if err := d.rows(buf, lo, hi); err != nil {
		return nil, err
	}
	return d.writer.Finish(), nil
}

// rows converts rows lo to hi, one column after the other; of long rows, a part of
// them at a time, so that the host has its chances.
func (d *decoder) rows(buf []byte, lo, hi int) error {
	if lo == hi || len(d.columns) == 0 {
		return nil
	}

	// A row's bytes, here or in Arrow, whatever is more. Blocks are of a multiple
	// of eight rows, so that no two share a byte of a bitmap.
	row := max(int(d.x.pos[hi-1]-d.x.pos[lo]), d.size)/(hi-lo) + 1
	block := max(kernelRows, min(yieldRows, yieldRows*yieldBytes/row)&^(kernelRows-1))
	for from := lo; from < hi; from += block {
		n := min(block, hi-from)
		for i := range d.columns {
			if err := d.column(buf, i, lo, from, n); err != nil {
				return err
			}

			// A host call costs as much as a few values.
			d.since += n
			if d.since >= block {
				d.since = 0
				if err := d.yield(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// unexpectedNull is the error of a NULL where the catalog says there is none.
func (d *decoder) unexpectedNull() error {
	if d.x.dense {
		return errGuess // what looks like a NULL may be another field's bytes
	}
	for i, c := range d.columns {
		if c.notNull && d.plans[i].Nulls > 0 {
			return &abi.Error{
				Category: abi.CategoryData,
				Message:  "postgres: column " + quoteIdent(c.name) + " of stream " + strconv.Quote(d.stream) + " is NOT NULL and has NULLs all the same",
				Hint:     "mend the rows, or drop the constraint",
				Column:   c.name,
			}
		}
	}
	return arrowipc.ErrNulls
}

// column converts column i of n rows from row from on, in a batch that begins with
// row lo. The rows before are converted.
func (d *decoder) column(buf []byte, i, lo, from, n int) error {
	typ := &d.columns[i].typ
	out := d.writer.Column(i)
	pos, delta := d.x.places(i, from)
	base := unsafe.Add(unsafe.Pointer(unsafe.SliceData(buf)), delta)
	at := from - lo
	data := unsafe.Pointer(unsafe.SliceData(out.Data))
	var offsets unsafe.Pointer
	if typ.width < 0 {
		offsets = unsafe.Pointer(&out.Offsets[at])
	}
	end := d.ends[i]
	if at == 0 {
		end = 0
	}

	var lengths uint32 // not 0 if a length was not the type's
	var wrong bool     // a value was not one of the type's
	switch typ.kind {
	case kindBool:
		lengths = decodeBool(unsafe.Add(data, at/8), base, pos, n)
	case kindInt2:
		lengths = decodeInt2(unsafe.Add(data, at*2), base, pos, n)
	case kindInt4:
		lengths = decodeInt4(unsafe.Add(data, at*4), base, pos, n)
	case kindInt8:
		lengths = decodeInt8(unsafe.Add(data, at*8), base, pos, n)
	case kindDate:
		lengths, wrong = decodeDate(unsafe.Add(data, at*4), base, pos, n)
	case kindTimestamp:
		lengths, wrong = decodeTimestamp(unsafe.Add(data, at*8), base, pos, n)
	case kindUUID:
		lengths = decodeUUID(unsafe.Add(data, at*16), base, pos, n)
	case kindBytes:
		done := 0
		ends, longest := d.x.ends(i, from)
		switch {
		case longest <= shortCopy:
			done = n &^ (shortRows - 1)
			end = decodeShort(data, offsets, end, unsafe.Add(base, 4), pos, ends, done, delta+4)
		case longest <= middleCopy:
			done = n &^ (middleRows - 1)
			end = decodeMiddle(data, offsets, end, unsafe.Add(base, 4), pos, ends, done, delta+4)
		}
		end = decodeBytes(data, unsafe.Add(offsets, 4*done), end, base, unsafe.Add(pos, 4*done), n-done, 0)
	case kindJSONB:
		end = decodeBytes(data, offsets, end, base, pos, n, 1)
	case kindNumeric:
		end = decodeNumeric(data, offsets, end, base, pos, n)
	}
	d.ends[i] = end
	if d.x.dense && (wrong || lengths != 0) {
		return errGuess
	}
	if wrong {
		return d.badValue(i)
	}

	if out.Nulls > 0 {
		validity := unsafe.Add(unsafe.Pointer(unsafe.SliceData(out.Validity)), at/8)
		decodeNulls(validity, base, pos, n)
		switch {
		case typ.kind == kindBool:
			clearNullBits(out.Data[at/8:], out.Validity[at/8:], n)
		case typ.width > 0:
			clearNulls(unsafe.Add(data, at*int(typ.width)), validity, int(typ.width), n)
		}
	}
	return nil
}

// badValue is the error of a value in column i that Arrow cannot hold or the
// server cannot have sent.
func (d *decoder) badValue(i int) *abi.Error {
	c := &d.columns[i]
	e := &abi.Error{
		Category: abi.CategoryInternal,
		Message:  "postgres: column " + quoteIdent(c.name) + " of stream " + strconv.Quote(d.stream) + " has a value that no " + c.typ.name + " can have",
		Hint:     "the data was damaged on the way, or the server is not PostgreSQL",
		Column:   c.name,
	}
	if c.typ.kind == kindTimestamp {
		e.Category = abi.CategoryData
		e.Message = "postgres: column " + quoteIdent(c.name) + " of stream " + strconv.Quote(d.stream) +
			" has a timestamp after the year 294246, the last that Arrow's 64 bits of microseconds reach"
		e.Hint = "mend the value, or read a view that casts the column to text"
	}
	return e
}
