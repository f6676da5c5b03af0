package arrowipc

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// The other side of every test here is Arrow's own Go library.

// allTypes has one column of every type, each with metadata in a certain order.
func allTypes(nullable bool) *Schema {
	s := &Schema{}
	for t := Type(0); t < numTypes; t++ {
		f := Field{Name: "c_" + t.String() + "_é🙂", Type: t, Nullable: nullable}
		if t == FixedSizeBinary {
			f.Width = 16
		}
		if t%2 == 0 {
			f.Metadata = []KeyValue{{"pg.type", "numeric(10,2)"}, {"a", ""}, {"", "ü"}}
		}
		s.Fields = append(s.Fields, f)
	}
	return s
}

func arrowType(f Field) arrow.DataType {
	switch f.Type {
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int16:
		return arrow.PrimitiveTypes.Int16
	case Int32:
		return arrow.PrimitiveTypes.Int32
	case Int64:
		return arrow.PrimitiveTypes.Int64
	case Float32:
		return arrow.PrimitiveTypes.Float32
	case Float64:
		return arrow.PrimitiveTypes.Float64
	case Utf8:
		return arrow.BinaryTypes.String
	case Binary:
		return arrow.BinaryTypes.Binary
	case FixedSizeBinary:
		return &arrow.FixedSizeBinaryType{ByteWidth: int(f.Width)}
	case Date32:
		return arrow.FixedWidthTypes.Date32
	case Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case TimestampUTC:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	}
	panic("no such type")
}

func arrowSchema(s *Schema) *arrow.Schema {
	var fields []arrow.Field
	for _, f := range s.Fields {
		field := arrow.Field{Name: f.Name, Type: arrowType(f), Nullable: f.Nullable}
		if f.Metadata != nil {
			var keys, values []string
			for _, kv := range f.Metadata {
				keys, values = append(keys, kv.Key), append(values, kv.Value)
			}
			field.Metadata = arrow.NewMetadata(keys, values)
		}
		fields = append(fields, field)
	}
	return arrow.NewSchema(fields, nil)
}

// value is one cell in a form both sides can be turned into: nil for null, else
// the bytes of the value, one byte for a bool.
type value []byte

// randomColumn returns rows values of f. isNull says which are null.
func randomColumn(r *rand.Rand, f Field, rows int, isNull func(row int) bool) []value {
	column := make([]value, rows)
	for row := range column {
		n := 0
		switch {
		case isNull(row):
			continue
		case f.Type == Bool:
			column[row] = value{byte(r.IntN(2))}
			continue
		case f.varWidth():
			n = r.IntN(40) * r.IntN(2) // every second one is empty
		default:
			n = int(f.dataLen(1))
		}
		v := make(value, n)
		for i := range v {
			v[i] = byte('a' + r.IntN(26))
		}
		column[row] = v
	}
	return column
}

// write fills in a batch the way a connector does, with junk left in every place
// that Begin allows it in.
func write(t testing.TB, w *Writer, s *Schema, columns [][]value, rows int) []byte {
	t.Helper()
	plans := make([]Plan, len(columns))
	for i, column := range columns {
		for _, v := range column {
			if v == nil {
				plans[i].Nulls++
			}
			if s.Fields[i].varWidth() {
				plans[i].DataLen += len(v)
			}
		}
	}
	if err := w.Begin(rows, plans); err != nil {
		t.Fatalf("Begin of %d rows: %v", rows, err)
	}
	for i, column := range columns {
		fill(w.Column(i), &s.Fields[i], column)
	}
	return w.Finish()
}

func fill(c *Column, f *Field, column []value) {
	if f.Type != Bool {
		for i := range c.Data {
			c.Data[i] = 0xdd
		}
	}
	pos := 0
	for row, v := range column {
		if c.Validity != nil && v != nil {
			c.Validity[row/8] |= 1 << (row % 8)
		}
		switch {
		case f.Type == Bool:
			if v != nil {
				c.Data[row/8] |= v[0] << (row % 8)
			}
		case f.varWidth():
			pos += copy(c.Data[pos:], v)
			c.Offsets[row+1] = int32(pos)
		default:
			copy(c.Data[row*int(f.dataLen(1)):], v)
		}
	}

	// What kernels may spill.
	for i := range 16 {
		c.Data[:cap(c.Data)][len(c.Data)+i] = 0xee
	}
	for i := len(c.Validity); i < cap(c.Validity); i++ {
		c.Validity[:cap(c.Validity)][i] = 0xee
	}
}

// cells returns the values of a column read back.
func cells(c *Column, f *Field, rows int) []value {
	column := make([]value, rows)
	for row := range column {
		if c.Validity != nil && c.Validity[row/8]>>(row%8)&1 == 0 {
			continue
		}
		switch {
		case f.Type == Bool:
			column[row] = value{c.Data[row/8] >> (row % 8) & 1}
		case f.varWidth():
			column[row] = append(value{}, c.Data[c.Offsets[row]:c.Offsets[row+1]]...)
		default:
			n := int(f.dataLen(1))
			column[row] = append(value{}, c.Data[row*n:(row+1)*n]...)
		}
	}
	return column
}

