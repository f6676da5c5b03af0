//go:build !wasip1

package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// testPartitioner is a source that is asked for partitions and holds the snapshot
// in which they are read.
type testPartitioner struct {
	host  *testHost
	guest abi.Guest
}

func newTestPartitioner(tb testing.TB, dsn string) *testPartitioner {
	tb.Helper()
	h := newTestHost(abi.RoleSource, map[string]any{"schema": "public"}, connectTo(tb, dsn))
	p := &testPartitioner{h, sdk.SourceGuest(NewSource)(h)}
	if err := h.err(p.guest.Open()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.guest.Close() })
	return p
}

func (p *testPartitioner) ask(req abi.PartitionRequest) (*abi.Partitions, error) {
	p.host.partition, p.host.partitions = req, nil
	err := p.host.err(p.guest.Partition())
	return p.host.partitions, err
}

// must returns the partitions of a stream, which have to be as many as wanted.
func (p *testPartitioner) must(tb testing.TB, stream, key string, n int) []string {
	tb.Helper()
	answer, err := p.ask(abi.PartitionRequest{Stream: stream, Key: key, Count: int64(n)})
	if err != nil {
		tb.Fatal(err)
	}
	if len(answer.Partitions) != n || answer.Note != "" {
		tb.Fatalf("got %d partitions of %s with note %q, want %d without", len(answer.Partitions), stream, answer.Note, n)
	}
	return answer.Partitions
}

// readPart reads one partition of a stream with a source of its own and returns
// its rows, each as one text; an empty partition is the whole stream.
func readPart(tb testing.TB, dsn, stream, part string) ([]string, error) {
	tb.Helper()
	h, err := readStreams(tb, dsn, "public", func(h *testHost) { h.run.Partition = part }, stream)
	if err != nil {
		return nil, err
	}
	_, cells := arrowRows(tb, h.emitted)
	rows := make([]string, len(cells))
	for i := range cells {
		rows[i] = strings.Join(cells[i], "|")
	}
	return rows, nil
}

// mustRead returns the rows of every one of the partitions.
func mustRead(tb testing.TB, dsn, stream string, parts ...string) [][]string {
	tb.Helper()
	rows := make([][]string, len(parts))
	for i, part := range parts {
		var err error
		if rows[i], err = readPart(tb, dsn, stream, part); err != nil {
			tb.Fatalf("partition %d, %.100q: %v", i, part, err)
		}
	}
	return rows
}

// wantOnce fails the test unless the partitions have the wanted rows, each once.
func wantOnce(tb testing.TB, got [][]string, want []string) {
	tb.Helper()
	all, want := slices.Sorted(slices.Values(slices.Concat(got...))), slices.Sorted(slices.Values(want))
	for i := range min(len(all), len(want)) {
		if all[i] != want[i] {
			tb.Errorf("%d partitions have row %.100q where the table has %.100q", len(got), all[i], want[i])
			return
		}
	}
	if len(all) != len(want) {
		tb.Errorf("%d partitions have %d rows, want %d", len(got), len(all), len(want))
	}
}

// wantEven fails the test if a partition has over 1.3 times the mean of rows.
func wantEven(tb testing.TB, got [][]string) {
	tb.Helper()
	var sizes []int
	sum := 0
	for _, rows := range got {
		sizes = append(sizes, len(rows))
		sum += len(rows)
	}
	if most := slices.Max(sizes); most*10*len(got) > sum*13 {
		tb.Errorf("got partitions of %d rows, of which one is over 1.3 times the mean", sizes)
	}
}

