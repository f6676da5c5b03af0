package postgres

import (
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const (
	// copyBuffer is the input buffer during COPY, at least. With the usual batch
	// of about a megabyte it ends up at two to four times that.
	copyBuffer = 512 << 10
	// copyRead bounds one read: what it returns is indexed in well under a
	// millisecond, and a read of more saves nothing.
	copyRead = 256 << 10
	// copyFree is how much room a read must find. Less, and the crossings into
	// the host begin to show.
	copyFree = 64 << 10
)

// copySignature begins the data of every COPY in binary format. Flags and the
// length of the extension follow, four bytes each.
const (
	copySignature   = "PGCOPY\n\xff\r\n\x00"
	copyHeaderSize  = len(copySignature) + 8
	maxCopyHeader   = 64 << 10 // no server sends an extension at all
	copyCriticalBit = 0xffff0000
)

// copyReader takes the output of one COPY from a wire and cuts it into batches
// of indexed rows, without copying: a batch lies in the wire's buffer as it came
// from the server.
//
// Servers send one row in one message, and the walks of index count on that. The
// protocol promises it nowhere, though: rows may be split or joined anywhere. At
// the first message that is not one row, the reader begins to take the messages'
// headers out, moving the data together, and walks what is then one long run of
// rows. It does so to the end of the COPY.
type copyReader struct {
	w       *wire
	x       *index
	columns []sourceColumn
	stream  string
	want    int // bytes of Arrow data at which a batch ends
	most    int // bytes of Arrow data no row may pass

	limits bounds // rows, cut and gain at the start of a batch

	p       int  // everything before is indexed
	started bool // the header is read
	marked  bool // the end marker is read
	ended   bool // the server says that was all

	merged bool // headers are being taken out: rows lie in in[p:flat]
	flat   int
	raw    int // in[raw:w.w] are messages as they came
	left   int // bytes at raw that belong to a message whose header is gone
}

// newCopyReader returns a reader of the COPY whose CopyOutResponse w has just
// returned. arrowRow is how many bytes a row takes in Arrow when its values of
// varying width are empty.
func newCopyReader(w *wire, x *index, columns []sourceColumn, req *abi.RunRequest, arrowRow int) *copyReader {
	c := &copyReader{w: w, x: x, columns: columns, stream: req.Stream, most: atMost(req.MaxBatchBytes, maxSize)}
	c.limits = bounds{
		rows: atMost(req.BatchRows, abi.MaxRows),
		gain: x.minRow - arrowRow,
	}
	c.want = min(atMost(req.BatchBytes, maxSize), c.most)
	c.limits.cut = c.want

	// What a column has once a batch: the offset behind the last value, and the
	// rest of a byte of each bitmap. And NULLs of the last row, which are not known
	// when it is taken.
	if once := 6*len(columns) + x.minRow; c.limits.cut > 2*once {
		c.limits.cut -= once
	}

	w.slack = x.slack
	w.compact()
	w.reserve(copyBuffer)
	return c
}

// maxSize bounds a batch and a row, whatever the pipeline says: places in the
// buffer are 32 bits wide, and the buffer holds a few times as much.
const maxSize = 256 << 20

// atMost returns n as a limit no higher than most; 0 says that there is none.
func atMost(n, most int64) int {
	if n <= 0 || n > most {
		return int(most)
	}
	return int(n)
}

// batch indexes the next batch and returns the number of its rows, 0 at the end
// of the data. The batch before is given up.
func (c *copyReader) batch() (rows int, err error) {
	sdk.Unwind() // for the loops of the batch, here and of its decoder
	c.release()
	return c.collect(c.limits)
}

// again gives up the rows before row from and indexes the others anew in the
// exact way, because the dense way assumed what is not so. The batch may end at
// another row then.
func (c *copyReader) again(from int) (rows int, err error) {
	return c.collect(c.rewind(from))
}

// rewind goes back to row from of the batch, to walk on in the exact way.
func (c *copyReader) rewind(from int) bounds {
	if c.x.rows > 0 {
		c.p = int(c.x.pos[from]) - rowHeader // of the first place
	}
	c.marked, c.ended = false, false // both come again
	c.x.reset(false)
	return c.limits
}

// collect indexes rows until the batch is full or the data ends.
func (c *copyReader) collect(b bounds) (rows int, err error) {
	for {
		full, err := c.walk(&b)
		if err != nil {
			return 0, err
		}
		// A batch of narrow rows is small in Arrow and large here.
		if full || c.ended || c.x.rows > 0 && c.p > 4*c.limits.cut+copyRead {
			c.x.settle()
			return c.x.rows, nil
		}
		if err := c.more(); err != nil {
			return 0, err
		}
	}
}

// release moves what is not indexed to the start of the buffer.
func (c *copyReader) release() {
	w := c.w
	if !c.merged {
		w.w = copy(w.in, w.in[c.p:w.w])
		c.raw = 0
	} else {
		c.flat = copy(w.in, w.in[c.p:c.flat])
		w.w = c.flat + copy(w.in[c.flat:], w.in[c.raw:w.w])
		c.raw = c.flat
	}
	w.r, c.p = 0, 0
	// NULLs are rare in most tables, so after a batch without them the next one
	// is walked the fast way again.
	c.x.reset(!c.merged && (c.x.dense || !c.x.fixedNulls()))
}

// more reads what is there, waiting for it.
func (c *copyReader) more() error {
	w := c.w
	if len(w.in)-w.w < copyFree {
		w.reserve(w.w + copyFree)
	}
	return w.fill(copyRead)
}

// walk indexes what is in the buffer, as far as it goes, and reports whether the
// batch is full.
func (c *copyReader) walk(b *bounds) (full bool, err error) {
	for !c.ended {
		if c.merged {
			return c.walkMerged(b)
		}

		// The usual way: complete messages of one row each.
		if c.started && !c.marked {
			b.limit = c.w.w
			if c.x.dense {
				c.p, full = c.x.walkDense(c.w.in, c.p, b)
			} else {
				c.p, full = c.x.walkExact(c.w.in, c.p, b)
			}
			if full {
				return true, nil
			}
		}

		// Then comes a message that is not complete, or not data, or not one row
		// as expected.
		n, err := c.message(c.p)
		switch {
		case err != nil:
			return false, err
		case n > c.w.w-c.p && n <= c.mostRaw():
			return false, nil
		case c.w.in[c.p] != msgCopyData:
			c.p, err = c.control(c.p, n)
		default:
			err = c.odd(n, b)
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// message returns the length of the message at p, header included. It may have
// more bytes than are there; one whose header is not there has headerSize.
func (c *copyReader) message(p int) (int, error) {
	if c.w.w-p < headerSize {
		return headerSize, nil
	}
	n := 1 + int(be32(c.w.in[p+1:]))
	if n < headerSize || n > c.mostRaw() && c.w.in[p] != msgCopyData {
		return 0, protocolError("a message of impossible length")
	}
	return n, nil
}

// mostRaw is the size at which a row is refused before it is complete. What it
// takes in Arrow is known only then and may be a little less than here, so this
// leaves room.
func (c *copyReader) mostRaw() int { return c.most + c.most/2 + c.x.minRow + maxCopyHeader }

// odd deals with the message of n bytes of data at p that is not one row as the
// walk expects it. It is complete, or larger than any row may be.
func (c *copyReader) odd(n int, b *bounds) error {
	body := c.w.in[c.p+headerSize : min(c.p+n, c.w.w)]
	switch {
	case !c.started:
		size, err := copyHeader(body)
		if err != nil {
			return err
		}
		if size == 0 || n > c.mostRaw() {
			break
		}
		// The first row shares the header's message. It gets one of its own, whose
		// head replaces the end of the header.
		c.started = true
		c.p += size
		length := uint32(n - size - 1)
		copy(c.w.in[c.p:], []byte{msgCopyData, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)})
		return nil

	case n == headerSize:
		c.p += n
		return nil

	case c.marked:
		return c.corrupt("data behind the end marker")

	case n == headerSize+2 && columnsAt(body, 0) == endMark:
		c.marked = true
		c.p += n
		return nil

	case c.x.dense:
		*b = c.rewind(0)
		return nil
	}

	if c.x.dense {
		c.x.reset(false) // it is empty: the header is not read yet
	}
	c.merged, c.flat, c.raw = true, c.p, c.p
	return nil
}

// copyHeader returns the size of the header at the start of b, 0 if b is too
// short to say.
func copyHeader(b []byte) (int, error) {
	n := min(len(b), len(copySignature))
	if string(b[:n]) != copySignature[:n] {
		return 0, protocolError("data without the signature of COPY's binary format")
	}
	if len(b) < copyHeaderSize {
		return 0, nil
	}
	flags := be32(b[len(copySignature):])
	extension := be32(b[len(copySignature)+4:])
	if flags&copyCriticalBit != 0 || extension > maxCopyHeader-uint32(copyHeaderSize) {
		return 0, protocolError("a header of COPY's binary format that this connector does not know")
	}
	if size := copyHeaderSize + int(extension); size <= len(b) {
		return size, nil
	}
	return 0, nil
}

// walkMerged is walk for rows whose messages have lost their headers.
func (c *copyReader) walkMerged(b *bounds) (full bool, err error) {
	for !c.ended {
		if err := c.merge(); err != nil {
			return false, err
		}
		if !c.started {
			size, err := copyHeader(c.w.in[c.p:c.flat])
			if err != nil {
				return false, err
			}
			c.started = size > 0
			c.p += size
		}
		if c.started {
			if full, err := c.rows(b); full || err != nil {
				return full, err
			}
		}

		// Everything there is data that was walked, but for a message of another
		// kind.
		if c.left > 0 || c.raw == c.w.w {
			return false, nil
		}
		n, err := c.message(c.raw)
		if err != nil || n > c.w.w-c.raw {
			return false, err
		}
		if c.w.in[c.raw] == msgCopyDone && c.p < c.flat {
			return false, c.corrupt("a row that is cut off")
		}
		if c.raw, err = c.control(c.raw, n); err != nil {
			return false, err
		}
	}
	return false, nil
}

// merge takes the headers out of the messages of data that are there.
func (c *copyReader) merge() error {
	w := c.w
	for c.raw < w.w {
		if c.left > 0 {
			n := copy(w.in[c.flat:], w.in[c.raw:min(c.raw+c.left, w.w)])
			c.flat += n
			c.raw += n
			c.left -= n
			continue
		}
		if w.w-c.raw < headerSize || w.in[c.raw] != msgCopyData {
			return nil
		}
		n := int(be32(w.in[c.raw+1:]))
		if n < 4 {
			return protocolError("a message of impossible length")
		}
		c.raw += headerSize
		c.left = n - 4
	}
	return nil
}

// rows indexes the complete rows in in[p:flat] and reports whether the batch is
// full.
func (c *copyReader) rows(b *bounds) (full bool, err error) {
	in := c.w.in
	for c.p < c.flat && !c.marked {
		if c.flat-c.p < 2 {
			return false, nil
		}
		n := columnsAt(in, c.p)
		if n == endMark {
			c.marked = true
			c.p += 2
			break
		}
		if n != len(c.columns) {
			return false, c.corrupt("a row of " + strconv.Itoa(n) + " columns instead of " + strconv.Itoa(len(c.columns)))
		}
		end, err := c.rowEnd()
		if err != nil {
			return false, err
		}
		if end > c.flat {
			if size := end - c.p; size > c.mostRaw() {
				return false, c.tooLarge(size)
			}
			return false, nil
		}

		if c.x.rows == b.rows || c.x.rows > 0 && end+c.x.absent > b.cut {
			return true, nil
		}
		c.x.room(1)
		if !c.x.row(in, c.p+2, end) {
			return false, c.corrupt("a row that cannot be")
		}
		c.p = end
		b.cut += b.gain - headerSize
	}
	if c.p < c.flat && c.marked {
		return false, c.corrupt("data behind the end marker")
	}
	return c.x.rows == b.rows, nil
}

// rowEnd returns where the row at p ends, or a place behind flat that it must
// reach at least.
func (c *copyReader) rowEnd() (int, error) {
	q := c.p + 2
	for i := range c.x.cols {
		if q+4 > c.flat {
			return q + 4, nil
		}
		n := int(int32(be32(c.w.in[q:])))
		q += 4
		if n == -1 {
			continue
		}
		if want := c.x.cols[i].want; n < 0 || want != noWidth && n != want {
			return 0, c.corrupt("a value of " + strconv.Itoa(n) + " bytes in column " + strconv.Quote(c.columns[i].name) + " of type " + c.columns[i].declared)
		}
		q += n
		if q > c.flat {
			return q, nil
		}
	}
	return q, nil
}

// control deals with the message of n bytes at p, which is not data, and returns
// the place behind it.
func (c *copyReader) control(p, n int) (next int, err error) {
	w := c.w
	switch typ := w.in[p]; typ {
	case msgNotice, msgParameterStatus, msgNotification:
	case msgCopyDone:
		if !c.marked {
			return 0, c.corrupt("data that ends without the end marker")
		}
		c.ended = true
	case msgError:
		failed := w.errorFrom(w.in[p+headerSize : p+n])
		w.r = p + n
		w.recover()
		return 0, failed
	default:
		return 0, unexpected(typ, "COPY")
	}
	w.r = p + n
	return p + n, nil
}

// finish reads to the end of the COPY and checks that the server counted as many
// rows.
func (c *copyReader) finish(rows int64) error {
	w := c.w
	for {
		typ, body, err := w.next()
		switch {
		case err != nil:
			return err
		case typ == msgError:
			failed := w.errorFrom(body)
			w.recover()
			return failed
		case typ == msgReady:
			return nil
		case typ != msgCommandComplete:
			return unexpected(typ, "COPY")
		}
		if tag := cString(body); tag != "COPY "+strconv.FormatInt(rows, 10) {
			return c.corrupt(strconv.FormatInt(rows, 10) + " rows, but the server says " + strconv.Quote(tag))
		}
	}
}

// tooLarge is the error of a row of n bytes or more.
func (c *copyReader) tooLarge(n int) error {
	return &abi.Error{
		Category: abi.CategoryData,
		Message: "postgres: stream " + strconv.Quote(c.stream) + " has a row of " + strconv.Itoa(n) +
			" bytes, over the limit of " + strconv.Itoa(c.most) + " for a batch",
		Hint: "raise resources.max_batch_bytes, or leave the column out with a view",
	}
}

// corrupt is the error of data that no server sends.
func (c *copyReader) corrupt(what string) error {
	return &abi.Error{
		Category: abi.CategoryInternal,
		Message:  "postgres: stream " + strconv.Quote(c.stream) + ": COPY returned " + what,
		Hint:     "the data was damaged on the way, or the server is not PostgreSQL",
	}
}
