//go:build !wasip1

package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// numbers returns the columns of n rows: their number from 0, and a text.
func numbers(n int) (*arrowipc.Schema, [][]any) {
	s := schemaOf("integer", "text")
	columns := make([][]any, 2)
	for i := range n {
		columns[0] = append(columns[0], int32(i))
		columns[1] = append(columns[1], fmt.Sprintf("text number %d", i))
	}
	return s, columns
}

// wantCount fails the test unless the table has n rows.
func wantCount(tb testing.TB, conn *pgx.Conn, table string, n int) {
	tb.Helper()
	if got := queryText(tb, conn, "SELECT count(*)::text FROM "+table)[0]; got != fmt.Sprint(n) {
		tb.Errorf("table %s has %s rows, want %d", table, got, n)
	}
}

// TestRefusedRows has the server refuse a row in the middle: nothing stays, and
// the error says which row, as far as the server tells.
func TestRefusedRows(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	const rows, bad = 20000, 12345 // row 12346, counted from 1
	s, columns := numbers(rows)

	tests := []struct {
		name     string
		table    string // definition
		change   func(columns [][]any)
		category abi.Category
		copy     []string // parts of the message
		insert   []string
		column   string
	}{
		{"check", "(c0 integer CHECK (c0 <> 12345), c1 text)", nil, abi.CategoryData,
			[]string{"copy row 12346 to public.refused", "23514", `"refused_c0_check"`}, []string{"insert rows 12251 to 12500 into public.refused", "23514"}, ""},
		{"unique", "(c0 integer PRIMARY KEY, c1 text)", func(c [][]any) { c[0][bad] = int32(7) }, abi.CategoryData,
			[]string{"copy row 12346 to", "23505", "Key (c0)=(7) already exists", "replace the table's rows"}, []string{"insert rows", "23505", "(c0)=(7)"}, ""},
		{"not null", "(c0 integer NOT NULL, c1 text)", func(c [][]any) { c[0][bad] = nil }, abi.CategoryData,
			[]string{"copy row 12346 to", "23502", "allow NULL"}, []string{"insert rows", "23502"}, "c0"},
		{"zero byte", "(c0 integer, c1 text)", func(c [][]any) { c[1][bad] = "a\x00b" }, abi.CategoryData,
			[]string{"copy row 12346 to", "22021", "zero byte"}, []string{"insert row 12346 into", "22021"}, "c1"},
		{"not UTF-8", "(c0 integer, c1 text)", func(c [][]any) { c[1][bad] = "a\xff" }, abi.CategoryData,
			[]string{"copy row 12346 to", "22021"}, []string{"insert row 12346 into", "22021"}, "c1"},
		{"trigger", "(c0 integer, c1 text)", nil, abi.CategoryData,
			[]string{"copy row 12346 to", "P0001", "not this one"}, []string{"insert rows", "P0001", "not this one"}, ""},
		{"rows left out", "(c0 integer, c1 text)", nil, abi.CategoryInternal,
			[]string{"the server confirmed 4999 of 5000 rows", "trigger"}, []string{"the server confirmed 249 of 250 rows", "trigger"}, ""},
	}
	for _, tt := range tests {
		for _, method := range methods {
			t.Run(tt.name+"/load="+method, func(t *testing.T) {
				execSQL(t, conn, "DROP TABLE IF EXISTS refused; CREATE TABLE refused "+tt.table)
				switch tt.name {
				case "trigger":
					execSQL(t, conn, `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
						$$ BEGIN IF NEW.c0 = 12345 THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
						CREATE TRIGGER refuse BEFORE INSERT ON refused FOR EACH ROW EXECUTE FUNCTION refuse()`)
				case "rows left out":
					execSQL(t, conn, `CREATE OR REPLACE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS
						$$ BEGIN IF NEW.c0 = 12345 THEN RETURN NULL; END IF; RETURN NEW; END $$;
						CREATE TRIGGER leave_out BEFORE INSERT ON refused FOR EACH ROW EXECUTE FUNCTION leave_out()`)
				}
				changed := [][]any{append([]any(nil), columns[0]...), append([]any(nil), columns[1]...)}
				if tt.change != nil {
					tt.change(changed)
				}
				want := tt.insert
				if method == "copy" {
					want = tt.copy
				}
				h := newDestHost(t, dsn, method, "refused", stream(t, s, changed, 1000))
				h.run.CheckpointRows = 5000 // COPY counts lines from the start of its statement
				e := wantError(t, write(h), tt.category, want...)
				if e.Column != tt.column || e.CommitState != abi.CommitNone {
					t.Errorf("the error names column %q and commit state %q, want column %q and none", e.Column, e.CommitState, tt.column)
				}
				wantCount(t, conn, "refused", 0)
			})
		}
	}
}

