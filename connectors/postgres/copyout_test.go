package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// testTypes has a column of every kind, fixed and varying widths mixed, varying
// ones first, last and side by side.
var testTypes = []string{
	"text", "integer", "boolean", "smallint", "numeric", "jsonb", "bigint", "real", "double precision",
	"date", "timestamp without time zone", "timestamp with time zone", "uuid", "bytea", "json", "character varying(20)",
}

// randomField returns a random value of a type in binary format.
func randomField(r *rand.Rand, t pgType) []byte {
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	letters := func() []byte {
		n := r.IntN(24)
		if r.IntN(8) == 0 {
			n = r.IntN(200)
		}
		return []byte(strings.Repeat("ab🐘ñ", n/4+1)[:n/4*4])
	}
	switch t.kind {
	case kindBool:
		return []byte{byte(r.IntN(2))}
	case kindDate:
		return binary.BigEndian.AppendUint32(nil, uint32(r.IntN(4600000)-2451545))
	case kindTimestamp:
		switch r.IntN(8) {
		case 0:
			return []byte("\x7f\xff\xff\xff\xff\xff\xff\xff")
		case 1:
			return []byte("\x80\x00\x00\x00\x00\x00\x00\x00")
		}
		return binary.BigEndian.AppendUint64(nil, uint64(r.Int64N(9e18)-2e17))
	case kindBytes:
		if t.name == "bytea" {
			return random(r.IntN(100))
		}
		return letters()
	case kindJSONB:
		return append([]byte{1}, letters()...)
	case kindNumeric:
		return referenceNumeric(randomNumeric(r))
	}
	return random(int(t.width))
}

// randomCopy returns rows of the columns, in binary format and as text. A value
// is NULL where null says so.
func randomCopy(r *rand.Rand, columns []sourceColumn, n int, null func(row, column int) bool) (rows [][]byte, want [][]string) {
	for i := range n {
		values, text := make([][]byte, len(columns)), make([]string, len(columns))
		for c, col := range columns {
			if !null(i, c) {
				values[c] = randomField(r, col.typ)
			}
			text[c] = wantText(col.typ, values[c])
		}
		rows = append(rows, copyRow(values...))
		want = append(want, text)
	}
	return rows, want
}

// copyNulls say which values are NULL.
var copyNulls = []struct {
	name string
	null func(r *rand.Rand) func(row, column int) bool
}{
	{"none", func(*rand.Rand) func(int, int) bool { return func(int, int) bool { return false } }},
	{"all", func(*rand.Rand) func(int, int) bool { return func(int, int) bool { return true } }},
	{"half", func(r *rand.Rand) func(int, int) bool { return func(int, int) bool { return r.IntN(2) == 0 } }},
	{"rare", func(r *rand.Rand) func(int, int) bool { return func(int, int) bool { return r.IntN(500) == 0 } }},
	{"first", func(*rand.Rand) func(int, int) bool { return func(row, _ int) bool { return row == 0 } }},
	{"last-column", func(*rand.Rand) func(int, int) bool { return func(_, c int) bool { return c == len(testTypes)-1 } }},
	{"first-column", func(*rand.Rand) func(int, int) bool { return func(_, c int) bool { return c == 0 } }},
	{"every-third", func(*rand.Rand) func(int, int) bool { return func(row, c int) bool { return (row+c)%3 == 0 } }},
}

// wantStream fails the test unless the messages are a whole stream of the rows.
func wantStream(tb testing.TB, messages []testMessage, want [][]string) {
	tb.Helper()
	_, got := arrowRows(tb, messages)
	if len(got) != len(want) {
		tb.Fatalf("got %d rows, want %d", len(got), len(want))
	}
	for i := range got {
		for c := range got[i] {
			if got[i][c] != want[i][c] {
				tb.Fatalf("row %d column %d is %q, want %q", i, c, got[i][c], want[i][c])
			}
		}
	}
	if last := messages[len(messages)-1]; len(last.data) != 8 {
		tb.Fatalf("the last message has %d bytes, want the end of the stream", len(last.data))
	}
}

