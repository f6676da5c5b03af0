package postgres

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const (
	// samplePages is how many pages of a large table are looked at for the
	// boundaries of its key. Quantiles are right to a hundredth of the table then,
	// even where the rows of a page are alike; 16 MB are read in a moment.
	samplePages = 2048
	// maxBound is the length in bytes of the longest text that is a boundary. Longer
	// ones are left out, whose ranges are joined then.
	maxBound = 4096
)

// keyRange is the rows whose column is at least from and less than to, both as
// text. Without from they are all below, and those where it is NULL; without to
// all above.
type keyRange struct {
	column   string
	from, to text // NULL: none
}

// refuseKey returns an error if t cannot be divided by the named column, or nil.
func refuseKey(t sourceTable, columns []sourceColumn, key string) error {
	const most = 30
	var names []string
	for _, c := range columns {
		if c.name != key {
			names = append(names, quoteIdent(c.name))
			continue
		}
		// Of the types that can be read only this one has no order.
		if c.typ.name == "json" {
			return &abi.Error{Category: abi.CategoryConfig, Message: "postgres: column " + quoteIdent(key) + " of " + t.sql() + " cannot be the partition key: type " + c.declared + " has no order",
				Hint: "set partition_key to a column of another type, or leave it out", Field: "partition_key", Column: key}
		}
		return nil
	}

	hint := "set partition_key to one of its columns, or leave it out: " + strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		hint += " and others"
	}
	if len(names) == 0 {
		hint = "it has no columns at all; leave partition_key out"
	}
	return &abi.Error{Category: abi.CategoryConfig, Message: "postgres: " + t.sql() + " has no column " + quoteIdent(key) + ", which partition_key names",
		Hint: hint, Field: "partition_key"}
}

// keyBounds asks for values of t's column between which there are about as many
// rows, in the column's order: at most n-1, fewer where values repeat. NULLs are
// before all of them.
func keyBounds(w *wire, t sourceTable, column string, n int64, f *files) ([]string, error) {
	var rows [][]text
	var err error
	if !f.partial && f.pages > 2*samplePages {
		sample := " TABLESAMPLE SYSTEM (100.0 * " + strconv.Itoa(samplePages) + " / " + strconv.FormatInt(f.pages, 10) + ")"
		if rows, err = w.query(boundsSQL(t, column, sample, n)); err != nil {
			return nil, err
		}
	}
	if len(rows) == 0 {
		if rows, err = w.query(boundsSQL(t, column, "", n)); err != nil || len(rows) == 0 {
			return nil, err
		}
	}

	// The first row is the least value: nothing lies below.
	var bounds []string
	for _, row := range rows[1:] {
		if len(row) != 1 {
			return nil, protocolError("a row of another shape than the query's")
		}
		// A server without an encoding sends bytes that are no text.
		if v := row[0]; !v.null && len(v.s) <= maxBound && utf8.ValidString(v.s) {
			bounds = append(bounds, v.s)
		}
	}
	return bounds, nil
}

// boundsSQL returns a query for the least value of the column and the ones that
// follow the first n-th of the rows, the second, and so on, each once and in order;
// no rows if there are none.
func boundsSQL(t sourceTable, column, sample string, n int64) string {
	count := strconv.FormatInt(n, 10)
	// Dates in this style mean the same in sessions of any style.
	return "SET LOCAL datestyle = 'ISO'; " +
		"SELECT d.k::pg_catalog.text AS bound FROM (SELECT DISTINCT q.k FROM (" +
		"SELECT s.k, pg_catalog.row_number() OVER (ORDER BY s.k NULLS FIRST) - 1 AS r, pg_catalog.count(*) OVER () AS c" +
		" FROM (SELECT " + quoteIdent(column) + " AS k FROM " + t.sql() + sample + ") s) q" +
		" WHERE q.r = 0 OR q.r * " + count + " / q.c > (q.r - 1) * " + count + " / q.c) d" +
		" ORDER BY d.k NULLS FIRST; " +
		"SET LOCAL datestyle TO DEFAULT"
}

// keyParts returns the parts between the bounds.
func keyParts(snapshot, column string, bounds []string) []sourcePart {
	parts := make([]sourcePart, len(bounds)+1)
	from := text{null: true}
	for i := range parts {
		to := text{null: true}
		if i < len(bounds) {
			to = text{s: bounds[i]}
		}
		parts[i] = sourcePart{snapshot: snapshot, key: &keyRange{column, from, to}}
		from = to
	}
	return parts
}

// condition returns the WHERE clause of the range, with a space before, for a
// column whose type is written as typ.
func (k *keyRange) condition(typ string) string {
	name := quoteIdent(k.column)
	switch from, to := quoteLiteral(k.from.s)+"::"+typ, quoteLiteral(k.to.s)+"::"+typ; {
	case k.from.null:
		return " WHERE " + name + " < " + to + " OR " + name + " IS NULL"
	case k.to.null:
		return " WHERE " + name + " >= " + from
	default:
		return " WHERE " + name + " >= " + from + " AND " + name + " < " + to
	}
}