// TestPartitionPages reads tables by their pages, after another session has
// changed many rows. Dead rows at one end and children of unequal size must leave
// the partitions even.
func TestPartitionPages(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, `
		create table plain (id integer, t text);
		insert into plain select i, repeat('x', i % 300) from generate_series(1, 20000) i;
		create table bloated (id integer, t text) with (autovacuum_enabled = off);
		insert into bloated select i, repeat('x', 100) from generate_series(1, 40000) i;
		delete from bloated where id <= 20000 and id % 50 <> 0;
		create table parted (id integer, t text) partition by range (id);
		create table parted1 partition of parted for values from (0) to (20000);
		create table parted2 partition of parted for values from (20000) to (21000);
		create table parted3 partition of parted for values from (21000) to (22000);
		create table parted4 partition of parted for values from (22000) to (32000) partition by range (id);
		create table parted41 partition of parted4 for values from (22000) to (24000);
		create table parted42 (t text, gone integer, id integer);
		alter table parted42 drop column gone;
		alter table parted4 attach partition parted42 for values from (24000) to (32000);
		insert into parted select i, repeat('x', 200) from generate_series(0, 20999) i;
		insert into parted select i, repeat('x', 100) from generate_series(22000, 31999) i;
		create table parent (id integer, t text);
		create table child (more integer) inherits (parent);
		insert into parent select i, 'parent' from generate_series(1, 5000) i;
		insert into child select i, 'child', i from generate_series(1, 20000) i;
		create materialized view made as select id, t from plain where id % 2 = 0;
		create unique index on made (id);
	`)
	const change = `
		insert into %[1]s select id, 'new' from %[1]s;
		update %[1]s set t = t || 'y' where id %% 3 = 0;
		delete from %[1]s where t = 'new'`
	tests := []struct{ stream, change string }{
		{"made", "update plain set t = t || 'y'; refresh materialized view concurrently made"},
		{"plain", fmt.Sprintf(change, "plain")},
		{"parted", fmt.Sprintf(change, "parted")},
		{"parent", fmt.Sprintf(change, "parent")},
		{"bloated", "insert into bloated select 0, 'new' from generate_series(1, 100)"}, // more would fill the pages
	}

	for _, test := range tests {
		t.Run(test.stream, func(t *testing.T) {
			for _, n := range []int{1, 2, 3, 7} {
				want := mustRead(t, dsn, test.stream, "")[0]
				p := newTestPartitioner(t, dsn)
				parts := p.must(t, test.stream, "", n)
				execSQL(t, conn, test.change)

				got := mustRead(t, dsn, test.stream, parts...)
				wantOnce(t, got, want)
				wantEven(t, got)
				if err := p.host.err(p.guest.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestPartitionScans looks whether the server reads the pages of a partition and
// no others.
func TestPartitionScans(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, `
		create table plain (id integer, t text);
		insert into plain select i, repeat('x', 100) from generate_series(1, 40000) i;
		create table parted (id integer, t text) partition by range (id);
		create table parted1 partition of parted for values from (0) to (30000);
		create table parted2 partition of parted for values from (30000) to (60000);
		insert into parted select i, repeat('x', 100) from generate_series(1, 40000) i;
	`)
	columns := []sourceColumn{{name: "id"}, {name: "t"}}
	for _, stream := range []string{"plain", "parted"} {
		p := newTestPartitioner(t, dsn)
		for i, token := range p.must(t, stream, "", 3) {
			part, err := parsePart(token)
			if err != nil {
				t.Fatal(err)
			}
			if len(part.pages) < 16 || len(part.pages) > mostChunks*9/8 {
				t.Errorf("%s: partition %d has %d ranges of pages", stream, i, len(part.pages))
			}
			statement, err := copySQL(sourceTable{"public", stream}, columns, part)
			if err != nil {
				t.Fatal(err)
			}
			statement = strings.TrimSuffix(strings.TrimPrefix(statement, "COPY ("), ") TO STDOUT (FORMAT binary)")
			rows, err := conn.Query(context.Background(), "explain "+statement)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			if plan := strings.Join(lines, "\n"); !strings.Contains(plan, "Tid Range Scan") || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s: partition %d is read like this:\n%.1000s", stream, i, plan)
			}
		}
	}
}

// TestPartitionKey reads tables by ranges of columns of every kind of type.
func TestPartitionKey(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, `
		create domain label as text collate "C";
		create table t (id integer, nulls integer, dups smallint, f double precision, s text, c character(5), n label, d date, ts timestamp(3),
			tz timestamptz, u uuid, b bytea, num numeric(12,2), j jsonb, yes boolean, "odd ""key" varchar(10));
		insert into t select i, case when i % 2 = 0 then i end, i % 10,
			case i % 50 when 0 then 'NaN' when 1 then '-Infinity' when 2 then '-0' else (i / 7.0)::float8 end,
			case i % 6 when 0 then '' when 1 then '''quoted'' ' when 2 then 'back\slash' || i when 3 then 'line' || chr(10) || i when 4 then 'Zoë🐘' || i else 'aé' || i end,
			'c' || i % 300, case when i % 2 = 0 then 'A' else 'b' end || i,
			case i % 40 when 0 then '0044-03-15 BC' when 1 then 'infinity' when 2 then '12345-01-02' else date '2023-12-20' + i % 90 end,
			case i % 40 when 0 then '-infinity' else timestamp '2024-01-12' + i * interval '1 hour 1.25 seconds' end,
			timestamptz '2024-03-10 12:00+02' + i * interval '7 minutes',
			md5(i::text)::uuid, decode(md5(i::text), 'hex'), i * 1.25, to_jsonb(i), i % 3 = 0, 'v"''' || i
			from generate_series(1, 3000) i;
		create view v as select * from t where id % 2 = 0;
	`)
	// Bounds must mean the same to a session that writes dates in another way.
	style := func(s string) {
		execSQL(t, conn, "do $$ begin execute format('alter database %I set datestyle = %L', current_database(), '"+s+"'); end $$")
	}

	want := mustRead(t, dsn, "t", "")[0]
	for _, key := range []string{"id", "f", "s", "c", "n", "d", "ts", "tz", "u", "b", "num", "j", `odd "key`} {
		t.Run(strings.ReplaceAll(key, " ", "_"), func(t *testing.T) {
			for _, n := range []int{1, 2, 3, 7} {
				style("SQL, DMY")
				p := newTestPartitioner(t, dsn)
				if key == "s" && n == 7 {
					n = 6 // a sixth of the rows are alike
				}
				parts := p.must(t, "t", key, n)
				style("SQL, MDY")
				got := mustRead(t, dsn, "t", parts...)
				wantOnce(t, got, want)
				wantEven(t, got)
			}
		})
	}

	p := newTestPartitioner(t, dsn)
	for _, test := range []struct {
		key     string
		n, want int
	}{
		{"dups", 4, 4},
		{"dups", 20, 10},
		{"yes", 4, 2},
		{"nulls", 2, 2},
		{"nulls", 8, 5},
	} {
		answer, err := p.ask(abi.PartitionRequest{Stream: "t", Key: test.key, Count: int64(test.n)})
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Partitions) != test.want || (answer.Note != "") != (test.want < test.n) {
			t.Errorf("got %d of %d partitions of %s with note %q, want %d", len(answer.Partitions), test.n, test.key, answer.Note, test.want)
		}
		got := mustRead(t, dsn, "t", answer.Partitions...)
		wantOnce(t, got, want)
		if test.key == "nulls" && test.n == 2 {
			wantEven(t, got)
		}
	}
	half := mustRead(t, dsn, "v", "")[0]
	got := mustRead(t, dsn, "v", p.must(t, "v", "u", 3)...)
	wantOnce(t, got, half)
	wantEven(t, got)
}

// TestPartitionFew asks for more partitions than there can be.
func TestPartitionFew(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	role := "columns_" + dsn[strings.LastIndexByte(dsn, '_')+1:][:8]
	conn := connectPgx(t, dsn)
	execSQL(t, conn, fmt.Sprintf(`
		create table nothing (id integer);
		create table page (id integer); insert into page select generate_series(1, 10);
		create table pages (id integer, t text); alter table pages alter t set storage plain;
		insert into pages select i, repeat('x', 3000) from generate_series(1, 6) i;
		create view v as select id from page;
		create table same (id integer); insert into same select 7 from generate_series(1, 10000);
		create table void (id integer); insert into void select null from generate_series(1, 10000);
		create table long (id text); insert into long select repeat(chr(64 + i), 5000) from generate_series(1, 26) i;
		create table granted (id integer, t text); insert into granted select i, repeat('x', 100) from generate_series(1, 1000) i;
		create role %[1]s login password 'x'; grant select (id, t) on granted to %[1]s;
	`, role))
	t.Cleanup(func() { execSQL(t, conn, fmt.Sprintf("drop owned by %[1]s; drop role %[1]s", role)) })
	c := pgtest.SourceConfig(dsn)
	limited := fmt.Sprintf("host='%s' port=%d user=%s password=x dbname=%s sslmode=disable", c["host"], c["port"], role, c["database"])

	tests := []struct {
		dsn, stream, key string
		want             int
		note             []string
	}{
		{dsn, "nothing", "", 1, []string{`"public"."nothing" has too few pages for 4 partitions`}},
		{dsn, "nothing", "id", 1, []string{`column "id" of "public"."nothing" has too few different values for 4 partitions`}},
		{dsn, "page", "", 1, []string{"too few pages"}},
		{dsn, "pages", "", 3, []string{"too few pages"}},
		{dsn, "v", "", 1, []string{`"public"."v"`, "view", "partition_key"}},
		{dsn, "same", "id", 1, []string{"too few different values"}},
		{dsn, "void", "id", 1, []string{"too few different values"}},
		{dsn, "long", "id", 1, []string{"too few different values"}},
		{limited, "granted", "", 1, []string{"SELECT on the table", "partition_key"}},
		{limited, "granted", "id", 4, nil},
	}
	for _, test := range tests {
		t.Run(strings.TrimSuffix(test.stream+"_"+test.key, "_"), func(t *testing.T) {
			want := mustRead(t, dsn, test.stream, "")[0]
			p := newTestPartitioner(t, test.dsn)
			answer, err := p.ask(abi.PartitionRequest{Stream: test.stream, Key: test.key, Count: 4})
			if err != nil {
				t.Fatal(err)
			}
			if len(answer.Partitions) != test.want {
				t.Errorf("got %d partitions, %.100q, want %d", len(answer.Partitions), answer.Partitions, test.want)
			}
			if test.note == nil && answer.Note != "" {
				t.Errorf("got note %q", answer.Note)
			}
			for _, part := range test.note {
				if !strings.Contains(answer.Note, part) {
					t.Errorf("note %q does not say %q", answer.Note, part)
				}
			}

			// One partition is the table of that moment, too.
			execSQL(t, conn, "insert into page values (11)")
			wantOnce(t, mustRead(t, test.dsn, test.stream, answer.Partitions...), want)
		})
	}
}

// TestPartitionAuto leaves the number of partitions of a large and of a small
// table to the source, and has it look at a sample of the large one's key.
func TestPartitionAuto(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	execSQL(t, connectPgx(t, dsn), `
		create unlogged table large (id integer, t text);
		alter table large alter t set storage plain;
		insert into large select i, repeat('x', 3900) from generate_series(1, 20000) i;
		alter table large drop column t;
		create table small (id integer);
		insert into small select generate_series(1, 10000);
		create view v as select id from small;
	`)
	p := newTestPartitioner(t, dsn)
	for _, test := range []struct {
		stream, key string
		want        int
		note        bool
	}{
		{"large", "", 2, false},
		{"large", "id", 2, false},
		{"small", "", 1, false},
		{"small", "id", 1, false},
		{"v", "", 1, true},
		{"v", "id", 8, false}, // nobody knows how large it is
	} {
		answer, err := p.ask(abi.PartitionRequest{Stream: test.stream, Key: test.key, Count: 8, Auto: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Partitions) != test.want || (answer.Note != "") != test.note {
			t.Errorf("%s, key %q: got %d partitions with note %q, want %d", test.stream, test.key, len(answer.Partitions), answer.Note, test.want)
		}
	}

	want := mustRead(t, dsn, "large", "")[0]
	got := mustRead(t, dsn, "large", p.must(t, "large", "id", 4)...)
	wantOnce(t, got, want)
	wantEven(t, got)
}

// TestPartitionStreams asks for the partitions of two tables at different times:
// all are of the moment at which the first was asked for, also where one instance
// reads several.
func TestPartitionStreams(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "create table a (id integer); create table b (id integer); insert into a values (1); insert into b values (1); create table c (id integer)")
	p := newTestPartitioner(t, dsn)
	a := p.must(t, "a", "", 1)
	execSQL(t, conn, "update a set id = 2; update b set id = 2; truncate c")
	b := p.must(t, "b", "", 1)
	if a[0] != b[0] {
		t.Errorf("the streams' partitions are %q and %q, want one snapshot", a[0], b[0])
	}

	h := newTestHost(abi.RoleSource, map[string]any{"schema": "public"}, connectTo(t, dsn))
	h.run.Partition = a[0]
	if err := h.runGuest(sdk.SourceGuest(NewSource), "a", "b"); err != nil {
		t.Fatal(err)
	}
	for i, messages := range [][]testMessage{h.emitted[:3], h.emitted[3:]} {
		if _, rows := arrowRows(t, messages); fmt.Sprint(rows) != "[[1]]" {
			t.Errorf("stream %d has rows %v, want those of the snapshot", i, rows)
		}
	}
	if got := h.metrics[abi.MetricRoundTrips]; got != 6 {
		t.Errorf("two streams took %d round trips, want 6: settings, the snapshot, and look-up and COPY for each", got)
	}

	// The partitioner itself reads in that snapshot, too.
	p.host.run.Stream, p.host.run.Partition = "b", b[0]
	if err := p.host.err(p.guest.Run()); err != nil {
		t.Fatal(err)
	}
	if _, rows := arrowRows(t, p.host.emitted); fmt.Sprint(rows) != "[[1]]" {
		t.Errorf("the partitioner reads rows %v, want those of its snapshot", rows)
	}

	// A table that the snapshot does not show as it was.
	_, err := p.ask(abi.PartitionRequest{Stream: "c", Count: 4})
	wantError(t, err, abi.CategoryTransientDB, `"c"`, "after this run took its snapshot", "run again")
}

// TestPartitionRefuses checks the errors for what cannot be divided or read.
func TestPartitionRefuses(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	execSQL(t, connectPgx(t, dsn), `
		create table t (id integer, "Name" text, j json);
		create table odd (id integer, i interval);
	`)
	tests := []struct {
		stream, key string
		category    abi.Category
		field       string
		want        []string
	}{
		{"tt", "", abi.CategorySchema, "", []string{`table "public"."tt" does not exist`, `did you mean "t"?`}},
		{"odd", "", abi.CategorySchema, "", []string{`"i" interval`}},
		{"t", "name", abi.CategoryConfig, "partition_key", []string{`"public"."t" has no column "name"`, `"id", "Name", "j"`}},
		{"t", "j", abi.CategoryConfig, "partition_key", []string{`"j"`, "json has no order"}},
	}
	for _, test := range tests {
		t.Run(strings.TrimSuffix(test.stream+"_"+test.key, "_"), func(t *testing.T) {
			for _, n := range []int64{1, 4} {
				p := newTestPartitioner(t, dsn)
				_, err := p.ask(abi.PartitionRequest{Stream: test.stream, Key: test.key, Count: n})
				if e := wantError(t, err, test.category, test.want...); e.Field != test.field {
					t.Errorf("the error names key %q, want %q", e.Field, test.field)
				}
			}
		})
	}

	// The snapshot has ended with the error. A new one would be of another moment.
	p := newTestPartitioner(t, dsn)
	if _, err := p.ask(abi.PartitionRequest{Stream: "tt", Count: 1}); err == nil {
		t.Fatal("a table that is not there has partitions")
	}
	_, err := p.ask(abi.PartitionRequest{Stream: "t", Count: 1})
	wantError(t, err, abi.CategoryInternal, "snapshot", "ended", "run again")

	// One session reads in one snapshot.
	first, second := newTestPartitioner(t, dsn).must(t, "t", "", 1), newTestPartitioner(t, dsn).must(t, "t", "", 1)
	h := newTestHost(abi.RoleSource, map[string]any{"schema": "public"}, connectTo(t, dsn))
	g := sdk.SourceGuest(NewSource)(h)
	defer g.Close()
	if err := h.err(g.Open()); err != nil {
		t.Fatal(err)
	}
	h.run.Stream, h.run.Partition = "t", first[0]
	if err := h.err(g.Run()); err != nil {
		t.Fatal(err)
	}
	h.run.Partition = second[0]
	wantError(t, h.err(g.Run()), abi.CategoryInternal, "another snapshot")
}

// TestPartitionGone reads a partition after the session that made it has ended.
func TestPartitionGone(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "create table t (id integer)")
	p := newTestPartitioner(t, dsn)
	part := p.must(t, "t", "", 1)[0]
	if err := p.host.err(p.guest.Close()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, conn, "select count(*) = 0 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	_, err := readPart(t, dsn, "t", part)
	wantError(t, err, abi.CategoryTransientDB, "snapshot", "the session that exported it is gone", "run again")
}

// TestPartitionLocked reads a partition behind a session that waits for the lock
// which the partitioner holds.
func TestPartitionLocked(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn, other := connectPgx(t, dsn), connectPgx(t, dsn)
	execSQL(t, conn, "create table t (id integer); insert into t values (1)")
	p := newTestPartitioner(t, dsn)
	part := p.must(t, "t", "", 1)[0]

	truncated := make(chan error, 1)
	go func() {
		_, err := other.Exec(context.Background(), "truncate t")
		truncated <- err
	}()
	waitFor(t, conn, "select exists (select from pg_locks where relation = 't'::regclass and not granted)")
	_, err := readPart(t, dsn, "t", part)
	wantError(t, err, abi.CategoryTransientDB, `"public"."t"`, "another session waits to change", "55P03", "run again")

	// Close gives up the lock.
	p.guest.Close()
	if err := <-truncated; err != nil {
		t.Error(err)
	}
}

// waitFor waits until the query says true.
func waitFor(tb testing.TB, conn *pgx.Conn, query string) {
	tb.Helper()
	for range 1000 {
		var done bool
		if err := conn.QueryRow(context.Background(), query).Scan(&done); err != nil {
			tb.Fatal(err)
		}
		if done {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Fatalf("waited in vain for %s", query)
}

// TestPartitionFailsAnywhere fails every host call of asking and of reading in
// turn. Each time the error must come out.
func TestPartitionFailsAnywhere(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	execSQL(t, connectPgx(t, dsn), "create table t as select i as id, repeat('x', 200) as t from generate_series(1, 500) i")
	part := newTestPartitioner(t, dsn).must(t, "t", "", 2)[0]

	for name, export := range map[string]func(abi.Guest) abi.Status{"partition": abi.Guest.Partition, "run": abi.Guest.Run} {
		for at := 0; ; at++ {
			h := newTestHost(abi.RoleSource, map[string]any{"schema": "public"}, connectTo(t, dsn))
			h.partition = abi.PartitionRequest{Stream: "t", Key: "id", Count: 2}
			h.run.Stream, h.run.Partition = "t", part
			failed := false
			h.fail = func(call int) error {
				if call != at {
					return nil
				}
				failed = true
				return abi.Failed
			}
			g := sdk.SourceGuest(NewSource)(h)
			err := h.err(g.Open())
			if err == nil {
				err = h.err(export(g))
			}
			g.Close()
			if !failed {
				if err != nil || at < 8 {
					t.Errorf("%s without a failure makes %d host calls and returns %v", name, at, err)
				}
				break
			}
			if err == nil {
				t.Errorf("call %d failed and %s did not", at, name)
			}
		}
	}
}