// TestFetchMatchesReference reads random rows in many sizes and compares what
// the Arrow library makes of them with what was put in.
func TestFetchMatchesReference(t *testing.T) {
	columns := sourceColumns(t, testTypes...)
	for _, p := range copyNulls {
		for _, n := range []int{0, 1, 7, 8, 9, 63, 64, 65, 1000} {
			t.Run(fmt.Sprintf("nulls=%s/rows=%d", p.name, n), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				rows, want := randomCopy(r, columns, n, p.null(r))
				h, err := fetchFrom(t, columns, asServerDoes(rows...), 0, func(req *abi.RunRequest) { req.BatchRows = 300 })
				if err != nil {
					t.Fatal(err)
				}
				wantStream(t, h.emitted, want)
				if got := h.metrics[abi.MetricRowsRead]; got != int64(n) {
					t.Errorf("reported %d rows, want %d", got, n)
				}
			})
		}
	}
}

// TestFetchAnyFraming cuts the same data into messages, and the messages into
// reads, in every way a protocol that promises nothing allows.
func TestFetchAnyFraming(t *testing.T) {
	columns := sourceColumns(t, testTypes...)
	r := rand.New(rand.NewPCG(2, 2))
	rows, want := randomCopy(r, columns, 200, func(int, int) bool { return r.IntN(10) == 0 })
	payload := append(bytes.Clone(copyHead), bytes.Join(rows, nil)...)
	payload = append(payload, copyEnd...)
	notice := message(msgNotice, "SNOTICE\x00Mhello\x00\x00")

	frame := func(next func() int, between []byte) []byte {
		var out []byte
		for rest := payload; len(rest) > 0; {
			n := min(next(), len(rest))
			out = append(out, message(msgCopyData, rest[:n])...)
			out = append(out, between...)
			rest = rest[n:]
		}
		return append(out, copyDone(len(rows))...)
	}
	every := func(n int) func() int { return func() int { return n } }
	rowwise := func(join int) []byte {
		var out []byte
		for i := 0; i < len(rows); i += join {
			part := bytes.Join(rows[i:min(i+join, len(rows))], nil)
			if i == 0 {
				part = append(bytes.Clone(copyHead), part...)
			}
			out = append(out, message(msgCopyData, part)...)
		}
		return append(append(out, message(msgCopyData, copyEnd)...), copyDone(len(rows))...)
	}
	// The way of a server at first, then rows split and joined.
	half := asServerDoes(rows[:100]...)
	half = half[:len(half)-len(message(msgCopyData, copyEnd))-len(copyDone(100))]
	for rest := append(bytes.Join(rows[100:], nil), copyEnd...); len(rest) > 0; {
		n := min(137, len(rest))
		half = append(half, message(msgCopyData, rest[:n])...)
		rest = rest[n:]
	}
	half = append(half, copyDone(len(rows))...)
	// The header in a message of its own.
	apart := message(msgCopyData, copyHead)
	for _, part := range append(append([][]byte{}, rows...), copyEnd) {
		apart = append(apart, message(msgCopyData, part)...)
	}
	apart = append(apart, copyDone(len(rows))...)

	tests := []struct {
		name    string
		answers []byte
	}{
		{"as a server does", asServerDoes(rows...)},
		{"a byte a message", frame(every(1), nil)},
		{"three bytes a message", frame(every(3), nil)},
		{"all in one message", frame(every(len(payload)), nil)},
		{"random messages", frame(func() int { return r.IntN(1000) }, nil)},
		{"empty messages between", frame(func() int { return r.IntN(2) * 100 }, nil)},
		{"notices between", frame(every(500), notice)},
		{"two rows a message", rowwise(2)},
		{"seven rows a message", rowwise(7)},
		{"changing its ways", half},
		{"header apart", apart},
	}
	for _, test := range tests {
		for _, chunk := range []int{0, 1, 2, 5, 64, 1000} {
			for _, batch := range []int64{1, 3, 1000} {
				t.Run(fmt.Sprintf("%s/chunk=%d/batch=%d", strings.ReplaceAll(test.name, " ", "_"), chunk, batch), func(t *testing.T) {
					h, err := fetchFrom(t, columns, test.answers, chunk, func(req *abi.RunRequest) { req.BatchRows = batch })
					if err != nil {
						t.Fatal(err)
					}
					wantStream(t, h.emitted, want)
				})
			}
		}
	}
}

