//go:build !wasip1

package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// readStreams reads streams of the schema with a source of its own.
func readStreams(tb testing.TB, dsn, schema string, set func(*testHost), streams ...string) (*testHost, error) {
	tb.Helper()
	h := newTestHost(abi.RoleSource, map[string]any{"schema": schema}, connectTo(tb, dsn))
	if set != nil {
		set(h)
	}
	return h, h.runGuest(sdk.SourceGuest(NewSource), streams...)
}

// asText are SQL expressions for what gotText returns.
var asText = map[string]string{
	"boolean":          "case when %s then 'true' else 'false' end",
	"real":             "encode(float4send(%s), 'hex')",
	"double precision": "encode(float8send(%s), 'hex')",
	"bytea":            "encode(%s, 'hex')",
	"uuid":             "replace(%s::text, '-', '')",
	"date":             "case %[1]s when 'infinity' then '2147483647' when '-infinity' then '-2147483648' else (%[1]s - date '1970-01-01')::text end",
	"character":        "rpad(%s::text, 5)", // the cast alone drops the blanks
	"timestamp":        "case when isfinite(%[1]s) then (extract(epoch from %[1]s) * 1000000)::numeric(30,0)::text when %[1]s > '2000-01-01' then '9223372036854775807' else '-9223372036854775808' end",
}

