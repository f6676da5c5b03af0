package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Building the data of a COPY, and reading what the source makes of it.

// copyRow returns a row in binary format; a nil value is NULL.
func copyRow(values ...[]byte) []byte {
	row := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		if v == nil {
			row = binary.BigEndian.AppendUint32(row, 0xffffffff)
			continue
		}
		row = binary.BigEndian.AppendUint32(row, uint32(len(v)))
		row = append(row, v...)
	}
	return row
}

// copyHead and copyEnd are what comes before and behind the rows.
var (
	copyHead = []byte(copySignature + "\x00\x00\x00\x00\x00\x00\x00\x00")
	copyEnd  = []byte{0xff, 0xff}
)

// message returns a protocol message.
func message[B string | []byte](typ byte, body B) []byte {
	m := binary.BigEndian.AppendUint32([]byte{typ}, uint32(4+len(body)))
	return append(m, body...)
}

// asServerDoes returns the messages of a COPY of rows the way a server sends
// them: the header with the first row, every other row by itself.
func asServerDoes(rows ...[]byte) []byte {
	parts := append([][]byte{}, rows...)
	parts = append(parts, copyEnd)
	var out []byte
	for i, p := range parts {
		if i == 0 {
			p = append(bytes.Clone(copyHead), p...)
		}
		out = append(out, message(msgCopyData, p)...)
	}
	return append(out, copyDone(len(rows))...)
}

// copyDone returns the messages that end a COPY of n rows.
func copyDone(n int) []byte {
	out := message(msgCopyDone, "")
	out = append(out, message(msgCommandComplete, fmt.Appendf(nil, "COPY %d\x00", n))...)
	return append(out, message(msgReady, "I")...)
}

// sourceColumns returns columns c0, c1, ... of types as format_type() writes
// them; an exclamation mark behind one makes it NOT NULL.
func sourceColumns(tb testing.TB, types ...string) []sourceColumn {
	tb.Helper()
	columns := make([]sourceColumn, len(types))
	for i, name := range types {
		c := &columns[i]
		c.ddl, c.notNull = strings.CutSuffix(name, "!")
		c.name, c.declared = fmt.Sprintf("c%d", i), c.ddl
		c.typ, c.known = typeByName(c.ddl)
		if !c.known {
			tb.Fatalf("no type %q", name)
		}
	}
	return columns
}

// fetchFrom runs the part of the source that follows CopyOutResponse over what a
// server sends, handed out chunk bytes at a time (0: as much as is asked for).
func fetchFrom(tb testing.TB, columns []sourceColumn, answers []byte, chunk int, set func(*abi.RunRequest)) (*testHost, error) {
	tb.Helper()
	return fetchWith(tb, columns, answers, func(h *testHost) {
		h.connect = func() (testConn, error) { return &scriptConn{answers: answers, chunk: chunk}, nil }
		if set != nil {
			set(&h.run)
		}
	})
}

// fetchWith is fetchFrom with a host that set prepares.
func fetchWith(tb testing.TB, columns []sourceColumn, answers []byte, set func(*testHost)) (*testHost, error) {
	tb.Helper()
	h, host, w := scriptedWire(tb, answers, set)
	return h, (&source{host: host, wire: w}).fetch(&h.run, columns)
}

// scriptedWire returns a wire to a server that says answers, and its host.
func scriptedWire(tb testing.TB, answers []byte, set func(*testHost)) (*testHost, *sdk.Host, *wire) {
	tb.Helper()
	h := newTestHost(abi.RoleSource, nil, func() (testConn, error) { return &scriptConn{answers: answers}, nil })
	h.run.Stream = "events"
	if set != nil {
		set(h)
	}
	host := sdk.NewHost(h)
	conn, err := host.Open("postgres", "")
	if err != nil {
		tb.Fatal(err)
	}
	return h, host, newWire(conn)
}

// copyOf returns a reader of the COPY that a server sends, and the decoder of
// its batches.
func copyOf(tb testing.TB, columns []sourceColumn, answers []byte, set func(*abi.RunRequest)) (*copyReader, *decoder) {
	tb.Helper()
	h, host, w := scriptedWire(tb, answers, nil)
	set(&h.run)
	types := make([]pgType, len(columns))
	for i, c := range columns {
		types[i] = c.typ
	}
	x := newIndex(types)
	r := newCopyReader(w, x, columns, &h.run, arrowRow(columns))
	return r, newDecoder(host, h.run.Stream, columns, x, r.most)
}