// TestFetchGuessesWrong reads rows whose NULLs make a wrong guess look right: the
// dense walk takes the bytes of one field for another's and still finds the end
// of the row where it must be.
func TestFetchGuessesWrong(t *testing.T) {
	// Guessed: integer of 4 bytes, then a text. Meant: NULL, then a text that
	// holds what looks like the length of a shorter one.
	columns := sourceColumns(t, "integer", "text")
	meant := copyRow(nil, append([]byte{0, 0, 0, 4}, "abcd"...))
	plain := copyRow([]byte{0, 0, 0, 7}, []byte("x"))

	if got := len(meant); got != 2+4+4+8 {
		t.Fatalf("the row has %d bytes", got)
	}
	want := [][]string{{"7", "x"}, {"NULL", "\x00\x00\x00\x04abcd"}, {"7", "x"}}
	for _, batch := range []int64{1, 2, 3} {
		h, err := fetchFrom(t, columns, asServerDoes(plain, meant, plain), 0, func(req *abi.RunRequest) { req.BatchRows = batch })
		if err != nil {
			t.Fatal(err)
		}
		wantStream(t, h.emitted, want)
	}

	// The same behind rows that are sent in a message of their own, because the
	// batch turned out too large: they must not be sent twice.
	columns = sourceColumns(t, "numeric", "integer", "text")
	digits := "1" + strings.Repeat("0", 5000)
	huge := referenceNumeric(digits)
	plain = copyRow(huge, []byte{0, 0, 0, 7}, []byte("x"))
	meant = copyRow(huge, nil, append([]byte{0, 0, 0, 4}, "abcd"...))
	h, err := fetchFrom(t, columns, asServerDoes(plain, plain, plain, meant, plain), 0, func(req *abi.RunRequest) { req.BatchBytes = 12000 })
	if err != nil {
		t.Fatal(err)
	}
	row := []string{digits, "7", "x"}
	wantStream(t, h.emitted, [][]string{row, row, row, {digits, "NULL", "\x00\x00\x00\x04abcd"}, row})

	// What is guessed to be a NULL may be bytes of a column that has none.
	columns = sourceColumns(t, "integer", "bytea!")
	h, err = fetchFrom(t, columns, asServerDoes(copyRow(nil, []byte{0xff, 0xff, 0xff, 0xff})), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantStream(t, h.emitted, [][]string{{"NULL", "ffffffff"}})
}

// TestFetchLimits checks where batches are cut, in each of the ways to walk.
func TestFetchLimits(t *testing.T) {
	columns := sourceColumns(t, "integer", "text", "boolean")
	tests := []struct {
		name        string
		rows, bytes int64
		least, most int // batches
	}{
		{"by rows", 100, 1 << 20, 10, 10},
		{"by rows, uneven", 300, 1 << 20, 4, 4},
		{"by bytes", 1 << 20, 4000, 4, 12},
		{"both", 7, 4000, 143, 143},
		{"one row", 1, 1 << 20, 1000, 1000},
		{"one byte", 1000, 1, 1000, 1000},
		{"no limits", 0, 0, 1, 1},
	}
	for _, walk := range []string{"dense", "exact", "merged"} {
		r := rand.New(rand.NewPCG(3, 3))
		rows, want := randomCopy(r, columns, 1000, func(row, c int) bool { return walk == "exact" && row%5 == 0 && c == 2 })
		answers := asServerDoes(rows...)
		if walk == "merged" {
			payload := append(append(bytes.Clone(copyHead), bytes.Join(rows, nil)...), copyEnd...)
			answers = append(message(msgCopyData, payload), copyDone(len(rows))...)
		}
		for _, test := range tests {
			t.Run(walk+"/"+strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
				h, err := fetchFrom(t, columns, answers, 0, func(req *abi.RunRequest) {
					req.BatchRows, req.BatchBytes = test.rows, test.bytes
				})
				if err != nil {
					t.Fatal(err)
				}
				wantStream(t, h.emitted, want)
				batches := len(h.emitted) - 2
				if batches < test.least || batches > test.most {
					t.Errorf("got %d batches, want %d to %d", batches, test.least, test.most)
				}
				for _, m := range h.emitted[1 : batches+1] {
					if test.rows > 0 && int64(m.rows) > test.rows {
						t.Errorf("a batch has %d rows, over the limit of %d", m.rows, test.rows)
					}
					if test.bytes > 0 && m.rows > 1 && int64(len(m.data)) > test.bytes+frameBytes {
						t.Errorf("a batch of %d rows has %d bytes, over the limit of %d", m.rows, len(m.data), test.bytes)
					}
				}
			})
		}
	}
}

