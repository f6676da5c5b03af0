//go:build !wasip1

package postgres

import (
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// farConn is a server that works in no time and is very far away: its answers
// arrive only when the client has nothing left to do but wait for them. So the
// waits are what distance costs, whatever a clock says.
type farConn struct {
	columns int // of the table
	rows    int // COPY will have taken

	answers []byte // on their way
	arrived []byte
	bytes   int // taken
	waits   int
}

func (c *farConn) Write(p []byte) (int, error) {
	c.bytes += len(p)
	for rest := p; len(rest) > 0; {
		body := rest[headerSize : 1+binary.BigEndian.Uint32(rest[1:])]
		switch rest[0] {
		case msgParse:
			c.answer(msgParseComplete, "")
		case msgBind:
			// No name of a portal, a name, one format, then the number of parameters.
			at := 1 + len(cString(body[1:])) + 1 + 4
			rows := int(binary.BigEndian.Uint16(body[at:])) / c.columns
			c.answer(msgBindComplete, "")
			c.answer(msgCommandComplete, fmt.Sprintf("INSERT 0 %d\x00", rows))
		case msgClose:
			c.answer(msgCloseComplete, "")
		case msgSync:
			c.answer(msgReady, string(txOpen))
		case msgQuery:
			c.answer(msgCopyIn, "\x01\x00\x00")
		case msgCopyDone:
			c.answer(msgCommandComplete, fmt.Sprintf("COPY %d\x00", c.rows))
			c.answer(msgReady, string(txOpen))
		}
		rest = rest[headerSize+len(body):]
	}
	return len(p), nil
}

func (c *farConn) answer(typ byte, body string) {
	c.answers = append(c.answers, message(typ, body)...)
}

func (c *farConn) Read(p []byte) (int, error) {
	if len(c.arrived) == 0 {
		c.waits++
		c.arrived, c.answers = c.answers, nil
	}
	if len(c.arrived) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.arrived)
	c.arrived = c.arrived[n:]
	return n, nil
}

func (c *farConn) Ready() (bool, error) { return len(c.arrived) > 0, nil }
func (c *farConn) Close() error         { return nil }

// TestDistanceIsPaidOnce writes streams of few and of many batches to a server
// that is far away. COPY waits twice whatever the stream's length, INSERT once
// and then once for each 4 MiB, and what they report does not grow at all.
func TestDistanceIsPaidOnce(t *testing.T) {
	s, msg := benchEvents(t, benchRows)
	columns, err := destColumns(s, maxIdent)
	if err != nil {
		t.Fatal(err)
	}
	for _, batches := range []int{1, 10, 50} {
		for _, method := range methods {
			conn := &farConn{columns: len(columns), rows: batches * benchRows}
			h := sdk.NewHost(newTestHost(abi.RoleDestination, nil, func() (testConn, error) { return conn, nil }))
			c, err := h.Open("postgres", "")
			if err != nil {
				t.Fatal(err)
			}
			d, table := &destination{host: h, wire: newWire(c)}, &destTable{schema: "s", name: "t", columns: columns}
			var l loader = newInsertLoader(d, table, s)
			waits, trips := 1, int64(1)
			if method == "copy" {
				l, waits, trips = newCopyLoader(d, table, s), 2, 2
			}
			r := arrowipc.NewReader(s)
			for i := range batches {
				rows, err := r.Parse(msg)
				if err == nil {
					err = l.write(r, rows, int64(i*benchRows))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := l.finish(true); err != nil {
				t.Fatal(err)
			}
			if method == "insert" {
				waits += conn.bytes / (4 << 20)
			}

			if l.confirmed() != int64(batches*benchRows) {
				t.Errorf("%s, %d batches: %d rows are confirmed", method, batches, l.confirmed())
			}
			if conn.waits > waits {
				t.Errorf("%s, %d batches, %d bytes: waited %d times for the server, want at most %d", method, batches, conn.bytes, conn.waits, waits)
			}
			if d.wire.roundTrips != trips {
				t.Errorf("%s, %d batches: reports %d round trips, want %d", method, batches, d.wire.roundTrips, trips)
			}
		}
	}
}
