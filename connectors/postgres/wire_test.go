package postgres

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// errorMessage returns an ErrorResponse with the fields, each a letter and text.
func errorMessage(fields ...string) []byte {
	return message(msgError, strings.Join(fields, "\x00")+"\x00\x00")
}

// TestWireSimple runs a query against servers that answer in every way.
func TestWireSimple(t *testing.T) {
	ready := message(msgReady, "I")
	row := message(msgDataRow, "\x00\x03\x00\x00\x00\x01a\xff\xff\xff\xff\x00\x00\x00\x00")
	done := message(msgCommandComplete, "SELECT 1\x00")
	failed := errorMessage("SERROR", "C42P01", "Mrelation \"x\" does not exist")
	tests := []struct {
		name    string
		answers [][]byte
		rows    int
		want    string // of the error; empty: none
	}{
		{"a row", [][]byte{message(msgRowDescription, "\x00\x00"), row, done, ready}, 1, ""},
		{"two statements", [][]byte{row, done, row, done, ready}, 2, ""},
		{"nothing to do", [][]byte{message(msgEmptyQuery, ""), ready}, 0, ""},
		{"in between", [][]byte{message(msgNotice, "\x00"), message(msgNotification, "x"), row, message(msgParameterStatus, "x"), done, ready}, 1, ""},
		{"an error", [][]byte{failed, ready}, 0, "42P01"},
		{"the first of two errors", [][]byte{failed, errorMessage("C57P01", "Mbye"), ready}, 0, "42P01"},
		{"an error that ends the session", [][]byte{failed}, 0, "42P01"},
		{"end of input", [][]byte{done}, 0, "closed the connection"},
		{"a row with too few bytes", [][]byte{message(msgDataRow, "\x00\x01\x00\x00\x00\x05ab"), ready}, 0, "malformed row"},
		{"a row with too many bytes", [][]byte{message(msgDataRow, "\x00\x00x"), ready}, 0, "malformed row"},
		{"a row with a negative length", [][]byte{message(msgDataRow, "\x00\x01\xff\xff\xff\xfe"), ready}, 0, "malformed row"},
		{"a message of no length", [][]byte{{'Z', 0, 0, 0, 0}}, 0, "impossible length"},
		{"a message of any length", [][]byte{{'D', 0x7f, 0xff, 0xff, 0xff}}, 0, "impossible length"},
		{"a message out of place", [][]byte{message(msgCopyIn, "\x00\x00\x00")}, 0, "type 'G'"},
		{"no printable type", [][]byte{message(0x01, "")}, 0, "type 0x01"},
		{"a bad state", [][]byte{message(msgReady, "")}, 0, "malformed ReadyForQuery"},
	}
	for _, test := range tests {
		for _, chunk := range []int{0, 1} {
			t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
				_, _, w := scriptedWire(t, nil, func(h *testHost) {
					h.connect = func() (testConn, error) {
						return &scriptConn{answers: bytes.Join(test.answers, nil), chunk: chunk}, nil
					}
				})
				rows, err := w.query("select")
				if test.want == "" {
					if err != nil || len(rows) != test.rows {
						t.Fatalf("got %d rows, error %v, want %d rows", len(rows), err, test.rows)
					}
					for _, r := range rows {
						if len(r) != 3 || r[0] != (text{s: "a"}) || r[1] != (text{null: true}) || r[2] != (text{}) {
							t.Errorf("got row %v", r)
						}
					}
					return
				}
				var e *abi.Error
				if !errors.As(err, &e) || !strings.Contains(e.Error(), test.want) {
					t.Errorf("got error %v, want one that says %q", err, test.want)
				}
			})
		}
	}
}

// TestWireLongMessage reads a message longer than the buffer a wire starts with,
// after others that fill it partly.
func TestWireLongMessage(t *testing.T) {
	long := strings.Repeat("x", 5*wireBuffer)
	answers := bytes.Join([][]byte{
		message(msgDataRow, "\x00\x01\x00\x00\x00\x01a"),
		message(msgDataRow, "\x00\x01\x00\x01\x40\x00"+long),
		message(msgDataRow, "\x00\x01\x00\x00\x00\x01b"),
		message(msgReady, "T"),
	}, nil)
	for _, chunk := range []int{0, 1000} {
		_, _, w := scriptedWire(t, nil, func(h *testHost) {
			h.connect = func() (testConn, error) { return &scriptConn{answers: answers, chunk: chunk}, nil }
		})
		rows, err := w.query("select")
		if err != nil || len(rows) != 3 || rows[0][0].s != "a" || rows[1][0].s != long || rows[2][0].s != "b" {
			t.Errorf("chunk=%d: got %d rows, error %v", chunk, len(rows), err)
		}
		if w.tx != txOpen {
			t.Errorf("the transaction state is %q, want %q", w.tx, txOpen)
		}
	}
}

// TestErrorFrom checks what becomes of a server's error.
func TestErrorFrom(t *testing.T) {
	w := &wire{}
	body := errorMessage("SERROR", "C23505", "Mduplicate key\nvalue", "DKey (id)=(1) exists.", "Htry", "cid", "tt", "nt_pkey", "WCOPY t, line 3")[headerSize:]
	want := abi.Error{Category: abi.CategoryData, Message: "postgres: duplicate key value", Detail: "Key (id)=(1) exists.; COPY t, line 3", Hint: "try", Code: "23505", Column: "id"}
	if got := w.errorFrom(body); *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}

	// Cut off anywhere, it is still an error.
	for n := range body {
		if e := w.errorFrom(body[:n]); e.Message == "" || e.Category == "" {
			t.Errorf("of the first %d bytes: %+v", n, e)
		}
	}

	for code, want := range map[string]abi.Category{
		"08006": abi.CategoryTransientNetwork, "28P01": abi.CategoryAuth, "40001": abi.CategoryTransientDB, "53300": abi.CategoryTransientDB,
		"57P01": abi.CategoryTransientDB, "55P03": abi.CategoryTransientDB, "42501": abi.CategoryPermission, "42P01": abi.CategorySchema,
		"3F000": abi.CategorySchema, "22021": abi.CategoryData, "23502": abi.CategoryData, "25006": abi.CategoryConfig, "XX000": abi.CategoryInternal, "": abi.CategoryInternal,
	} {
		if got := categoryOf(code); got != want {
			t.Errorf("SQLSTATE %q is %s, want %s", code, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	tests := []struct{ in, ident, literal string }{
		{"", `""`, `''`},
		{"a", `"a"`, `'a'`},
		{`a"b`, `"a""b"`, `'a"b'`},
		{"a'b", `"a'b"`, "'a''b'"},
		{`a\'b`, `"a\'b"`, ` E'a\\''b'`},
		{"🐘", `"🐘"`, "'🐘'"},
	}
	for _, test := range tests {
		if got := quoteIdent(test.in); got != test.ident {
			t.Errorf("identifier %q is quoted %s, want %s", test.in, got, test.ident)
		}
		if got := quoteLiteral(test.in); got != test.literal {
			t.Errorf("literal %q is quoted %s, want %s", test.in, got, test.literal)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"orders", "order", 1}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("from %q to %q it is %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