// frameBytes is what a message of few columns has besides them.
const frameBytes = 1000

// TestFetchFillsBatches checks that batches cut by bytes come close to their
// limit and are not cut again, however many NULLs there are.
func TestFetchFillsBatches(t *testing.T) {
	columns := sourceColumns(t, "bigint", "text", "uuid", "integer", "timestamp without time zone", "boolean")
	const limit = 64 << 10
	for _, merged := range []bool{false, true} {
		for _, nulls := range []int{0, 20, 95} {
			r := rand.New(rand.NewPCG(9, 9))
			rows, want := randomCopy(r, columns, 6000, func(int, int) bool { return r.IntN(100) < nulls })
			answers := asServerDoes(rows...)
			if merged {
				payload := append(append(bytes.Clone(copyHead), bytes.Join(rows, nil)...), copyEnd...)
				answers = append(message(msgCopyData, payload), copyDone(len(rows))...)
			}
			h, err := fetchFrom(t, columns, answers, 0, func(req *abi.RunRequest) { req.BatchRows, req.BatchBytes = 0, limit })
			if err != nil {
				t.Fatal(err)
			}
			wantStream(t, h.emitted, want)
			batches := h.emitted[1 : len(h.emitted)-1]
			for i, m := range batches[:len(batches)-1] {
				if len(m.data) < limit*95/100 || len(m.data) > limit+frameBytes {
					t.Errorf("merged=%v nulls=%d: batch %d of %d has %d bytes, want %d", merged, nulls, i, len(batches), len(m.data), limit)
				}
			}
		}
	}
}

// TestFetchNarrowRows reads rows that take a hundred times as much room here as
// in Arrow: the buffer must not grow by the batch's limit times that.
func TestFetchNarrowRows(t *testing.T) {
	columns := sourceColumns(t, "boolean")
	rows := make([][]byte, 100000)
	want := make([][]string, len(rows))
	for i := range rows {
		rows[i], want[i] = copyRow([]byte{byte(i % 2)}), []string{fmt.Sprint(i%2 == 1)}
	}
	h, err := fetchFrom(t, columns, asServerDoes(rows...), 0, func(req *abi.RunRequest) { req.BatchRows, req.BatchBytes = 0, 64<<10 })
	if err != nil {
		t.Fatal(err)
	}
	wantStream(t, h.emitted, want)
	if batches := len(h.emitted) - 2; batches < 2 {
		t.Errorf("%d bytes of rows came as %d batch", len(rows)*12, batches)
	}
}

