package postgres

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const testSnapshot = "00000003-0000001B-1"

// TestCopySQL checks the statement for a whole table and for its parts.
func TestCopySQL(t *testing.T) {
	table := sourceTable{"public", "t"}
	columns := []sourceColumn{{name: "id", ddl: "integer"}, {name: `a"b`, ddl: "character varying(9)"}}
	tests := []struct{ part, want string }{
		{"", `SELECT "id", "a""b" FROM "public"."t"`},
		{testSnapshot, `SELECT "id", "a""b" FROM "public"."t"`},
		{testSnapshot + " pages 0-2,7-", `SELECT "id", "a""b" FROM "public"."t" WHERE ctid >= '(0,0)'::pg_catalog.tid AND ctid < '(2,0)'::pg_catalog.tid` +
			` UNION ALL SELECT "id", "a""b" FROM "public"."t" WHERE ctid >= '(7,0)'::pg_catalog.tid`},
		{testSnapshot + " key 2:id - 2:10", `SELECT "id", "a""b" FROM "public"."t" WHERE "id" < '10'::integer OR "id" IS NULL`},
		{testSnapshot + ` key 3:a"b 0: 4:it's`, `SELECT "id", "a""b" FROM "public"."t" WHERE "a""b" >= ''::character varying(9) AND "a""b" < 'it''s'::character varying(9)`},
		{testSnapshot + ` key 3:a"b 3:\'; -`, `SELECT "id", "a""b" FROM "public"."t" WHERE "a""b" >=  E'\\'';'::character varying(9)`},
	}
	for _, test := range tests {
		part, err := parsePart(test.part)
		if err != nil {
			t.Errorf("partition %q: %v", test.part, err)
			continue
		}
		got, err := copySQL(table, columns, part)
		if want := "COPY (" + test.want + ") TO STDOUT (FORMAT binary)"; err != nil || got != want {
			t.Errorf("partition %q: got %s, %v, want %s", test.part, got, err, want)
		}
	}

	part, err := parsePart(testSnapshot + " key 2:no 1:1 -")
	if err != nil {
		t.Fatal(err)
	}
	_, err = copySQL(table, columns, part)
	wantError(t, err, abi.CategoryInternal, "a partition that no source")
}

// TestPartSettings checks what a transaction is told before its part is read.
func TestPartSettings(t *testing.T) {
	const wait, scan = "SET LOCAL lock_timeout = '3s'; ", "SET LOCAL enable_tidscan = on; SET LOCAL jit = off; "
	for part, want := range map[string]string{
		"":                              "",
		testSnapshot:                    wait,
		testSnapshot + " pages 3-":      wait + scan,
		testSnapshot + " key 1:k 1:1 -": wait,
	} {
		p, err := parsePart(part)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.settings(); got != want {
			t.Errorf("partition %q is prepared with %q, want %q", part, got, want)
		}
	}
}

// TestParsePart checks that what String writes is read, and nothing else.
func TestParsePart(t *testing.T) {
	for _, p := range []sourcePart{
		{},
		{snapshot: testSnapshot},
		{snapshot: testSnapshot, pages: []pageRange{{0, 1}}},
		{snapshot: testSnapshot, pages: []pageRange{{0, 1}, {1, 4294967295}, {4294967295, 0}}},
		{snapshot: testSnapshot, key: &keyRange{"id", text{null: true}, text{s: "-"}}},
		{snapshot: testSnapshot, key: &keyRange{"", text{}, text{null: true}}},
		{snapshot: testSnapshot, key: &keyRange{"1:2 pages 3-", text{s: "3:é 4:"}, text{s: "\n🐘 - "}}},
	} {
		got, err := parsePart(p.String())
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, %v of %q, want %+v", got, err, p.String(), p)
		}
	}

	for _, bad := range []string{
		" ", "x", "'", "pages 0-1", " pages 0-1", strings.Repeat("0", 100), testSnapshot + "'",
	} {
		wantBadPart(t, bad)
	}
	for _, bad := range []string{
		"", "rows 1-2", "pages", "pages ", "pages 1", "pages -", "pages -1", "pages 2-2", "pages 3-2", "pages 0-2,1-3", "pages 0-,3-4", "pages 0-1,",
		"pages 00-1", "pages +0-1", "pages 0-0", "pages 0-4294967296", "pages 0-1)", "pages 0-1 ", "key", "key ", "key 2:id", "key 2:id - -",
		"key - 1:1 1:2", "key 2:id 1:1 1:22", "key 2:id 1:1 2:2", "key 2:id 1:1 -1:2", "key 02:id 1:1 -", "key 2:id 1:1 - ", "key 2:id 1:1-",
		"key 99999999999:id 1:1 -", "key 2:id1:1 -",
	} {
		wantBadPart(t, testSnapshot+" "+bad)
	}
}

func wantBadPart(tb testing.TB, s string) {
	tb.Helper()
	p, err := parsePart(s)
	if err == nil {
		tb.Errorf("%q is taken for %+v", s, p)
		return
	}
	wantError(tb, err, abi.CategoryInternal, "a partition that no source")
}