// arrowCells returns the values of an Arrow column.
func arrowCells(a arrow.Array) []value {
	column := make([]value, a.Len())
	for row := range column {
		if a.IsNull(row) {
			continue
		}
		switch a := a.(type) {
		case *array.Boolean:
			column[row] = value{0}
			if a.Value(row) {
				column[row][0] = 1
			}
		case *array.String:
			column[row] = append(value{}, a.Value(row)...)
		case *array.Binary:
			column[row] = append(value{}, a.Value(row)...)
		case *array.FixedSizeBinary:
			column[row] = append(value{}, a.Value(row)...)
		default:
			n := a.DataType().(arrow.FixedWidthDataType).BitWidth() / 8
			column[row] = append(value{}, a.Data().Buffers()[1].Bytes()[row*n:(row+1)*n]...)
		}
	}
	return column
}

// arrowRecord builds the batch with Arrow's own builders.
func arrowRecord(s *arrow.Schema, columns [][]value, rows int) arrow.Record {
	arrays := make([]arrow.Array, len(columns))
	for i, column := range columns {
		arrays[i] = arrowArray(s.Field(i).Type, column)
	}
	return array.NewRecord(s, arrays, int64(rows))
}

func arrowArray(t arrow.DataType, column []value) arrow.Array {
	switch t.ID() {
	case arrow.INT16, arrow.INT32, arrow.INT64, arrow.FLOAT32, arrow.FLOAT64, arrow.DATE32, arrow.TIMESTAMP:
		return arrowFixed(t, column)
	}

	b := array.NewBuilder(memory.DefaultAllocator, t)
	for _, v := range column {
		switch b := b.(type) {
		case *array.BooleanBuilder:
			if v == nil {
				b.AppendNull()
			} else {
				b.Append(v[0] == 1)
			}
		case *array.StringBuilder:
			if v == nil {
				b.AppendNull()
			} else {
				b.Append(string(v))
			}
		case *array.BinaryBuilder:
			if v == nil {
				b.AppendNull()
			} else {
				b.Append(v)
			}
		case *array.FixedSizeBinaryBuilder:
			if v == nil {
				b.AppendNull()
			} else {
				b.Append(v)
			}
		}
	}
	return b.NewArray()
}

// arrowFixed makes an array of raw values, whose bytes need not be sensible.
func arrowFixed(t arrow.DataType, column []value) arrow.Array {
	width, nulls := t.(arrow.FixedWidthDataType).BitWidth()/8, 0
	validity, data := make([]byte, bitmapLen(len(column))), make([]byte, width*len(column))
	for row, v := range column {
		if v == nil {
			nulls++
			continue
		}
		validity[row/8] |= 1 << (row % 8)
		copy(data[row*width:], v)
	}
	return array.MakeFromData(array.NewData(t, len(column),
		[]*memory.Buffer{memory.NewBufferBytes(validity), memory.NewBufferBytes(data)}, nil, nulls, 0))
}

// nullPatterns are the ways in which nulls can lie in a column.
var nullPatterns = []struct {
	name   string
	isNull func(row int) bool
}{
	{"none", func(int) bool { return false }},
	{"all", func(int) bool { return true }},
	{"first", func(row int) bool { return row == 0 }},
	{"every-third", func(row int) bool { return row%3 == 2 }},
	{"blocks", func(row int) bool { return row/64%2 == 1 }},
}

var rowCounts = []int{0, 1, 7, 8, 9, 63, 64, 65, 1000, 8192}

func forAll(t *testing.T, f func(t *testing.T, name string, rows int, columns [][]value, s *Schema)) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, pattern := range nullPatterns {
		for _, rows := range rowCounts {
			s := allTypes(true)
			columns := make([][]value, len(s.Fields))
			for i := range columns {
				columns[i] = randomColumn(r, s.Fields[i], rows, pattern.isNull)
			}
			f(t, fmt.Sprintf("nulls=%s/rows=%d", pattern.name, rows), rows, columns, s)
		}
	}
}

func equalColumns(t *testing.T, name, column string, got, want []value) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: column %s has %d rows, want %d", name, column, len(got), len(want))
		return
	}
	for row := range got {
		if (got[row] == nil) != (want[row] == nil) || !bytes.Equal(got[row], want[row]) {
			t.Errorf("%s: column %s, row %d is %q, want %q", name, column, row, got[row], want[row])
			return
		}
	}
}

