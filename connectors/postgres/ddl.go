package postgres

import (
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// destTable is the destination table of one stream.
type destTable struct {
	schema, name string
	staging      string       // the table that holds its rows until it can have its name; empty: none
	columns      []destColumn // of the stream
	overriding   bool         // a column of the table is GENERATED ALWAYS AS IDENTITY
}

// relation returns the name, in the schema, of the table that is written to.
func (t *destTable) relation() string {
	if t.staging != "" {
		return t.staging
	}
	return t.name
}

// sql returns the quoted name of the table that is written to.
func (t *destTable) sql() string { return quoteIdent(t.schema) + "." + quoteIdent(t.relation()) }

// String returns the table's name for messages.
func (t *destTable) String() string { return t.schema + "." + t.name }

// columnList returns the quoted names of the stream's columns with commas.
func (t *destTable) columnList() string {
	names := make([]string, len(t.columns))
	for i := range t.columns {
		names[i] = quoteIdent(t.columns[i].name)
	}
	return strings.Join(names, ", ")
}

// begin starts the transaction of a stream or of one of its partitions.
const begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "

// prepare begins the stream's transaction and makes the table ready for its
// rows: created if absent, else opened.
func (t *destTable) prepare(w *wire, replace bool, key []string) error {
	if err := t.checkKey(key); err != nil {
		return err
	}
	have, err := t.look(w, begin)
	if err != nil {
		return t.explain(err, "begin the transaction for")
	}
	if have.kind == "" {
		return t.create(w, !have.schema, key)
	}
	if err := t.undecided(have.prepared); err != nil {
		return err
	}
	return t.open(w, have, replace)
}

// found is what the catalog has under a table's name.
type found struct {
	schema bool   // the schema is there
	oid    string // of the relation; empty: there is none
	kind   string // its relkind; empty: there is none

	prepared []string // our prepared transactions that write to it, oldest first
}

// isTable reports whether the relation takes rows as tables do.
func (f found) isTable() bool { return f.kind == "r" || f.kind == "p" }

// look runs the statements of before, which return no rows, and asks the catalog
// for the table that is written to.
func (t *destTable) look(w *wire, before string) (found, error) {
	rows, err := w.query(before + "SELECT c.oid, c.relkind," +
		" (SELECT pg_catalog.string_agg(x.gid, ' ' ORDER BY x.prepared, x.gid) FROM pg_catalog.pg_prepared_xacts x" +
		" WHERE x.database = pg_catalog.current_database() AND x.gid LIKE '" + preparedPrefix + "%:' || c.oid || ':%')" +
		" FROM pg_catalog.pg_namespace n" +
		" LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = " + quoteLiteral(t.relation()) +
		" WHERE n.nspname = " + quoteLiteral(t.schema))
	switch {
	case err != nil:
		return found{}, err
	case len(rows) == 0:
		return found{}, nil
	case len(rows) != 1 || len(rows[0]) != 3:
		return found{}, protocolError("rows of another shape than the query's")
	}
	return found{schema: true, oid: rows[0][0].s, kind: rows[0][1].s, prepared: strings.Fields(rows[0][2].s)}, nil
}

// open makes a table that is there ready for rows: locked and compared, and
// emptied if the stream replaces what is there.
//
// The lock comes before the comparison, so that nobody changes the table
// between it and the rows. It is the one that writing takes anyway.
func (t *destTable) open(w *wire, have found, replace bool) error {
	if !have.isTable() {
		return schemaError("", "postgres: "+t.String()+" is "+relkindText(have.kind)+" and not a table",
			"write to a table, under another stream name or in another schema")
	}

	lock := "ROW EXCLUSIVE"
	if replace {
		lock = "ACCESS EXCLUSIVE" // what TRUNCATE takes; to raise a lock later may deadlock
	}
	if err := t.compare(w, lock); err != nil {
		return err
	}
	if replace {
		if _, err := w.exec("TRUNCATE TABLE " + t.sql()); err != nil {
			return t.explain(err, "empty")
		}
	}
	return nil
}

// checkKey returns an error if the key has a column that the stream lacks.
func (t *destTable) checkKey(key []string) error {
	for _, name := range key {
		found := false
		for i := range t.columns {
			found = found || t.columns[i].name == name
		}
		if !found {
			return &abi.Error{
				Category: abi.CategoryConfig,
				Message:  "postgres: primary_key names column " + quoteIdent(name) + ", which the stream does not have",
				Hint:     "its columns are " + t.columnList(),
				Field:    "primary_key",
				Column:   name,
			}
		}
	}
	return nil
}

// create makes the table, and its schema if that is absent too.
func (t *destTable) create(w *wire, schema bool, key []string) error {
	var sql strings.Builder
	if schema {
		sql.WriteString("CREATE SCHEMA " + quoteIdent(t.schema) + "; ")
	}
	sql.WriteString("CREATE TABLE " + t.sql() + " (")
	for i := range t.columns {
		c := &t.columns[i]
		if i > 0 {
			sql.WriteString(", ")
		}
		sql.WriteString(quoteIdent(c.name) + " " + c.want.String())
		if c.notNull {
			sql.WriteString(" NOT NULL")
		}
	}
	for i, name := range key {
		if i == 0 {
			sql.WriteString(", PRIMARY KEY (")
		} else {
			sql.WriteString(", ")
		}
		sql.WriteString(quoteIdent(name))
	}
	if len(key) > 0 {
		sql.WriteString(")")
	}
	sql.WriteString(")")

	_, err := w.exec(sql.String())
	return t.explain(raced(err), "create")
}

// raced adds to err, of a statement that gives a name to a table, that another
// transaction gave it to a schema, table or row type since we looked. Ours is
// void then; the next one finds the table.
func raced(err error) error {
	if e, ok := err.(*abi.Error); ok {
		switch e.Code {
		case "23505", "42P06", "42P07", "42710":
			e.Category = abi.CategoryTransientDB
			e.Hint = "another session created it at the same time: run again"
		}
	}
	return err
}

// existing is one column of a table that is already there.
type existing struct {
	name      string
	declared  string // the type as declared, maybe a domain
	base      string // the type beneath
	required  bool   // not null and without a default
	generated bool
	always    bool // identity, always generated
}

// compare locks the table, checks the stream's columns against its own and takes
// over its types. Every difference is in the error: the first in its
// message, the others in the detail.
func (t *destTable) compare(w *wire, lock string) error {
	rows, err := w.query("LOCK TABLE " + t.sql() + " IN " + lock + " MODE;" +
		" SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)," +
		" pg_catalog.format_type(b.oid, b.typmod)," +
		" (a.attnotnull OR y.typnotnull) AND NOT a.atthasdef AND a.attidentity = '' AND y.typdefault IS NULL," +
		" a.attgenerated <> '', a.attidentity = 'a'" +
		" FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid" +
		// A domain travels as the type beneath it, which may be a domain again.
		" CROSS JOIN LATERAL (WITH RECURSIVE d(oid, typmod) AS (SELECT a.atttypid, a.atttypmod" +
		" UNION ALL SELECT p.typbasetype, p.typtypmod FROM d JOIN pg_catalog.pg_type p ON p.oid = d.oid WHERE p.typtype = 'd')" +
		" SELECT d.oid, d.typmod FROM d JOIN pg_catalog.pg_type p ON p.oid = d.oid WHERE p.typtype <> 'd') b" +
		" WHERE a.attrelid = " + quoteLiteral(t.sql()) + "::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped" +
		" ORDER BY a.attnum")
	if err != nil {
		return t.explain(err, "lock")
	}

	there := make(map[string]existing, len(rows))
	for _, row := range rows {
		if len(row) != 6 {
			return protocolError("a row of another length than the query's")
		}
		yes := func(i int) bool { return row[i].s == "t" }
		there[row[0].s] = existing{row[0].s, row[1].s, row[2].s, yes(3), yes(4), yes(5)}
		t.overriding = t.overriding || yes(5)
	}

	// The stream's columns in the table, then the table's that the stream lacks.
	var wrong []*abi.Error
	for i := range t.columns {
		c := &t.columns[i]
		have, ok := there[c.name]
		delete(there, c.name)
		switch {
		case !ok:
			wrong = append(wrong, t.mismatch(c.name, "have no such column, want "+c.want.String(),
				"ALTER TABLE "+t.sql()+" ADD COLUMN "+quoteIdent(c.name)+" "+c.want.String()+", or leave the column out"))
		case have.generated:
			wrong = append(wrong, t.mismatch(c.name, "have a generated column, which cannot be written, want "+c.want.String(),
				"leave the column out"))
		case !c.take(have):
			wrong = append(wrong, t.mismatch(c.name, "have "+have.declared+", want "+c.want.String(),
				"make them the same: the destination with ALTER TABLE ... ALTER COLUMN ... TYPE, or the source with a view that casts"))
		}
	}
	for _, row := range rows {
		if have, ok := there[row[0].s]; ok && have.required && !have.generated {
			wrong = append(wrong, t.mismatch(have.name, "have "+have.declared+" NOT NULL without a default, want no such column",
				"give it a default, drop NOT NULL, or add the column to the source"))
		}
	}
	if len(wrong) == 0 {
		return nil
	}

	first := wrong[0]
	if more := len(wrong) - 1; more > 0 {
		others := make([]string, more)
		for i, e := range wrong[1:] {
			others[i] = strings.TrimPrefix(e.Message, "postgres: ")
		}
		first.Message += " (and " + strconv.Itoa(more) + " more)"
		first.Detail = strings.Join(others, "; ")
	}
	return first
}

// take makes the column encode as the one that is there, and reports whether
// that holds all of its values.
func (c *destColumn) take(have existing) bool {
	t, ok := parseTypeText(have.base)
	if !ok {
		return false
	}
	if !t.holds(c.want) && !(c.anyUUID && t.kind == kindUUID) {
		return false
	}
	c.typ = t.pgType
	return true
}

func (t *destTable) mismatch(column, what, hint string) *abi.Error {
	return schemaError(column, "postgres: column "+quoteIdent(column)+" of table "+t.String()+": "+what, hint)
}

// explain adds the table to an error of the server, and a hint where the
// server has none.
func (t *destTable) explain(err error, doing string) error {
	e, ok := err.(*abi.Error)
	if !ok || e.Code == "" {
		return err
	}
	e.Message = "postgres: " + doing + " " + t.String() + ": " + strings.TrimPrefix(e.Message, "postgres: ")
	if e.Hint == "" {
		e.Hint = hintFor(e.Code)
	}
	switch e.Code {
	case "0A000": // feature_not_supported: row security under COPY, foreign keys under TRUNCATE, a standby
		e.Category = abi.CategoryConfig
	}
	return e
}

// hintFor says how to mend what a SQLSTATE stands for.
func hintFor(code string) string {
	switch code {
	case "42501":
		return "the user needs USAGE on the schema and INSERT on the table, TRUNCATE to replace its rows, CREATE on the schema for a new table and on the database for a new schema"
	case "23505":
		return "rows with the same key are there already or come twice: replace the table's rows, or mend the source"
	case "23502":
		return "the source has rows without a value there: allow NULL in the destination or mend the source"
	case "23503":
		return "move the referenced rows first"
	case "23514":
		return "the destination's check refuses a row of the source: change one of them"
	case "22021":
		return "PostgreSQL cannot hold a zero byte in text, nor text that is not UTF-8: mend the source, or move the column as bytes"
	case "25006", "0A000":
		return "is the server a standby, the table under row security, or referenced by a foreign key?"
	case "55P03":
		return "another session has it locked, or waits for that: see pg_locks"
	case "53100":
		return "the server's disk is full"
	case "42P01", "3F000":
		return "it was there a moment ago: did another session drop it?"
	}
	return ""
}

func relkindText(kind string) string {
	switch kind {
	case "v":
		return "a view"
	case "m":
		return "a materialized view"
	case "f":
		return "a foreign table"
	case "S":
		return "a sequence"
	case "i", "I":
		return "an index"
	case "c":
		return "a composite type"
	}
	return "a relation of kind " + kind
}
