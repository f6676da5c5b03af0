//go:build !wasip1

package postgres

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// attempt names attempts of this process. Prepared transactions are named for
// the whole server, which may serve several test binaries.
var attempt = strings.ToLower(rand.Text()[:12]) + "-"

// partitionModes are the ways to write in partitions, with what makes the server
// offer them for a table.
var partitionModes = []struct{ name, ddl string }{
	{modeStaged, ""},
	{modePrepared, "CREATE TABLE %s (c0 integer PRIMARY KEY, c1 text)"},
}

// eachMode runs a test for both modes and both methods, with a table of its own.
func eachMode(t *testing.T, test func(t *testing.T, conn *pgx.Conn, d *destTest, mode string)) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	for _, mode := range partitionModes {
		for _, method := range methods {
			t.Run("mode="+mode.name+"/load="+method, func(t *testing.T) {
				d := newDestTest(t, dsn, method, mode.name+"_"+method)
				d.key = []string{"c0"}
				if mode.ddl != "" {
					execSQL(t, conn, fmt.Sprintf(mode.ddl, d.table))
				}
				dropPrepared(t, conn)
				test(t, conn, d, mode.name)
			})
		}
	}
}

// wantInvisible fails the test unless nothing of the stream is visible.
func wantInvisible(tb testing.TB, conn *pgx.Conn, d *destTest, mode string) {
	tb.Helper()
	if mode == modePrepared {
		wantCount(tb, conn, d.table, 0)
	} else if got := queryText(tb, conn, "SELECT relname::text FROM pg_class WHERE relname = '"+d.table+"'"); len(got) > 0 {
		tb.Errorf("table %s is there", d.table)
	}
}

// wantNumbers fails the test unless the table has the first n numbers, each once.
func wantNumbers(tb testing.TB, conn *pgx.Conn, d *destTest, n int) {
	tb.Helper()
	s, columns := numbers(n)
	wantRows(tb, s, copyOut(tb, conn, d.table), reference(s, columns, copyPrefix))
}

// TestPartitions writes a stream over three connections at the same time.
// Nothing shows before the end, and finishing again changes nothing.
func TestPartitions(t *testing.T) {
	eachMode(t, func(t *testing.T, conn *pgx.Conn, d *destTest, mode string) {
		if mode == modeStaged {
			d.writeMode = "replace" // no partition may empty what another one has written
		}
		coordinator, guest := d.coordinator()
		coordinator.partition = abi.PartitionRequest{Attempt: attempt + "1", Stream: d.table, WriteMode: d.writeMode, Count: 3}
		if err := coordinator.err(guest.Partition()); err != nil {
			t.Fatalf("partition: %v", err)
		}
		partitions := coordinator.partitions.Partitions
		if len(partitions) != 3 {
			t.Fatalf("got %+v, want three partitions", coordinator.partitions)
		}

		d.writeAll(partitions, 5000)
		wantInvisible(t, conn, d, mode)
		if err := d.finishWith(coordinator, guest, partitions, true); err != nil {
			t.Fatalf("finish: %v", err)
		}
		wantNumbers(t, conn, d, 15000)
		wantNothingLeft(t, conn)

		d.again = true
		if err := d.finishWith(coordinator, guest, partitions, true); err != nil {
			t.Errorf("finish again: %v", err)
		}
		if err := d.finish(partitions, true); err != nil {
			t.Errorf("finish again, with a fresh instance: %v", err)
		}
		wantNumbers(t, conn, d, 15000)
		if coordinator.metrics[abi.MetricStatements] == 0 || !slices.Contains(coordinator.phases, abi.PhaseCommit) {
			t.Errorf("the coordinator's metrics are %v and phases %v, want statements and a commit", coordinator.metrics, coordinator.phases)
		}
	})
}

// TestFewerPartitionsRun finishes two partitions of three: a source may have
// fewer.
func TestFewerPartitionsRun(t *testing.T) {
	eachMode(t, func(t *testing.T, conn *pgx.Conn, d *destTest, _ string) {
		used := d.partitions(attempt+"1", 3)[:2]
		d.writeAll(used, 100)
		if err := d.finish(used, true); err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, conn, d, 200)
		wantNothingLeft(t, conn)
	})
}

