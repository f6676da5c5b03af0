package arrowipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

func TestTypeNames(t *testing.T) {
	for typ := Type(0); typ < numTypes; typ++ {
		want := arrowType(Field{Type: typ, Width: 16}).(interface{ String() string }).String()
		if typ == FixedSizeBinary {
			want = "fixed_size_binary" // the width is the field's
		}
		if got := typ.String(); got != want {
			t.Errorf("type %d is named %q, Arrow says %q", typ, got, want)
		}
	}
}

// Other people's timestamps, dates and shapes.
func TestParseSchemaOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name string
		typ  arrow.DataType
		want string // error, or the type's name
	}{
		{"zone", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Europe/Berlin"}, "timestamp[us, tz=UTC]"},
		{"seconds", &arrow.TimestampType{Unit: arrow.Second}, `column "c": timestamps in another unit than microseconds`},
		{"nanoseconds", &arrow.TimestampType{Unit: arrow.Nanosecond}, `column "c": timestamps in another unit than microseconds`},
		{"date64", arrow.FixedWidthTypes.Date64, `column "c": dates in milliseconds`},
		{"int8", arrow.PrimitiveTypes.Int8, `column "c": integers of 8 bits`},
		{"uint32", arrow.PrimitiveTypes.Uint32, `column "c": unsigned integers`},
		{"float16", arrow.FixedWidthTypes.Float16, `column "c": half precision`},
		{"list", arrow.ListOf(arrow.PrimitiveTypes.Int32), `column "c": a nested type`},
		{"large text", arrow.BinaryTypes.LargeString, `column "c": Arrow type number 20`},
		{"decimal", &arrow.Decimal128Type{Precision: 10, Scale: 2}, `column "c": Arrow type number 7`},
		{"dictionary", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, `column "c": dictionary encoding`},
	} {
		var stream bytes.Buffer
		schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: tt.typ}}, nil)
		if err := ipc.NewWriter(&stream, ipc.WithSchema(schema)).Close(); err != nil {
			t.Fatal(err)
		}
		s, err := ParseSchema(messages(t, stream.Bytes())[0])
		if err == nil {
			if got := s.Fields[0].Type.String(); got != tt.want {
				t.Errorf("%s: read as %q, want %q", tt.name, got, tt.want)
			}
			continue
		}
		if want := "arrowipc: not supported: " + tt.want; !errors.Is(err, ErrUnsupported) || err.Error() != want {
			t.Errorf("%s: error %q, want %q", tt.name, err, want)
		}
	}
}

func TestParseRefusesCompressedBodies(t *testing.T) {
	s, columns := benchBatch(t, 1000)
	schema := arrowSchema(s)
	var stream bytes.Buffer
	w := ipc.NewWriter(&stream, ipc.WithSchema(schema), ipc.WithLZ4(), ipc.WithAllocator(memory.DefaultAllocator))
	if err := w.Write(arrowRecord(schema, columns, 1000)); err != nil {
		t.Fatal(err)
	}
	_, err := NewReader(s).Parse(messages(t, stream.Bytes())[1])
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "compressed") {
		t.Errorf("Parse of a compressed batch returned %v", err)
	}
}

func TestParseRefusesOldMetadata(t *testing.T) {
	s, columns := benchBatch(t, 9)
	msg := write(t, NewWriter(s, 0), s, columns, 9)
	f := flatbuf{b: msg[prefixLen:]}
	msg[prefixLen+f.place(f.tableAt(f.follow(0)), messageVersion, 2)] = metadataV4 - 1
	if _, err := NewReader(s).Parse(msg); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Parse of version 3 returned %v", err)
	}
}

// places returns where the numbers of a batch message stand.
func places(msg []byte) (rows, node, buffer int) {
	header, f, _, _, err := openMessage(msg)
	if err != nil {
		panic(err)
	}
	node, _ = f.vector(header, batchNodes, structSize)
	buffer, _ = f.vector(header, batchBuffers, structSize)
	return prefixLen + f.place(header, batchLength, 8), prefixLen + node, prefixLen + buffer
}