// TestRefusalStopsSending has the server refuse the first row of a long stream:
// the destination notices long before its end.
func TestRefusalStopsSending(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE stops (c0 integer CHECK (c0 <> 0), c1 text)")
	s, columns := numbers(8192)
	one := stream(t, s, columns, 8192)
	messages := one[:1]
	const batches = 300
	for range batches {
		messages = append(messages, one[1])
	}
	for _, method := range methods {
		h := newDestHost(t, dsn, method, "stops", messages)
		wantError(t, write(h), abi.CategoryData, "23514")
		if sent := batches - len(h.input); sent > batches/2 {
			t.Errorf("load=%s: %d of %d batches were taken before the error was noticed", method, sent, batches)
		}
	}
}

// TestSchemaErrors compares tables that do not fit, before any row.
func TestSchemaErrors(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	s, columns := numbers(3)
	tests := []struct {
		name   string
		ddl    string
		column string
		parts  []string
	}{
		{"another type", "CREATE TABLE fit (c0 bigint, c1 text)", "c0", []string{`column "c0" of table public.fit: have bigint, want integer`, "ALTER"}},
		{"same width", "CREATE TABLE fit (c0 real, c1 text)", "c0", []string{"have real, want integer"}},
		{"shorter", "CREATE TABLE fit (c0 integer, c1 varchar(5))", "c1", []string{"have character varying(5), want text"}},
		{"no such type", "CREATE TABLE fit (c0 integer, c1 point)", "c1", []string{"have point, want text"}},
		{"domain", "CREATE DOMAIN money AS numeric(8,2); CREATE TABLE fit (c0 integer, c1 public.money)", "c1", []string{"have public.money, want text"}},
		{"missing", "CREATE TABLE fit (c0 integer)", "c1", []string{`column "c1" of table public.fit: have no such column, want text`, `ALTER TABLE "public"."fit" ADD COLUMN "c1" text`}},
		{"no columns", "CREATE TABLE fit ()", "c0", []string{"have no such column", "(and 1 more)", `column "c1" of table`}},
		{"extra", "CREATE TABLE fit (c0 integer, c1 text, c2 date NOT NULL)", "c2", []string{"have date NOT NULL without a default, want no such column"}},
		{"generated", "CREATE TABLE fit (c0 integer GENERATED ALWAYS AS (1) STORED, c1 text)", "c0", []string{"have a generated column"}},
		{"all wrong", "CREATE TABLE fit (c0 date, c1 date, c2 date NOT NULL)", "c0", []string{"have date, want integer", "(and 2 more)", "have date, want text", `column "c2"`}},
		{"view", "CREATE VIEW fit AS SELECT 1 AS c0, ''::text AS c1", "", []string{"public.fit is a view and not a table"}},
		{"sequence", "CREATE SEQUENCE fit", "", []string{"public.fit is a sequence and not a table"}},
	}
	for _, tt := range tests {
		for _, method := range methods {
			t.Run(tt.name+"/load="+method, func(t *testing.T) {
				execSQL(t, conn, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; "+tt.ddl)
				h := newDestHost(t, dsn, method, "fit", stream(t, s, columns, 8192))
				h.run.WriteMode = "replace"
				e := wantError(t, write(h), abi.CategorySchema, tt.parts...)
				if e.Column != tt.column {
					t.Errorf("the error names column %q, want %q", e.Column, tt.column)
				}
				if len(h.input) != 2 {
					t.Errorf("%d messages were left, want the batch and the end", len(h.input))
				}
			})
		}
	}
}

// TestTablesThatFit writes to tables that differ and yet hold every value.
func TestTablesThatFit(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	s, columns := numbers(1000)
	for name, ddl := range map[string]string{
		"other order":   "CREATE TABLE fit (c1 text, c0 integer)",
		"varchar":       "CREATE TABLE fit (c0 integer, c1 varchar)",
		"domain":        "CREATE DOMAIN inner_name AS text; CREATE DOMAIN name AS inner_name; CREATE TABLE fit (c0 integer, c1 public.name)",
		"identity":      "CREATE TABLE fit (c0 integer GENERATED ALWAYS AS IDENTITY, c1 text)",
		"extra columns": "CREATE TABLE fit (x int, c0 integer, y date NOT NULL DEFAULT now(), c1 text, z int GENERATED ALWAYS AS (c0 + 1) STORED, n serial)",
		"dropped":       "CREATE TABLE fit (c0 integer, gone text NOT NULL, c1 text); ALTER TABLE fit DROP COLUMN gone",
		"partitioned":   "CREATE TABLE fit (c0 integer, c1 text) PARTITION BY RANGE (c0); CREATE TABLE p1 PARTITION OF fit FOR VALUES FROM (0) TO (500); CREATE TABLE p2 PARTITION OF fit DEFAULT",
		"notices":       "CREATE TABLE fit (c0 integer, c1 text); CREATE FUNCTION chat() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row % %', NEW.c0, repeat('x', 200); RETURN NEW; END $$; CREATE TRIGGER chat BEFORE INSERT ON fit FOR EACH ROW EXECUTE FUNCTION chat()",
	} {
		for _, method := range methods {
			t.Run(name+"/load="+method, func(t *testing.T) {
				execSQL(t, conn, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; "+ddl)
				h := newDestHost(t, dsn, method, "fit", stream(t, s, columns, 100))
				h.run.CheckpointRows = 300
				if err := write(h); err != nil {
					t.Fatal(err)
				}
				got := copyOut(t, conn, "(SELECT c0, c1 FROM fit) fit")
				wantRows(t, s, got, reference(s, columns, copyPrefix))
			})
		}
	}
}

func TestMissingPermission(t *testing.T) {
	server := pgtest.Shared(t)
	dsn := server.NewDatabase(t)
	conn := connectPgx(t, dsn)
	role := fmt.Sprintf("loader_%d", time.Now().UnixNano())
	execSQL(t, conn, "CREATE ROLE "+role+" LOGIN PASSWORD 'x'; REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE SCHEMA shut; CREATE SCHEMA ajar;"+
		"GRANT USAGE ON SCHEMA ajar TO "+role+"; CREATE TABLE ajar.t (c0 integer, c1 text); CREATE TABLE shut.t (c0 integer, c1 text)")
	t.Cleanup(func() { execSQL(t, conn, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	s, columns := numbers(3)

	tests := []struct {
		name, schema, table, mode string
		grant                     string
		parts                     []string
	}{
		{"create schema", "new", "t", "append", "", []string{"create new.t", "permission denied for database", "42501", "the user needs"}},
		{"use schema", "shut", "t", "append", "", []string{"lock shut.t", "permission denied for schema shut", "42501"}},
		{"create table", "ajar", "new", "append", "", []string{"create ajar.new", "permission denied for schema ajar"}},
		{"insert", "ajar", "t", "append", "", []string{"lock ajar.t", "permission denied for table t"}},
		{"truncate", "ajar", "t", "replace", "GRANT INSERT ON ajar.t TO " + role, []string{"lock ajar.t", "permission denied for table t", "TRUNCATE to replace"}},
	}
	for _, tt := range tests {
		for _, method := range methods {
			t.Run(tt.name+"/load="+method, func(t *testing.T) {
				if tt.grant != "" {
					execSQL(t, conn, tt.grant)
				}
				h := newDestHost(t, dsn, method, tt.table, stream(t, s, columns, 8192))
				h.open.Config["schema"], h.run.WriteMode = tt.schema, tt.mode
				asRole(h, role)
				wantError(t, write(h), abi.CategoryPermission, tt.parts...)
			})
		}
	}

	// With INSERT alone appending works.
	h := newDestHost(t, dsn, "copy", "t", stream(t, s, columns, 8192))
	h.open.Config["schema"] = "ajar"
	asRole(h, role)
	if err := write(h); err != nil {
		t.Error(err)
	}
	// Row security stands against COPY.
	execSQL(t, conn, "ALTER TABLE ajar.t ENABLE ROW LEVEL SECURITY")
	h = newDestHost(t, dsn, "copy", "t", stream(t, s, columns, 8192))
	h.open.Config["schema"] = "ajar"
	asRole(h, role)
	wantError(t, write(h), abi.CategoryConfig, "copy to ajar.t", "row-level security", "0A000")

	for schema, want := range map[string]string{
		"new": "does not exist and user", "shut": "may not use schema", "ajar": "",
	} {
		h := newDestHost(t, dsn, "copy", "", nil)
		h.open.Config["schema"] = schema
		asRole(h, role)
		g := newDestGuest(h)
		err := errors.Join(h.err(g.Open()), h.err(g.Check()))
		if want != "" {
			wantError(t, err, abi.CategoryPermission, want, "42501", "GRANT")
		} else if err != nil || !strings.HasSuffix(h.check.Message, "schema ajar (may not create tables in it)") {
			t.Errorf("check of schema ajar: %v, %v", h.check, err)
		}
		g.Close()
	}
}

// asRole makes the destination's session one of another role.
func asRole(h *testHost, role string) {
	connect := h.connect
	h.connect = func() (testConn, error) {
		c, err := connect()
		if err != nil {
			return nil, err
		}
		if _, err := c.Write(append([]byte("Q\x00\x00\x00"), append([]byte{byte(4 + len("SET SESSION AUTHORIZATION ") + len(role) + 1)}, "SET SESSION AUTHORIZATION "+role+"\x00"...)...)); err != nil {
			return nil, err
		}
		var answer []byte
		for !bytes.Contains(answer, []byte("Z\x00\x00\x00\x05")) {
			b := make([]byte, 1000)
			n, err := c.Read(b)
			if err != nil {
				return nil, err
			}
			answer = append(answer, b[:n]...)
		}
		return c, nil
	}
}

// TestBrokenStreams ends a stream in every wrong way: nothing stays.
func TestBrokenStreams(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE broken (c0 integer, c1 text)")
	s, columns := numbers(1000)
	whole := stream(t, s, columns, 300)
	end := len(whole) - 1
	with := func(messages ...testMessage) []testMessage { return append(whole[:end:end], messages...) }
	tests := []struct {
		name     string
		messages []testMessage
		part     string
	}{
		{"no message", nil, "its end is missing"},
		{"no schema", whole[1:], "broken"},
		{"no batch after the schema", whole[:1], "its end is missing"},
		{"no end", whole[:end], "its end is missing"},
		{"a second schema", with(whole[0]), "a second schema"},
		{"a batch after the end", with(whole[end], whole[1]), "a message after its end"},
		{"noise", with(testMessage{data: []byte("noise that is not Arrow")}), "broken"},
		{"a cut batch", with(testMessage{data: whole[1].data[:len(whole[1].data)-64]}), "broken"},
	}
	for _, tt := range tests {
		for _, method := range methods {
			t.Run(tt.name+"/load="+method, func(t *testing.T) {
				wantError(t, write(newDestHost(t, dsn, method, "broken", tt.messages)), abi.CategoryInternal, tt.part)
				wantCount(t, conn, "broken", 0)
			})
		}
	}
}

// TestCancelledWhileConverting cancels in the middle of a batch of numbers.
func TestCancelledWhileConverting(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	s := schemaOf("numeric")
	column := make([]any, 3*loadRows)
	for i := range column {
		column[i] = "1.5"
	}
	for _, method := range methods {
		h := newDestHost(t, dsn, method, "numbers", stream(t, s, [][]any{column}, len(column)))
		h.onYield = func(yields int) abi.Status {
			if yields == 2 {
				return abi.Cancelled
			}
			return abi.OK
		}
		if err := write(h); !errors.Is(err, abi.Cancelled) || h.yields != 2 {
			t.Errorf("load=%s: got %v after %d yields, want the status cancelled after 2", method, err, h.yields)
		}
	}
}

func TestCancelled(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE cancelled (c0 integer, c1 text); INSERT INTO cancelled VALUES (1, 'before')")
	s, columns := numbers(10000)
	for _, method := range methods {
		h := newDestHost(t, dsn, method, "cancelled", stream(t, s, columns, 1000))
		h.run.WriteMode = "replace"
		h.onNext = func(left int) {
			if left == 3 {
				h.fail = func(int) error { return abi.Cancelled }
			}
		}
		h.input = append(h.input, testMessage{}) // the fault begins with the next call
		if err := write(h); !errors.Is(err, abi.Cancelled) {
			t.Errorf("load=%s: got %v, want the status cancelled", method, err)
		}
		wantCount(t, conn, "cancelled", 1)
	}
}

// TestSessionKilled ends the session on the server in the middle of the rows.
func TestSessionKilled(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE killed (c0 integer, c1 text)")
	s, columns := numbers(100000)
	messages := stream(t, s, columns, 8192)
	for _, method := range methods {
		t.Run("load="+method, func(t *testing.T) {
			h := newDestHost(t, dsn, method, "killed", messages)
			h.onNext = func(left int) {
				if left == 5 {
					queryText(t, conn, "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
					time.Sleep(20 * time.Millisecond) // let its farewell arrive
				}
			}
			e := wantError(t, write(h), abi.CategoryTransientDB, "57P01", "terminating connection")
			if e.CommitState != abi.CommitNone {
				t.Errorf("commit state is %q, want none", e.CommitState)
			}
			wantCount(t, conn, "killed", 0)
		})
	}
}

// TestCommitAnswerLost breaks the connection after COMMIT was sent.
func TestCommitAnswerLost(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	s, columns := numbers(10)
	for _, method := range methods {
		t.Run("load="+method, func(t *testing.T) {
			table := "lost_" + method
			h := newDestHost(t, dsn, method, table, stream(t, s, columns, 100))
			committing := false
			tamper(h,
				func(b []byte) error { committing = committing || bytes.HasSuffix(b, []byte("COMMIT\x00")); return nil },
				func([]byte) error {
					if committing {
						return errors.New("cable cut")
					}
					return nil
				})
			e := wantError(t, write(h), abi.CategoryTransientNetwork, "commit public."+table, "look into the table")
			if e.CommitState != abi.CommitUnknown {
				t.Errorf("commit state is %q, want unknown", e.CommitState)
			}
			wantCount(t, conn, table, 10)
		})
	}
}

// TestCommitAnswers gives COMMIT every kind of answer but the right one: whoever
// cannot tell whether the rows are there says so, and does not say why without
// knowing.
func TestCommitAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		err          error
		category     abi.Category
		says         string
		state        abi.CommitState
	}{
		{"cut", "", nil, abi.CategoryTransientNetwork, "the connection was lost", abi.CommitUnknown},
		{"cancelled", "", abi.Cancelled, abi.CategoryTransientNetwork, "stopped before the server's answer", abi.CommitUnknown},
		{"no answer", string(answerReady), nil, abi.CategoryInternal, "no answer to COMMIT", abi.CommitUnknown},
		{"another tag", string(answerDone("SELECT 1")), nil, abi.CategoryInternal, `the tag "SELECT 1"`, abi.CommitUnknown},
		{"another message", string(message(msgCopyIn, "\x00\x00\x00")), nil, abi.CategoryInternal, "a message of type 'G' in answer to COMMIT", abi.CommitUnknown},
		{"impossible length", "C\x00\x00\x00\x00", nil, abi.CategoryInternal, "impossible length", abi.CommitUnknown},
		{"rolled back", string(answerDone("ROLLBACK")), nil, abi.CategoryInternal, "with ROLLBACK", abi.CommitNone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := &scriptConn{answers: answerJoin(answerFound, answerCopied, []byte(tt.answer)), chunk: 1, end: tt.err}
			h := newTestHost(abi.RoleDestination, map[string]any{"load_method": "copy"}, func() (testConn, error) { return quietConn{conn}, nil })
			h.input = threeRows(t)
			var e *abi.Error
			if err := h.runGuest(newDestGuest, "t"); !errors.As(err, &e) {
				t.Fatalf("got %v, want a described error", err)
			}
			if e.Category != tt.category || !strings.Contains(e.Message, tt.says) || e.CommitState != tt.state {
				t.Errorf("got %+v, want category %s, %q and commit state %q", e, tt.category, tt.says, tt.state)
			}
			if tt.state == abi.CommitUnknown && !strings.Contains(e.Hint, "look into the table") {
				t.Errorf("the hint is %q", e.Hint)
			}
		})
	}
}

// TestCommitRefused has the server refuse at COMMIT: that is known.
func TestCommitRefused(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE k (c0 integer PRIMARY KEY); CREATE TABLE deferred (c0 integer REFERENCES k DEFERRABLE INITIALLY DEFERRED, c1 text)")
	s, columns := numbers(10)
	for _, method := range methods {
		e := wantError(t, write(newDestHost(t, dsn, method, "deferred", stream(t, s, columns, 100))), abi.CategoryData, "commit public.deferred", "23503", "referenced rows first")
		if e.CommitState != abi.CommitNone {
			t.Errorf("load=%s: commit state is %q, want none", method, e.CommitState)
		}
		wantCount(t, conn, "deferred", 0)
	}
	execSQL(t, conn, "CREATE TABLE target (c0 integer PRIMARY KEY); INSERT INTO target VALUES (1); CREATE TABLE refers (r integer REFERENCES target)")
	ints := schemaOf("integer")
	h := newDestHost(t, dsn, "copy", "target", stream(t, ints, [][]any{{int32(5)}}, 10))
	h.run.WriteMode = "replace"
	wantError(t, write(h), abi.CategoryConfig, "empty public.target", "0A000", "foreign key")
}

// TestCreateRace has another session create the same table, or schema, at the
// same time.
func TestCreateRace(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn, watch := connectPgx(t, dsn), connectPgx(t, dsn)
	s, columns := numbers(10)
	for schema, ddl := range map[string]string{
		"public": "CREATE TABLE public.race (c0 integer, c1 text)",
		"fresh":  "CREATE SCHEMA fresh",
	} {
		t.Run(schema, func(t *testing.T) {
			execSQL(t, conn, "BEGIN")
			execSQL(t, conn, ddl)
			h := newDestHost(t, dsn, "copy", "race", stream(t, s, columns, 100))
			h.open.Config["schema"] = schema
			done := make(chan error)
			go func() { done <- write(h) }()

			// Only commit when the destination waits for us.
			const blocked = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
			for deadline := time.Now().Add(30 * time.Second); queryText(t, watch, blocked)[0] == "0"; {
				if time.Now().After(deadline) {
					t.Fatal("the destination never waited for the other session")
				}
				time.Sleep(5 * time.Millisecond)
			}
			execSQL(t, conn, "COMMIT")
			wantError(t, <-done, abi.CategoryTransientDB, "create "+schema+".race", "run again")
		})
	}
}

// TestFaultSweep fails the first call of the host, then the second, and so on
// until none is left: every time the error comes out, and the table has all rows
// or none.
func TestFaultSweep(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE sweep (c0 integer, c1 text)")
	s, columns := numbers(3000)
	for _, method := range methods {
		t.Run("load="+method, func(t *testing.T) {
			unknown := 0
			for n := 0; ; n++ {
				execSQL(t, conn, "TRUNCATE sweep")
				h := newDestHost(t, dsn, method, "sweep", stream(t, s, columns, 1000))
				h.run.CheckpointRows = 1500
				failed := false
				h.fail = func(call int) error {
					failed = failed || call == n
					if call == n {
						return abi.Closed
					}
					return nil
				}
				err := write(h)
				if !failed {
					if err != nil {
						t.Fatalf("without a fault: %v", err)
					}
					wantCount(t, conn, "sweep", 3000)
					break
				}
				var e *abi.Error
				if err == nil {
					// What fails after the commit may go unsaid, nothing else.
					wantCount(t, conn, "sweep", 3000)
					continue
				}
				if errors.As(err, &e) && e.CommitState == abi.CommitUnknown {
					unknown++
					continue
				}
				wantCount(t, conn, "sweep", 0)
				if t.Failed() {
					t.Fatalf("call %d failed and the destination said %v", n, err)
				}
			}
			if unknown == 0 || unknown > 3 {
				t.Errorf("%d faults left the commit unknown, want those around it", unknown)
			}
		})
	}
}
