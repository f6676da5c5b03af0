package postgres

import (
	"io"
	"math/bits"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// A message of the protocol, in either direction, after the login that the host
// has done already:
//
//	+------+--------------------+------------------+
//	| type | length, big endian | body             |
//	| 1    | 4, counts itself   | length - 4 bytes |
//	+------+--------------------+------------------+
const headerSize = 5

// Types of messages from the server.
const (
	msgParseComplete        = '1'
	msgBindComplete         = '2'
	msgCloseComplete        = '3'
	msgNotification         = 'A'
	msgCommandComplete      = 'C'
	msgDataRow              = 'D'
	msgError                = 'E'
	msgCopyIn               = 'G'
	msgCopyOut              = 'H'
	msgEmptyQuery           = 'I'
	msgNotice               = 'N'
	msgParameterStatus      = 'S'
	msgRowDescription       = 'T'
	msgCopyBoth             = 'W'
	msgReady                = 'Z'
	msgCopyDone             = 'c' // both ways
	msgCopyData             = 'd' // both ways
	msgNoData               = 'n'
	msgParameterDescr       = 't'
	msgQuery                = 'Q' // to the server
	msgCopyFail             = 'f' // to the server
	txIdle             byte = 'I' // transaction states in ReadyForQuery
	txOpen             byte = 'T'
	txFailed           byte = 'E'
)

const (
	// wireBuffer is the input buffer a connection starts with: room for the
	// answers of every statement but COPY, which asks for more.
	wireBuffer = 16 << 10
	// maxMessage bounds a message outside COPY. A server has no reason to send a
	// larger one; a broken proxy may.
	maxMessage = 64 << 20
)

// wire speaks the Postgres protocol over a connection that is logged in and
// idle. It is synchronous: one thread, no timers. A guest has no second thread
// that could read while it writes.
type wire struct {
	conn *sdk.Conn

	in    []byte // input buffer
	r, w  int    // in[r:w] is unread
	slack int    // bytes of capacity behind the buffer, which kernels may read

	out []byte // output not sent yet

	tx         byte  // transaction state of the last ReadyForQuery
	sent       bool  // something was sent since the last wait for input
	statements int64 // since the last report
	roundTrips int64 // since the last report
}

// newWire returns a wire over c, whose session is idle. It does not own c.
func newWire(c *sdk.Conn) *wire {
	return &wire{conn: c, in: make([]byte, wireBuffer), tx: txIdle}
}

// text is one value of a query's answer.
type text struct {
	s    string
	null bool
}

// exec runs sql, one or more statements, as a simple query and ignores its
// rows. The tag is that of the last statement, such as "INSERT 0 5". An error
// of the server is an *abi.Error with its SQLSTATE; the session is then ready
// for the next statement, unless the error ended it.
func (w *wire) exec(sql string) (tag string, err error) {
	_, tag, err = w.simple(sql, false)
	return tag, err
}

// query runs sql as a simple query and returns all its rows as text. It is for
// the catalog: a row costs several allocations. Errors are those of exec.
func (w *wire) query(sql string) ([][]text, error) {
	rows, _, err := w.simple(sql, true)
	return rows, err
}

// simple runs sql as a simple query.
func (w *wire) simple(sql string, keep bool) (rows [][]text, tag string, err error) {
	w.appendQuery(sql)
	if err := w.flush(); err != nil {
		return nil, "", err
	}

	// Read to ReadyForQuery in any case, so that the session stays usable. The
	// first error is the one that matters.
	var failed *abi.Error
	for {
		typ, body, err := w.next()
		if err != nil {
			if failed != nil {
				return nil, "", failed // the server said why before it hung up
			}
			return nil, "", err
		}
		switch typ {
		case msgReady:
			if failed != nil {
				return nil, "", failed
			}
			return rows, tag, nil
		case msgError:
			if failed == nil {
				failed = w.errorFrom(body)
			}
		case msgCommandComplete:
			tag = cString(body)
		case msgDataRow:
			if !keep {
				continue
			}
			row, ok := parseDataRow(body)
			if !ok {
				return nil, "", protocolError("a malformed row")
			}
			rows = append(rows, row)
		case msgRowDescription, msgEmptyQuery:
		default:
			return nil, "", unexpected(typ, "a query")
		}
	}
}

// recover reads to ReadyForQuery after an error, so that the session is usable.
// If the error ended the session there is nothing to read, and nothing to add.
func (w *wire) recover() {
	for {
		typ, _, err := w.next()
		if err != nil || typ == msgReady {
			return
		}
	}
}

// appendQuery appends a Query message with sql to the output.
func (w *wire) appendQuery(sql string) {
	w.statements++
	n := 4 + len(sql) + 1
	w.out = append(w.out, msgQuery, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	w.out = append(w.out, sql...)
	w.out = append(w.out, 0)
}

// buf returns the output that flush sends, to append to.
func (w *wire) buf() *[]byte { return &w.out }

// flush sends the output and empties it.
func (w *wire) flush() error {
	w.sent = true
	err := w.conn.Write(w.out)
	w.out = w.out[:0]
	return err
}

// next returns the next message, waiting for it. The body is valid until the
// next call. Messages that may come at any time and answer nothing (notices,
// parameter changes, notifications) are left out. An error of the server is a
// message like any other: see errorFrom.
func (w *wire) next() (typ byte, body []byte, err error) {
	for {
		if err := w.need(headerSize); err != nil {
			return 0, nil, err
		}
		typ = w.in[w.r]
		length := int(be32(w.in[w.r+1:]))
		if length < 4 || length > maxMessage {
			return 0, nil, protocolError("a message of impossible length")
		}
		if err := w.need(1 + length); err != nil {
			return 0, nil, err
		}
		body = w.in[w.r+headerSize : w.r+1+length]
		w.r += 1 + length

		switch typ {
		case msgNotice, msgParameterStatus, msgNotification:
			continue
		case msgReady:
			if len(body) != 1 {
				return 0, nil, protocolError("a malformed ReadyForQuery")
			}
			w.tx = body[0]
		}
		return typ, body, nil
	}
}

// need makes in[r:] hold at least n bytes, reading what is missing.
func (w *wire) need(n int) error {
	for w.w-w.r < n {
		if w.r+n > len(w.in) {
			w.compact()
			w.reserve(n)
		} else if w.r == w.w {
			w.r, w.w = 0, 0
		}
		if err := w.fill(len(w.in)); err != nil {
			return err
		}
	}
	return nil
}

// compact moves what is unread to the start of the buffer.
func (w *wire) compact() {
	w.w = copy(w.in, w.in[w.r:w.w])
	w.r = 0
}

// reserve makes the buffer at least n bytes long, with the slack behind it, and
// keeps everything in it at its place.
func (w *wire) reserve(n int) {
	if n <= len(w.in) && len(w.in)+w.slack <= cap(w.in) {
		return
	}
	size := len(w.in)
	if n > size {
		size = max(n, 2*size)
	}
	in := make([]byte, size, size+w.slack)
	copy(in, w.in[:w.w])
	w.in = in
}

// fill reads once, at most limit bytes, into the free end of the buffer, which
// must not be empty.
func (w *wire) fill(limit int) error {
	if w.sent {
		w.sent = false
		w.roundTrips++
	}
	n, err := w.conn.Read(w.in[w.w:min(w.w+limit, len(w.in))])
	w.w += n
	if n == 0 && err == io.EOF {
		return &abi.Error{
			Category: abi.CategoryTransientNetwork,
			Message:  "postgres: the server closed the connection",
			Hint:     "its log says why: a restart, an administrator, or a proxy in between",
		}
	}
	if n > 0 {
		return nil
	}
	return err
}

// report adds what was counted since the last report to the stage's metrics.
func (w *wire) report(h *sdk.Host) {
	h.Metric(abi.MetricStatements, w.statements)
	h.Metric(abi.MetricRoundTrips, w.roundTrips)
	w.statements, w.roundTrips = 0, 0
}

// Parsing.

// be32 loads a big-endian integer. It is the caller's to know that b has four
// bytes; the bounds check says so too, but a message's length comes first.
func be32(b []byte) uint32 {
	_ = b[3]
	return bits.ReverseBytes32(*(*uint32)(unsafe.Pointer(unsafe.SliceData(b))))
}

// cString returns b up to its first zero byte.
func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// parseDataRow returns the values of a DataRow message in text format.
func parseDataRow(b []byte) ([]text, bool) {
	if len(b) < 2 {
		return nil, false
	}
	count := int(b[0])<<8 | int(b[1])
	b = b[2:]

	row := make([]text, 0, min(count, len(b)/4))
	for range count {
		if len(b) < 4 {
			return nil, false
		}
		n := int32(be32(b))
		b = b[4:]
		if n == -1 {
			row = append(row, text{null: true})
			continue
		}
		if n < 0 || int(n) > len(b) {
			return nil, false
		}
		row = append(row, text{s: string(b[:n])})
		b = b[n:]
	}
	return row, len(b) == 0
}

// protocolError is the error of a server, or of a proxy, that says what the
// protocol does not allow.
func protocolError(what string) *abi.Error {
	return &abi.Error{
		Category: abi.CategoryInternal,
		Message:  "postgres: the server sent " + what,
		Hint:     "is it a PostgreSQL server, and nothing between that changes the protocol?",
	}
}

// unexpected is the error of a message out of place.
func unexpected(typ byte, where string) *abi.Error {
	return protocolError("a message of type " + quoteByte(typ) + " in answer to " + where)
}

// quoteByte returns a message type as text.
func quoteByte(c byte) string {
	if c > ' ' && c < 0x7f {
		return "'" + string(rune(c)) + "'"
	}
	const hex = "0123456789abcdef"
	return "0x" + string([]byte{hex[c>>4], hex[c&15]})
}
