package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// batchOf returns a batch message with the given columns. A value is nil for
// NULL, else of the Go type that goes with the field's Arrow type.
func batchOf(tb testing.TB, s *arrowipc.Schema, columns [][]any) []byte {
	tb.Helper()
	plans := make([]arrowipc.Plan, len(columns))
	for i, values := range columns {
		for _, v := range values {
			switch v := v.(type) {
			case nil:
				plans[i].Nulls++
			case string:
				plans[i].DataLen += len(v)
			case []byte:
				if s.Fields[i].Type == arrowipc.Binary {
					plans[i].DataLen += len(v)
				}
			}
		}
	}
	rows := len(columns[0])
	w := arrowipc.NewWriter(s, 0)
	if err := w.Begin(rows, plans); err != nil {
		tb.Fatalf("begin a batch of %d rows: %v", rows, err)
	}
	for i, values := range columns {
		c, width := w.Column(i), int(s.Fields[i].Width)
		at := 0
		for row, v := range values {
			if v != nil && c.Validity != nil {
				c.Validity[row/8] |= 1 << (row % 8)
			}
			switch v := v.(type) {
			case bool:
				if v {
					c.Data[row/8] |= 1 << (row % 8)
				}
			case int16:
				binary.LittleEndian.PutUint16(c.Data[row*2:], uint16(v))
			case int32:
				binary.LittleEndian.PutUint32(c.Data[row*4:], uint32(v))
			case int64:
				binary.LittleEndian.PutUint64(c.Data[row*8:], uint64(v))
			case float32:
				binary.LittleEndian.PutUint32(c.Data[row*4:], math.Float32bits(v))
			case float64:
				binary.LittleEndian.PutUint64(c.Data[row*8:], math.Float64bits(v))
			case string:
				at += copy(c.Data[at:], v)
			case []byte:
				if width > 0 {
					copy(c.Data[row*width:], v)
				} else {
					at += copy(c.Data[at:], v)
				}
			}
			if c.Offsets != nil {
				c.Offsets[row+1] = int32(at)
			}
		}
	}
	// The writer's buffer is used again; the caller may build several batches.
	return aligned(w.Finish())
}

// aligned returns a copy of b at an address that is a multiple of 64.
func aligned(b []byte) []byte {
	words := make([][64]byte, len(b)/64+2)
	out := unsafeBytes(words)[:len(b)]
	copy(out, b)
	return out
}

// fieldOf returns a field for a Postgres type.
func fieldOf(name, pgType string) arrowipc.Field {
	t, ok := parseTypeText(pgType)
	if !ok {
		panic("no such type: " + pgType)
	}
	f := arrowipc.Field{Name: name, Type: t.arrow, Nullable: true, Metadata: []arrowipc.KeyValue{{Key: pgTypeKey, Value: pgType}}}
	if t.arrow == arrowipc.FixedSizeBinary {
		f.Width = t.width
	}
	return f
}

// schemaOf returns a schema with a column of each type, named c0, c1 and so on.
func schemaOf(pgTypes ...string) *arrowipc.Schema {
	s := &arrowipc.Schema{}
	for i, t := range pgTypes {
		s.Fields = append(s.Fields, fieldOf(fmt.Sprintf("c%d", i), t))
	}
	return s
}

// pgTypesOf returns what the columns of a schema are encoded as.
func pgTypesOf(tb testing.TB, s *arrowipc.Schema) []pgType {
	tb.Helper()
	columns, err := destColumns(s, maxIdent)
	if err != nil {
		tb.Fatalf("columns of the schema: %v", err)
	}
	return (&destTable{columns: columns}).types()
}

// encodeAll encodes a whole batch in pieces of at most step rows.
func encodeAll(tb testing.TB, s *arrowipc.Schema, msg []byte, prefix uint32, step int) ([]byte, error) {
	tb.Helper()
	r := arrowipc.NewReader(s)
	rows, err := r.Parse(msg)
	if err != nil {
		tb.Fatalf("parse the batch: %v", err)
	}
	e := newEncoder(s, pgTypesOf(tb, s), prefix, nil)
	if err := e.load(r, rows, 0); err != nil {
		return nil, err
	}

	const guard = 0xA5
	var out []byte
	for lo := 0; lo < rows; {
		hi := min(lo+step, rows, lo+encodeRows)
		// Exactly the room that is promised, and behind it what must not change.
		bound := e.bound(lo, hi)
		buf := bytes.Repeat([]byte{guard}, bound+64)
		n, err := e.encode(buf[:bound:bound], lo, hi, 0)
		if err != nil {
			return nil, err
		}
		for i, c := range buf[n:] {
			if c != guard {
				tb.Fatalf("rows %d to %d of %d: byte %d behind their end was overwritten", lo, hi, rows, i)
			}
		}
		out = append(out, buf[:n]...)
		lo = hi
	}
	return out, nil
}

