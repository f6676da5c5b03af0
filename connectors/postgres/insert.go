package postgres

import (
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
)

// Messages of the extended protocol, to the server.
const (
	msgParse   = 'P'
	msgBind    = 'B'
	msgExecute = 'E'
	msgClose   = 'C'
	msgSync    = 'S'
)

const (
	// insertParameters bounds the parameters of one statement. The protocol takes
	// 65535, but past some thousands a statement costs the server more for each:
	// rows of 200 columns take it a quarter longer 250 at a time than 20 at a
	// time. A row never has more: tables have 1600 columns at most.
	insertParameters = 4000
	// insertRows bounds the rows of one statement. Fewer show the cost of a
	// statement; more gain nothing, and their SQL text and plan, made anew for
	// every stream, begin to cost small streams a noticeable part of their time.
	insertRows = 250
	// insertBytes bounds the parameters of one statement, which the server holds
	// in memory twice. Rows so large cost much more than a statement does.
	insertBytes = 1 << 20
	// maxUnanswered is how many writes may be without an answer before the next
	// one. With that one they are 4 MiB, about what TCP has under way at most: a
	// server that is far away does not run dry while its answers travel.
	maxUnanswered = 7
)

// insertLoader writes rows with prepared INSERT statements of many rows and
// binary parameters. It does not wait for one before it sends the next: the
// answers are read while rows are sent, and counted against what was sent.
//
// The buffer holds whole statements, each Bind and Execute, and one Sync at its
// end when it is sent.
type insertLoader struct {
	d       *destination
	table   *destTable
	encoder *encoder
	out     output

	perStatement int // rows of a statement of full size
	statements   []prepared
	made         int // statements prepared, to name them

	pending    []pendingInsert // sent or in the buffer, oldest first
	unanswered int             // Syncs sent and not answered
	rows       int64           // rows confirmed
}

var _ loader = (*insertLoader)(nil)

// pendingInsert is a statement whose answer is to come.
type pendingInsert struct {
	first int64 // row of the stream
	rows  int64
}

func newInsertLoader(d *destination, t *destTable, s *arrowipc.Schema) *insertLoader {
	return &insertLoader{
		d:            d,
		table:        t,
		encoder:      newEncoder(s, t.types(), bindPrefix, d.host.Yield),
		out:          output{buf: make([]byte, loadBuffer)},
		perStatement: min(insertRows, insertParameters/len(t.columns)),
	}
}

func (l *insertLoader) confirmed() int64 { return l.rows }

// write implements loader.
func (l *insertLoader) write(r *arrowipc.Reader, rows int, first int64) error {
	e := l.encoder
	if err := e.load(r, rows, first); err != nil {
		return err
	}

	for lo := 0; lo < rows; {
		// Large rows make small statements, of few different sizes.
		hi := min(lo+l.perStatement, rows)
		for hi-lo > 1 && e.bound(lo, hi) > insertBytes {
			hi = lo + (hi-lo)/2
		}

		need := e.bound(lo, hi) + bindOverhead
		if need > l.out.free() && l.out.n > 0 {
			if err := l.flush(); err != nil {
				return err
			}
		}
		name := l.prepare(hi - lo)
		l.out.room(need)
		if err := l.bind(name, lo, hi, first); err != nil {
			return err
		}
		l.pending = append(l.pending, pendingInsert{first + int64(lo), int64(hi - lo)})
		l.d.wire.statements++
		lo = hi
	}
	return nil
}

// bindOverhead is at least the bytes of Bind and Execute besides parameters,
// and of the Sync that follows sometime.
const bindOverhead = 128

