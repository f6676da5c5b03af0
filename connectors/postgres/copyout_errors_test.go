package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

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