// reference encodes a batch value by value, the slow and plain way.
func reference(s *arrowipc.Schema, columns [][]any, prefix uint32) []byte {
	var out []byte
	for row := range columns[0] {
		if prefix > 0 {
			out = binary.BigEndian.AppendUint16(out, uint16(len(columns)))
		}
		for i, values := range columns {
			b, null := wantValue(s.Fields[i], values[row])
			if null {
				out = binary.BigEndian.AppendUint32(out, math.MaxUint32)
				continue
			}
			out = binary.BigEndian.AppendUint32(out, uint32(len(b)))
			out = append(out, b...)
		}
	}
	return out
}

func wantValue(f arrowipc.Field, v any) (b []byte, null bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case bool:
		if v {
			return []byte{1}, false
		}
		return []byte{0}, false
	case int16:
		return binary.BigEndian.AppendUint16(nil, uint16(v)), false
	case int32:
		if f.Type == arrowipc.Date32 && v != math.MaxInt32 && v != math.MinInt32 {
			v -= 10957
		}
		return binary.BigEndian.AppendUint32(nil, uint32(v)), false
	case int64:
		if (f.Type == arrowipc.Timestamp || f.Type == arrowipc.TimestampUTC) && v != math.MaxInt64 && v != math.MinInt64 {
			v -= 946684800000000
		}
		return binary.BigEndian.AppendUint64(nil, uint64(v)), false
	case float32:
		return binary.BigEndian.AppendUint32(nil, math.Float32bits(v)), false
	case float64:
		return binary.BigEndian.AppendUint64(nil, math.Float64bits(v)), false
	case []byte:
		return v, false
	case string:
		switch {
		case len(f.Metadata) > 0 && f.Metadata[0].Value == "jsonb":
			return append([]byte{1}, v...), false
		case len(f.Metadata) > 0 && strings.HasPrefix(f.Metadata[0].Value, "numeric"):
			return referenceNumeric(v), false
		}
		return []byte(v), false
	}
	panic(fmt.Sprintf("no reference for %T", v))
}

// everyType lists a column of every type that the connectors move.
var everyType = []string{
	"boolean", "smallint", "integer", "bigint", "real", "double precision", "text", "character varying(100)", "character(5)",
	"bytea", "date", "timestamp without time zone", "timestamp(3) with time zone", "uuid", "json", "jsonb", "numeric", "numeric(10,2)",
}

