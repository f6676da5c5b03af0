//go:build !wasip1

package postgres

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// describeTable lists what the catalog says of a table, without its schema.
const describeTable = `
	SELECT 'column ' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
	UNION ALL SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass
	UNION ALL SELECT 'index ' || i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = $1::regclass
	UNION ALL SELECT 'type ' || y.typname || ' ' || a.typname FROM pg_type y JOIN pg_type a ON a.oid = y.typarray WHERE y.typrelid = $1::regclass
	UNION ALL SELECT 'persistence ' || relpersistence::text FROM pg_class WHERE oid = $1::regclass
	ORDER BY 1`

// TestStagedTable makes the same table whole and in partitions: the catalog says
// the same of both.
func TestStagedTable(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	for _, table := range []string{"t", `Odd "name"`, strings.Repeat("n", 63), strings.Repeat("ü", 31)} {
		for _, key := range [][]string{nil, {"c0"}, {"c1", "c0"}} {
			execSQL(t, conn, "DROP SCHEMA IF EXISTS whole CASCADE; DROP SCHEMA IF EXISTS parts CASCADE")
			d := newDestTest(t, dsn, "copy", table)
			d.key = key
			d.schema = "whole"
			if err := d.write("", 0, 10); err != nil {
				t.Fatal(err)
			}
			d.schema = "parts"
			partitions := d.partitions(attempt+"1", 2)
			d.writeAll(partitions, 10)
			if err := d.finish(partitions, true); err != nil {
				t.Fatal(err)
			}
			describe := func(schema string) []string {
				return queryText(t, conn, strings.ReplaceAll(describeTable, "$1", quoteLiteral(quoteIdent(schema)+"."+quoteIdent(table))))
			}
			if got, want := describe("parts"), describe("whole"); !slices.Equal(got, want) {
				t.Errorf("table %s with key %v is\n%v\nin partitions and whole\n%v", table, key, got, want)
			}
			wantNothingLeft(t, conn)
		}
	}
}

// TestStagedSchema gives up a stream that made its schema: it goes unless it was
// there or is used.
func TestStagedSchema(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	for _, tt := range []struct{ name, before, meanwhile, want string }{
		{"made by us", "", "", ""},
		{"there before", "CREATE SCHEMA s", "", "s"},
		{"used meanwhile", "", "CREATE TABLE s.other ()", "s"},
		{"gone meanwhile", "", "DROP SCHEMA s CASCADE", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			execSQL(t, conn, "DROP SCHEMA IF EXISTS s CASCADE; "+tt.before)
			d := newDestTest(t, dsn, "copy", "t")
			d.schema = "s"
			partitions := d.partitions(attempt+"1", 2)
			d.writeAll(partitions, 10)
			execSQL(t, conn, tt.meanwhile)
			if err := d.finish(partitions, false); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(queryText(t, conn, "SELECT nspname::text FROM pg_namespace WHERE nspname = 's'"), ""); got != tt.want {
				t.Errorf("the schema is %q afterwards, want %q", got, tt.want)
			}
			wantNothingLeft(t, conn)
		})
	}
}

