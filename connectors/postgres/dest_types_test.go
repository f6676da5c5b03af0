package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

func TestParseTypeText(t *testing.T) {
	for _, s := range append([]string{
		"text", "bpchar", "character(1)", "character varying", "character varying(20)", "numeric(5,-2)", "numeric(1000,1000)", "timestamp(0) with time zone",
	}, everyType...) {
		if got, ok := parseTypeText(s); !ok || got.String() != s {
			t.Errorf("parseTypeText(%q) = %q, %t, want it as it is", s, got, ok)
		}
	}
	for _, s := range []string{
		"", "int", "int4", "INTEGER", "integer ", " integer", "integer[]", "integer(4)", "text(3)", "character", "character varying()", "character varying(a)",
		"character varying( 20)", "character varying(+20)", "character varying(020)", "character varying(2,3)", "numeric(1,2,3)", "numeric(1,)", "numeric(,)", "numeric(10,2", "numeric10,2)",
		"timestamp(3)", "timestamp without time zone(3)", "timestamp with (3)time zone", "char(3)acter", "point", "text)", "text; DROP TABLE users", "text); --",
		"numeric(10,2)) ; DROP TABLE users; --",
	} {
		if got, ok := parseTypeText(s); ok {
			t.Errorf("parseTypeText(%q) = %q, want a refusal", s, got)
		}
	}
}

// TestHolds lists every pair of types where one holds the other; all other
// pairs of the list must not.
func TestHolds(t *testing.T) {
	types := []string{
		"boolean", "smallint", "integer", "bigint", "real", "double precision", "text", "character varying", "character varying(20)", "character varying(10)",
		"character(20)", "character(10)", "bpchar", "bytea", "date", "timestamp without time zone", "timestamp(6) without time zone", "timestamp(3) without time zone",
		"timestamp with time zone", "timestamp(0) with time zone", "uuid", "json", "jsonb", "numeric", "numeric(10,2)", "numeric(12,2)", "numeric(12,3)", "numeric(10,0)", "numeric(10)",
	}
	textual := []string{"text", "character varying", "character varying(20)", "character varying(10)", "character(20)", "character(10)", "bpchar", "json", "jsonb"}
	holds := map[string][]string{
		"text":                           textual,
		"character varying":              textual,
		"character varying(20)":          {"character varying(10)", "character(20)", "character(10)"},
		"character varying(10)":          {"character(10)"},
		"bpchar":                         {"character(20)", "character(10)"},
		"json":                           {"jsonb"},
		"numeric":                        {"numeric(10,2)", "numeric(12,2)", "numeric(12,3)", "numeric(10,0)", "numeric(10)"},
		"numeric(12,2)":                  {"numeric(10,2)"},
		"numeric(10,0)":                  {"numeric(10)"},
		"numeric(10)":                    {"numeric(10,0)"},
		"timestamp without time zone":    {"timestamp(6) without time zone", "timestamp(3) without time zone"},
		"timestamp(6) without time zone": {"timestamp without time zone", "timestamp(3) without time zone"},
		"timestamp with time zone":       {"timestamp(0) with time zone"},
	}
	for _, a := range types {
		for _, b := range types {
			have, ok1 := parseTypeText(a)
			want, ok2 := parseTypeText(b)
			if !ok1 || !ok2 {
				t.Fatalf("%q or %q is no type", a, b)
			}
			expected := a == b || slices.Contains(holds[a], b)
			if got := have.holds(want); got != expected {
				t.Errorf("%q holds %q: got %t, want %t", a, b, got, expected)
			}
			if expected && have.arrow != want.arrow {
				t.Errorf("%q holds %q, but their Arrow types differ", a, b)
			}
		}
	}
}

// TestTypesOfOtherSources makes columns of fields that do not say a type.
func TestTypesOfOtherSources(t *testing.T) {
	for typ, want := range map[arrowipc.Type]string{
		arrowipc.Bool: "boolean", arrowipc.Int16: "smallint", arrowipc.Int32: "integer", arrowipc.Int64: "bigint",
		arrowipc.Float32: "real", arrowipc.Float64: "double precision", arrowipc.Utf8: "text", arrowipc.Binary: "bytea",
		arrowipc.FixedSizeBinary: "bytea", arrowipc.Date32: "date", arrowipc.Timestamp: "timestamp without time zone", arrowipc.TimestampUTC: "timestamp with time zone",
	} {
		for _, width := range []int32{16, 5} {
			f := arrowipc.Field{Name: "a", Type: typ, Metadata: []arrowipc.KeyValue{{Key: "other", Value: "x"}}}
			if typ == arrowipc.FixedSizeBinary {
				f.Width = width
			}
			c, err := destColumnOf(&f)
			if err != nil || c.want.String() != want || !c.notNull {
				t.Errorf("column of %v is %q, not null %t, %v; want %q not null", typ, c.want, c.notNull, err, want)
			}
			if got, want := c.take(existing{base: "uuid"}), typ == arrowipc.FixedSizeBinary && width == 16; got != want {
				t.Errorf("column of %v of %d bytes goes into a uuid: got %t, want %t", typ, width, got, want)
			}
		}
	}
}