// bind appends Bind with rows lo to hi as parameters, and Execute.
func (l *insertLoader) bind(name string, lo, hi int, first int64) error {
	out := &l.out
	start := out.n
	out.n += headerSize
	out.byte(0) // the unnamed portal
	out.string(name)
	out.byte(0)
	out.uint16(1) // one format for all parameters
	out.uint16(1) // binary
	out.uint16(uint16((hi - lo) * len(l.table.columns)))
	n, err := l.encoder.encode(out.buf[out.n:], lo, hi, first)
	if err != nil {
		return err
	}
	out.n += n
	out.uint16(0) // no results
	out.header(start, msgBind, out.n-start-headerSize)

	out.header(out.n, msgExecute, 1+4)
	out.n += headerSize
	out.byte(0)   // the unnamed portal
	out.uint32(0) // all rows
	return nil
}

// flush sends what the buffer holds with a Sync, takes the answers that are
// there, and waits for older ones if too many are missing.
func (l *insertLoader) flush() error {
	out := &l.out
	out.room(headerSize)
	out.header(out.n, msgSync, 0)
	out.n += headerSize

	refusal, err := l.d.wire.send(out.buf[:out.n])
	if err != nil {
		return err
	}
	if refusal != nil {
		return l.refused(refusal)
	}
	out.n = 0
	l.unanswered++
	l.d.wire.sent = false // its answer is not waited for

	for {
		typ, body, ok, err := l.d.wire.poll()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := l.answer(typ, body); err != nil {
			return err
		}
	}
	return l.wait(maxUnanswered)
}

// wait reads answers until at most n writes are unanswered.
func (l *insertLoader) wait(n int) error {
	for l.unanswered > n {
		typ, body, err := l.d.wire.next()
		if err != nil {
			return err
		}
		if err := l.answer(typ, body); err != nil {
			return err
		}
	}
	return nil
}

// answer takes one message.
func (l *insertLoader) answer(typ byte, body []byte) error {
	switch typ {
	case msgParseComplete, msgBindComplete, msgCloseComplete:
	case msgCommandComplete:
		if len(l.pending) == 0 {
			return unexpected(typ, "rows of INSERT")
		}
		p := l.pending[0]
		l.pending = l.pending[:copy(l.pending, l.pending[1:])]
		n, ok := countOf(body)
		if !ok || n != p.rows {
			return fewerRows(l.table, p.rows, n)
		}
		l.rows += n
	case msgError:
		return l.refused(body)
	case msgReady:
		l.unanswered--
	default:
		return unexpected(typ, "rows of INSERT")
	}
	return nil
}

// finish implements loader.
func (l *insertLoader) finish(last bool) error {
	if last {
		for i := range l.statements {
			l.close(l.statements[i].name)
		}
		l.statements = l.statements[:0]
	}
	if l.out.n > 0 {
		if err := l.flush(); err != nil {
			return err
		}
		// The one that is waited for, though its answer may be there by chance.
		l.d.wire.roundTrips++
	}
	if err := l.wait(0); err != nil {
		return err
	}
	if len(l.pending) > 0 {
		return protocolError("fewer answers than there were statements")
	}
	return nil
}

// refused makes an error of what the server said against a statement. It is
// about the oldest one that is not answered. A value that could not be read is
// named by the number of its parameter.
func (l *insertLoader) refused(body []byte) error {
	e := l.d.wire.errorFrom(body)
	if len(l.pending) == 0 {
		return l.table.explain(e, "insert into")
	}
	p := l.pending[0]
	doing := "insert rows " + strconv.FormatInt(p.first+1, 10) + " to " + strconv.FormatInt(p.first+p.rows, 10) + " into"
	if _, rest, ok := strings.Cut(errorField(body, 'W'), "$"); ok {
		end := 0
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		columns := len(l.table.columns)
		if n, err := strconv.Atoi(rest[:end]); err == nil && n >= 1 && n <= int(p.rows)*columns {
			doing = "insert row " + strconv.FormatInt(p.first+int64((n-1)/columns)+1, 10) + " into"
			e.Column = l.table.columns[(n-1)%columns].name
		}
	}
	return l.table.explain(e, doing)
}