// typeValues are values of every type that the connectors move, the difficult
// ones above all.
var typeValues = []struct {
	typ    string
	values []string
}{
	{"boolean", []string{"true", "false"}},
	{"smallint", []string{"0", "-1", "32767", "-32768"}},
	{"integer", []string{"0", "-1", "2147483647", "-2147483648"}},
	{"bigint", []string{"0", "-1", "9223372036854775807", "-9223372036854775808"}},
	{"real", []string{"0", "-0", "1.5", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e38"}},
	{"double precision", []string{"0", "-0", "0.1", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308"}},
	{"text", []string{"", " ", "a", "fifteen letters", "sixteen letters.", "seventeen letters", strings.Repeat("x", 32), strings.Repeat("y", 33),
		strings.Repeat("z", 64), strings.Repeat("é", 33), strings.Repeat("🐘", 50), "tab\tnewline\nquote'", `back\slash`, "\u202eמאן", "N\\N"}},
	{"character varying(20)", []string{"", "twenty letters......", "🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘"}},
	{"character varying", []string{"", "no limit"}},
	{"character(5)", []string{"", "ab", "abcde", "é"}},
	{"bytea", []string{"", `\x00`, `\x00ff10`, `\x` + strings.Repeat("ab", 500)}},
	{"date", []string{"1970-01-01", "2000-01-01", "1969-12-31", "4714-11-24 BC", "5874897-12-31", "infinity", "-infinity", "0001-01-01"}},
	{"timestamp without time zone", []string{"1970-01-01", "2000-01-01 00:00:00.000001", "1999-12-31 23:59:59.999999", "4714-11-24 BC", "294246-12-31 23:59:59.999999", "infinity", "-infinity"}},
	{"timestamp(3) without time zone", []string{"2024-02-29 12:34:56.789"}},
	{"timestamp with time zone", []string{"1970-01-01+00", "2000-01-01 00:00:00.000001+00", "2024-06-30 23:59:59.999999-11:30", "294246-12-31+00", "infinity", "-infinity"}},
	{"uuid", []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "12345678-9abc-def0-1234-56789abcdef0"}},
	{"json", []string{`{}`, `  {"a" :  [1, 2.50, null], "a": "twice"} `, `"🐘"`, `null`}},
	{"jsonb", []string{`{}`, `{"b": [1, 2.50, null], "a": "\u00e9"}`, `"🐘"`, `null`, `1e3`}},
	{"numeric", []string{"0", "0.0", "0.000", "-0.1", "1", "10", "9999", "10000", "12345.6789", "100000000", "0.00000001", "1e30", "1.2300", "NaN", "Infinity", "-Infinity",
		"99999999999999999999.99999", strings.Repeat("9", 1000) + "." + strings.Repeat("1", 1000), "1e131071", "-1e-16383", "0.0001", "0.00010"}},
	{"numeric(10,2)", []string{"0", "-0.01", "12345678.90", "99999999.99", "NaN"}},
	{"numeric(3,-2)", []string{"0", "99900", "-12300", "100"}},
}

// createTypes makes table t with a column of each type, a row for each value,
// rows of every kind of NULLs among them, and returns the columns' types.
func createTypes(tb testing.TB, dsn string) (types []string) {
	conn := connectPgx(tb, dsn)
	var create, names []string
	most := 0
	for i, v := range typeValues {
		types = append(types, v.typ)
		create = append(create, fmt.Sprintf("c%d %s", i, v.typ))
		names = append(names, fmt.Sprintf("c%d", i))
		most = max(most, len(v.values))
	}
	execSQL(tb, conn, "create table t (id serial, "+strings.Join(create, ", ")+")")
	for row := range 4 * most {
		values := make([]string, len(typeValues))
		for c, v := range typeValues {
			values[c] = quoteLiteral(v.values[row%len(v.values)])
			switch row % 4 {
			case 1: // none at all
				values[c] = "null"
			case 2: // every other
				if (row/4+c)%2 == 0 {
					values[c] = "null"
				}
			case 3: // one
				if c == row/4%len(typeValues) {
					values[c] = "null"
				}
			}
		}
		execSQL(tb, conn, "insert into t ("+strings.Join(names, ",")+") values ("+strings.Join(values, ",")+")")
	}
	return types
}

// wantTable returns the columns of t, id first, as text, the way gotText writes
// them.
func wantTable(tb testing.TB, dsn string, types []string) (want [][]string) {
	expressions := []string{"id::text"}
	for c, typ := range types {
		base, _, _ := strings.Cut(typ, "(")
		if strings.HasPrefix(typ, "timestamp") {
			base = "timestamp"
		}
		expression := asText[base]
		if expression == "" {
			expression = "%s::text"
		}
		column := fmt.Sprintf("c%d", c)
		expressions = append(expressions, fmt.Sprintf("case when %s is null then 'NULL' else "+expression+" end", column, column))
		if strings.Contains(expression, "%[1]s") {
			expressions[len(expressions)-1] = "case when " + column + " is null then 'NULL' else " + fmt.Sprintf(expression, column) + " end"
		}
	}
	rows, err := connectPgx(tb, dsn).Query(context.Background(), "select "+strings.Join(expressions, ", ")+" from t order by t.id")
	if err != nil {
		tb.Fatal(err)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			tb.Fatal(err)
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = v.(string)
		}
		want = append(want, row)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return want
}

// TestSourceTypes reads every type from a real server and compares each value
// with what the server says it is.
func TestSourceTypes(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	types := createTypes(t, dsn)
	want := wantTable(t, dsn, types)

	for _, batch := range []int64{1, 7, 1000} {
		h, err := readStreams(t, dsn, "public", func(h *testHost) { h.run.BatchRows = batch }, "t")
		if err != nil {
			t.Fatal(err)
		}
		schema, got := arrowRows(t, h.emitted)
		if len(got) != len(want) {
			t.Fatalf("got %d rows, want %d", len(got), len(want))
		}
		// The server may put a short row where an earlier one left room.
		slices.SortFunc(got, func(a, b []string) int { return cmp.Or(cmp.Compare(len(a[0]), len(b[0])), cmp.Compare(a[0], b[0])) })
		for i := range got {
			for c := range got[i] {
				if got[i][c] != want[i][c] {
					t.Errorf("row %d %s: got %.100q, want %.100q", i, schema.Field(c).Type, got[i][c], want[i][c])
				}
			}
		}
		for c, typ := range types {
			f := schema.Field(c + 1)
			if ddl, _ := f.Metadata.GetValue(pgTypeKey); ddl != typ {
				t.Errorf("column %s says its type is %q, want %q", f.Name, ddl, typ)
			}
			if !f.Nullable {
				t.Errorf("column %s is not nullable", f.Name)
			}
		}
		if schema.Field(0).Nullable {
			t.Error("the serial column is nullable")
		}
		if got := h.metrics[abi.MetricRowsRead]; got != int64(len(want)) {
			t.Errorf("reported %d rows, want %d", got, len(want))
		}
	}
}

// TestSourceTables reads what is not a plain table with plain names.
func TestSourceTables(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	execSQL(t, connectPgx(t, dsn), `
		create schema "Odd ""schema";
		set search_path = "Odd ""schema";
		create domain positive as integer check (value > 0);
		create domain price as numeric(10,2);
		create domain paid as price not null;
		create table "Mixed ""Case" ("Id" positive primary key, "a\b'c" paid, twice integer generated always as ("Id" * 2) stored, "select" varchar(3));
		alter table "Mixed ""Case" add column gone integer, add column late text default 'x';
		alter table "Mixed ""Case" drop column gone;
		insert into "Mixed ""Case" values (1, 1.5, default, 'a'), (2, 20, default, null);
		create view v as select "Id" * 10 as id, late from "Mixed ""Case";
		create materialized view m as select 'm'::text as c;
		create table parted (id integer, t text) partition by range (id);
		create table parted1 partition of parted for values from (0) to (10);
		create table parted2 partition of parted for values from (10) to (20);
		insert into parted values (1, 'one'), (11, 'eleven');
		create table empty (id integer);
		create table nothing ();
		insert into nothing default values;
		insert into nothing default values;
		create table parent (id integer); create table child () inherits (parent);
		insert into parent values (1); insert into child values (2);
	`)
	tests := []struct {
		stream string
		types  []string
		want   [][]string
	}{
		{`Mixed "Case`, []string{"integer", "numeric(10,2)", "integer", "character varying(3)", "text"}, [][]string{{"1", "1.50", "2", "a", "x"}, {"2", "20.00", "4", "NULL", "x"}}},
		{"v", []string{"integer", "text"}, [][]string{{"10", "x"}, {"20", "x"}}},
		{"m", []string{"text"}, [][]string{{"m"}}},
		{"parted", []string{"integer", "text"}, [][]string{{"1", "one"}, {"11", "eleven"}}},
		{"parted2", []string{"integer", "text"}, [][]string{{"11", "eleven"}}},
		{"empty", []string{"integer"}, nil},
		{"nothing", nil, [][]string{{}, {}}},
		{"parent", []string{"integer"}, [][]string{{"1"}, {"2"}}},
	}
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.stream, " ", "_"), func(t *testing.T) {
			h, err := readStreams(t, dsn, `Odd "schema`, nil, test.stream)
			if err != nil {
				t.Fatal(err)
			}
			schema, got := arrowRows(t, h.emitted)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got rows %v, want %v", got, test.want)
			}
			var types []string
			for _, f := range schema.Fields() {
				ddl, _ := f.Metadata.GetValue(pgTypeKey)
				types = append(types, ddl)
			}
			if !slices.Equal(types, test.types) {
				t.Errorf("got types %q, want %q", types, test.types)
			}
		})
	}
}

