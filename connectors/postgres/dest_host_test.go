//go:build !wasip1

package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

var newDestGuest = sdk.DestinationGuest(NewDestination)

// newDestHost returns a host whose destination writes the messages to a table
// by the given method.
func newDestHost(tb testing.TB, dsn, method, table string, messages []testMessage) *testHost {
	tb.Helper()
	h := newTestHost(abi.RoleDestination, map[string]any{"schema": "public", "load_method": method}, connectTo(tb, dsn))
	h.run.Stream, h.input = table, messages
	return h
}

// write opens a destination, writes the host's one stream, and closes it.
func write(h *testHost) error { return h.runGuest(newDestGuest, h.run.Stream) }

// tamperedConn is a real connection that a test looks into and breaks.
type tamperedConn struct {
	testConn
	write func(b []byte) error // before b is sent; an error is returned instead
	read  func(b []byte) error // after b was received
}

func (c *tamperedConn) Write(b []byte) (int, error) {
	if c.write != nil {
		if err := c.write(b); err != nil {
			return 0, err
		}
	}
	return c.testConn.Write(b)
}

func (c *tamperedConn) Read(b []byte) (int, error) {
	n, err := c.testConn.Read(b)
	if err == nil && c.read != nil {
		err = c.read(b[:n])
	}
	return n, err
}

// tamper makes the host's connections pass through the two functions.
func tamper(h *testHost, write, read func(b []byte) error) {
	connect := h.connect
	h.connect = func() (testConn, error) {
		c, err := connect()
		return &tamperedConn{c, write, read}, err
	}
}

// stream returns the messages of a stream: its schema, batches of the given
// columns cut every batchRows rows, and its end.
func stream(tb testing.TB, s *arrowipc.Schema, columns [][]any, batchRows int) []testMessage {
	tb.Helper()
	messages := []testMessage{{data: arrowipc.AppendSchema(nil, s)}}
	for lo := 0; lo < len(columns[0]); lo += batchRows {
		hi := min(lo+batchRows, len(columns[0]))
		part := make([][]any, len(columns))
		for i := range columns {
			part[i] = columns[i][lo:hi]
		}
		messages = append(messages, testMessage{batchOf(tb, s, part), hi - lo})
	}
	return append(messages, testMessage{data: arrowipc.EOS})
}

// queryText returns the rows of a query of one text column.
func queryText(tb testing.TB, conn *pgx.Conn, sql string) []string {
	tb.Helper()
	rows, err := conn.Query(context.Background(), sql)
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return got
}
