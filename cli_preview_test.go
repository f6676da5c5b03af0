package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Every type a connector may send, with the values that are hard to show.
func TestPreviewOfEveryType(t *testing.T) {
	uuid := arrow.NewMetadata([]string{"pg.type"}, []string{"uuid"})
	utc := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "bool", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "int2", Type: arrow.PrimitiveTypes.Int16},
		{Name: "int4", Type: arrow.PrimitiveTypes.Int32},
		{Name: "int8", Type: arrow.PrimitiveTypes.Int64},
		{Name: "float4", Type: arrow.PrimitiveTypes.Float32},
		{Name: "float8", Type: arrow.PrimitiveTypes.Float64},
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "bytea", Type: arrow.BinaryTypes.Binary},
		{Name: "uuid", Type: &arrow.FixedSizeBinaryType{ByteWidth: 16}, Metadata: uuid},
		{Name: "fixed", Type: &arrow.FixedSizeBinaryType{ByteWidth: 2}},
		{Name: "date", Type: arrow.FixedWidthTypes.Date32},
		{Name: "stamp", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
		{Name: "stamptz", Type: utc},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	row := func(flag any, i2 int16, i4 int32, i8 int64, f4 float32, f8 float64, text any, bytea, id, fixed []byte, date int32, stamp, stamptz int64) {
		if flag == nil {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.BooleanBuilder).Append(flag.(bool))
		}
		b.Field(1).(*array.Int16Builder).Append(i2)
		b.Field(2).(*array.Int32Builder).Append(i4)
		b.Field(3).(*array.Int64Builder).Append(i8)
		b.Field(4).(*array.Float32Builder).Append(f4)
		b.Field(5).(*array.Float64Builder).Append(f8)
		if text == nil {
			b.Field(6).AppendNull()
		} else {
			b.Field(6).(*array.StringBuilder).Append(text.(string))
		}
		b.Field(7).(*array.BinaryBuilder).Append(bytea)
		b.Field(8).(*array.FixedSizeBinaryBuilder).Append(id)
		b.Field(9).(*array.FixedSizeBinaryBuilder).Append(fixed)
		b.Field(10).(*array.Date32Builder).Append(arrow.Date32(date))
		b.Field(11).(*array.TimestampBuilder).Append(arrow.Timestamp(stamp))
		b.Field(12).(*array.TimestampBuilder).Append(arrow.Timestamp(stamptz))
	}
	id := []byte{0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0}
	row(true, -32768, 1<<31-1, 1<<63-1, 0.1, 0.1, "plain", []byte{0, 255}, id, []byte{1, 2}, 0, 0, 1)
	row(nil, 0, 0, 0, float32(math.NaN()), math.Inf(-1), nil, nil, id, []byte{0, 0}, math.MaxInt32, math.MaxInt64, math.MinInt64)
	row(false, 0, 0, 0, 1e20, 1e-7, "line\nbreak\x00é😀", []byte("'"), id, []byte{0, 0}, -719529, -62135596800000001, 253402300800000000)
	row(false, 0, 0, 0, 0, math.Inf(1), strings.Repeat("x", 60), nil, id, []byte{0, 0}, math.MinInt32, 1735689599999999, 1735689600500000)
	record := b.NewRecord()
	defer record.Release()

	var stream bytes.Buffer
	w := ipc.NewWriter(&stream, ipc.WithSchema(schema))
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	// There is no end mark: a preview stops in the middle of a stream.
	got, err := decode(bytes.NewReader(stream.Bytes()), 5)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 5 {
		t.Errorf("got %d rows, want 5", len(got.Rows))
	}
	if all, err := decode(&stream, 100); err != nil || len(all.Rows) != 8 {
		t.Errorf("got %d rows of 8, %v", len(all.Rows), err)
	}

	// The text, then the same as JSON, one row a line.
	got.Stream = "every type"
	got.Rows, got.text = got.Rows[:4], got.text[:4]
	var out bytes.Buffer
	got.write(&out)
	for _, r := range got.Rows {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	const golden = "testdata/cli/preview.golden"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("%s differs, got:\n%s", golden, &out)
	}
}

func TestPreviewOfNoStream(t *testing.T) {
	for name, data := range map[string][]byte{"nothing": nil, "text": []byte("this is not Arrow at all, is it?"), "cut off": {0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0, 1}} {
		if _, err := decode(bytes.NewReader(data), 1); err == nil || !strings.HasPrefix(err.Error(), "decode schema: ") {
			t.Errorf("%s: decode = %v", name, err)
		}
	}
}