// TestSourceSnapshot reads two tables while another session writes: both must
// show the moment at which the first was begun.
func TestSourceSnapshot(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "create table a (id integer); create table b (id integer); create table c (id integer); insert into a values (1); insert into b values (1); insert into c values (1)")

	once := func(sql string) func(*testHost) {
		return func(h *testHost) {
			h.onEmit = func(n int) abi.Status {
				if n == 1 {
					execSQL(t, conn, sql)
				}
				return abi.OK
			}
		}
	}
	h, err := readStreams(t, dsn, "public", once("insert into b values (2); delete from b where id = 1; alter table b add column d integer"), "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	_, got := arrowRows(t, h.emitted[3:])
	if fmt.Sprint(got) != "[[1]]" {
		t.Errorf("the second table has rows %v, want those of the snapshot", got)
	}
	if got := h.metrics[abi.MetricRoundTrips]; got != 5 {
		t.Errorf("two streams took %d round trips, want 5: settings, and look-up and COPY for each", got)
	}

	// What no snapshot protects from: the table would look empty.
	for _, sql := range []string{"truncate c", "alter table c alter column id type bigint", "create table d (id integer)"} {
		table := "c"
		if strings.HasPrefix(sql, "create") {
			table = "d"
		}
		_, err = readStreams(t, dsn, "public", once(sql), "a", table)
		wantError(t, err, abi.CategoryTransientDB, `"`+table+`"`, "after this run took its snapshot", "run again")
	}
}