// TestStagedRaces has others make or drop tables while a stream is written.
func TestStagedRaces(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	staging := partition{attempt: attempt + "1"}.staging()
	for _, tt := range []struct {
		name, early, late string // before a partition is written, and after
		category          abi.Category
		parts             []string
	}{
		{"created before a row", "CREATE TABLE race (mine text)", "", abi.CategoryTransientDB, []string{"create public.race", "42P07", "run again"}},
		{"created before the end", "", "CREATE TABLE race (mine text)", abi.CategoryTransientDB, []string{"commit public.race", "42P07", "run again"}},
		{"view before the end", "", "CREATE VIEW race AS SELECT 'mine' AS mine", abi.CategoryTransientDB, []string{"commit public.race", "42P07", "run again"}},
		{"type before the end", "", "CREATE TYPE race AS (mine text)", abi.CategoryTransientDB, []string{"commit public.race", "run again"}},
		{"dropped before the end", "", `DROP TABLE "` + staging + `"`, abi.CategorySchema, []string{"commit public.race", "42P01", "did another session drop it?"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			execSQL(t, conn, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
			d := newDestTest(t, dsn, "copy", "race")
			partitions := d.partitions(attempt+"1", 2)
			execSQL(t, conn, tt.early)
			err := d.write(partitions[0], 0, 10)
			if err == nil {
				execSQL(t, conn, tt.late)
				err = d.finish(partitions[:1], true)
			}
			e := wantError(t, err, tt.category, tt.parts...)
			if e.CommitState != abi.CommitNone {
				t.Errorf("commit state is %q, want none", e.CommitState)
			}

			// The stream is given up, and what the others made stays.
			if err := d.finish(partitions, false); err != nil {
				t.Fatal(err)
			}
			wantNothingLeft(t, conn)
			if strings.Contains(tt.early+tt.late, "mine") {
				got := queryText(t, conn, "SELECT attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relname = 'race' AND attnum > 0")
				if !slices.Equal(got, []string{"mine"}) {
					t.Errorf("the others' columns are %v, want mine", got)
				}
			}
		})
	}
}

// TestStagedKeyClash has a key in two partitions.
func TestStagedKeyClash(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	for _, method := range methods {
		d := newDestTest(t, dsn, method, "clash")
		d.key = []string{"c0"}
		partitions := d.partitions(attempt+"1", 2)
		d.writeAll(partitions[:1], 10)
		wantError(t, d.write(partitions[1], 5, 15), abi.CategoryData, "23505", " public.clash", "come twice")
		if err := d.finish(partitions, false); err != nil {
			t.Fatal(err)
		}
		wantNothingLeft(t, conn)
	}
}

// TestStagedPartitionsDiffer has a second partition of other columns.
func TestStagedPartitionsDiffer(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	d := newDestTest(t, dsn, "copy", "differ")
	partitions := d.partitions(attempt+"1", 2)
	d.writeAll(partitions[:1], 10)
	h := d.host(partitions[1], 0, 10)
	h.input = stream(t, schemaOf("bigint", "text"), [][]any{{int64(1)}, {"a"}}, 10)
	wantError(t, h.runGuest(d.guest, d.table), abi.CategorySchema, "have integer, want bigint")
	if err := d.finish(partitions, false); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, conn)
}