// TestEmptyPartitions writes partitions without a row: the table is there.
func TestEmptyPartitions(t *testing.T) {
	eachMode(t, func(t *testing.T, conn *pgx.Conn, d *destTest, _ string) {
		partitions := d.partitions(attempt+"1", 2)
		d.writeAll(partitions, 0)
		if err := d.finish(partitions, true); err != nil {
			t.Fatal(err)
		}
		wantCount(t, conn, d.table, 0)
		wantNothingLeft(t, conn)
	})
}

// TestPartitionsAborted gives a stream up after one partition has been written
// and one has failed.
func TestPartitionsAborted(t *testing.T) {
	eachMode(t, func(t *testing.T, conn *pgx.Conn, d *destTest, mode string) {
		partitions := d.partitions(attempt+"1", 3)
		d.writeAll(partitions[:1], 100)
		cut := d.host(partitions[1], 100, 200)
		cut.input = cut.input[:len(cut.input)-1]
		wantError(t, cut.runGuest(d.guest, d.table), abi.CategoryInternal, "its end is missing")

		for range 2 {
			if err := d.finish(partitions, false); err != nil {
				t.Fatalf("give up: %v", err)
			}
			wantInvisible(t, conn, d, mode)
			wantNothingLeft(t, conn)
		}
		if err := d.finish(nil, false); err != nil {
			t.Errorf("give up before a partition ran: %v", err)
		}

		// The next attempt finds everything as the first one did.
		partitions = d.partitions(attempt+"2", 3)
		d.writeAll(partitions, 100)
		if err := d.finish(partitions, true); err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, conn, d, 300)
	})
}

// TestPartitionRunsAgain fails a partition in the middle of its rows and runs it
// again.
func TestPartitionRunsAgain(t *testing.T) {
	eachMode(t, func(t *testing.T, conn *pgx.Conn, d *destTest, _ string) {
		partitions := d.partitions(attempt+"1", 2)
		cut := d.host(partitions[1], 2000, 4000)
		cut.input = cut.input[:2]
		wantError(t, cut.runGuest(d.guest, d.table), abi.CategoryInternal, "its end is missing")
		if slices.Contains(cut.phases, abi.PhaseCommit) {
			t.Errorf("the phases of a stream cut short are %v, want no commit", cut.phases)
		}
		d.writeAll(partitions, 2000)
		if err := d.finish(partitions, true); err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, conn, d, 4000)
		wantNothingLeft(t, conn)
	})
}

// TestPartitionAnswerLost breaks the connection of a partition when its
// transaction ends: the engine sees by the phase that it may not run again, and
// nothing is in doubt, because it can be given up.
func TestPartitionAnswerLost(t *testing.T) {
	eachMode(t, func(t *testing.T, conn *pgx.Conn, d *destTest, mode string) {
		partitions := d.partitions(attempt+"1", 2)
		h := d.host(partitions[0], 0, 100)
		ending := false
		tamper(h,
			func([]byte) error { ending = slices.Contains(h.phases, abi.PhaseCommit); return nil },
			func([]byte) error {
				if ending {
					return errors.New("cable cut")
				}
				return nil
			})
		e := wantError(t, h.runGuest(d.guest, d.table), abi.CategoryTransientNetwork, "commit public."+d.table, "no row of the stream is visible")
		if e.CommitState != abi.CommitNone {
			t.Errorf("commit state is %q, want none", e.CommitState)
		}
		if n := len(h.phases); n < 2 || h.phases[n-2] != abi.PhaseCommit {
			t.Errorf("the phases are %v, want the last of writing to be the commit", h.phases)
		}
		if err := d.finish(partitions, false); err != nil {
			t.Fatal(err)
		}
		wantInvisible(t, conn, d, mode)
		wantNothingLeft(t, conn)
	})
}

// TestPartitionWithoutTable runs a partition after its stream was given up.
func TestPartitionWithoutTable(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE gone (c0 integer, c1 text)")
	d := newDestTest(t, dsn, "copy", "gone")
	partitions := d.partitions(attempt+"1", 2)
	execSQL(t, conn, "DROP TABLE gone")
	wantError(t, d.write(partitions[0], 0, 10), abi.CategoryTransientDB, "write to public.gone", "is gone")
	wantInvisible(t, conn, d, modeStaged)

	d.key = []string{"nowhere"}
	wantError(t, d.write(d.partitions(attempt+"2", 2)[0], 0, 10), abi.CategoryConfig, `primary_key names column "nowhere"`)
	wantNothingLeft(t, conn)
}