// arrowRows decodes emitted messages with the Arrow library and returns every
// value as text, NULL as "NULL", row by row.
func arrowRows(tb testing.TB, messages []testMessage) (*arrow.Schema, [][]string) {
	tb.Helper()
	var stream bytes.Buffer
	for _, m := range messages {
		stream.Write(m.data)
	}
	r, err := ipc.NewReader(&stream)
	if err != nil {
		tb.Fatalf("the Arrow library refuses the stream: %v", err)
	}
	defer r.Release()

	var rows [][]string
	batch := 1 // behind the schema
	for r.Next() {
		rec := r.Record()
		if got, want := int(rec.NumRows()), messages[batch].rows; got != want {
			tb.Fatalf("batch %d was emitted as %d rows and has %d", batch, want, got)
		}
		batch++
		first := len(rows)
		for range rec.NumRows() {
			rows = append(rows, make([]string, rec.NumCols()))
		}
		for c, column := range rec.Columns() {
			nulls := 0
			for i := range column.Len() {
				rows[first+i][c] = gotText(tb, column, i)
				if column.IsNull(i) {
					nulls++
				}
			}
			if buffers := column.Data().Buffers(); len(buffers) == 3 && buffers[2] != nil {
				offsets := arrow.Int32Traits.CastFromBytes(buffers[1].Bytes())
				if end := int(offsets[column.Len()]); end != buffers[2].Len() {
					tb.Fatalf("batch %d column %d has %d bytes of values, its offsets end at %d", batch-1, c, buffers[2].Len(), end)
				}
			}
			if nulls != column.NullN() {
				tb.Fatalf("batch %d column %d says %d nulls and has %d", batch-1, c, column.NullN(), nulls)
			}
		}
	}
	if err := r.Err(); err != nil {
		tb.Fatalf("the Arrow library refuses a batch: %v", err)
	}
	return r.Schema(), rows
}

// gotText returns one value as text.
func gotText(tb testing.TB, column arrow.Array, i int) string {
	if column.IsNull(i) {
		return "NULL"
	}
	switch c := column.(type) {
	case *array.Boolean:
		return fmt.Sprint(c.Value(i))
	case *array.Int16:
		return fmt.Sprint(c.Value(i))
	case *array.Int32:
		return fmt.Sprint(c.Value(i))
	case *array.Int64:
		return fmt.Sprint(c.Value(i))
	case *array.Float32:
		return hexBytes(binary.BigEndian.AppendUint32(nil, math.Float32bits(c.Value(i))))
	case *array.Float64:
		return hexBytes(binary.BigEndian.AppendUint64(nil, math.Float64bits(c.Value(i))))
	case *array.String:
		return c.Value(i)
	case *array.Binary:
		return hexBytes(c.Value(i))
	case *array.FixedSizeBinary:
		return hexBytes(c.Value(i))
	case *array.Date32:
		return fmt.Sprint(int32(c.Value(i)))
	case *array.Timestamp:
		return fmt.Sprint(int64(c.Value(i)))
	}
	tb.Fatalf("a column of type %s", column.DataType())
	return ""
}

// wantText returns what gotText returns for a value in binary format,
// worked out slowly.
func wantText(t pgType, v []byte) string {
	if v == nil {
		return "NULL"
	}
	switch t.kind {
	case kindBool:
		return fmt.Sprint(v[0] != 0)
	case kindInt2:
		return fmt.Sprint(int16(binary.BigEndian.Uint16(v)))
	case kindInt4:
		if t.name == "real" {
			return hexBytes(v)
		}
		return fmt.Sprint(int32(binary.BigEndian.Uint32(v)))
	case kindInt8:
		if t.name == "double precision" {
			return hexBytes(v)
		}
		return fmt.Sprint(int64(binary.BigEndian.Uint64(v)))
	case kindDate:
		n := int32(binary.BigEndian.Uint32(v))
		if isInfiniteDate(n) {
			return fmt.Sprint(n)
		}
		return fmt.Sprint(int64(n) + 10957)
	case kindTimestamp:
		n := int64(binary.BigEndian.Uint64(v))
		if isInfiniteTimestamp(n) {
			return fmt.Sprint(n)
		}
		return fmt.Sprint(n + 946684800000000)
	case kindBytes:
		if t.name == "bytea" {
			return hexBytes(v)
		}
		return string(v)
	case kindUUID:
		return hexBytes(v)
	case kindJSONB:
		return string(v[1:])
	case kindNumeric:
		return referenceNumericText(v)
	}
	panic("no such kind")
}

func hexBytes(b []byte) string { return fmt.Sprintf("%x", b) }