// TestSourceRefuses checks the errors for tables that cannot be read.
func TestSourceRefuses(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	role := "reader_" + dsn[strings.LastIndexByte(dsn, '_')+1:][:8]
	conn := connectPgx(t, dsn)
	execSQL(t, conn, fmt.Sprintf(`
		create type mood as enum ('sad', 'happy');
		create table odd (id integer, i interval, a integer[], m mood, r int4range, ok text);
		create table bench_events (id integer);
		create schema sales; create table sales.orders (id integer);
		create schema void;
		create table secret (id integer);
		create sequence s; create index i on bench_events (id);
		create table hidden (id integer); alter table hidden enable row level security;
		insert into hidden values (1), (2), (3); create policy odd on hidden using (id %% 2 = 1);
		create role %[1]s login password 'x'; grant select on bench_events, hidden to %[1]s;
	`, role))
	t.Cleanup(func() { execSQL(t, conn, fmt.Sprintf("drop owned by %[1]s; drop role %[1]s", role)) })
	execSQL(t, conn, "create table late (ts timestamp); insert into late values ('294276-12-31')")

	tests := []struct {
		name, schema, stream string
		category             abi.Category
		want                 []string
	}{
		{"types", "public", "odd", abi.CategorySchema, []string{`"i" interval, "a" integer[], "m" mood, "r" int4range`, `"i"::text`}},
		{"typing error", "public", "bench_event", abi.CategorySchema, []string{`table "public"."bench_event" does not exist`, "42P01", `did you mean "bench_events"?`}},
		{"case", "public", "Bench_Events", abi.CategorySchema, []string{`did you mean "bench_events"?`}},
		{"other schema", "public", "orders", abi.CategorySchema, []string{`"sales"."orders"`, "set schema"}},
		{"nothing like it", "public", "xyz", abi.CategorySchema, []string{`has "bench_events", "hidden", "late", "odd", "secret"`}},
		{"no schema", "nowhere", "t", abi.CategorySchema, []string{`schema "nowhere" does not exist or has no tables`}},
		{"no tables", "void", "t", abi.CategorySchema, []string{`schema "void" does not exist or has no tables`}},
		{"index", "public", "i", abi.CategorySchema, []string{"not a table or view"}},
		{"year", "public", "late", abi.CategoryData, []string{`column "ts" of stream "late"`, "294246"}},
		{"injection", "public", `t"; drop table bench_events; --`, abi.CategorySchema, []string{"does not exist"}},
	}
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			h, err := readStreams(t, dsn, test.schema, nil, test.stream)
			wantError(t, err, test.category, test.want...)
			for _, m := range h.emitted {
				if m.rows > 0 {
					t.Error("rows moved all the same")
				}
			}
		})
	}

	// Without permission.
	c := pgtest.SourceConfig(dsn)
	dsn = strings.Join([]string{fmt.Sprintf("host='%s'", c["host"]), fmt.Sprintf("port=%d", c["port"]), "user=" + role, "password=x", fmt.Sprintf("dbname=%s", c["database"]), "sslmode=disable"}, " ")
	if _, err := readStreams(t, dsn, "public", nil, "bench_events"); err != nil {
		t.Fatalf("the role cannot read what it may read: %v", err)
	}
	_, err := readStreams(t, dsn, "public", nil, "secret")
	wantError(t, err, abi.CategoryPermission, `"public"."secret"`, "permission denied", "42501", "SELECT")
	_, err = readStreams(t, dsn, "public", nil, "hidden")
	wantError(t, err, abi.CategoryPermission, "row-level security", "42501")
	_, err = readStreams(t, dsn, "sales", nil, "orders")
	wantError(t, err, abi.CategoryPermission, `"sales"."orders"`, "permission denied", "42501", "USAGE")
}