func TestParseRefuses(t *testing.T) {
	s := &Schema{Fields: []Field{{Name: "n", Type: Int32, Nullable: true}, {Name: "s", Type: Utf8, Nullable: true}}}
	put := binary.LittleEndian.PutUint64
	const rows = 10
	good := func() []byte {
		n := slices.Repeat([]value{{1, 2, 3, 4}, nil}, rows/2)
		text := slices.Repeat([]value{value("ab"), nil}, rows/2)
		return aligned(write(t, NewWriter(s, 0), s, [][]value{n, text}, rows))
	}
	if n, err := NewReader(s).Parse(good()); n != rows || err != nil {
		t.Fatalf("Parse of the unspoilt batch returned %d, %v", n, err)
	}

	for _, tt := range []struct {
		name  string
		spoil func(msg []byte, rows, node, buffer int) []byte
		want  string
	}{
		{"empty", func([]byte, int, int, int) []byte { return nil }, "no message begins here"},
		{"cut short", func(m []byte, _, _, _ int) []byte { return m[:len(m)-8] }, "body length does not match the message's"},
		{"too long", func(m []byte, _, _, _ int) []byte { return append(m, make([]byte, 8)...) }, "body length does not match the message's"},
		{"no continuation", func(m []byte, _, _, _ int) []byte { m[0] = 0; return m }, "no message begins here"},
		{"metadata too long", func(m []byte, _, _, _ int) []byte { m[7] = 0x7f; return m }, "metadata longer than the message"},
		{"metadata not padded", func(m []byte, _, _, _ int) []byte { m[4]--; return m }, "metadata not padded to 8 bytes"},
		{"end with a body", func(m []byte, _, _, _ int) []byte { clear(m[4:8]); return m }, "bytes behind the end of the stream"},
		{"end", func([]byte, int, int, int) []byte { return EOS }, "expected a batch, found end of stream"},
		{"schema", func([]byte, int, int, int) []byte { return AppendSchema(nil, s) }, "expected a batch, found schema"},
		{"root outside", func(m []byte, _, _, _ int) []byte { m[10] = 0xff; return m }, "message metadata"},
		{"negative rows", func(m []byte, rows, _, _ int) []byte { put(m[rows:], math.MaxUint64); return m }, "batch of -1 rows"},
		{"too many rows", func(m []byte, rows, _, _ int) []byte { put(m[rows:], 1<<24+1); return m }, "batch of 16777217 rows"},
		{"rows unlike the columns'", func(m []byte, rows, _, _ int) []byte { put(m[rows:], 9); return m }, `column "n": length or null count does not match the batch`},
		{"negative nulls", func(m []byte, _, node, _ int) []byte { put(m[node+8:], math.MaxUint64); return m }, `column "n": length or null count does not match the batch`},
		{"more nulls than rows", func(m []byte, _, node, _ int) []byte { put(m[node+8:], 11); return m }, `column "n": length or null count does not match the batch`},
		{"wrong nulls", func(m []byte, _, node, _ int) []byte { put(m[node+8:], 4); return m }, `column "n": null count does not match the validity bitmap`},
		{"hidden nulls", func(m []byte, _, node, _ int) []byte { put(m[node+8:], 0); return m }, `column "n": null count does not match the validity bitmap`},
		{"bitmap too short", func(m []byte, _, _, buffer int) []byte { put(m[buffer+8:], 1); return m }, `column "n": validity bitmap`},
		{"bitmap missing", func(m []byte, _, _, buffer int) []byte { put(m[buffer+8:], 0); return m }, `column "n": validity bitmap`},
		{"bitmap outside", func(m []byte, _, _, buffer int) []byte { put(m[buffer:], 1<<40); return m }, `column "n": validity bitmap`},
		{"offset and length overflow", func(m []byte, _, _, buffer int) []byte {
			put(m[buffer:], 8)
			put(m[buffer+8:], math.MaxInt64)
			return m
		}, `column "n": validity bitmap`},
		{"negative offset", func(m []byte, _, _, buffer int) []byte { put(m[buffer:], math.MaxUint64-7); return m }, `column "n": validity bitmap`},
		{"unaligned buffer", func(m []byte, _, _, buffer int) []byte { put(m[buffer+16:], 4); return m }, `column "n": values`},
		{"values too short", func(m []byte, _, _, buffer int) []byte { put(m[buffer+24:], 39); return m }, `column "n": values`},
		{"offsets too short", func(m []byte, _, _, buffer int) []byte { put(m[buffer+56:], 43); return m }, `column "s": offsets`},
		{"bytes too short", func(m []byte, _, _, buffer int) []byte { put(m[buffer+72:], 9); return m }, `column "s": offsets out of order or out of range`},
		{"bytes outside", func(m []byte, _, _, buffer int) []byte { put(m[buffer+72:], 1<<30); return m }, `column "s": offsets or bytes`},
	} {
		msg := good()
		rows, node, buffer := places(msg)
		r := NewReader(s)
		if _, err := r.Parse(msg); err != nil {
			t.Fatal(err)
		}
		_, err := r.Parse(aligned(tt.spoil(msg, rows, node, buffer)))
		if c := r.Column(0); c.Data != nil || c.Nulls != 0 {
			t.Errorf("%s: the column is %+v", tt.name, c)
		}
		if want := "arrowipc: corrupt message: " + tt.want; !errors.Is(err, ErrCorrupt) || err.Error() != want {
			t.Errorf("%s: error %v, want %s", tt.name, err, want)
		}
	}
}