// randomCell returns a value for a field, often one at an edge.
func randomCell(r *rand.Rand, f arrowipc.Field) any {
	pick := func(edges ...any) any { return edges[r.IntN(len(edges))] }
	edge := r.IntN(4) == 0
	switch f.Type {
	case arrowipc.Bool:
		return r.IntN(2) == 1
	case arrowipc.Int16:
		if edge {
			return pick(int16(0), int16(-1), int16(math.MinInt16), int16(math.MaxInt16))
		}
		return int16(r.Uint32())
	case arrowipc.Int32:
		if edge {
			return pick(int32(0), int32(-1), int32(math.MinInt32), int32(math.MaxInt32))
		}
		return int32(r.Uint32())
	case arrowipc.Int64:
		if edge {
			return pick(int64(0), int64(-1), int64(math.MinInt64), int64(math.MaxInt64))
		}
		return int64(r.Uint64())
	case arrowipc.Float32:
		if edge {
			return pick(float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.Float32frombits(1<<31), float32(math.SmallestNonzeroFloat32))
		}
		return r.Float32()
	case arrowipc.Float64:
		if edge {
			return pick(math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.SmallestNonzeroFloat64)
		}
		return r.Float64()
	case arrowipc.Date32:
		if edge {
			return pick(int32(math.MaxInt32), int32(math.MinInt32), int32(minDate), int32(maxDate), int32(0), int32(epochDays))
		}
		return int32(r.IntN(40000) - 10000)
	case arrowipc.Timestamp, arrowipc.TimestampUTC:
		if edge {
			return pick(int64(math.MaxInt64), int64(math.MinInt64), int64(minTimestamp), int64(maxTimestamp), int64(0), int64(epochMicros))
		}
		return r.Int64N(4e15) - 1e15
	case arrowipc.FixedSizeBinary:
		b := make([]byte, f.Width)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case arrowipc.Binary:
		b := make([]byte, randomLength(r))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	if len(f.Metadata) > 0 {
		switch typ := f.Metadata[0].Value; {
		case strings.HasPrefix(typ, "numeric("):
			return fmt.Sprintf("%d.%02d", r.IntN(2e7)-1e7, r.IntN(100))
		case typ == "numeric":
			return randomNumeric(r)
		case strings.HasPrefix(typ, "json"):
			return fmt.Sprintf(`{"a": %d, "b": %q}`, r.IntN(1000), strings.Repeat("é", r.IntN(20)))
		case typ == "character(5)":
			return pick("     ", "ab   ", "äöü  ", "12345")
		case typ == "character varying(100)":
			return strings.Repeat("x", r.IntN(101))
		}
	}
	if edge {
		return pick("", "a", "é", "😀", "\x01\x7f", "tab\tnew\nline\\")
	}
	return strings.Repeat("abcdefghijklmnopqrstuvwxyz", 30)[:randomLength(r)] + pick("", "é", "😀").(string)
}

// randomLength is mostly about a word's or a loop's end, rarely long.
func randomLength(r *rand.Rand) int {
	if r.IntN(20) == 0 {
		return longValue - 10 + r.IntN(20)
	}
	return r.IntN(75)
}

func randomColumns(r *rand.Rand, s *arrowipc.Schema, rows int, nulls func(column, row int) bool) [][]any {
	columns := make([][]any, len(s.Fields))
	for i := range columns {
		columns[i] = make([]any, rows)
		for row := range rows {
			if !nulls(i, row) {
				columns[i][row] = randomCell(r, s.Fields[i])
			}
		}
	}
	return columns
}

// TestEncodeMatchesReference encodes every type under every pattern of nulls and
// every number of rows that ends a bitmap's byte or a loop in another place.
func TestEncodeMatchesReference(t *testing.T) {
	patterns := []struct {
		name  string
		nulls func(r *rand.Rand) func(column, row int) bool
	}{
		{"none", func(*rand.Rand) func(int, int) bool { return func(int, int) bool { return false } }},
		{"all", func(*rand.Rand) func(int, int) bool { return func(int, int) bool { return true } }},
		{"every second column", func(*rand.Rand) func(int, int) bool { return func(c, _ int) bool { return c%2 == 0 } }},
		{"last row", func(*rand.Rand) func(int, int) bool { return func(_, row int) bool { return row == 0 } }},
		{"random", func(r *rand.Rand) func(int, int) bool { return func(int, int) bool { return r.IntN(2) == 0 } }},
		{"one column random", func(r *rand.Rand) func(int, int) bool {
			return func(c, _ int) bool { return c == 7 && r.IntN(3) == 0 }
		}},
	}
	for _, p := range patterns {
		for _, rows := range []int{1, 2, 7, 8, 9, 63, 64, 65, 1000, encodeRows + 1} {
			t.Run(fmt.Sprintf("nulls=%s/rows=%d", p.name, rows), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(rows)))
				types := append([]string(nil), everyType...)
				r.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
				s := schemaOf(types...)
				columns := randomColumns(r, s, rows, p.nulls(r))
				msg := batchOf(t, s, columns)

				for _, prefix := range []uint32{copyPrefix, bindPrefix} {
					want := reference(s, columns, prefix)
					for _, step := range []int{rows, 13} {
						got, err := encodeAll(t, s, msg, prefix, step)
						if err != nil {
							t.Fatalf("encode %d rows: %v", rows, err)
						}
						if at := firstDifference(got, want); at >= 0 {
							t.Fatalf("encode %d rows by %d, prefix %d: differs from the reference at byte %d of %d (types %v)",
								rows, step, prefix, at, len(want), types)
						}
					}
				}
			})
		}
	}
}