// TestFetchWideRows reads rows of many columns of fixed width. Walking one goes
// far before the row's end is looked at; the race detector sees reads outside of
// the buffer.
func TestFetchWideRows(t *testing.T) {
	columns := sourceColumns(t, slices.Repeat([]string{"uuid", "smallint", "text"}, 400)...)
	r := rand.New(rand.NewPCG(7, 7))
	for _, nulls := range []int{0, 1, 50} {
		rows, want := randomCopy(r, columns, 40, func(int, int) bool { return r.IntN(100) < nulls })
		for _, chunk := range []int{0, 4096} {
			h, err := fetchFrom(t, columns, asServerDoes(rows...), chunk, nil)
			if err != nil {
				t.Fatal(err)
			}
			wantStream(t, h.emitted, want)
		}
	}
}

// TestFetchChoosesWalk checks that NULLs of fixed width make the reader walk
// field by field, and batches without them let it go back.
func TestFetchChoosesWalk(t *testing.T) {
	columns := sourceColumns(t, "integer", "text")
	full, null := copyRow([]byte{0, 0, 0, 1}, nil), copyRow(nil, []byte("x"))
	rows := [][]byte{full, full, null, full, full, full, full, full, null, null}
	r, _ := copyOf(t, columns, asServerDoes(rows...), func(req *abi.RunRequest) { req.BatchRows = 2 })
	for i, want := range []bool{true, false, false, true, false} {
		if n, err := r.batch(); n != 2 || err != nil {
			t.Fatalf("batch %d has %d rows, error %v", i, n, err)
		}
		if r.x.dense != want {
			t.Errorf("batch %d: walked densely is %v, want %v", i, r.x.dense, want)
		}
	}
}

// TestFetchNumericGrows reads numbers that are a few bytes in binary format and
// thousands of times as many as text: batches must stay below their limits.
func TestFetchNumericGrows(t *testing.T) {
	columns := sourceColumns(t, "numeric", "integer", "text", "boolean", "jsonb")
	r := rand.New(rand.NewPCG(8, 8))
	digits := "1" + strings.Repeat("0", 50000)
	huge := referenceNumeric(digits)
	for _, nulls := range []bool{false, true} {
		var rows [][]byte
		var want [][]string
		for range 100 {
			values, text := make([][]byte, len(columns)), make([]string, len(columns))
			for c, col := range columns {
				if !nulls || r.IntN(2) == 0 || c == 0 {
					values[c] = randomField(r, col.typ)
				}
				text[c] = wantText(col.typ, values[c])
			}
			values[0], text[0] = huge, digits
			rows, want = append(rows, copyRow(values...)), append(want, text)
		}
		h, err := fetchFrom(t, columns, asServerDoes(rows...), 0, func(req *abi.RunRequest) { req.BatchBytes, req.MaxBatchBytes = 400000, 1000000 })
		if err != nil {
			t.Fatal(err)
		}
		wantStream(t, h.emitted, want)
		for _, m := range h.emitted {
			if len(m.data) > 400000+frameBytes {
				t.Errorf("a batch of %d rows has %d bytes, over the limit of 400000", m.rows, len(m.data))
			}
		}

		// As many as fit must not be fewer than needed.
		if batches := len(h.emitted) - 2; batches > 40 {
			t.Errorf("got %d batches, want 32 or few more", batches)
		}

		_, err = fetchFrom(t, columns, asServerDoes(rows...), 0, func(req *abi.RunRequest) { req.MaxBatchBytes = 45000 })
		wantError(t, err, abi.CategoryData, `"events"`, "has a row of 50", "max_batch_bytes")
	}
}