// Every byte of the metadata is spoilt in turn: nothing may panic, and what is
// accepted must lie in the message.
func TestParseSpoiltMetadata(t *testing.T) {
	s, columns := benchBatch(t, 9)
	good := write(t, NewWriter(s, 0), s, columns, 9)
	schema := AppendSchema(nil, s)
	r := NewReader(s)
	for _, with := range []byte{0, 1, 0x20, 0x7f, 0x80, 0xff} {
		for i := range int(le32(good[4:])) + prefixLen {
			msg := aligned(good)
			msg[i] = with
			rows, err := r.Parse(msg)
			for i := range s.Fields {
				if err == nil {
					checkColumn(t, msg, r.Column(i), &s.Fields[i], rows)
				}
			}
		}
		for i := range schema {
			msg := bytes.Clone(schema)
			msg[i] = with
			_, _ = ParseSchema(msg) // only must not panic
		}
	}
}

// Bits behind the last row have no meaning, whoever wrote them.
func TestParseIgnoresBitsBehindTheRows(t *testing.T) {
	s := &Schema{Fields: []Field{{Name: "n", Type: Int16, Nullable: true}}}
	msg := aligned(write(t, NewWriter(s, 0), s, [][]value{{{1, 2}, nil, {3, 4}}}, 3))
	_, _, buffer := places(msg)
	at := len(msg) - int(binary.LittleEndian.Uint64(msg[bodyLengthPlace(msg):])) + int(binary.LittleEndian.Uint64(msg[buffer:]))
	msg[at] |= 0xf8
	if rows, err := NewReader(s).Parse(msg); rows != 3 || err != nil {
		t.Errorf("Parse returned %d, %v", rows, err)
	}
}

// Arrow wants the numbers of a batch aligned, and some machines need it.
func TestMetadataIsAligned(t *testing.T) {
	s := &Schema{}
	for n := range 10 {
		w := NewWriter(s, 0)
		for _, place := range []int{w.at.rows, w.at.bodyLength, w.at.nodes, w.at.buffers} {
			if place%8 != 0 {
				t.Errorf("%d columns: numbers at %+v", n, w.at)
			}
		}
		s.Fields = append(s.Fields, Field{Name: "c", Type: Type(n)})
	}
}

// Every single offset is spoilt in turn, so that each lane of the unrolled test
// is seen.
func TestParseRefusesOffsets(t *testing.T) {
	s := &Schema{Fields: []Field{{Name: "s", Type: Utf8}}}
	for _, rows := range []int{24, 29} { // the last one in a lane, and behind the lanes
		refuseOffsets(t, s, rows)
	}
}

func refuseOffsets(t *testing.T, s *Schema, rows int) {
	column := slices.Repeat([]value{value("abc")}, rows)
	for i := range rows + 1 {
		for _, spoilt := range []int32{-1, math.MinInt32, math.MaxInt32, 3*int32(i) - 4, 3*int32(i) + 4} {
			if i == 0 && spoilt == 4 {
				spoilt = 5 // beyond the second one
			}
			msg := aligned(write(t, NewWriter(s, 0), s, [][]value{column}, rows))
			_, _, buffer := places(msg)
			body := len(msg) - int(binary.LittleEndian.Uint64(msg[bodyLengthPlace(msg):]))
			at := body + int(binary.LittleEndian.Uint64(msg[buffer+16:])) + 4*i
			binary.LittleEndian.PutUint32(msg[at:], uint32(spoilt))
			if _, err := NewReader(s).Parse(msg); !errors.Is(err, ErrCorrupt) {
				t.Errorf("offset %d of %d set to %d: error %v", i, rows, spoilt, err)
			}
		}
	}
}

func bodyLengthPlace(msg []byte) int {
	f := flatbuf{b: msg[prefixLen:]}
	return prefixLen + f.place(f.tableAt(f.follow(0)), messageBodyLength, 8)
}

func TestParseRefusesMisalignedMemory(t *testing.T) {
	s, columns := benchBatch(t, 10)
	msg := write(t, NewWriter(s, 0), s, columns, 10)
	words := make([]uint64, len(msg)/8+2)
	shifted := bytesOf(words)[4 : 4+len(msg)]
	copy(shifted, msg)
	if _, err := NewReader(s).Parse(shifted); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Parse of a misaligned message returned %v", err)
	}
}