// TestDiscardWaits gives a stream up while the server is still about to create
// the staging table for a partition whose connection was cut.
func TestDiscardWaits(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn, zombie := connectPgx(t, dsn), connectPgx(t, dsn)
	d := newDestTest(t, dsn, "copy", "waits")
	partitions := d.partitions(attempt+"1", 2)
	p, err := parsePartition(partitions[0])
	if err != nil {
		t.Fatal(err)
	}
	execSQL(t, zombie, "BEGIN; SELECT pg_advisory_xact_lock("+p.lock()+")")

	done := make(chan error)
	go func() { done <- d.finish(partitions, false) }()
	select {
	case err := <-done:
		t.Fatalf("gave up without waiting for the partition: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	execSQL(t, zombie, "CREATE TABLE "+quoteIdent(p.staging())+" (); COMMIT")
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantNothingLeft(t, conn)

	// It does not wait for ever.
	execSQL(t, zombie, "BEGIN; SELECT pg_advisory_xact_lock("+p.lock()+")")
	d.lockTimeout("100ms")
	wantError(t, d.finish(partitions, false), abi.CategoryTransientDB, "drop the staging table of public.waits", "55P03", "goes with DROP TABLE IF EXISTS")
	execSQL(t, zombie, "ROLLBACK")
}

// TestStagedReplaced drops the staging table and makes another table of the
// stream's name: the first finish does not take it for its own work.
func TestStagedReplaced(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	d := newDestTest(t, dsn, "copy", "replaced")
	partitions := d.partitions(attempt+"1", 2)
	d.writeAll(partitions, 10)
	execSQL(t, conn, `DROP TABLE "`+partition{attempt: attempt + "1"}.staging()+`"; CREATE TABLE replaced (mine text)`)
	e := wantError(t, d.finish(partitions, true), abi.CategorySchema, "commit public.replaced", "42P01", "did another session drop it?")
	if e.CommitState != abi.CommitNone {
		t.Errorf("commit state is %q, want none", e.CommitState)
	}
}

// TestStagedCommitsAreDurable writes partitions to a server that answers COMMIT
// before it is on disk: theirs are nevertheless, and a setting that waits for
// more stays.
func TestStagedCommitsAreDurable(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	database := queryText(t, conn, "SELECT quote_ident(current_database())")[0]
	for setting, want := range map[string]string{"off": "on", "local": "local"} {
		execSQL(t, conn, "ALTER DATABASE "+database+" SET synchronous_commit = "+setting+"; DROP TABLE IF EXISTS durable")
		d := newDestTest(t, dsn, "copy", "durable")
		partitions := d.partitions(attempt+"1", 2)
		d.writeAll(partitions[:1], 10)
		staging := quoteIdent(partition{attempt: attempt + "1"}.staging())
		execSQL(t, conn, "ALTER TABLE "+staging+" ADD COLUMN setting text DEFAULT current_setting('synchronous_commit')")
		if err := d.write(partitions[1], 10, 20); err != nil {
			t.Fatal(err)
		}
		if err := d.finish(partitions, true); err != nil {
			t.Fatal(err)
		}
		got := queryText(t, conn, "SELECT DISTINCT setting FROM durable WHERE c0 >= 10")
		if !slices.Equal(got, []string{want}) {
			t.Errorf("with %s the partition was committed with %v, want %s", setting, got, want)
		}
	}
}

// TestStagedLeftovers finds staging tables of earlier attempts: those of this
// process go, those of others stay, and one that is in use is an error.
func TestStagedLeftovers(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn, zombie := connectPgx(t, dsn), connectPgx(t, dsn)
	d := newDestTest(t, dsn, "copy", "left_over")
	d.writeAll(d.partitions(attempt+"1", 2), 10)
	own := partition{attempt: attempt + "1"}
	others := []string{stagingPrefix + attempt + "x-1", stagingPrefix + "x" + attempt + "1"}
	for _, other := range others {
		execSQL(t, conn, "CREATE TABLE "+quoteIdent(other)+" ()")
	}

	d.lockTimeout("100ms")
	execSQL(t, zombie, "BEGIN; SELECT pg_advisory_xact_lock("+own.lock()+")")
	_, err := d.ask(attempt+"2", 2)
	wantError(t, err, abi.CategoryTransientDB, "drop the staging table of public.left_over", "55P03", "goes with DROP TABLE IF EXISTS", own.staging())
	execSQL(t, zombie, "ROLLBACK")

	d.writeAll(d.partitions(attempt+"2", 2), 10)
	got := queryText(t, conn, leftovers)
	slices.Sort(got)
	want := append(others, stagingPrefix+attempt+"2")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left behind: %v, want %v", got, want)
	}
}

// TestPublishAnswerLost breaks the connection while the table gets its name: the
// hint says how to complete it, and it does.
func TestPublishAnswerLost(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	d := newDestTest(t, dsn, "copy", "lost")
	partitions := d.partitions(attempt+"1", 2)
	d.writeAll(partitions, 10)
	h := newDestHost(t, dsn, "copy", "lost", nil)
	tamper(h, func(b []byte) error {
		if bytes.Contains(b, []byte("RENAME TO")) {
			return errors.New("cable cut")
		}
		return nil
	}, nil)
	g := newDestGuest(h)
	if err := h.err(g.Open()); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	rename := `ALTER TABLE "public"."` + partition{attempt: attempt + "1"}.staging() + `" RENAME TO "lost"`
	e := wantError(t, d.finishWith(h, g, partitions, true), abi.CategoryTransientNetwork, "commit public.lost",
		`if table "public"."lost" is not there, `+rename+" completes it", "or DROP TABLE")
	if e.CommitState != abi.CommitUnknown {
		t.Errorf("commit state is %q, want unknown", e.CommitState)
	}
	execSQL(t, conn, rename)
	wantNumbers(t, conn, d, 20)
}

// TestDropEndsBeforeTheRun has dropping wait for both of its locks less than an
// interrupted run waits for its end.
func TestDropEndsBeforeTheRun(t *testing.T) {
	const grace = 10 * time.Second // the engine's finishGrace
	each, err := time.ParseDuration(dropLockTimeout)
	if err != nil || 2*each >= grace {
		t.Errorf("dropping waits %s for each of two locks, want both within %v", dropLockTimeout, grace)
	}
	d := newDestTest(t, pgtest.Shared(t).NewDatabase(t), "copy", "t")
	h := newDestHost(t, d.dsn, "copy", "t", nil)
	var sent []byte
	tamper(h, func(b []byte) error { sent = append(sent, b...); return nil }, nil)
	g := newDestGuest(h)
	if err := h.err(g.Open()); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := d.finishWith(h, g, []string{"staged:" + attempt + "1:old:1"}, false); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(sent, []byte("SET LOCAL lock_timeout = '"+dropLockTimeout+"'")) {
		t.Errorf("sent %q, want the lock timeout of dropping", sent)
	}
}
