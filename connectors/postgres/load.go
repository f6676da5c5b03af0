package postgres

import (
	"bytes"
	"math"
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const (
	// loadBuffer is the size of the output buffer of either load, and so about the
	// size of a write. Smaller writes cost more calls of the host and wake the
	// server more often; larger ones leave the second-level cache and keep the
	// server waiting for the first.
	loadBuffer = 512 << 10
	// maxCopyMessage bounds the body of one CopyData message. Only a row that is
	// larger than the buffer is ever cut.
	maxCopyMessage = 16 << 20
)

// output is the buffer that rows are encoded to and sent from.
type output struct {
	buf []byte // all of it may be written to
	n   int    // bytes used
}

// room makes at least n bytes free behind those used. It is called between
// batches of rows, never for a row.
func (o *output) room(n int) {
	if o.n+n <= len(o.buf) {
		return
	}
	buf := make([]byte, max(o.n+n, 2*len(o.buf)))
	copy(buf, o.buf[:o.n])
	o.buf = buf
}

// free returns the bytes that are free.
func (o *output) free() int { return len(o.buf) - o.n }

// header puts a message's type and the length of its body at buf[at].
func (o *output) header(at int, typ byte, body int) {
	b := o.buf[at : at+headerSize]
	b[0] = typ
	put32(b[1:], uint32(4+body))
}

func (o *output) byte(c byte) {
	o.buf[o.n] = c
	o.n++
}

func (o *output) uint16(v uint16) {
	put16(o.buf, o.n, v)
	o.n += 2
}

func (o *output) uint32(v uint32) {
	put32(o.buf[o.n:], v)
	o.n += 4
}

// string appends s without a terminator.
func (o *output) string(s string) { o.n += copy(o.buf[o.n:], s) }

// put32 stores v big endian at the start of b.
func put32(b []byte, v uint32) {
	_ = b[3]
	b[0], b[1], b[2], b[3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
}

// send writes b to the server. If that fails the server has often said why
// before it hung up; then its error is the one to report.
func (w *wire) send(b []byte) (refusal []byte, err error) {
	w.sent = true
	err = w.conn.Write(b)
	if err == nil || err == abi.Cancelled {
		return nil, err
	}
	for {
		typ, body, ok, lost := w.poll()
		if lost != nil || !ok {
			return nil, err
		}
		if typ == msgError {
			return body, nil
		}
	}
}

// poll returns the next message if one has begun to arrive. It waits for the
// rest of a message, never for its start, so it is safe while the server waits
// for more from us.
func (w *wire) poll() (typ byte, body []byte, ok bool, err error) {
	for {
		if w.r == w.w {
			ready, err := w.conn.Ready()
			if err != nil || !ready {
				return 0, nil, false, err
			}
		}
		sent := w.sent
		w.sent = false // what lies there already is not waited for
		if err := w.need(headerSize); err != nil {
			return 0, nil, false, err
		}
		w.sent = sent

		// next would skip these and then wait for another one.
		switch w.in[w.r] {
		case msgNotice, msgParameterStatus, msgNotification:
			length := int(be32(w.in[w.r+1:]))
			if length < 4 || length > maxMessage {
				return 0, nil, false, protocolError("a message of impossible length")
			}
			if err := w.need(1 + length); err != nil {
				return 0, nil, false, err
			}
			w.r += 1 + length
			continue
		}
		typ, body, err = w.next()
		return typ, body, err == nil, err
	}
}

// countOf returns the number at the end of the tag in a CommandComplete, such
// as "COPY 5" or "INSERT 0 5".
func countOf(body []byte) (n int64, ok bool) {
	end := bytes.IndexByte(body, 0)
	if end < 0 {
		return 0, false
	}
	for _, c := range body[bytes.LastIndexByte(body[:end], ' ')+1 : end] {
		if c < '0' || c > '9' || n > math.MaxInt64/10-1 {
			return 0, false
		}
		n, ok = n*10+int64(c-'0'), true
	}
	return n, ok
}

// fewerRows is the error of a server that confirmed another number of rows than
// were sent, without an error of its own.
func fewerRows(t *destTable, sent, confirmed int64) *abi.Error {
	return &abi.Error{
		Category: abi.CategoryInternal,
		Message: "postgres: write to " + t.String() + ": the server confirmed " + strconv.FormatInt(confirmed, 10) +
			" of " + strconv.FormatInt(sent, 10) + " rows",
		Hint: "does a trigger or a rule of the table leave rows out or add some?",
	}
}
