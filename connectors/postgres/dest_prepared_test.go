//go:build !wasip1

package postgres

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// TestPreparedLeftovers finds prepared transactions of earlier attempts.
func TestPreparedLeftovers(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE left_over (c0 integer, c1 text); CREATE TABLE another (c0 integer, c1 text)")
	dropPrepared(t, conn)
	d := newDestTest(t, dsn, "insert", "left_over")
	other := newDestTest(t, dsn, "insert", "another")

	// Of this process, and with another table besides.
	d.writeAll(d.partitions(attempt+"1", 2), 10)
	other.writeAll(other.partitions(attempt+"2", 2), 10)
	d.partitions(attempt+"3", 2)
	got := queryText(t, conn, leftovers)
	if len(got) != 2 || !strings.HasPrefix(got[0], "rapidbyte:"+attempt+"2:") || !strings.HasPrefix(got[1], "rapidbyte:"+attempt+"2:") {
		t.Errorf("left behind: %v, want the two of the other table", got)
	}

	// Of another process: they are somebody's to decide, whatever is to be done.
	foreign := d.partitions(strings.ToLower(rand.Text()[:12])+"-7", 2)
	d.writeAll(foreign, 10)
	for _, mode := range []string{"append", "replace"} {
		d.writeMode = mode
		_, err := d.ask(attempt+"4", 2)
		e := wantError(t, err, abi.CategoryConfig, "public.left_over has rows of another run")
		for _, s := range foreign {
			p, err := parsePartition(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, verb := range []string{"COMMIT PREPARED ", "ROLLBACK PREPARED "} {
				if statement := verb + "'" + p.transaction() + "'"; !strings.Contains(e.Hint, statement) {
					t.Errorf("the hint %q lacks %s", e.Hint, statement)
				}
			}
		}
	}
	if got := queryText(t, conn, leftovers); len(got) != 4 {
		t.Errorf("left behind: %v, want four", got)
	}

	// That run, if it is under way after all, is not hindered.
	d.writeMode = "append"
	if err := d.finish(foreign, true); err != nil {
		t.Fatal(err)
	}
	wantCount(t, conn, "left_over", 20)
	d.partitions(attempt+"5", 2)
}

// TestPreparedKeyClash has a key in two partitions, one of which is prepared:
// the other waits for it, and it for the other.
func TestPreparedKeyClash(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE clash (c0 integer PRIMARY KEY, c1 text); CREATE TABLE deferred (c0 integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, c1 text)")
	dropPrepared(t, conn)
	for table, doing := range map[string]string{"clash": " public.clash", "deferred": "commit public.deferred"} {
		for _, method := range methods {
			t.Run(table+"/load="+method, func(t *testing.T) {
				d := newDestTest(t, dsn, method, table)
				d.lockTimeout("300ms")
				partitions := d.partitions(attempt+"1", 2)
				d.writeAll(partitions[:1], 10)
				e := wantError(t, d.write(partitions[1], 5, 15), abi.CategoryData, doing, "55P03", "the same unique key", "set parallelism to 1")
				if e.CommitState != abi.CommitNone {
					t.Errorf("commit state is %q, want none", e.CommitState)
				}
				if err := d.finish(partitions, false); err != nil {
					t.Fatal(err)
				}
				wantCount(t, conn, table, 0)
				wantNothingLeft(t, conn)
			})
		}
	}
}

// TestPreparedBehindAnotherSession has a session wait for all of the table while
// one partition is prepared: the next one, which would wait behind it, ends.
func TestPreparedBehindAnotherSession(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn, watch := connectPgx(t, dsn), connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE behind (c0 integer, c1 text)")
	dropPrepared(t, watch)
	d := newDestTest(t, dsn, "copy", "behind")
	d.lockTimeout("300ms")
	partitions := d.partitions(attempt+"1", 2)
	d.writeAll(partitions[:1], 10)

	locked := make(chan error)
	go func() {
		_, err := conn.Exec(t.Context(), "TRUNCATE behind")
		locked <- err
	}()
	const blocked = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	for deadline := time.Now().Add(30 * time.Second); queryText(t, watch, blocked)[0] == "0"; {
		if time.Now().After(deadline) {
			t.Fatal("the other session never waited for the table")
		}
		time.Sleep(5 * time.Millisecond)
	}
	wantError(t, d.write(partitions[1], 10, 20), abi.CategoryTransientDB, "lock public.behind", "55P03", "another session")
	if err := d.finish(partitions, false); err != nil {
		t.Fatal(err)
	}
	if err := <-locked; err != nil {
		t.Error(err)
	}
	wantNothingLeft(t, watch)
}

// TestPreparedRefused has the server refuse a transaction at its end: the
// partition says so, and finish has nothing left that could be refused.
func TestPreparedRefused(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, `CREATE TABLE k (c0 integer PRIMARY KEY);
		CREATE TABLE refers (c0 integer REFERENCES k DEFERRABLE INITIALLY DEFERRED, c1 text);
		CREATE TABLE notifies (c0 integer, c1 text);
		CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY told; RETURN NEW; END $$;
		CREATE TRIGGER tell AFTER INSERT ON notifies FOR EACH ROW EXECUTE FUNCTION tell()`)
	dropPrepared(t, conn)
	for _, tt := range []struct {
		table    string
		category abi.Category
		parts    []string
	}{
		{"refers", abi.CategoryData, []string{"commit public.refers", "23503", "referenced rows first"}},
		{"notifies", abi.CategoryConfig, []string{"commit public.notifies", "0A000", "NOTIFY", "set parallelism to 1"}},
	} {
		for _, method := range methods {
			d := newDestTest(t, dsn, method, tt.table)
			partitions := d.partitions(attempt+"1", 2)
			e := wantError(t, d.write(partitions[0], 0, 10), tt.category, tt.parts...)
			if e.CommitState != abi.CommitNone {
				t.Errorf("commit state is %q, want none", e.CommitState)
			}
			wantNothingLeft(t, conn)
		}
	}
}