// TestEncodeOddTimes encodes days and times that are all plain, and the same with
// one in each place that is not: a column is first written as if it had none.
func TestEncodeOddTimes(t *testing.T) {
	tests := []struct {
		typ   string
		plain func(row int) any
		odd   []any
	}{
		{"date", func(row int) any { return int32(row * 100) },
			[]any{int32(math.MaxInt32), int32(math.MinInt32), int32(minDate), int32(maxDate), int32(-1)}},
		{"timestamp without time zone", func(row int) any { return int64(row) * 1e12 },
			[]any{int64(math.MaxInt64), int64(math.MinInt64), int64(minTimestamp), int64(maxTimestamp), int64(-1)}},
	}
	for _, tt := range tests {
		s := schemaOf(tt.typ)
		for _, rows := range []int{1, 3, 4, 7, 8, 9} {
			for place := range rows + 1 { // the last one is none
				for _, odd := range tt.odd {
					columns := [][]any{make([]any, rows)}
					for row := range rows {
						columns[0][row] = tt.plain(row)
					}
					if place < rows {
						columns[0][place] = odd
					}
					got, err := encodeAll(t, s, batchOf(t, s, columns), copyPrefix, rows)
					if err != nil {
						t.Fatalf("encode %d rows of %s, the odd one %v in place %d: %v", rows, tt.typ, odd, place, err)
					}
					if want := reference(s, columns, copyPrefix); !bytes.Equal(got, want) {
						t.Errorf("encode %d rows of %s, the odd one %v in place %d: got %x, want %x", rows, tt.typ, odd, place, got, want)
					}
				}
			}
		}
	}
}

// firstDifference returns where a and b differ first, or -1.
func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

// TestEncodeNullsWithBytes encodes text whose nulls have bytes of their own, as
// Arrow allows and other writers do.
func TestEncodeNullsWithBytes(t *testing.T) {
	s := schemaOf("text", "jsonb", "integer")
	msg := batchOf(t, s, [][]any{{"ab", "cdefghijkl", "m"}, {"{}", "[1,2,3]", "0"}, {int32(1), int32(2), int32(3)}})
	r := arrowipc.NewReader(s)
	rows, err := r.Parse(msg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		r.Column(i).Nulls, r.Column(i).Validity = 1, []byte{0b101}
	}
	e := newEncoder(s, pgTypesOf(t, s), copyPrefix, nil)
	if err := e.load(r, rows, 0); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, e.bound(0, rows))
	n, err := e.encode(buf, 0, rows, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := reference(s, [][]any{{"ab", nil, "m"}, {"{}", nil, "0"}, {int32(1), int32(2), int32(3)}}, copyPrefix)
	if !bytes.Equal(buf[:n], want) {
		t.Errorf("got %x, want %x", buf[:n], want)
	}
}

// TestEncodeFixedBinaryAsBytea encodes bytes of one length that do not say that
// they are a uuid.
func TestEncodeFixedBinaryAsBytea(t *testing.T) {
	for _, width := range []int32{1, 3, 8, 16, 20} {
		s := &arrowipc.Schema{Fields: []arrowipc.Field{{Name: "b", Type: arrowipc.FixedSizeBinary, Width: width, Nullable: true}}}
		columns := [][]any{{bytes.Repeat([]byte{1}, int(width)), nil, bytes.Repeat([]byte{2}, int(width))}}
		for range 2 { // a second, shorter batch uses the offsets of the first
			got, err := encodeAll(t, s, batchOf(t, s, columns), copyPrefix, 2)
			if err != nil {
				t.Fatal(err)
			}
			if want := reference(s, columns, copyPrefix); !bytes.Equal(got, want) {
				t.Errorf("width %d: got %x, want %x", width, got, want)
			}
			columns[0] = columns[0][:2]
		}
	}
}