func TestArrowReadsWhatWeWrite(t *testing.T) {
	forAll(t, func(t *testing.T, name string, rows int, columns [][]value, s *Schema) {
		// Two equal batches between a schema and an end must be a whole stream.
		w := NewWriter(s, 0)
		stream := AppendSchema(nil, s)
		stream = append(stream, write(t, w, s, columns, rows)...)
		stream = append(stream, write(t, w, s, columns, rows)...)
		stream = append(stream, EOS...)

		r, err := ipc.NewReader(bytes.NewReader(stream))
		if err != nil {
			t.Fatalf("%s: Arrow refuses the schema: %v", name, err)
		}
		if want := arrowSchema(s); !r.Schema().Equal(want) {
			t.Fatalf("%s: Arrow sees the schema\n%v\nwant\n%v", name, r.Schema(), want)
		}
		for i, f := range r.Schema().Fields() {
			if want := arrowSchema(s).Field(i).Metadata; !slices.Equal(f.Metadata.Keys(), want.Keys()) || !slices.Equal(f.Metadata.Values(), want.Values()) {
				t.Errorf("%s: metadata of %s is %v, want %v", name, f.Name, f.Metadata, want)
			}
		}
		batches := 0
		for r.Next() {
			batches++
			record := r.Record()
			if record.NumRows() != int64(rows) {
				t.Errorf("%s: Arrow sees %d rows, want %d", name, record.NumRows(), rows)
			}
			for i, want := range columns {
				equalColumns(t, name, s.Fields[i].Name, arrowCells(record.Column(i)), want)
				nulls := 0
				for _, v := range want {
					if v == nil {
						nulls++
					}
				}
				if got := record.Column(i).NullN(); got != nulls {
					t.Errorf("%s: column %s has %d nulls, want %d", name, s.Fields[i].Name, got, nulls)
				}
			}
		}
		if r.Err() != nil || batches != 2 {
			t.Fatalf("%s: Arrow read %d batches, then %v; want 2 and no error", name, batches, r.Err())
		}
	})
}

// messages splits an IPC stream.
func messages(t testing.TB, stream []byte) [][]byte {
	t.Helper()
	var list [][]byte
	for len(stream) > 0 {
		n := prefixLen
		if meta := int(le32(stream[4:])); meta > 0 {
			f := flatbuf{b: stream[8 : 8+meta]}
			n += meta + int(f.int64(f.tableAt(f.follow(0)), messageBodyLength))
			if f.bad {
				t.Fatal("cannot split the stream")
			}
		}
		list = append(list, aligned(stream[:n]))
		stream = stream[n:]
	}
	return list
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// aligned returns a copy of b as it would come from a host: on an address that
// is a multiple of 8, and with nothing behind it, so that a view that reaches
// too far is caught.
func aligned(b []byte) []byte {
	words := make([]uint64, (len(b)+7)/8+1)
	return append(bytesOf(words)[:0:len(b)], b...)
}

func TestWeReadWhatArrowWrites(t *testing.T) {
	forAll(t, func(t *testing.T, name string, rows int, columns [][]value, s *Schema) {
		schema := arrowSchema(s)
		var stream bytes.Buffer
		w := ipc.NewWriter(&stream, ipc.WithSchema(schema))
		for range 2 {
			if err := w.Write(arrowRecord(schema, columns, rows)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}

		list := messages(t, stream.Bytes())
		if len(list) != 4 {
			t.Fatalf("%s: Arrow wrote %d messages, want 4", name, len(list))
		}
		for i, want := range []Kind{KindSchema, KindBatch, KindBatch, KindEOS} {
			if got, err := KindOf(list[i]); got != want || err != nil {
				t.Fatalf("%s: message %d is %v, %v; want %v", name, i, got, err, want)
			}
		}
		got, err := ParseSchema(list[0])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		equalSchemas(t, got, s)

		r := NewReader(got)
		for _, msg := range list[1:3] {
			n, err := r.Parse(msg)
			if err != nil || n != rows {
				t.Fatalf("%s: Parse returned %d, %v; want %d", name, n, err, rows)
			}
			for i, want := range columns {
				equalColumns(t, name, s.Fields[i].Name, cells(r.Column(i), &s.Fields[i], rows), want)
			}
		}
	})
}

func equalSchemas(t testing.TB, got, want *Schema) {
	t.Helper()
	if len(got.Fields) != len(want.Fields) {
		t.Fatalf("schema has %d fields, want %d", len(got.Fields), len(want.Fields))
	}
	for i, f := range got.Fields {
		w := want.Fields[i]
		if f.Name != w.Name || f.Type != w.Type || f.Width != w.Width || f.Nullable != w.Nullable || !slices.Equal(f.Metadata, w.Metadata) {
			t.Errorf("field %d is %+v, want %+v", i, f, w)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	forAll(t, func(t *testing.T, name string, rows int, columns [][]value, s *Schema) {
		msg := aligned(write(t, NewWriter(s, 0), s, columns, rows))
		r := NewReader(s)
		if n, err := r.Parse(msg); n != rows || err != nil {
			t.Fatalf("%s: Parse returned %d, %v; want %d", name, n, err, rows)
		}
		for i, want := range columns {
			equalColumns(t, name, s.Fields[i].Name, cells(r.Column(i), &s.Fields[i], rows), want)
		}
	})
}
