package postgres

import (
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// sourceColumn is a column of a table that the source reads.
type sourceColumn struct {
	name     string
	declared string // its type as format_type() writes it: a domain by its name
	ddl      string // the same with domains resolved
	typ      pgType // the zero value if the connector cannot read the type
	known    bool
	notNull  bool
}

// sourceTable names what a stream is read from.
type sourceTable struct{ schema, name string }

// sql returns the table's name as SQL.
func (t sourceTable) sql() string { return quoteIdent(t.schema) + "." + quoteIdent(t.name) }

// regclass returns an expression for the table's object identifier.
func (t sourceTable) regclass() string {
	return quoteLiteral(t.sql()) + "::pg_catalog.regclass"
}

// readableKinds are the kinds of relations that rows can be selected from:
// tables, partitioned tables, views, materialized views, foreign tables.
const readableKinds = "('r','p','v','m','f')"

// columnsSQL returns a query for the columns of all relations c that the
// condition selects: relation, name, declared type, type with domains resolved,
// its identifier, and whether it cannot be NULL. Every name is qualified, for
// the user's search path may have tables of the same names.
func columnsSQL(condition string) string {
	return "WITH RECURSIVE base(rel, num, typ, mod) AS (" +
		"SELECT c.oid, a.attnum, a.atttypid, a.atttypmod" +
		" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid" +
		" WHERE a.attnum > 0 AND NOT a.attisdropped AND " + condition +
		" UNION ALL" +
		" SELECT b.rel, b.num, t.typbasetype, t.typtypmod" +
		" FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typ WHERE t.typtype = 'd')" +
		" SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)," +
		" pg_catalog.format_type(b.typ, b.mod), b.typ," +
		// A constraint that was added as not valid leaves old NULLs in place.
		" a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint n WHERE n.conrelid = a.attrelid" +
		" AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated)" +
		" FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typ AND t.typtype <> 'd'" +
		" JOIN pg_catalog.pg_attribute a ON a.attrelid = b.rel AND a.attnum = b.num" +
		" JOIN pg_catalog.pg_class c ON c.oid = b.rel" +
		" ORDER BY c.relname, b.num"
}

// parseColumn makes a column of a row of columnsSQL.
func parseColumn(row []text) (table string, c sourceColumn, err error) {
	if len(row) != 6 {
		return "", c, protocolError("a row of another shape than the query's")
	}
	oid, err := strconv.ParseUint(row[4].s, 10, 32)
	if err != nil {
		return "", c, protocolError("an object identifier that is no number")
	}
	c.name, c.declared, c.ddl, c.notNull = row[1].s, row[2].s, row[3].s, row[5].s == "t"
	c.typ, c.known = typeByOID(uint32(oid))
	return row[0].s, c, nil
}

// visibleSQL returns a query of one row: whether the snapshot has the table, and
// how many of its parts were rewritten since the snapshot was taken. TRUNCATE
// and some forms of ALTER TABLE do that; older snapshots then find the table
// empty, without an error.
// https://www.postgresql.org/docs/current/mvcc-caveats.html
func visibleSQL(t sourceTable) string {
	return "WITH RECURSIVE part(oid) AS (SELECT " + t.regclass() + "::pg_catalog.oid" +
		" UNION SELECT i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)" +
		" SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = " + t.regclass() + ")," +
		" (SELECT pg_catalog.count(*) FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid" +
		" WHERE c.relfilenode <> 0 AND c.relfilenode <> pg_catalog.pg_relation_filenode(c.oid))"
}

// lookUp prepares to read t in the transaction that is open or that the SQL in
// begin opens: it locks the table against
// changes until the transaction ends, makes sure that the snapshot sees it, and
// returns its columns.
func lookUp(w *wire, begin string, t sourceTable) ([]sourceColumn, error) {
	// Selecting no row is the one form of locking that needs no more than the
	// permission to read and works on views, too.
	rows, err := w.query(begin + "SELECT FROM " + t.sql() + " LIMIT 0; " +
		visibleSQL(t) + "; " +
		columnsSQL("c.oid = "+t.regclass()))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows[0]) != 2 {
		return nil, protocolError("another number of rows than the query has")
	}
	if visible, rewritten := rows[0][0].s == "t", rows[0][1].s != "0"; !visible || rewritten {
		return nil, &abi.Error{
			Category: abi.CategoryTransientDB,
			Message:  "postgres: table " + t.sql() + " was created, truncated or rewritten after this run took its snapshot",
			Hint:     "run again",
		}
	}

	columns := make([]sourceColumn, 0, len(rows)-1)
	for _, row := range rows[1:] {
		_, c, err := parseColumn(row)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return columns, nil
}

// refuseUnknown returns an error that names every column of a type the connector
// cannot read, or nil.
func refuseUnknown(t sourceTable, columns []sourceColumn) error {
	var list []string
	first := ""
	for _, c := range columns {
		if !c.known {
			if first == "" {
				first = c.name
			}
			list = append(list, quoteIdent(c.name)+" "+c.declared)
		}
	}
	if list == nil {
		return nil
	}
	what := " has a column of a type that cannot be read: "
	if len(list) > 1 {
		what = " has columns of types that cannot be read: "
	}
	return &abi.Error{
		Category: abi.CategorySchema,
		Message:  "postgres: table " + t.sql() + what + strings.Join(list, ", "),
		Hint:     "read a view that casts them, such as " + quoteIdent(first) + "::text, or leaves them out",
		Column:   first,
	}
}

// explainLookUp makes the server's error about t one that says how to mend it.
func explainLookUp(w *wire, t sourceTable, err error) error {
	e, ok := err.(*abi.Error)
	if !ok {
		return err
	}
	switch e.Code {
	case "42501": // insufficient_privilege
		e.Message = "postgres: reading " + t.sql() + ": " + strings.TrimPrefix(e.Message, "postgres: ")
		if e.Hint == "" {
			e.Hint = "the user needs USAGE on schema " + quoteIdent(t.schema) + " and SELECT on " + t.sql()
		}
	case "42P01", "3F000": // undefined_table, invalid_schema_name
		e.Message = "postgres: table " + t.sql() + " does not exist"
		e.Detail = ""
		if hint := missingHint(w, t); hint != "" {
			e.Hint = hint
		}
	case "42809": // wrong_object_type
		e.Message = "postgres: " + t.sql() + " is not a table or view"
	}
	return e
}

// missingHint says what there is in place of a missing table. The session's
// transaction has failed; it is ended here. If asking fails, too, there is no
// hint: the first error is the one to report.
func missingHint(w *wire, t sourceTable) string {
	if _, err := w.exec("ROLLBACK"); err != nil {
		return ""
	}
	rows, err := w.query("SELECT n.nspname, c.relname, n.nspname = " + quoteLiteral(t.schema) +
		" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" +
		" WHERE c.relkind IN " + readableKinds + " AND NOT c.relispartition AND (n.nspname = " + quoteLiteral(t.schema) +
		" OR pg_catalog.lower(c.relname) = pg_catalog.lower(" + quoteLiteral(t.name) + ") AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%')" +
		" ORDER BY pg_catalog.lower(c.relname) = pg_catalog.lower(" + quoteLiteral(t.name) + ") DESC, n.nspname = " + quoteLiteral(t.schema) + " DESC, 1, 2" +
		" LIMIT 200")
	if err != nil {
		return ""
	}
	return suggest(t, rows)
}

// suggest makes a hint of rows of schema, table, and whether the schema is t's,
// the tables of t's very name but for case first.
func suggest(t sourceTable, rows [][]text) string {
	const most = 8
	var here []string
	best, distance := "", len(t.name)/2+1
	for _, row := range rows {
		if len(row) != 3 {
			continue
		}
		if row[2].s != "t" {
			if len(here) == 0 {
				return "it is in another schema: " + sourceTable{row[0].s, row[1].s}.sql() + "; set schema in the source's config"
			}
			continue
		}
		if d := editDistance(strings.ToLower(row[1].s), strings.ToLower(t.name)); d < distance {
			best, distance = row[1].s, d
		}
		here = append(here, quoteIdent(row[1].s))
	}
	switch {
	case best != "":
		return "did you mean " + quoteIdent(best) + "? Names are case-sensitive"
	case len(here) == 0:
		return "schema " + quoteIdent(t.schema) + " does not exist or has no tables"
	case len(here) > most:
		return "schema " + quoteIdent(t.schema) + " has " + strings.Join(here[:most], ", ") + " and others"
	}
	return "schema " + quoteIdent(t.schema) + " has " + strings.Join(here, ", ")
}

// editDistance returns how many bytes have to be changed, added or left out to
// make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
