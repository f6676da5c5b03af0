package postgres

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// A loader sends the rows of a stream to the server.
type loader interface {
	// write encodes and sends rows of the batch that r parsed last; the first of
	// them is row first of the stream. Some may stay behind until finish.
	write(r *arrowipc.Reader, rows int, first int64) error
	// finish sends what stayed behind and returns when the server has confirmed
	// every row. After the last one nothing of the loader is left in the session.
	finish(last bool) error
	// confirmed returns the rows that the server has confirmed.
	confirmed() int64
}

// Write writes one stream. After an error the session is gone and no other
// stream can be written.
func (d *destination) Write(req *abi.RunRequest) error {
	err := d.write(req)
	d.wire.report(d.host)
	if err != nil {
		// The transaction is over, and with it its locks, before anything else is.
		d.conn.Close()
	}
	return err
}

func (d *destination) write(req *abi.RunRequest) error {
	if err := checkRequest(req, d.identLimit); err != nil {
		return err
	}
	p, err := parsePartition(req.Partition)
	if err != nil {
		return err
	}

	// The first message tells the columns. The transaction begins after it, so
	// that it does not stay idle while the source prepares.
	msg, err := d.nextMessage()
	if err != nil {
		return err
	}
	schema, err := arrowipc.ParseSchema(msg)
	if err != nil {
		return badStream(err.Error())
	}
	d.host.Phase(abi.PhaseQuery)
	columns, err := destColumns(schema, d.identLimit)
	if err != nil {
		return err
	}
	t := &destTable{schema: d.schema, name: req.Stream, columns: columns}
	if err := d.prepare(t, p, req); err != nil {
		return err
	}

	var load loader
	if d.copy {
		load = newCopyLoader(d, t, schema)
	} else {
		load = newInsertLoader(d, t, schema)
	}
	d.host.Phase(abi.PhaseFlush)
	if err := d.rows(req, arrowipc.NewReader(schema), load); err != nil {
		return p.explain(err)
	}

	d.host.Phase(abi.PhaseCommit)
	return p.explain(d.end(t, p.ending()))
}

// checkRequest returns an error for what this destination does not do.
func checkRequest(req *abi.RunRequest, identLimit int) error {
	if e := checkIdent("table", req.Stream, identLimit); e != nil {
		return e
	}
	if req.WriteMode != "append" && req.WriteMode != "replace" && req.WriteMode != "" {
		return &abi.Error{Category: abi.CategoryConfig, Message: "postgres: write_mode " + strconv.Quote(req.WriteMode) + " is not supported",
			Hint: "it is append or replace", Field: "write_mode"}
	}
	return nil
}

// rows writes every batch up to the end of the stream, and returns when the
// server has confirmed the last row.
func (d *destination) rows(req *abi.RunRequest, r *arrowipc.Reader, load loader) error {
	var total, bytes, reported int64
	mark := newCheckpoint(req)

	for {
		msg, err := d.nextMessage()
		if err != nil {
			return err
		}
		kind, err := arrowipc.KindOf(msg)
		switch {
		case err != nil:
			return badStream(err.Error())
		case kind == arrowipc.KindEOS:
			if err := d.endOfInput(); err != nil {
				return err
			}
			if err := load.finish(true); err != nil {
				return err
			}
			d.host.Metric(abi.MetricRowsWritten, load.confirmed()-reported)
			if load.confirmed() != total {
				return &abi.Error{Category: abi.CategoryInternal, Message: "postgres: sent " + strconv.FormatInt(total, 10) +
					" rows, of which the server confirmed " + strconv.FormatInt(load.confirmed(), 10)}
			}
			return nil
		case kind != arrowipc.KindBatch:
			return badStream("a second schema")
		}

		rows, err := r.Parse(msg)
		if err != nil {
			return badStream(err.Error())
		}
		if rows > 0 {
			if err := load.write(r, rows, total); err != nil {
				return err
			}
		}
		total += int64(rows)
		bytes += int64(len(msg))

		if mark.due(total, bytes) {
			if err := load.finish(false); err != nil {
				return err
			}
			if err := d.host.Checkpoint(abi.Checkpoint{Stream: req.Stream, Rows: total, Bytes: bytes}); err != nil {
				return err
			}
			mark.reset(total, bytes)
		}
		if n := load.confirmed(); n > reported {
			d.host.Metric(abi.MetricRowsWritten, n-reported)
			reported = n
		}
		d.wire.report(d.host)
	}
}

// nextMessage returns the next message of the stream, which must not end here.
func (d *destination) nextMessage() ([]byte, error) {
	msg, err := d.host.Next()
	if err == io.EOF {
		return nil, badStream("its end is missing")
	}
	return msg, err
}

