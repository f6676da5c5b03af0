//go:build !wasip1

package postgres

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// literals are values of each type as a server reads them, its edges among them.
var literals = []struct {
	typ    string
	values []string
}{
	{"boolean", []string{"true", "false"}},
	{"smallint", []string{"0", "-32768", "32767", "258"}},
	{"integer", []string{"0", "-2147483648", "2147483647", "16909060"}},
	{"bigint", []string{"0", "-9223372036854775808", "9223372036854775807", "72623859790382856"}},
	{"real", []string{"0", "-0", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e38", "0.1"}},
	{"double precision", []string{"0", "-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308", "0.1"}},
	{"text", []string{"", "a", "12345678", "ünïcödé", "😀", "tab\tnewline\nback\\slash", strings.Repeat("long ", 300)}},
	{"character varying(20)", []string{"", "twenty characters xx", "😀😀"}},
	{"character varying", []string{"", "any"}},
	{"character(5)", []string{"", "ab", "äöüéè", "a b"}},
	{"bytea", []string{"", `\x00`, `\x0001020304050607ff`, `\x` + strings.Repeat("00ff", 700)}},
	{"date", []string{"1970-01-01", "2000-01-01", "1969-12-31", "infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "2024-02-29"}},
	{"timestamp without time zone", []string{"1970-01-01", "2000-01-01 00:00:00.000001", "1969-12-31 23:59:59.999999", "infinity", "-infinity", "4714-11-24 BC", "294246-12-31 23:59:59.999999"}},
	{"timestamp(3) without time zone", []string{"2001-02-03 04:05:06.789"}},
	{"timestamp with time zone", []string{"1970-01-01 00:00+00", "2024-02-29 12:34:56.789012+13", "infinity", "-infinity", "4714-11-24 00:00:00+00 BC"}},
	{"uuid", []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "01234567-89ab-cdef-0123-456789abcdef"}},
	{"json", []string{`{}`, `{"b" : 1,  "a":[1, 2 ],"b":2}`, `"😀"`, ` null `}},
	{"jsonb", []string{`{}`, `{"b" : 1,  "a":[1, 2 ],"b":2}`, `"😀"`, `1.50`}},
	{"numeric", []string{"0", "0.000", "NaN", "Infinity", "-Infinity", "1", "-1.50", "10000", "0.0001", "100000000.00000001", "-0.00000000000000000001",
		strings.Repeat("9", 500) + "." + strings.Repeat("9", 500), "1e131071", "1e-16383"}},
	{"numeric(10,2)", []string{"0", "-99999999.99", "12345678.90", "0.01", "NaN"}},
	{"numeric(7,-3)", []string{"0", "123000", "-9999999000"}},
}

// TestRoundTrip moves tables of every type from server to server through both
// connectors. What COPY then says of both tables is the same to the byte.
func TestRoundTrip(t *testing.T) {
	server := pgtest.Shared(t)
	dsn := server.NewDatabase(t)
	conn := connectPgx(t, dsn)
	version := queryText(t, conn, "SELECT current_setting('server_version_num')")[0]

	nulls := map[string]string{
		"none":   "false",
		"all":    "true",
		"random": "hashint4(n * 64 + %d) %% 3 = 0",
		"last":   "n = 0",
		"runs":   "n / 40 %% 2 = %d %% 2",
	}
	for pattern, condition := range nulls {
		// The source table holds a number, and of each type value n of its literals.
		ddl, values := "n integer", "n"
		for i, l := range literals {
			typ := l.typ
			if typ == "numeric(7,-3)" && version < "150000" {
				continue // negative scales came with 15
			}
			ddl += fmt.Sprintf(", %q %s", "c "+typ, typ)
			array := "'" + strings.Join(quoteAll(l.values), "','") + "'"
			null := condition
			if strings.Contains(null, "%d") {
				null = fmt.Sprintf(null, i)
			}
			values += fmt.Sprintf(", CASE WHEN NOT (%s) THEN (ARRAY[%s])[1 + n %% %d]::%s END", null, array, len(l.values), typ)
		}
		for _, rows := range []int{0, 1, 7, 8, 9, 1000, 8192, 20000} {
			if rows > 1000 && pattern != "random" && pattern != "none" {
				continue
			}
			execSQL(t, conn, "DROP SCHEMA IF EXISTS src CASCADE; DROP SCHEMA IF EXISTS dst CASCADE; CREATE SCHEMA src; CREATE TABLE src.t ("+ddl+")")
			execSQL(t, conn, fmt.Sprintf("INSERT INTO src.t SELECT %s FROM generate_series(0, %d - 1) n", values, rows))
			for _, method := range methods {
				t.Run(fmt.Sprintf("nulls=%s/rows=%d/load=%s", pattern, rows, method), func(t *testing.T) {
					execSQL(t, conn, "DROP SCHEMA IF EXISTS dst CASCADE")
					from := newTestHost(abi.RoleSource, map[string]any{"schema": "src"}, connectTo(t, dsn))
					from.run.BatchRows, from.run.BatchBytes = 3000, 1<<20
					if err := from.runGuest(sdk.SourceGuest(NewSource), "t"); err != nil {
						t.Fatalf("source: %v", err)
					}
					to := newDestHost(t, dsn, method, "t", from.emitted)
					to.open.Config["schema"] = "dst"
					if err := write(to); err != nil {
						t.Fatalf("destination: %v", err)
					}
					if to.metrics[abi.MetricRowsWritten] != int64(rows) {
						t.Errorf("rows_written = %d, want %d", to.metrics[abi.MetricRowsWritten], rows)
					}

					var tables [2]bytes.Buffer
					for i, schema := range []string{"src", "dst"} {
						sql := "COPY (SELECT * FROM " + schema + ".t ORDER BY n) TO STDOUT (FORMAT binary)"
						if _, err := conn.PgConn().CopyTo(context.Background(), &tables[i], sql); err != nil {
							t.Fatal(err)
						}
					}
					if at := firstDifference(tables[1].Bytes(), tables[0].Bytes()); at >= 0 {
						t.Errorf("the copies of the two tables differ at byte %d of %d", at, tables[0].Len())
					}
				})
			}
		}
	}
	const types = "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 AND attrelid = "
	src, dst := queryText(t, conn, types+"'src.t'::regclass ORDER BY attnum"), queryText(t, conn, types+"'dst.t'::regclass ORDER BY attnum")
	if got, want := strings.Join(dst, ", "), strings.Join(src, ", "); got != want {
		t.Errorf("the new table has %s, want %s", got, want)
	}
}

func quoteAll(values []string) []string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strings.ReplaceAll(v, "'", "''")
	}
	return quoted
}