// TestCommitPreparedInPart breaks the connection between two partitions: the
// error says what is left to commit, and finishing again commits it.
func TestCommitPreparedInPart(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE in_part (c0 integer, c1 text)")
	dropPrepared(t, conn)
	d := newDestTest(t, dsn, "insert", "in_part")
	partitions := d.partitions(attempt+"1", 3)
	d.writeAll(partitions, 10)

	h := newDestHost(t, dsn, "insert", "in_part", nil)
	commits := 0
	tamper(h, func(b []byte) error {
		if bytes.Contains(b, []byte("COMMIT PREPARED")) {
			commits++
		}
		if commits == 2 {
			return errors.New("cable cut")
		}
		return nil
	}, nil)
	g := newDestGuest(h)
	if err := h.err(g.Open()); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	e := wantError(t, d.finishWith(h, g, partitions, true), abi.CategoryTransientNetwork, "commit public.in_part")
	if e.CommitState != abi.CommitUnknown {
		t.Errorf("commit state is %q, want unknown", e.CommitState)
	}
	left := queryText(t, conn, leftovers)
	for _, gid := range left {
		if !strings.Contains(e.Hint, "COMMIT PREPARED '"+gid+"'") {
			t.Errorf("the hint %q lacks %s", e.Hint, gid)
		}
	}
	if len(left) != 2 {
		t.Errorf("left behind: %v, want two", left)
	}
	d.again = true
	if err := d.finish(partitions, true); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, conn, d, 30)
	wantNothingLeft(t, conn)
}