// TestFetchRefusesLongRows checks that a row over the limit is an error before
// it is in memory.
func TestFetchRefusesLongRows(t *testing.T) {
	columns := sourceColumns(t, "integer", "text")
	long := copyRow([]byte{0, 0, 0, 1}, make([]byte, 3<<20))
	limit := func(req *abi.RunRequest) { req.MaxBatchBytes = 1 << 20 }

	for _, chunk := range []int{0, 1000} {
		_, err := fetchFrom(t, columns, asServerDoes(copyRow(nil, nil), long), chunk, limit)
		wantError(t, err, abi.CategoryData, `stream "events" has a row of 3145`, "limit of 1048576", "max_batch_bytes")
	}

	// A row that only says it is long.
	lying := message(msgCopyData, append(bytes.Clone(copyHead), 0, 2, 0, 0, 0, 4, 1, 2, 3, 4, 0x7f, 0xff, 0xff, 0xff, 'x'))
	_, err := fetchFrom(t, columns, append(lying, message(msgCopyData, make([]byte, 1000))...), 0, limit)
	wantError(t, err, abi.CategoryData, "has a row of 21474")

	lying = append(asServerDoes(copyRow(nil, nil))[:len(message(msgCopyData, copyHead))+10], 'd', 0x7f, 0xff, 0xff, 0xff)
	lying = append(append(lying, copyRow([]byte{0, 0, 0, 4}, make([]byte, 4<<20))...), make([]byte, 1<<20)...)
	_, err = fetchFrom(t, columns, lying, 0, limit)
	wantError(t, err, abi.CategoryData, "has a row of 41943")

	// One that fits as it comes and not as Arrow needs it is refused, too.
	_, err = fetchFrom(t, columns, asServerDoes(copyRow(nil, make([]byte, 1<<20))), 0, limit)
	wantError(t, err, abi.CategoryData, "over the limit of 1048576")
}

