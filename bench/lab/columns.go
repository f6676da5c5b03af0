package lab

import (
	"fmt"
	"strings"
)

// wide returns n columns of small values, whose types take turns. Those for
// which present, a condition with the column's number for %d, does not hold are
// NULL.
func wide(n int, present string) []column {
	var columns []column
	for k := range n {
		c := [...]column{
			{typ: "integer", value: "i + %d"},
			{typ: "bigint", value: "i::bigint * 7919 * %d"},
			{typ: "text", value: "'w%d-' || i"},
			{typ: "double precision", value: "i / 8.0 + %d"},
			{typ: "timestamp", value: "timestamp '2026-01-01' + (i + %d) * interval '1 second'"},
		}[k%5]
		c.name = fmt.Sprintf("c%03d", k)
		c.value = fmt.Sprintf(c.value, k+1)
		if strings.Contains(present, "%d") {
			c.value = "CASE WHEN " + fmt.Sprintf(present, k) + " THEN " + c.value + " END"
		}
		columns = append(columns, c)
	}
	return columns
}

// documents returns JSON as services log it: in jsonb, which the server takes
// apart and puts together, and in json, which it keeps as text.
func documents() []column {
	const document = `jsonb_build_object('id', i, 'kind', (ARRAY['order', 'refund', 'visit'])[i % 3 + 1], 'total', i * 1.25,
		'customer', jsonb_build_object('name', 'Zoë ' || i % 1000, 'email', NULL, 'tags', jsonb_build_array('a"b', 'tab\there', i % 7)),
		'lines', (SELECT jsonb_agg(jsonb_build_object('sku', 'sku-' || i * n % 5000, 'count', n, 'price', n * 9.99, 'gift', n % 2 = 0))
			FROM generate_series(1, 8) AS n))`
	return []column{
		{"id", "integer", "i"},
		{"document", "jsonb", document},
		{"log", "json", `json_build_object('at', i, 'level', 'info', 'message', 'request ' || i || ' done', 'nested',
			json_build_array(i, json_build_object('path', '/v1/orders/' || i, 'ms', i % 500 / 10.0), NULL, true))`},
	}
}

// unique returns columns with as many values as rows, spread over their range.
func unique() []column {
	return []column{
		{"id", "uuid", "md5('id' || i)::uuid"},
		{"hash", "bigint", "('x' || left(md5('hash' || i), 16))::bit(64)::bigint"},
		{"amount", "numeric", "('x' || left(md5('amount' || i), 12))::bit(48)::bigint / 1000.0"},
		{"measure", "double precision", "('x' || left(md5('measure' || i), 13))::bit(52)::bigint / 4503599627370496.0"},
		{"token", "text", "md5('a' || i) || md5('b' || i) || md5('c' || i)"},
		{"digest", "bytea", "decode(md5('d' || i) || md5('e' || i) || md5('f' || i) || md5('g' || i), 'hex')"},
	}
}

// longText returns one text of about 10,000 bytes: words of a vocabulary of a
// thousand, so that it compresses as prose does.
func longText() []column {
	return []column{
		{"id", "integer", "i"},
		{"body", "text", `(SELECT string_agg(left(md5((i::bigint * 7919 + n * n * 31) % 1000 || ''), 4 + n % 7), ' ')
			FROM generate_series(1, 1250) AS n)`},
	}
}

// everyType returns a column for each type the connectors move, most with as
// many values as are worth a test: every ninth is NULL, a number that none of
// the values always falls on.
func everyType() []column {
	columns := []column{{"id", "integer", "i"}}
	for k, t := range []struct {
		typ    string
		values []string
	}{
		{"boolean", []string{"true", "false"}},
		{"smallint", []string{"0", "-32768", "32767", "258"}},
		{"integer", []string{"0", "-2147483648", "2147483647", "16909060"}},
		{"bigint", []string{"0", "-9223372036854775808", "9223372036854775807", "72623859790382856"}},
		{"real", []string{"0", "-0", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e38", "0.1"}},
		{"double precision", []string{"0", "-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308", "0.1"}},
		{"text", []string{"", "a", "ünïcödé 😀", "tab\tnewline\nback\\slash", strings.Repeat("long ", 100)}},
		{"character varying", []string{"", "any length"}},
		{"character varying(20)", []string{"", "twenty characters xx", "😀😀"}},
		{"character(5)", []string{"", "ab", "äöüéè", "a b"}},
		{"bpchar", []string{"", "no length "}},
		{"bytea", []string{"", `\x00`, `\x0001020304050607ff`, `\x` + strings.Repeat("00ff", 100)}},
		{"date", []string{"1970-01-01", "1969-12-31", "infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "2024-02-29"}},
		{"timestamp", []string{"1970-01-01", "1969-12-31 23:59:59.999999", "infinity", "-infinity", "4714-11-24 BC", "294246-12-31 23:59:59.999999"}},
		{"timestamp(3)", []string{"2001-02-03 04:05:06.789"}},
		{"timestamptz", []string{"1970-01-01 00:00+00", "2024-02-29 12:34:56.789012+13", "infinity", "-infinity", "4714-11-24 00:00+00 BC"}},
		{"uuid", []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "01234567-89ab-cdef-0123-456789abcdef"}},
		{"json", []string{`{}`, `{"b" : 1,  "a":[1, 2 ],"b":2}`, `"😀"`, ` null `}},
		{"jsonb", []string{`{}`, `{"b" : 1,  "a":[1, 2 ],"b":2}`, `"😀"`, `1.50`}},
		{"numeric", []string{"0", "0.000", "NaN", "Infinity", "-Infinity", "-1.50", "10000", "0.0001", "100000000.00000001", "-0.00000000000000000001",
			strings.Repeat("9", 60) + "." + strings.Repeat("9", 60)}},
		{"numeric(10,2)", []string{"0", "-99999999.99", "12345678.90", "0.01", "NaN"}},
	} {
		// As literals of the array, whose type then reads them: no cast of text.
		quoted := make([]string, len(t.values))
		for i, v := range t.values {
			quoted[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		}
		value := fmt.Sprintf("CASE WHEN (i + %d) %% 9 <> 0 THEN (ARRAY[%s]::%s[])[i %% %d + 1] END",
			k, strings.Join(quoted, ", "), t.typ, len(t.values))
		columns = append(columns, column{fmt.Sprintf("t%02d", k), t.typ, value})
	}
	return columns
}