func TestEncodeRefusesValues(t *testing.T) {
	const ok = int64(0)
	tests := []struct {
		name    string
		typ     string
		values  []any
		message string
	}{
		{"timestamp before Postgres' first", "timestamp without time zone", []any{ok, ok, int64(minTimestamp - 1)},
			`postgres: the value of column "c0" in row 103 is before 4714-11-24 BC or after the last day that Postgres knows`},
		{"timestamp that would wrap", "timestamp with time zone", []any{ok, int64(math.MinInt64 + 1)},
			`postgres: the value of column "c0" in row 102 is before 4714-11-24 BC or after the last day that Postgres knows`},
		{"the same beside a null", "timestamp with time zone", []any{nil, int64(math.MinInt64 + 1)},
			`postgres: the value of column "c0" in row 102 is before 4714-11-24 BC or after the last day that Postgres knows`},
		{"date before Postgres' first", "date", []any{int32(minDate - 1)},
			`postgres: the value of column "c0" in row 101 is before 4714-11-24 BC or after the last day that Postgres knows`},
		{"date after Postgres' last", "date", []any{nil, int32(0), int32(maxDate + 1)},
			`postgres: the value of column "c0" in row 103 is before 4714-11-24 BC or after the last day that Postgres knows`},
		{"no number", "numeric", []any{"1", nil, "1e5"},
			`postgres: the value of column "c0" in row 103 is no number as Postgres writes one`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := schemaOf(tt.typ)
			r := arrowipc.NewReader(s)
			rows, err := r.Parse(batchOf(t, s, [][]any{tt.values}))
			if err != nil {
				t.Fatal(err)
			}
			e := newEncoder(s, pgTypesOf(t, s), copyPrefix, nil)
			const first = 100
			if err = e.load(r, rows, first); err == nil {
				_, err = e.encode(make([]byte, 1000), 0, rows, first)
			}
			got, ok := err.(*abi.Error)
			if !ok || got.Message != tt.message || got.Category != abi.CategoryData || got.Column != "c0" {
				t.Errorf("got %#v, want a data error of column c0: %s", err, tt.message)
			}
		})
	}
}

// TestEncodeFit checks that pieces cover a batch and keep to the limit.
func TestEncodeFit(t *testing.T) {
	s := schemaOf("text", "integer")
	var columns [2][]any
	for i := range 300 {
		columns[0] = append(columns[0], strings.Repeat("x", i%97))
		columns[1] = append(columns[1], int32(i))
	}
	r := arrowipc.NewReader(s)
	rows, err := r.Parse(batchOf(t, s, columns[:]))
	if err != nil {
		t.Fatal(err)
	}
	e := newEncoder(s, pgTypesOf(t, s), copyPrefix, nil)
	if err := e.load(r, rows, 0); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{0, 50, 111, 1000, 1 << 20} {
		for lo := 0; lo < rows; {
			hi := e.fit(lo, rows, limit)
			switch {
			case hi <= lo || hi > rows:
				t.Fatalf("fit(%d, %d, %d) = %d", lo, rows, limit, hi)
			case hi > lo+1 && e.bound(lo, hi) > limit:
				t.Fatalf("fit(%d, %d, %d) = %d, which takes %d bytes", lo, rows, limit, hi, e.bound(lo, hi))
			case hi < rows && hi < lo+encodeRows && e.bound(lo, hi+1) <= limit:
				t.Fatalf("fit(%d, %d, %d) = %d, though %d fits too", lo, rows, limit, hi, hi+1)
			}
			lo = hi
		}
	}
}

// FuzzEncode compares the encoder with the reference on batches of any shape.
func FuzzEncode(f *testing.F) {
	f.Add(uint64(1), uint16(9), uint32(0x3ffff), uint8(128))
	f.Add(uint64(2), uint16(1), uint32(1), uint8(0))
	f.Add(uint64(3), uint16(100), uint32(0x2aaaa), uint8(255))
	f.Fuzz(func(t *testing.T, seed uint64, rows uint16, which uint32, nullShare uint8) {
		if rows == 0 || rows > 500 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 0))
		var types []string
		for i, typ := range everyType {
			if which>>i&1 == 1 {
				types = append(types, typ)
			}
		}
		if len(types) == 0 {
			return
		}
		r.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
		s := schemaOf(types...)
		columns := randomColumns(r, s, int(rows), func(int, int) bool { return r.IntN(255) < int(nullShare) })
		got, err := encodeAll(t, s, batchOf(t, s, columns), copyPrefix, 1+r.IntN(int(rows)))
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		if at := firstDifference(got, reference(s, columns, copyPrefix)); at >= 0 {
			t.Errorf("differs from the reference at byte %d (types %v)", at, types)
		}
	})
}