// endOfInput returns nil if no message follows the end of the stream. The host
// ends the input only when the stage before has returned without an error, so
// nothing is committed that a source took back at the last moment.
func (d *destination) endOfInput() error {
	_, err := d.host.Next()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	return badStream("a message after its end")
}

// badStream is the error of a stage before that did not keep to the order of
// messages or sent one that is malformed.
func badStream(what string) *abi.Error {
	return &abi.Error{
		Category: abi.CategoryInternal,
		Message:  "postgres: the stream from the stage before is broken: " + what,
		Hint:     "nothing was written",
	}
}

// ending is the statement that ends what was done to a table.
type ending struct {
	sql     string
	tag     string // of the server's answer, such as "COMMIT"
	visible bool   // the rows are visible after it
	hint    string // if the server says that the table does not support it
}

// end runs the last statement. An error says whether rows may be visible.
func (d *destination) end(t *destTable, last ending) error {
	w := d.wire
	w.appendQuery(last.sql)
	lost := w.flush()

	// An answer means something up to ReadyForQuery. A server that ends the
	// session with an error of its own may have committed before.
	var failed *abi.Error
	for lost == nil {
		typ, body, err := w.next()
		if err != nil {
			lost = err
			break
		}
		switch typ {
		case msgCommandComplete:
			switch tag := cString(body); tag {
			case last.tag:
				return d.settle()
			case "ROLLBACK": // of a transaction that had failed: nothing is there
				return &abi.Error{Category: abi.CategoryInternal, Message: "postgres: the server answered " + last.tag + " with ROLLBACK"}
			default:
				return t.uncertain(last, protocolError("the tag "+strconv.Quote(tag)+" in answer to "+last.tag))
			}
		case msgError:
			failed = w.errorFrom(body)
		case msgReady:
			if failed == nil {
				return t.uncertain(last, protocolError("no answer to "+last.tag))
			}
			if failed.Code == "0A000" && failed.Hint == "" {
				failed.Hint = last.hint
			}
			return t.explain(failed, "commit")
		default:
			return t.uncertain(last, unexpected(typ, last.tag))
		}
	}

	e := t.uncertain(last, lost)
	if failed != nil {
		e.Code, e.Detail = failed.Code, strings.TrimPrefix(failed.Message, "postgres: ")
	}
	return e
}

// uncertain returns the error of a last statement that was sent and, because of
// err, not answered as it should be.
func (t *destTable) uncertain(last ending, err error) *abi.Error {
	e := &abi.Error{
		Category: abi.CategoryTransientNetwork,
		Message:  "postgres: commit " + t.String() + ": ",
		Hint:     "no row of the stream is visible yet: run again",
	}
	if last.visible {
		e.Hint = "look into the table: its rows are either all there or none is; run again only if none is"
		e.CommitState = abi.CommitUnknown
	}
	described, _ := err.(*abi.Error)
	switch {
	case errors.Is(err, abi.Cancelled):
		e.Message += "stopped before the server's answer"
	case described != nil && described.Category == abi.CategoryInternal:
		e.Category, e.Message = described.Category, e.Message+strings.TrimPrefix(described.Message, "postgres: ")
	default:
		e.Message += "the connection was lost before the server's answer"
		e.Detail = err.Error()
	}
	return e
}

// settle reads on after a last statement that was done. The session being lost
// then changes nothing for its stream; the next one will notice.
func (d *destination) settle() error {
	for {
		typ, _, err := d.wire.next()
		if err != nil || typ == msgReady {
			return nil
		}
	}
}

// checkpoint says when a destination's statement has to end.
type checkpoint struct {
	req         *abi.RunRequest
	rows, bytes int64 // at the last one
	at          int64 // of sdk.Nanos
}

func newCheckpoint(req *abi.RunRequest) *checkpoint {
	c := &checkpoint{req: req}
	c.reset(0, 0)
	return c
}

// due reports whether any threshold is reached.
func (c *checkpoint) due(rows, bytes int64) bool {
	reached := func(n, threshold int64) bool { return threshold > 0 && n >= threshold }
	return reached(rows-c.rows, c.req.CheckpointRows) || reached(bytes-c.bytes, c.req.CheckpointBytes) ||
		c.req.CheckpointSeconds > 0 && reached((sdk.Nanos()-c.at)/1e9, c.req.CheckpointSeconds)
}

// reset starts the next interval. The clock is asked only if it matters: for a
// guest it is a call to the host.
func (c *checkpoint) reset(rows, bytes int64) {
	c.rows, c.bytes = rows, bytes
	if c.req.CheckpointSeconds > 0 {
		c.at = sdk.Nanos()
	}
}