func TestParseRefusesNullsInNotNullable(t *testing.T) {
	loose, strict := allTypes(true), allTypes(false)
	columns := make([][]value, len(loose.Fields))
	for i := range columns {
		columns[i] = []value{nil}
	}
	msg := write(t, NewWriter(loose, 0), loose, columns, 1)
	if _, err := NewReader(strict).Parse(msg); !errors.Is(err, ErrNulls) {
		t.Errorf("Parse returned %v, want %v", err, ErrNulls)
	}

	w := NewWriter(strict, 0)
	plans := make([]Plan, len(strict.Fields))
	plans[3].Nulls = 1
	if err := w.Begin(1, plans); !errors.Is(err, ErrNulls) || !strings.Contains(err.Error(), "int64") {
		t.Errorf("Begin returned %v, want %v naming the column", err, ErrNulls)
	}
}

func TestBeginLimit(t *testing.T) {
	s := &Schema{Fields: []Field{{Name: "s", Type: Utf8}}}
	probe := NewWriter(s, 0)
	if err := probe.Begin(3, []Plan{{DataLen: 1000}}); err != nil {
		t.Fatal(err)
	}
	size := len(probe.Finish())

	if err := NewWriter(s, size).Begin(3, []Plan{{DataLen: 1000}}); err != nil {
		t.Errorf("a batch of exactly the limit is refused: %v", err)
	}
	err := NewWriter(s, size-1).Begin(3, []Plan{{DataLen: 1000}})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("a batch over the limit: error %v", err)
	}
	err = NewWriter(s, 0).Begin(3, []Plan{{DataLen: math.MaxInt32}})
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), `column "s"`) {
		t.Errorf("text over 32 bits: error %v", err)
	}
}

// Junk behind the data must not travel, and nothing of an earlier batch may show.
func TestEqualRowsAreEqualBytes(t *testing.T) {
	s, big := benchBatch(t, 1000)
	const rows = 78 // offsets and bitmaps need padding
	_, small := benchBatch(t, rows)
	used := NewWriter(s, 0)
	write(t, used, s, big, 1000)
	got := write(t, used, s, small, rows)
	want := write(t, NewWriter(s, 0), s, small, rows)
	if !bytes.Equal(got, want) {
		t.Error("a batch differs with what was written before it")
	}
	if bytes.Contains(got, bytes.Repeat([]byte{0xee}, 4)) {
		t.Error("junk behind the data is in the message")
	}
}

func TestBufferAlignment(t *testing.T) {
	s, columns := benchBatch(t, 1001)
	w := NewWriter(s, 0)
	msg := write(t, w, s, columns, 1001)
	if at := uintptr(unsafe.Pointer(unsafe.SliceData(msg))); at%64 != 0 {
		t.Errorf("message at %#x", at)
	}
	if at := uintptr(unsafe.Pointer(unsafe.SliceData(w.Column(0).Data))); at%64 != 0 {
		t.Errorf("first values at %#x", at)
	}
	for i := range s.Fields {
		c := w.Column(i)
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(c.Data))); at%8 != 0 {
			t.Errorf("column %d: values at %#x", i, at)
		}
		slack := 16
		if c.Offsets != nil {
			slack = 128
		}
		if cap(c.Data)-len(c.Data) < slack {
			t.Errorf("column %d: %d bytes of slack", i, cap(c.Data)-len(c.Data))
		}
	}
}

// A small message must not be able to ask for a large memory by pointing at the
// same text again and again.
func TestParseSchemaBomb(t *testing.T) {
	var w builder
	header, _ := w.message(headerSchema)
	at := w.table(header, 0, 4)
	fields := w.vector(at[schemaFields], maxFields, 4)
	place := w.table(fields, 4, 1, 1, 4)
	w.b[place[fieldTypeType]] = typeUtf8
	w.table(place[fieldType])
	w.string(place[fieldName], strings.Repeat("x", 1<<20))
	target := fields + int(binary.LittleEndian.Uint32(w.b[fields:]))
	for i := range maxFields {
		w.link(fields+4*i, target)
	}
	msg := w.appendTo(nil)
	if allocated := testing.AllocsPerRun(1, func() {
		if _, err := ParseSchema(msg); !errors.Is(err, ErrCorrupt) {
			t.Errorf("ParseSchema returned %v", err)
		}
	}); allocated > 100 {
		t.Errorf("%v allocations of a megabyte", allocated)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	s, columns := benchBatch(t, 8192)
	plans := plansOf(s, columns)
	w, r := NewWriter(s, 0), NewReader(s)
	msg := write(t, w, s, columns, 8192)
	kept := aligned(msg)
	if n := testing.AllocsPerRun(100, func() {
		if err := w.Begin(8192, plans); err != nil {
			t.Fatal(err)
		}
		w.Finish()
		if _, err := r.Parse(kept); err != nil {
			t.Fatal(err)
		}
		if _, err := KindOf(kept); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}