// TestFetchRefuses checks the errors of data that no server sends, and of a
// server that has something to say.
func TestFetchRefuses(t *testing.T) {
	columns := sourceColumns(t, "integer", "text")
	ok := copyRow([]byte{0, 0, 0, 1}, []byte("x"))
	data := func(parts ...[]byte) []byte {
		var out []byte
		for _, p := range parts {
			out = append(out, message(msgCopyData, p)...)
		}
		return out
	}
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	failed := message(msgError, "SERROR\x00VERROR\x00C57014\x00Mcanceling statement due to user request\x00\x00")

	tests := []struct {
		name     string
		answers  []byte
		category abi.Category
		want     string
	}{
		{"no signature", data([]byte("1\tx\n")), abi.CategoryInternal, "signature"},
		{"wrong signature", data([]byte("PGCOPY\n\xff\r\n\x01\x00\x00\x00\x00\x00\x00\x00\x00")), abi.CategoryInternal, "signature"},
		{"critical flag", data([]byte(copySignature + "\x00\x01\x00\x00\x00\x00\x00\x00")), abi.CategoryInternal, "header"},
		{"endless extension", data([]byte(copySignature + "\x00\x00\x00\x00\x7f\x00\x00\x00")), abi.CategoryInternal, "header"},
		{"too few columns", cat(data(copyHead, copyRow([]byte{0, 0, 0, 1})), copyDone(1)), abi.CategoryInternal, "row of 1 columns instead of 2"},
		{"too many columns", cat(data(copyHead, copyRow(nil, nil, nil)), copyDone(1)), abi.CategoryInternal, "row of 3 columns instead of 2"},
		{"wrong width", cat(data(copyHead, copyRow([]byte{1, 2}, []byte("x"))), copyDone(1)), abi.CategoryInternal, `value of 2 bytes in column "c0" of type integer`},
		{"negative length", cat(data(copyHead, []byte{0, 2, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0}), copyDone(1)), abi.CategoryInternal, `value of -2 bytes in column "c0"`},
		{"negative length of a text", cat(data(copyHead, []byte{0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe}), copyDone(1)), abi.CategoryInternal, `value of -2 bytes in column "c1" of type text`},
		{"lying number of columns", cat(data(copyHead, copyRow(nil, nil), append([]byte{0, 3}, ok[2:]...)), copyDone(2)), abi.CategoryInternal, "row of 3 columns instead of 2"},
		{"lying number of columns, no NULL", cat(data(copyHead, append([]byte{0, 3}, ok[2:]...)), copyDone(1)), abi.CategoryInternal, "row of 3 columns instead of 2"},
		{"no end marker", cat(data(copyHead, ok), copyDone(1)), abi.CategoryInternal, "without the end marker"},
		{"nothing at all", copyDone(0), abi.CategoryInternal, "without the end marker"},
		{"cut off in a row", cat(data(copyHead, ok[:9]), copyDone(1)), abi.CategoryInternal, "cut off"},
		{"cut off in the header", cat(data(copyHead[:15]), copyDone(1)), abi.CategoryInternal, "cut off"},
		{"data behind the end", cat(data(copyHead, copyEnd, ok), copyDone(1)), abi.CategoryInternal, "behind the end marker"},
		{"data behind the end in one message", cat(data(copyHead, cat(ok, copyEnd, ok)), copyDone(1)), abi.CategoryInternal, "behind the end marker"},
		{"rows missing", cat(data(copyHead, ok, copyEnd), copyDone(2)), abi.CategoryInternal, `1 rows, but the server says "COPY 2"`},
		{"a message out of place", cat(data(copyHead, ok), message(msgRowDescription, "\x00\x00")), abi.CategoryInternal, "type 'T'"},
		{"a length below 4", cat(data(copyHead, ok), []byte{'d', 0, 0, 0, 3}), abi.CategoryInternal, "impossible length"},
		{"a length below 4 after a split", cat(data(copyHead, ok[:9], ok[9:]), []byte{'d', 0, 0, 0, 3}), abi.CategoryInternal, "impossible length"},
		{"connection lost", data(copyHead, ok), abi.CategoryTransientNetwork, "closed the connection"},
		{"connection lost in a row", data(copyHead, ok)[:40], abi.CategoryTransientNetwork, "closed the connection"},
		{"server's error", cat(data(copyHead, ok), failed, message(msgReady, "E")), abi.CategoryTransientDB, "canceling statement due to user request (SQLSTATE 57014)"},
		{"server's last error", cat(data(copyHead, ok), failed), abi.CategoryTransientDB, "canceling statement"},
		{"server's error in a row", cat(data(copyHead, ok[:9]), failed, message(msgReady, "E")), abi.CategoryTransientDB, "canceling statement"},
		{"server's error behind the data", cat(data(copyHead, ok, copyEnd), message(msgCopyDone, ""), failed, message(msgReady, "E")), abi.CategoryTransientDB, "canceling statement"},
	}
	for _, test := range tests {
		for _, chunk := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s/chunk=%d", strings.ReplaceAll(test.name, " ", "_"), chunk), func(t *testing.T) {
				h, err := fetchFrom(t, columns, test.answers, chunk, nil)
				wantError(t, err, test.category, test.want)
				for _, m := range h.emitted {
					if len(m.data) == 8 {
						t.Error("the stream was ended all the same")
					}
				}
			})
		}
	}
}

