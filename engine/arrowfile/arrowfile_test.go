package arrowfile_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/rapidbyte-go/rapidbyte/engine/arrowfile"
)

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64, Metadata: arrow.NewMetadata([]string{"pg.type"}, []string{"bigint"})},
	{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "tags", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true}, // which our connectors do not send
}, nil)

// record returns n rows that begin with id first.
func record(first, n int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := first; i < first+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%3 == 0 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(strings.Repeat("é", i%7))
		}
		list := b.Field(2).(*array.ListBuilder)
		list.Append(true)
		for j := range i % 4 {
			list.ValueBuilder().(*array.Float32Builder).Append(float32(j))
		}
	}
	return b.NewRecord()
}

var end = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// stream returns the messages that Arrow's own writer makes of the given records.
func stream(t testing.TB, records ...arrow.Record) [][]byte {
	t.Helper()
	encode := func(records ...arrow.Record) []byte {
		var b bytes.Buffer
		w := ipc.NewWriter(&b, ipc.WithSchema(schema))
		for _, r := range records {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return bytes.TrimSuffix(b.Bytes(), end)
	}
	head := encode()
	messages := [][]byte{head}
	for _, r := range records {
		messages = append(messages, encode(r)[len(head):])
	}
	return append(messages, end)
}

// Arrow's own reader finds every record where the footer says, in any order.
func TestFile(t *testing.T) {
	for _, records := range [][]arrow.Record{{}, {record(0, 5)}, {record(0, 100), record(100, 0), record(100, 1), record(101, 3000)}} {
		var b bytes.Buffer
		w := arrowfile.NewWriter(&b)
		for _, m := range stream(t, records...) {
			if err := w.Add(m); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}

		r, err := ipc.NewFileReader(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if !r.Schema().Equal(schema) || r.NumRecords() != len(records) {
			t.Fatalf("the file has %d records of %v, want %d of %v", r.NumRecords(), r.Schema(), len(records), schema)
		}
		for i := len(records) - 1; i >= 0; i-- {
			got, err := r.Record(i)
			if err != nil {
				t.Fatal(err)
			}
			if !array.RecordEqual(got, records[i]) {
				t.Errorf("record %d is %v, want %v", i, got, records[i])
			}
		}

		// Behind its first eight bytes a file is a stream.
		s, err := ipc.NewReader(bytes.NewReader(b.Bytes()[8:]))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for s.Next() {
			n++
		}
		if n != len(records) || s.Err() != nil {
			t.Errorf("as a stream it has %d records, want %d; %v", n, len(records), s.Err())
		}
	}
}

func TestIsSchema(t *testing.T) {
	for i, m := range stream(t, record(0, 1)) {
		if got := arrowfile.IsSchema(m); got != (i == 0) {
			t.Errorf("message %d is a schema: %v", i, got)
		}
	}
	if arrowfile.IsSchema(nil) || arrowfile.IsSchema([]byte("schema")) {
		t.Error("anything is a schema")
	}
}

// What is not a stream of messages is an error, and not a file.
func TestBadMessages(t *testing.T) {
	good := stream(t, record(0, 5))
	head, batch := good[0], good[1]
	longer := append(bytes.Clone(batch), make([]byte, 8)...)
	for name, c := range map[string]struct {
		messages [][]byte
		says     string
	}{
		"no schema":       {[][]byte{batch}, "schema comes first"},
		"two schemas":     {[][]byte{head, head}, "schema comes first"},
		"nothing":         {[][]byte{nil}, "none begins here"},
		"text":            {[][]byte{[]byte("hello, world")}, "none begins here"},
		"cut":             {[][]byte{head, batch[:len(batch)-8]}, "not as long as it says"},
		"too long":        {[][]byte{head, longer}, "not as long as it says"},
		"cut in metadata": {[][]byte{head[:40]}, "metadata of"},
		"behind the end":  {[][]byte{head, end, batch}, "behind the end"},
		"zeroes":          {[][]byte{append([]byte{0xff, 0xff, 0xff, 0xff, 16, 0, 0, 0}, make([]byte, 16)...)}, "contradict"},
		"ones":            {[][]byte{append([]byte{0xff, 0xff, 0xff, 0xff, 16, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 16)...)}, "contradict"},
	} {
		w := arrowfile.NewWriter(&bytes.Buffer{})
		var err error
		for _, m := range c.messages {
			if err = w.Add(m); err != nil {
				break
			}
		}
		if !errors.Is(err, arrowfile.ErrMessage) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}

	w := arrowfile.NewWriter(&bytes.Buffer{})
	for _, m := range [][]byte{head, batch} {
		if err := w.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "has not ended") {
		t.Errorf("a stream without an end: %v", err)
	}
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestFullDisk(t *testing.T) {
	good := stream(t, record(0, 5))
	size := 8
	for _, m := range good {
		size += len(m)
	}
	for room := 0; room < size+8; room += 50 {
		w := arrowfile.NewWriter(&full{room})
		var err error
		for _, m := range good {
			if err = w.Add(m); err != nil {
				break
			}
		}
		if err == nil {
			err = w.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
}

// Whatever a connector sends, nothing breaks.
func FuzzAdd(f *testing.F) {
	for _, m := range stream(f, record(0, 5)) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		w := arrowfile.NewWriter(&bytes.Buffer{})
		if w.Add(msg) != nil {
			return
		}
		if w.Add(end) == nil {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