// TestFinishSweep fails the first call of the host while a stream is finished or
// given up, then the second, and so on: the error comes out, and doing it again
// ends well.
func TestFinishSweep(t *testing.T) {
	eachMode(t, func(t *testing.T, conn *pgx.Conn, d *destTest, mode string) {
		for _, commit := range []bool{true, false} {
			for n := 0; ; n++ {
				if mode == modePrepared {
					execSQL(t, conn, "TRUNCATE "+d.table)
				} else {
					execSQL(t, conn, "DROP TABLE IF EXISTS "+d.table)
				}
				d.again = false
				partitions := d.partitions(attempt+"1", 2)
				d.writeAll(partitions, 10)
				h, g := d.coordinator()
				failed := false
				h.calls = 0
				h.fail = func(call int) error {
					failed = failed || call == n
					if call >= n {
						return abi.Closed
					}
					return nil
				}
				err := d.finishWith(h, g, partitions, commit)
				g.Close()
				if failed && err != nil {
					var e *abi.Error
					if !errors.As(err, &e) {
						t.Fatalf("call %d failed and the destination said %v, want a described error", n, err)
					}
					if commit && e.CommitState != abi.CommitUnknown {
						t.Errorf("call %d failed and the commit state is %q, want unknown", n, e.CommitState)
					}
					d.again = true
					if err := d.finish(partitions, commit); err != nil {
						t.Fatalf("again after call %d failed: %v", n, err)
					}
				} else if err != nil {
					t.Fatalf("without a fault: %v", err)
				}
				if commit {
					wantNumbers(t, conn, d, 20)
				} else {
					wantInvisible(t, conn, d, mode)
				}
				wantNothingLeft(t, conn)
				if !failed || t.Failed() {
					break
				}
			}
		}
	})
}

// TestOnePartition asks for partitions where there can be one only.
func TestOnePartition(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE there (c0 integer, c1 text); CREATE VIEW seen AS SELECT * FROM there")
	dropPrepared(t, conn)
	most := queryText(t, conn, "SHOW max_prepared_transactions")[0]
	for _, tt := range []struct {
		name, table, mode string
		count             int64
		note              []string // parts; none: no note
	}{
		{"replace", "there", "replace", 2, []string{"public.there is there", "only one connection can empty a table"}},
		{"no room", "there", "append", 1000, []string{"max_prepared_transactions is " + most + ": to append to public.there over 1000 connections, make it 1000 or more"}},
		{"a view", "seen", "append", 2, nil},
		{"one wanted of a new table", "new", "append", 1, nil},
		{"one wanted", "there", "append", 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDestTest(t, dsn, "copy", tt.table)
			d.writeMode = tt.mode
			got, err := d.ask(attempt+"1", tt.count)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Partitions, []string{""}) {
				t.Errorf("partitions are %q, want one of no words", got.Partitions)
			}
			for _, part := range tt.note {
				if !strings.Contains(got.Note, part) {
					t.Errorf("the note %q does not say %q", got.Note, part)
				}
			}
			if tt.note == nil && got.Note != "" {
				t.Errorf("the note is %q, want none", got.Note)
			}
		})
	}

	// What others have prepared takes room, too.
	execSQL(t, conn, "BEGIN; INSERT INTO there VALUES (1, 'a'); PREPARE TRANSACTION '"+attempt+"foreign'")
	d := newDestTest(t, dsn, "copy", "there")
	got, err := d.ask(attempt+"1", 1000)
	if err != nil || !strings.Contains(got.Note, "is "+most+", 1 of them taken: ") || !strings.Contains(got.Note, "make it 1001 or more") {
		t.Errorf("got %+v, %v, want a note of the one that is taken", got, err)
	}
	all, err := strconv.ParseInt(most, 10, 64)
	if err != nil || all < 3 {
		t.Fatalf("max_prepared_transactions is %s, want a few", most)
	}
	for count, want := range map[int64]int{all: 1, all - 1: int(all - 1)} {
		got, err := d.ask(attempt+"1", count)
		if err != nil || len(got.Partitions) != want {
			t.Errorf("asked for %d partitions with room for %d, got %+v, %v, want %d", count, all-1, got, err, want)
		}
	}

	d.writeMode = "merge"
	_, err = d.ask(attempt+"1", 2)
	wantError(t, err, abi.CategoryConfig, "write_mode")
	_, err = newDestTest(t, dsn, "copy", strings.Repeat("n", 64)).ask(attempt+"1", 2)
	wantError(t, err, abi.CategorySchema, "longer than the server's limit")
}

