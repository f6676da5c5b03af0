package postgres

import (
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// The binary format of COPY: a header, then rows, then a count of -1. The header
// is the signature, flags, and the length of an extension; the latter two are 0.
const (
	copyStart   = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	copyTrailer = 0xffff
)

// copyLoader writes rows with COPY FROM STDIN. A CopyData message may begin and
// end anywhere, so one holds as many rows as the buffer does: its header is
// reserved at the buffer's start and filled in when it is sent.
type copyLoader struct {
	d       *destination
	table   *destTable
	encoder *encoder
	out     output

	running   bool  // a COPY statement is running
	sent      int64 // rows of the running statement
	start     int64 // row of the stream that the running statement began with
	rows      int64 // rows confirmed
	statement string
}

var _ loader = (*copyLoader)(nil)

func newCopyLoader(d *destination, t *destTable, s *arrowipc.Schema) *copyLoader {
	return &copyLoader{
		d:         d,
		table:     t,
		encoder:   newEncoder(s, t.types(), copyPrefix, d.host.Yield),
		out:       output{buf: make([]byte, loadBuffer), n: headerSize},
		statement: "COPY " + t.sql() + " (" + t.columnList() + ") FROM STDIN (FORMAT binary)",
	}
}

func (l *copyLoader) confirmed() int64 { return l.rows }

// begin starts the statement.
func (l *copyLoader) begin(first int64) error {
	w := l.d.wire
	l.d.host.Phase(abi.PhaseQuery)
	w.appendQuery(l.statement)
	if err := w.flush(); err != nil {
		return err
	}
	typ, body, err := w.next()
	switch {
	case err != nil:
		return err
	case typ == msgError:
		return l.table.explain(w.errorFrom(body), "copy to")
	case typ != msgCopyIn:
		return unexpected(typ, "COPY")
	}
	l.d.host.Phase(abi.PhaseFlush)

	l.running, l.sent, l.start = true, 0, first
	l.out.n = headerSize
	l.out.string(copyStart)
	return nil
}

// write implements loader.
func (l *copyLoader) write(r *arrowipc.Reader, rows int, first int64) error {
	if !l.running {
		if err := l.begin(first); err != nil {
			return err
		}
	}
	e := l.encoder
	if err := e.load(r, rows, first); err != nil {
		return err
	}

	for lo := 0; lo < rows; {
		hi := e.fit(lo, rows, l.out.free())
		need := e.bound(lo, hi)
		if need > l.out.free() && l.out.n > headerSize {
			// A row that does not fit into what is left may fit into all of it.
			if err := l.flush(); err != nil {
				return err
			}
			continue
		}
		l.out.room(need)
		n, err := e.encode(l.out.buf[l.out.n:], lo, hi, first)
		if err != nil {
			return err
		}
		l.out.n += n
		l.sent += int64(hi - lo)
		lo = hi

		// A quarter is room for many rows or for none that are worth waiting for.
		if l.out.free() < len(l.out.buf)/4 {
			if err := l.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush sends what the buffer holds as CopyData and looks whether the server
// has refused anything so far.
func (l *copyLoader) flush() error {
	// A row too large for one message is cut. The header of the next piece lies
	// over the end of the one that is sent already.
	w, out := l.d.wire, &l.out
	for at := 0; at+headerSize < out.n; {
		body := min(out.n-at-headerSize, maxCopyMessage)
		out.header(at, msgCopyData, body)
		refusal, err := w.send(out.buf[at : at+headerSize+body])
		if err != nil {
			return err
		}
		if refusal != nil {
			return l.refused(refusal)
		}
		at += body
	}
	out.n = headerSize

	// The server says nothing while it takes rows, except to stop.
	typ, body, ok, err := w.poll()
	switch {
	case err != nil:
		return err
	case !ok:
		return nil
	case typ == msgError:
		return l.refused(body)
	}
	return unexpected(typ, "rows of COPY")
}

// finish implements loader.
func (l *copyLoader) finish(bool) error {
	if !l.running {
		return nil
	}
	l.running = false

	// The trailer, and CopyDone behind the last CopyData.
	w, out := l.d.wire, &l.out
	out.room(2 + headerSize)
	out.uint16(copyTrailer)
	if err := l.flush(); err != nil {
		return err
	}
	out.header(0, msgCopyDone, 0)
	refusal, err := w.send(out.buf[:headerSize])
	if err != nil {
		return err
	}
	if refusal != nil {
		return l.refused(refusal)
	}

	for {
		typ, body, err := w.next()
		if err != nil {
			return err
		}
		switch typ {
		case msgError:
			return l.refused(body)
		case msgCommandComplete:
			n, ok := countOf(body)
			if !ok || n != l.sent {
				return fewerRows(l.table, l.sent, n)
			}
			l.rows += n
		case msgReady:
			return nil
		default:
			return unexpected(typ, "the end of COPY")
		}
	}
}

// refused makes an error of what the server said against the rows. COPY counts
// the rows of its statement as lines, and names the column where it knows it:
//
//	COPY bench_events, line 5, column payload
func (l *copyLoader) refused(body []byte) error {
	e := l.d.wire.errorFrom(body)
	where := errorField(body, 'W')

	doing := "copy to"
	if _, rest, ok := strings.Cut(where, ", line "); ok {
		end := 0
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		if line, err := strconv.ParseInt(rest[:end], 10, 64); err == nil && line > 0 {
			doing = "copy row " + strconv.FormatInt(l.start+line, 10) + " to"
		}
		if e.Column == "" {
			e.Column = l.table.columnAtEnd(where, ", column ")
		}
	}
	return l.table.explain(e, doing)
}

// errorField returns the field of an ErrorResponse with the given letter, or
// nothing.
func errorField(body []byte, letter byte) string {
	for len(body) > 0 && body[0] != 0 {
		field, value := body[0], cString(body[1:])
		if field == letter {
			return value
		}
		body = body[min(len(body), 1+len(value)+1):]
	}
	return ""
}

// columnAtEnd returns the column of the stream that the text names behind the
// mark, or nothing.
func (t *destTable) columnAtEnd(text, mark string) string {
	for i := range t.columns {
		if strings.Contains(text, mark+t.columns[i].name) && strings.HasSuffix(text, t.columns[i].name) {
			return t.columns[i].name
		}
	}
	return ""
}

// types returns what the columns are encoded as.
func (t *destTable) types() []pgType {
	types := make([]pgType, len(t.columns))
	for i := range t.columns {
		types[i] = t.columns[i].typ
	}
	return types
}