// TestSourceDiscover lists tables and compares the catalog with what was made.
func TestSourceDiscover(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, `
		create domain price as numeric(10,2);
		create table b (y integer, x text not null, p price, i interval, primary key (x, y));
		create table a (id integer);
		insert into a select generate_series(1, 500); 
		create view c as select id from a;
		create table d (id integer) partition by range (id);
		create table d1 partition of d for values from (0) to (10);
		create table nothing ();
		create schema other; create table other.z (id integer);
	`)
	execSQL(t, conn, "analyze a")

	h := newTestHost(abi.RoleSource, map[string]any{"schema": "public"}, connectTo(t, dsn))
	g := sdk.SourceGuest(NewSource)(h)
	for _, s := range []abi.Status{g.Open(), g.Check(), g.Discover(), g.Close()} {
		if err := h.err(s); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(h.check.Message, "PostgreSQL ") || !strings.HasSuffix(h.check.Message, "schema public, readable tables: 5") {
		t.Errorf("check says %q", h.check.Message)
	}
	got := map[string]abi.CatalogStream{}
	var names []string
	for _, s := range h.catalog.Streams {
		got[s.Name] = s
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "c", "d", "nothing"}) {
		t.Fatalf("got streams %q", names)
	}
	want := []abi.CatalogColumn{
		{Name: "y", Type: "integer", ArrowType: "int32"},
		{Name: "x", Type: "text", ArrowType: "utf8"},
		{Name: "p", Type: "price", ArrowType: "utf8", Nullable: true},
		{Name: "i", Type: "interval", Nullable: true},
	}
	if !slices.Equal(got["b"].Columns, want) {
		t.Errorf("got columns %+v, want %+v", got["b"].Columns, want)
	}
	if key := got["b"].PrimaryKey; !slices.Equal(key, []string{"x", "y"}) {
		t.Errorf("got primary key %q, want x, y", key)
	}
	if got["a"].Rows != 500 || got["c"].Rows != -1 || got["b"].Rows > 0 {
		t.Errorf("got estimates %d, %d, %d, want 500, -1, -1", got["a"].Rows, got["c"].Rows, got["b"].Rows)
	}
	if len(got["nothing"].Columns) != 0 {
		t.Errorf("table nothing has columns %+v", got["nothing"].Columns)
	}

	h = newTestHost(abi.RoleSource, map[string]any{"schema": "nowhere"}, connectTo(t, dsn))
	g = sdk.SourceGuest(NewSource)(h)
	if err := h.err(g.Open()); err != nil {
		t.Fatal(err)
	}
	e := wantError(t, h.err(g.Check()), abi.CategoryConfig, `schema "nowhere" does not exist`)
	if e.Field != "schema" {
		t.Errorf("the error names key %q, want schema", e.Field)
	}
	g.Close()
}

// TestSourceFailsAnywhere fails every host call of a run in turn. Each time the
// error must come out and no end of stream go on.
func TestSourceFailsAnywhere(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	execSQL(t, connectPgx(t, dsn), "create table t as select i as id, repeat('x', 200) as t from generate_series(1, 5000) i")

	for _, status := range []abi.Status{abi.Failed, abi.Cancelled} {
		for at := 0; ; at++ {
			failed := false
			h, err := readStreams(t, dsn, "public", func(h *testHost) {
				h.fail = func(call int) error {
					if call == at {
						failed = true
						return status
					}
					return nil
				}
			}, "t")
			if !failed {
				if at < 8 {
					t.Errorf("a run made %d host calls", at)
				}
				if err != nil {
					t.Errorf("a run without a failure fails: %v", err)
				}
				break
			}
			if err == nil {
				t.Fatalf("call %d failed with %v and the run did not", at, status)
			}
			if status == abi.Cancelled && !errors.Is(err, abi.Cancelled) {
				t.Errorf("call %d was cancelled and the run says %v", at, err)
			}
			if n := len(h.emitted); n > 0 && len(h.emitted[n-1].data) == 8 {
				t.Errorf("call %d failed and the stream was ended", at)
			}
		}
	}
}
