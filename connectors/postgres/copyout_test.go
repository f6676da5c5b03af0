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
	if batches := len(h.emitted) - 2; batches < 3 {
		t.Errorf("%d bytes of rows came as %d batches, want 3 at least", len(rows)*12, batches)
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

// TestFetchSlack checks that what walks and kernels may read behind the buffer is
// there, also when the buffer has grown.
func TestFetchSlack(t *testing.T) {
	columns := sourceColumns(t, slices.Repeat([]string{"uuid", "text"}, 300)...)
	rows, _ := randomCopy(rand.New(rand.NewPCG(10, 10)), columns, 100, func(int, int) bool { return false })
	r, _ := copyOf(t, columns, asServerDoes(rows...), func(req *abi.RunRequest) { req.BatchBytes = 16 << 20 })
	for _, when := range []string{"at first", "after a batch"} {
		if got := cap(r.w.in) - len(r.w.in); got < r.x.slack {
			t.Errorf("%s: %d bytes behind the buffer, want %d at least", when, got, r.x.slack)
		}
		if _, err := r.batch(); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.w.in) == copyBuffer {
		t.Error("the buffer did not grow: the test needs more rows")
	}
}

// TestFetchGuessesWrongForEveryWidth puts a NULL of each width before a text
// that makes the wrong guess look right.
func TestFetchGuessesWrongForEveryWidth(t *testing.T) {
	for _, typ := range types {
		w := int(typ.width)
		if w < 2 {
			continue // a boolean would need a text of 16 MiB
		}

		// Guessed: the value, then the length of the text at byte 4+w.
		value := make([]byte, w+8)
		if w == 2 {
			value = make([]byte, 1<<16)
			value[0], value[1] = 0xff, 0xfe // behind the zeros of its own length
		} else {
			binary.BigEndian.PutUint32(value[w-4:], 8)
		}
		columns := sourceColumns(t, typ.name, "bytea")
		row := copyRow(nil, value)
		if n := int(binary.BigEndian.Uint32(row[2+4+w:])); 2+4+w+4+n != len(row) {
			t.Fatalf("%s: the guess does not look right: %d bytes of text", typ.name, n)
		}
		h, err := fetchFrom(t, columns, asServerDoes(row), 0, nil)
		if err != nil {
			t.Errorf("%s: %v", typ.name, err)
			continue
		}
		wantStream(t, h.emitted, [][]string{{"NULL", hexBytes(value)}})
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
