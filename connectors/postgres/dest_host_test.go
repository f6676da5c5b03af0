//go:build !wasip1

package postgres

import (
	"context"
	"errors"
	"sync"
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

// destTest writes one stream of numbers in partitions.
type destTest struct {
	tb            testing.TB
	dsn, method   string
	schema, table string
	key           []string
	writeMode     string
	again         bool // finish has been told before
	guest         func(abi.Host) abi.Guest
}

func newDestTest(tb testing.TB, dsn, method, table string) *destTest {
	return &destTest{tb: tb, dsn: dsn, method: method, schema: "public", table: table, writeMode: "append", guest: newDestGuest}
}

// lockTimeout makes whoever writes or drops partitions wait for a lock shortly.
func (d *destTest) lockTimeout(timeout string) {
	d.guest = sdk.DestinationGuest(func() sdk.Destination { return &destination{lockTimeout: timeout} })
}

// coordinator opens an instance of its own for partition and finish.
func (d *destTest) coordinator() (*testHost, abi.Guest) {
	d.tb.Helper()
	h := newDestHost(d.tb, d.dsn, d.method, d.table, nil)
	h.open.Config["schema"] = d.schema
	g := d.guest(h)
	if err := h.err(g.Open()); err != nil {
		d.tb.Fatalf("open: %v", err)
	}
	d.tb.Cleanup(func() { g.Close() })
	return h, g
}

// ask asks for partitions.
func (d *destTest) ask(attempt string, count int64) (*abi.Partitions, error) {
	d.tb.Helper()
	h, g := d.coordinator()
	defer g.Close()
	h.partition = abi.PartitionRequest{Attempt: attempt, Stream: d.table, WriteMode: d.writeMode, PrimaryKey: d.key, Count: count}
	err := h.err(g.Partition()) // before its answer is read
	return h.partitions, err
}

// partitions asks for that many partitions and gets them.
func (d *destTest) partitions(attempt string, count int64) []string {
	d.tb.Helper()
	got, err := d.ask(attempt, count)
	if err != nil {
		d.tb.Fatalf("partition: %v", err)
	}
	if len(got.Partitions) != int(count) || got.Note != "" {
		d.tb.Fatalf("partition: got %+v, want %d partitions and no note", got, count)
	}
	return got.Partitions
}

// host returns that of an instance that writes rows lo to hi of numbers.
func (d *destTest) host(partition string, lo, hi int) *testHost {
	d.tb.Helper()
	s, columns := numbers(hi)
	s.Fields[0].Nullable = false
	h := newDestHost(d.tb, d.dsn, d.method, d.table, stream(d.tb, s, [][]any{columns[0][lo:], columns[1][lo:]}, 1000))
	h.open.Config["schema"] = d.schema
	h.run.Partition, h.run.PrimaryKey, h.run.WriteMode = partition, d.key, d.writeMode
	return h
}

// write writes rows lo to hi to a partition.
func (d *destTest) write(partition string, lo, hi int) error {
	d.tb.Helper()
	h := d.host(partition, lo, hi)
	return h.runGuest(d.guest, d.table)
}

// writeAll writes that many rows to each partition, to all at the same time.
func (d *destTest) writeAll(partitions []string, rows int) {
	d.tb.Helper()
	hosts := make([]*testHost, len(partitions))
	for i, p := range partitions {
		hosts[i] = d.host(p, i*rows, (i+1)*rows)
	}
	errs := make([]error, len(partitions))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { errs[i] = h.runGuest(d.guest, d.table) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		d.tb.Fatalf("write: %v", err)
	}
}

// finish makes the partitions visible, or removes them, with a fresh instance.
func (d *destTest) finish(partitions []string, commit bool) error {
	d.tb.Helper()
	h, g := d.coordinator()
	defer g.Close()
	return d.finishWith(h, g, partitions, commit)
}

// finishWith does so with an instance that is open.
func (d *destTest) finishWith(h *testHost, g abi.Guest, partitions []string, commit bool) error {
	h.finish = abi.FinishRequest{Stream: d.table, WriteMode: d.writeMode, PrimaryKey: d.key, Partitions: partitions, Commit: commit, Again: d.again}
	return h.err(g.Finish())
}

// wantNothingLeft fails the test if a staging table or a prepared transaction is
// left in the database.
func wantNothingLeft(tb testing.TB, conn *pgx.Conn) {
	tb.Helper()
	if got := queryText(tb, conn, leftovers); len(got) > 0 {
		tb.Errorf("left behind: %v", got)
	}
}

const leftovers = "SELECT relname::text FROM pg_class WHERE relname LIKE '\\_rapidbyte%'" +
	" UNION ALL SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"

// dropPrepared rolls back at the test's end what it left prepared, without which
// the database cannot be dropped.
func dropPrepared(tb testing.TB, conn *pgx.Conn) {
	tb.Helper()
	tb.Cleanup(func() {
		for _, gid := range queryText(tb, conn, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()") {
			execSQL(tb, conn, "ROLLBACK PREPARED "+quoteLiteral(gid))
		}
	})
}
