package postgres

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// FuzzParseTypeText: what is accepted is a type of the table and nothing that
// could be more than a type in CREATE TABLE.
func FuzzParseTypeText(f *testing.F) {
	for _, s := range append([]string{"numeric(5,-2)", "text; --", "character varying(20", "timestamp(3)"}, everyType...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTypeText(s)
		if !ok {
			return
		}
		if got.String() != s {
			t.Errorf("parseTypeText(%q) accepts and means %q", s, got)
		}
		if rest := strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789 (,-)"); rest != "" || len(s) > 100 {
			t.Errorf("parseTypeText(%q) accepts %q", s, rest)
		}
	})
}

// quietConn is a server whose answers only come when they are waited for, as
// those of a real one do.
type quietConn struct{ *scriptConn }

func (quietConn) Ready() (bool, error) { return false, nil }

// What a server says to a destination that loads by COPY three rows of an integer
// and a text into a table that is there.
var (
	answerReady = message(msgReady, []byte{txOpen})
	answerOpen  = answerJoin(answerRow("6"), answerRow("63"), answerDone("SELECT 1"), answerReady)
	answerFound = answerJoin(answerOpen, answerDone("BEGIN"), answerRow("1", "r", ""), answerDone("SELECT 1"), answerReady,
		answerRow("c0", "integer", "integer", "f", "f", "f"), answerRow("c1", "text", "text", "f", "f", "f"), answerDone("SELECT 2"), answerReady)
	answerCopyIn = message(msgCopyIn, "\x01\x00\x02\x00\x01\x00\x01")
	answerCopied = answerJoin(answerCopyIn, answerDone("COPY 3"), answerReady)
)

// threeRows returns the messages of such a stream.
func threeRows(tb testing.TB) []testMessage {
	s := schemaOf("integer", "text")
	return []testMessage{{data: arrowipc.AppendSchema(nil, s)}, {batchOf(tb, s, [][]any{{int32(1), nil, int32(3)}, {"a", "b", nil}}), 3}, {data: arrowipc.EOS}}
}

func answerDone(tag string) []byte { return message(msgCommandComplete, tag+"\x00") }

func answerRow(values ...string) []byte {
	b := []byte{0, byte(len(values))}
	for _, v := range values {
		b = append(append(b, 0, 0, 0, byte(len(v))), v...)
	}
	return message(msgDataRow, b)
}

func answerJoin(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// FuzzDestAnswers lets a server say anything to a destination that loads a few
// rows: it fails with an error or ends well, and never panics or hangs.
func FuzzDestAnswers(f *testing.F) {
	open, found, copyIn, copied := answerOpen, answerFound, answerCopyIn, answerCopied
	ready, done, join := answerReady, answerDone, answerJoin
	refusal := message(msgError, "SERROR\x00C23505\x00Mno\x00WCOPY t, line 2, column c1\x00\x00")
	commit := join(done("COMMIT"), ready)
	inserted := join(message(msgParseComplete, ""), message(msgBindComplete, ""), done("INSERT 0 3"), message(msgCloseComplete, ""), ready)
	for _, answers := range [][]byte{
		nil, open, found, join(found, copied, commit), join(found, inserted, commit), join(found, copied, refusal, ready), join(found, inserted, done("ROLLBACK"), ready),
		join(found, refusal), join(found, copyIn, refusal, ready), join(open, done("BEGIN"), ready, done("CREATE TABLE"), ready, copied, commit),
		join(found, message(msgBindComplete, ""), refusal, ready), join(found, message(msgNotice, "\x00"), inserted), []byte{'E', 0xff, 0xff, 0xff, 0xff},
	} {
		for i := range 4 {
			f.Add(answers, i&1 == 0, i&2 == 0)
		}
	}

	whole := map[string][]byte{"copy": join(found, copied, commit), "insert": join(found, inserted, commit)}

	messages := threeRows(f)
	guest := sdk.DestinationGuest(NewDestination)
	f.Fuzz(func(t *testing.T, answers []byte, byCopy, early bool) {
		method := "insert"
		if byCopy {
			method = "copy"
		}
		conn := &scriptConn{answers: answers}
		h := newTestHost(abi.RoleDestination, map[string]any{"load_method": method}, func() (testConn, error) {
			if early {
				return conn, nil
			}
			conn.chunk = 1 // so that no answer is read with the one before
			return quietConn{conn}, nil
		})
		h.input = messages
		err := h.runGuest(guest, "t")

		var e *abi.Error
		switch {
		case !early && err != nil && bytes.Equal(answers, whole[method]):
			t.Errorf("a server that did everything right was refused: %v", err)
		case errors.As(err, &e):
			if strings.Contains(e.Message, "panic") || strings.Contains(e.Message, "runtime error") {
				t.Errorf("panicked: %v", e)
			}
		case err != nil:
			t.Errorf("got %v, want a described error", err)
		case h.metrics[abi.MetricRowsWritten] != 3 || !strings.Contains(string(conn.written), "COMMIT\x00"):
			t.Errorf("ended well with %d rows and without COMMIT", h.metrics[abi.MetricRowsWritten])
		}
	})
}