// TestPartitionWords reads what a partition says of itself, and nothing else.
func TestPartitionWords(t *testing.T) {
	for _, p := range []partition{{}, {modeStaged, "p-1", schemaAbsent, "1"}, {modePrepared, "0123456789abcdef-42", "16384", "16"}} {
		if got, err := parsePartition(p.String()); got != p || err != nil {
			t.Errorf("%q means %+v, %v, want %+v", p.String(), got, err, p)
		}
	}
	for _, s := range []string{"staged", "whole:p-1:new:1", "staged:p-1:new:1:2", ":::"} {
		_, err := parsePartition(s)
		wantError(t, err, abi.CategoryInternal, "is no partition of this destination")
	}
	h := newTestHost(abi.RoleDestination, nil, func() (testConn, error) { return &scriptConn{answers: answerOpen}, nil })
	h.run.Partition = "ours:1"
	wantError(t, h.runGuest(newDestGuest, "t"), abi.CategoryInternal, `"ours:1" is no partition`)
}

// FuzzCoordinatorAnswers lets a server say anything to an instance that is asked
// for partitions and to finish them: it fails with an error or ends well, and
// never panics or hangs.
func FuzzCoordinatorAnswers(f *testing.F) {
	ready, done, row, join := answerReady, answerDone, answerRow, answerJoin
	refusal := func(code string) []byte { return message(msgError, "SERROR\x00C"+code+"\x00Mno\x00\x00") }
	found := func(prepared string) []byte {
		return join(answerOpen, row("5", "r", prepared), done("SELECT 1"), ready)
	}
	for _, answers := range [][]byte{
		answerOpen,
		join(answerOpen, done("SELECT 0"), ready, done("ALTER TABLE"), ready),
		join(answerOpen, done("SELECT 0"), ready, refusal("42P01"), ready, row("5", "r", ""), done("SELECT 1"), ready),
		join(answerOpen, row("", "", ""), done("SELECT 1"), ready, row("_rapidbyte_p-0"), row("_rapidbyte_p-q-0"), done("SELECT 2"), ready, done("DROP TABLE"), ready),
		join(found("rapidbyte:p-0:5:1"), done("ROLLBACK PREPARED"), ready, row("9", "1"), done("SELECT 1"), ready,
			row("rapidbyte:p-1:5:1"), row("rapidbyte:p-1:5:2"), done("SELECT 2"), ready, done("COMMIT PREPARED"), ready, refusal("42704"), ready),
		found("rapidbyte:q-0:5:1"), found(" x"), join(found(""), row("9"), done("SELECT 1"), ready), join(found(""), row("a", "b"), done("SELECT 1"), ready),
	} {
		for i := range 8 {
			f.Add(answers, i&1 == 0, i&2 == 0, i&4 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, answers []byte, staged, commit, again bool) {
		h := newTestHost(abi.RoleDestination, nil, func() (testConn, error) { return &scriptConn{answers: answers}, nil })
		h.partition = abi.PartitionRequest{Attempt: "p-1", Stream: "t", Count: 2}
		h.finish = abi.FinishRequest{Stream: "t", Partitions: []string{"prepared:p-1:5:1", "prepared:p-1:5:2"}, Commit: commit, Again: again}
		if staged {
			h.finish.Partitions = []string{"staged:p-1:new:1", "staged:p-1:new:2"}
		}
		g := newDestGuest(h)
		defer g.Close()
		for _, call := range []func() abi.Status{g.Open, g.Partition, g.Finish} {
			var e *abi.Error
			if err := h.err(call()); errors.As(err, &e) && (strings.Contains(e.Message, "panic") || strings.Contains(e.Message, "runtime error")) {
				t.Fatalf("panicked: %v", e)
			}
		}
		if h.partitions != nil && len(h.partitions.Partitions) > 2 {
			t.Errorf("got %d partitions, want at most 2", len(h.partitions.Partitions))
		}
	})
}
