package postgres

import (
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// sinkConn takes everything and answers what it was told to.
type sinkConn struct {
	writes, bytes int
	answer        []byte // after each write
	answers       []byte // not read yet
}

func (c *sinkConn) Write(p []byte) (int, error) {
	c.writes++
	c.bytes += len(p)
	c.answers = append(c.answers, c.answer...)
	return len(p), nil
}

func (c *sinkConn) Read(p []byte) (int, error) {
	n := copy(p, c.answers)
	c.answers = c.answers[:copy(c.answers, c.answers[n:])]
	return n, nil
}

func (c *sinkConn) Ready() (bool, error) { return len(c.answers) > 0, nil }
func (c *sinkConn) Close() error         { return nil }

// TestCopyAllocatesNothing writes batch after batch: a guest's collector hardly
// runs, so what a batch allocates would add up.
func TestCopyAllocatesNothing(t *testing.T) {
	conn := &sinkConn{}
	h := sdk.NewHost(newTestHost(abi.RoleDestination, nil, func() (testConn, error) { return conn, nil }))
	c, err := h.Open("postgres", "")
	if err != nil {
		t.Fatal(err)
	}
	s, msg := benchEvents(t, benchRows)
	columns, err := destColumns(s, maxIdent)
	if err != nil {
		t.Fatal(err)
	}
	l := newCopyLoader(&destination{host: h, wire: newWire(c)}, &destTable{schema: "s", name: "t", columns: columns}, s)
	l.running = true
	r := arrowipc.NewReader(s)

	const runs = 20
	allocs := testing.AllocsPerRun(runs-1, func() {
		rows, err := r.Parse(msg)
		if err == nil {
			err = l.write(r, rows, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a batch allocates %v times, want 0", allocs)
	}
	// A header is all that is added, and messages are about as long as the buffer.
	if sent := conn.bytes + l.out.n; sent < runs*benchRows*100 || conn.bytes/conn.writes < loadBuffer/2 {
		t.Errorf("%d rows left %d bytes in %d writes", l.sent, sent, conn.writes)
	}
}

// TestInsertAllocatesNothing does the same for INSERT, whose server confirms
// each statement.
func TestInsertAllocatesNothing(t *testing.T) {
	conn := &sinkConn{}
	h := sdk.NewHost(newTestHost(abi.RoleDestination, nil, func() (testConn, error) { return conn, nil }))
	c, err := h.Open("postgres", "")
	if err != nil {
		t.Fatal(err)
	}
	// Batches of as many statements as go into one write, so that every write has
	// the same answer.
	const statements = 16
	s, msg := benchEvents(t, statements*insertRows)
	columns, err := destColumns(s, maxIdent)
	if err != nil {
		t.Fatal(err)
	}
	for range statements {
		conn.answer = append(conn.answer, message(msgBindComplete, "")...)
		conn.answer = append(conn.answer, message(msgCommandComplete, "INSERT 0 250\x00")...)
	}
	conn.answer = append(conn.answer, message(msgReady, []byte{txOpen})...)
	conn.answers = make([]byte, 0, 16<<10)

	l := newInsertLoader(&destination{host: h, wire: newWire(c)}, &destTable{schema: "s", name: "t", columns: columns}, s)
	r := arrowipc.NewReader(s)
	batch := func() {
		rows, err := r.Parse(msg)
		if err == nil {
			err = l.write(r, rows, 0)
		}
		if err == nil {
			err = l.flush()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const runs = 20
	if allocs := testing.AllocsPerRun(runs-1, batch); allocs != 0 {
		t.Errorf("a batch allocates %v times, want 0", allocs)
	}
	if want := int64(runs * statements * insertRows); l.rows != want || conn.writes != runs {
		t.Errorf("%d rows were confirmed in %d writes, want %d in %d", l.rows, conn.writes, want, runs)
	}
}

// TestInsertStatementSize holds statements to the parameters that are worth
// their while, with a whole row in each.
func TestInsertStatementSize(t *testing.T) {
	h := sdk.NewHost(newTestHost(abi.RoleDestination, nil, nil))
	for _, tt := range []struct{ columns, rows int }{{1, 250}, {16, 250}, {17, 235}, {200, 20}, {1600, 2}} {
		columns := make([]destColumn, tt.columns)
		for i := range columns {
			columns[i].typ, _ = typeByName("integer")
		}
		s := &arrowipc.Schema{Fields: make([]arrowipc.Field, tt.columns)}
		for i := range s.Fields {
			s.Fields[i].Type = arrowipc.Int32
		}
		l := newInsertLoader(&destination{host: h}, &destTable{columns: columns}, s)
		if l.perStatement != tt.rows {
			t.Errorf("of %d columns a statement has %d rows, want %d", tt.columns, l.perStatement, tt.rows)
		}
	}
}

// TestCheckpointDue covers the clock, which the tests on a server do not wait
// for.
func TestCheckpointDue(t *testing.T) {
	c := newCheckpoint(&abi.RunRequest{CheckpointSeconds: 3600})
	if c.due(1<<40, 1<<50) {
		t.Error("due at once, want after an hour")
	}
	c.at -= 3600e9
	if !c.due(0, 0) {
		t.Error("not due after an hour")
	}
	c.reset(0, 0)
	if c.due(0, 0) {
		t.Error("due right after a reset")
	}
	if newCheckpoint(&abi.RunRequest{}).due(1<<40, 1<<50) {
		t.Error("due with every threshold switched off")
	}
}