func TestDestColumnsRefuse(t *testing.T) {
	field := func(name, typ string) arrowipc.Field {
		return arrowipc.Field{Name: name, Type: arrowipc.Utf8, Metadata: []arrowipc.KeyValue{{Key: pgTypeKey, Value: typ}}}
	}
	many := make([]arrowipc.Field, maxColumns+1)
	for i := range many {
		many[i] = arrowipc.Field{Name: strings.Repeat("x", 1+i%60) + strings.Repeat("y", i/60)}
	}
	tests := []struct {
		name    string
		fields  []arrowipc.Field
		column  string
		message string
	}{
		{"none", nil, "", "the stream has no columns"},
		{"too many", many, "", "the stream has 1601 columns, a table can have 1600"},
		{"twice", []arrowipc.Field{field("a", "text"), field("b", "text"), field("a", "text")}, "a", `two columns named "a"`},
		{"empty name", []arrowipc.Field{field("", "text")}, "", "a column has an empty name"},
		{"long name", []arrowipc.Field{field(strings.Repeat("ä", 32), "text")}, strings.Repeat("ä", 32), "longer than the server's limit of 63 bytes"},
		{"zero byte", []arrowipc.Field{field("a\x00b", "text")}, "a\x00b", "holds a zero byte"},
		{"not a type", []arrowipc.Field{field("a", "text); DROP TABLE users; --")}, "a", `is said to be of type "text); DROP TABLE users; --", which does not travel as utf8`},
		{"another Arrow type", []arrowipc.Field{field("a", "integer")}, "a", `is said to be of type "integer", which does not travel as utf8`},
		{"another width", []arrowipc.Field{{Name: "a", Type: arrowipc.FixedSizeBinary, Width: 8, Metadata: []arrowipc.KeyValue{{Key: pgTypeKey, Value: "uuid"}}}}, "a",
			`is said to be of type "uuid", which does not travel as fixed_size_binary[8]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := destColumns(&arrowipc.Schema{Fields: tt.fields}, maxIdent)
			e := wantError(t, err, abi.CategorySchema, tt.message)
			if e.Column != tt.column || e.Hint == "" {
				t.Errorf("the error names column %q with hint %q, want column %q and a hint", e.Column, e.Hint, tt.column)
			}
		})
	}
}

func TestDestRequestRefused(t *testing.T) {
	for _, tt := range []struct {
		request  abi.RunRequest
		category abi.Category
		field    string
		message  string
	}{
		{abi.RunRequest{Stream: "", WriteMode: "append"}, abi.CategorySchema, "", "a table has an empty name"},
		{abi.RunRequest{Stream: strings.Repeat("t", 64), WriteMode: "append"}, abi.CategorySchema, "", "longer than the server's limit"},
		{abi.RunRequest{Stream: "t", WriteMode: "upsert"}, abi.CategoryConfig, "write_mode", `write_mode "upsert" is not supported`},
	} {
		if e := wantError(t, checkRequest(&tt.request, maxIdent), tt.category, tt.message); e.Field != tt.field {
			t.Errorf("%v: the error names field %q, want %q", e, e.Field, tt.field)
		}
	}

	table := &destTable{schema: "s", name: "t", columns: []destColumn{{name: "a"}, {name: "b"}}}
	if err := table.checkKey([]string{"b", "a"}); err != nil {
		t.Errorf("key b, a: %v", err)
	}
	wantError(t, table.checkKey([]string{"a", "c"}), abi.CategoryConfig, `primary_key names column "c"`, `"a", "b"`)
}

func TestCountOf(t *testing.T) {
	for tag, want := range map[string]int64{"COPY 0": 0, "COPY 12": 12, "INSERT 0 1000": 1000} {
		if got, ok := countOf(tag); !ok || got != want {
			t.Errorf("countOf(%q) = %d, %t, want %d", tag, got, ok, want)
		}
	}
	for _, tag := range []string{"", "BEGIN", "COPY ", "COPY 99999999999999999999"} {
		if got, ok := countOf(tag); ok {
			t.Errorf("countOf(%q) = %d, want none", tag, got)
		}
	}
}