// TestFetchRefusesValues checks the errors of values that Arrow cannot hold or a
// type cannot have.
func TestFetchRefusesValues(t *testing.T) {
	be8 := func(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }
	const last = 1<<63 - 1 - epochMicros
	tests := []struct {
		typ      string
		value    []byte
		category abi.Category
		want     string
	}{
		{"timestamp without time zone", be8(last), abi.CategoryData, `column "c1" of stream "events" has a timestamp after the year 294246`},
		{"timestamp with time zone", be8(1<<63 - 2), abi.CategoryData, "294246"},
		{"date", []byte{0x7f, 0xff, 0xff, 0xfe}, abi.CategoryInternal, "no date can have"},
		{"jsonb", []byte{}, abi.CategoryInternal, "no jsonb can have"},
		{"jsonb", []byte("\x02{}"), abi.CategoryInternal, "no jsonb can have"},
		{"numeric", []byte{0, 0, 0, 0, 0, 0, 0}, abi.CategoryInternal, "no numeric can have"},
		{"numeric", []byte{0, 1, 0, 0, 0, 0, 0, 0}, abi.CategoryInternal, "no numeric can have"},
		{"numeric", []byte{0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10}, abi.CategoryInternal, "no numeric can have"},
		{"numeric", []byte{0, 0, 0, 0, 0x12, 0x34, 0, 0}, abi.CategoryInternal, "no numeric can have"},
		{"numeric", []byte{0, 0, 0, 0, 0, 0, 0x40, 0}, abi.CategoryInternal, "no numeric can have"},
		{"numeric", []byte{0xff, 0xff, 0, 0, 0, 0, 0, 0}, abi.CategoryInternal, "no numeric can have"},
	}
	for _, test := range tests {
		for _, first := range [][]byte{nil, {0, 0, 0, 1}} { // walked exactly, and densely at first
			columns := sourceColumns(t, "integer", test.typ)
			_, err := fetchFrom(t, columns, asServerDoes(copyRow(first, nil), copyRow(first, test.value)), 0, nil)
			e := wantError(t, err, test.category, test.want)
			if e.Column != "c1" {
				t.Errorf("%s %x: the error names column %q, want c1", test.typ, test.value, e.Column)
			}
		}
	}

	// What just fits.
	columns := sourceColumns(t, "timestamp without time zone", "date")
	h, err := fetchFrom(t, columns, asServerDoes(copyRow(be8(last-1), []byte{0x7f, 0xff, 0xd5, 0x31})), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantStream(t, h.emitted, [][]string{{"9223372036854775806", "2147483646"}})

	// A NULL where the catalog says there is none.
	_, err = fetchFrom(t, sourceColumns(t, "integer!", "text!"), asServerDoes(copyRow(nil, []byte("x"))), 0, nil)
	wantError(t, err, abi.CategoryData, `column "c0"`, "NOT NULL")
	_, err = fetchFrom(t, sourceColumns(t, "integer!", "text!"), asServerDoes(copyRow([]byte{0, 0, 0, 1}, nil)), 0, nil)
	wantError(t, err, abi.CategoryData, `column "c1"`, "NOT NULL")
}

// TestFetchNoColumns reads a table without columns: rows and nothing else.
func TestFetchNoColumns(t *testing.T) {
	h, err := fetchFrom(t, nil, asServerDoes(copyRow(), copyRow(), copyRow()), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.metrics[abi.MetricRowsRead]; got != 3 {
		t.Errorf("read %d rows, want 3", got)
	}
	if len(h.emitted) != 3 || h.emitted[1].rows != 3 {
		t.Errorf("emitted %d messages, want a schema, three rows in one batch, and the end", len(h.emitted))
	}
}

// TestFetchStops checks that a run that is cancelled ends at the next chance,
// also in the middle of a batch, and that there is one often enough.
func TestFetchStops(t *testing.T) {
	columns := sourceColumns(t, testTypes...)
	r := rand.New(rand.NewPCG(4, 4))
	rows, _ := randomCopy(r, columns, 20000, func(int, int) bool { return false })
	answers := asServerDoes(rows...)

	read := func(cancelAt int) (*testHost, error) {
		return fetchWith(t, columns, answers, func(h *testHost) {
			h.run.BatchRows, h.run.BatchBytes = 1<<20, 64<<20
			h.onYield = func(n int) abi.Status {
				if n == cancelAt {
					return abi.Cancelled
				}
				return abi.OK
			}
		})
	}
	h, err := read(0)
	if err != nil {
		t.Fatal(err)
	}
	yields := h.yields
	if least := len(rows) * len(columns) / yieldRows / 2; yields < least {
		t.Errorf("yielded %d times in %d rows of %d columns, want %d at least", yields, len(rows), len(columns), least)
	}
	for at := 1; at <= yields; at++ {
		h, err := read(at)
		if err != abi.Cancelled {
			t.Errorf("cancelled at yield %d: error %v", at, err)
		}
		if len(h.emitted) != 1 {
			t.Errorf("cancelled at yield %d: %d messages were emitted, want the schema", at, len(h.emitted))
		}
	}
}