// TestRollbackWaits gives a stream up while the server is still about to prepare
// a partition whose connection was cut.
func TestRollbackWaits(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn, zombie := connectPgx(t, dsn), connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE waits (c0 integer)")
	dropPrepared(t, conn)
	d := newDestTest(t, dsn, "copy", "waits")
	partitions := d.partitions(attempt+"1", 2)
	p, err := parsePartition(partitions[0])
	if err != nil {
		t.Fatal(err)
	}
	execSQL(t, zombie, "BEGIN; SELECT pg_advisory_xact_lock_shared("+p.lock()+"); INSERT INTO waits VALUES (1)")

	done := make(chan error)
	go func() { done <- d.finish(partitions, false) }()
	select {
	case err := <-done:
		t.Fatalf("gave up without waiting for the partition: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	execSQL(t, zombie, "PREPARE TRANSACTION "+quoteLiteral(p.transaction()))
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantCount(t, conn, "waits", 0)
	wantNothingLeft(t, conn)
}

// TestPreparedGone has another session roll back one of three partitions before
// the first finish: nothing is committed, and the rest can be given up.
func TestPreparedGone(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE gone (c0 integer, c1 text)")
	dropPrepared(t, conn)
	d := newDestTest(t, dsn, "copy", "gone")
	partitions := d.partitions(attempt+"1", 3)
	d.writeAll(partitions, 10)
	gone, err := parsePartition(partitions[1])
	if err != nil {
		t.Fatal(err)
	}
	execSQL(t, conn, "ROLLBACK PREPARED "+quoteLiteral(gone.transaction()))

	e := wantError(t, d.finish(partitions, true), abi.CategoryData, "the prepared transactions "+gone.transaction()+" are gone", "run again after")
	if e.CommitState != abi.CommitNone {
		t.Errorf("commit state is %q, want none", e.CommitState)
	}
	wantCount(t, conn, "gone", 0)
	if err := d.finish(partitions, false); err != nil {
		t.Fatal(err)
	}
	wantCount(t, conn, "gone", 0)
	wantNothingLeft(t, conn)
}

// TestPreparedGoneMeanwhile has another session roll back a partition between
// the look at all of them and its own commit.
func TestPreparedGoneMeanwhile(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE gone (c0 integer, c1 text)")
	dropPrepared(t, conn)
	d := newDestTest(t, dsn, "copy", "gone")
	for i, state := range []abi.CommitState{abi.CommitNone, abi.CommitUnknown, abi.CommitUnknown} {
		partitions := d.partitions(attempt+"1", 3)
		d.writeAll(partitions, 10)
		gone, err := parsePartition(partitions[i])
		if err != nil {
			t.Fatal(err)
		}
		commit := []byte("COMMIT PREPARED " + quoteLiteral(gone.transaction()))
		h := newDestHost(t, dsn, "copy", "gone", nil)
		tamper(h, func(b []byte) error {
			if bytes.Contains(b, commit) {
				execSQL(t, conn, "ROLLBACK PREPARED "+quoteLiteral(gone.transaction()))
			}
			return nil
		}, nil)
		g := newDestGuest(h)
		if err := h.err(g.Open()); err != nil {
			t.Fatal(err)
		}
		e := wantError(t, d.finishWith(h, g, partitions, true), abi.CategoryData, gone.transaction()+" are gone")
		g.Close()
		if e.CommitState != state {
			t.Errorf("partition %d: commit state is %q, want %q", i, e.CommitState, state)
		}
		if i == 1 && strings.Count(e.Hint, "PREPARED '") != 2 {
			t.Errorf("the hint %q does not say how to end the third partition both ways", e.Hint)
		}
		wantCount(t, conn, "gone", 10*i)
		if err := d.finish(partitions, false); err != nil {
			t.Fatal(err)
		}
		wantNothingLeft(t, conn)
		execSQL(t, conn, "TRUNCATE gone")
	}
}

// TestWholeFindsPrepared writes a table whole that has prepared transactions of
// another run: it is refused before it waits for them or doubles their rows.
func TestWholeFindsPrepared(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE left_over (c0 integer, c1 text); CREATE TABLE another (c0 integer, c1 text)")
	dropPrepared(t, conn)
	d, other := newDestTest(t, dsn, "copy", "left_over"), newDestTest(t, dsn, "copy", "another")
	left := d.partitions(attempt+"1", 2)
	d.writeAll(left, 10)
	for _, mode := range []string{"append", "replace"} {
		d.writeMode, other.writeMode = mode, mode
		e := wantError(t, d.write("", 0, 10), abi.CategoryConfig, "public.left_over has rows of another run", "COMMIT PREPARED", "ROLLBACK PREPARED")
		for _, s := range left {
			p, err := parsePartition(s)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(e.Message, p.transaction()) {
				t.Errorf("the error %q lacks %s", e.Message, p.transaction())
			}
		}
		if err := other.write("", 0, 10); err != nil {
			t.Errorf("%s to another table: %v", mode, err)
		}
	}
	if err := d.finish(left, false); err != nil {
		t.Fatal(err)
	}
	if err := d.write("", 0, 10); err != nil {
		t.Error(err)
	}
	wantNumbers(t, conn, d, 10)
}
