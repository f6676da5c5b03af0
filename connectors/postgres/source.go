package postgres

import (
	"errors"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// source reads the tables of one schema. All streams are read in one read-only
// transaction, so they show the database as it was at one moment. A partition of
// a stream is read at the moment of the instance that made it.
type source struct {
	host     *sdk.Host
	schema   string
	wire     *wire  // nil until connected
	snapshot string // the name by which sessions share the transaction's snapshot; empty: they do not
}

var (
	_ sdk.Source      = (*source)(nil)
	_ sdk.Partitioner = (*source)(nil)
)

// NewSource returns the source that manifest.json of source-postgres describes.
// It opens its one connection through the broker "postgres". It is an
// [sdk.Partitioner], too: it exports the snapshot that its partitions are read
// with, which lasts until Close.
func NewSource() sdk.Source { return &source{} }

// Open connects and prepares the session.
func (s *source) Open(h *sdk.Host, _ *abi.OpenRequest, c sdk.Config) error {
	s.host = h
	s.schema = c.String("schema")
	if s.schema == "" {
		s.schema = "public"
	}

	h.Phase(abi.PhaseConnect)
	conn, err := h.Open("postgres", "")
	if err != nil {
		return err
	}
	s.wire = newWire(conn)
	defer s.wire.report(h)

	// A table whose policies would hide rows from this user is an error, as it is
	// for pg_dump, and not a part of the table.
	_, err = s.wire.query(sessionSQL(", ('row_security', 'off')"))
	return err
}

// Check looks whether the schema is there and has tables the user may read.
func (s *source) Check() (*abi.CheckReport, error) {
	schema := quoteLiteral(s.schema)
	rows, err := s.wire.query("SELECT pg_catalog.current_setting('server_version'), current_user," +
		" (SELECT pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = " + schema + ")," +
		" (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" +
		" WHERE n.nspname = " + schema + " AND " + listed + ")")
	s.wire.report(s.host)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 4 {
		return nil, protocolError("another number of rows than the query has")
	}

	version, user, usage, tables := rows[0][0].s, rows[0][1].s, rows[0][2], rows[0][3].s
	switch {
	case usage.null:
		return nil, &abi.Error{Category: abi.CategoryConfig, Message: "postgres: schema " + quoteIdent(s.schema) + " does not exist",
			Hint: "set schema to the one that has the tables", Field: "schema"}
	case usage.s != "t":
		return nil, &abi.Error{Category: abi.CategoryPermission, Message: "postgres: user " + quoteIdent(user) + " may not use schema " + quoteIdent(s.schema),
			Code: "42501", Field: "schema", Hint: "GRANT USAGE ON SCHEMA " + quoteIdent(s.schema) + " TO " + quoteIdent(user)}
	}
	return &abi.CheckReport{Message: "PostgreSQL " + version + ", user " + user + ", schema " + s.schema + ", readable tables: " + tables}, nil
}

// listed is the condition for relations c that discover lists. A partition is
// read with its table.
const listed = "c.relkind IN " + readableKinds + " AND NOT c.relispartition AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')"

// Discover lists the tables of the schema that the user may read.
func (s *source) Discover() (*abi.Catalog, error) {
	schema := "c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = " + quoteLiteral(s.schema) + ")"
	defer s.wire.report(s.host)

	// Before version 14 an estimate of 0 says that there is none.
	rows, err := s.wire.query("SELECT c.relname, CASE WHEN c.reltuples > 0 OR c.reltuples = 0 AND pg_catalog.current_setting('server_version_num')::int >= 140000" +
		" AND c.relkind IN ('r','m') THEN c.reltuples::bigint ELSE -1 END" +
		" FROM pg_catalog.pg_class c WHERE " + schema + " AND " + listed + " ORDER BY c.relname")
	if err != nil {
		return nil, err
	}
	catalog := &abi.Catalog{Streams: make([]abi.CatalogStream, 0, len(rows))}
	at := make(map[string]int, len(rows))
	for _, row := range rows {
		if len(row) != 2 {
			return nil, protocolError("a row of another shape than the query's")
		}
		estimate, err := strconv.ParseInt(row[1].s, 10, 64)
		if err != nil {
			return nil, protocolError("an estimate that is no number")
		}
		at[row[0].s] = len(catalog.Streams)
		catalog.Streams = append(catalog.Streams, abi.CatalogStream{Name: row[0].s, Rows: estimate})
	}

	// A table may be gone, or new, in a later statement: the first one decides.
	rows, err = s.wire.query(columnsSQL(schema + " AND " + listed))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		table, c, err := parseColumn(row)
		if err != nil {
			return nil, err
		}
		i, ok := at[table]
		if !ok {
			continue
		}
		column := abi.CatalogColumn{Name: c.name, Type: c.declared, Nullable: !c.notNull}
		if c.known {
			column.ArrowType = arrowName(c.typ.arrow)
		}
		catalog.Streams[i].Columns = append(catalog.Streams[i].Columns, column)
	}

	rows, err = s.wire.query("SELECT c.relname, a.attname" +
		" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_index x ON x.indrelid = c.oid AND x.indisprimary" +
		" CROSS JOIN LATERAL pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY k(num, place)" +
		" JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num" +
		" WHERE " + schema + " AND " + listed + " AND k.place <= x.indnkeyatts ORDER BY c.relname, k.place")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if len(row) != 2 {
			return nil, protocolError("a row of another shape than the query's")
		}
		if i, ok := at[row[0].s]; ok {
			catalog.Streams[i].PrimaryKey = append(catalog.Streams[i].PrimaryKey, row[1].s)
		}
	}
	return catalog, nil
}

// Read moves the table that the request names, or the partition of it.
func (s *source) Read(req *abi.RunRequest) error {
	err := s.read(req)
	s.wire.report(s.host)
	return err
}

func (s *source) read(req *abi.RunRequest) error {
	w, t := s.wire, sourceTable{s.schema, req.Stream}
	s.host.Phase(abi.PhaseQuery)

	part, err := parsePart(req.Partition)
	if err != nil {
		return err
	}
	begin, err := s.begin(part.snapshot)
	if err != nil {
		return err
	}
	columns, err := lookUp(w, begin+part.settings(), t)
	if err != nil {
		return part.explainLock(t, explainLookUp(w, t, err))
	}
	if err := refuseUnknown(t, columns); err != nil {
		return err
	}
	statement, err := copySQL(t, columns, part)
	if err != nil {
		return err
	}

	// Start the COPY. Up to here the server may still refuse.
	w.appendQuery(statement)
	if err := w.flush(); err != nil {
		return err
	}
	typ, body, err := w.next()
	switch {
	case err != nil:
		return err
	case typ == msgError:
		failed := w.errorFrom(body)
		w.recover()
		return explainLookUp(w, t, failed)
	case typ != msgCopyOut:
		return unexpected(typ, "COPY")
	}

	s.host.Phase(abi.PhaseFetch)
	return s.fetch(req, columns)
}

// beginSQL opens the transaction that all streams are read in.
const beginSQL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "

// begin makes sure that this session's transaction has the named snapshot, or
// any if the name is empty. It returns the SQL that opens the transaction if the
// caller has to, for that costs no round trip of its own.
func (s *source) begin(snapshot string) (sql string, err error) {
	idle := s.wire.tx == txIdle
	switch {
	case s.wire.tx == txFailed, idle && s.snapshot != "":
		// One snapshot for all streams. An error ends the transaction and with it the
		// snapshot; a later one would show another state.
		return "", &abi.Error{Category: abi.CategoryInternal, Message: "postgres: the snapshot that all streams share ended with the error of an earlier one",
			Hint: "run again"}
	case snapshot == "" && idle:
		return beginSQL, nil
	case snapshot == "" || snapshot == s.snapshot:
		return "", nil
	case !idle:
		return "", &abi.Error{Category: abi.CategoryInternal, Message: "postgres: a partition of another snapshot than the session's"}
	}
	return "", s.join(snapshot)
}

// copySQL returns the statement that reads the part of t.
func copySQL(t sourceTable, columns []sourceColumn, part sourcePart) (string, error) {
	conditions, err := part.conditions(columns)
	if err != nil {
		return "", err
	}
	from := "SELECT" + columnList(columns) + " FROM " + t.sql()
	return "COPY (" + from + strings.Join(conditions, " UNION ALL "+from) + ") TO STDOUT (FORMAT binary)", nil
}

// columnList returns the columns' names as SQL, with a space before.
func columnList(columns []sourceColumn) string {
	list := ""
	for i, c := range columns {
		if i > 0 {
			list += ","
		}
		list += " " + quoteIdent(c.name)
	}
	return list
}

// fetch reads the output of the COPY that the server has begun and emits it.
func (s *source) fetch(req *abi.RunRequest, columns []sourceColumn) error {
	types := make([]pgType, len(columns))
	for i, c := range columns {
		types[i] = c.typ
	}
	x := newIndex(types)
	r := newCopyReader(s.wire, x, columns, req, arrowRow(columns))
	d := newDecoder(s.host, req.Stream, columns, x, r.most)

	if err := s.host.Emit(arrowipc.AppendSchema(nil, arrowSchema(columns)), 0); err != nil {
		return err
	}
	total := int64(0)
	for {
		rows, err := r.batch()
		if err != nil {
			return err
		}
		if rows == 0 {
			break
		}
		if rows, err = s.emit(r, d); err != nil {
			return err
		}
		total += int64(rows)
		s.host.Metric(abi.MetricRowsRead, int64(rows))
	}

	// The stream ends only when the server agrees on how many rows it sent.
	if err := r.finish(total); err != nil {
		return err
	}
	return s.host.Emit(arrowipc.EOS, 0)
}

// emit sends the indexed batch on and returns the number of rows sent. Usually
// that is one message.
func (s *source) emit(r *copyReader, d *decoder) (sent int, err error) {
	lo, step := 0, r.x.rows
	for lo < r.x.rows {
		n := min(step, r.x.rows-lo)
		if plant.On {
			plant.Burn(plant.SourceGuest, n)
		}
		message, err := d.batch(s.wire.in, lo, lo+n, r.want)
		switch {
		case err == errGuess:
			// From here on field by field. The rows before are sent and were right.
			if _, err := r.again(lo); err != nil {
				return sent, err
			}
			lo, step = 0, r.x.rows
			continue
		case errors.Is(err, arrowipc.ErrTooLarge):
			if n == 1 {
				return sent, r.tooLarge(d.size)
			}
			step = n / 2
			continue
		case err != nil:
			return sent, err
		}

		if err := s.host.Emit(message, n); err != nil {
			return sent, err
		}
		sent += n
		lo += n
	}
	return sent, nil
}

// Close gives the connection back. The server ends the transaction, which has
// changed nothing, and the snapshot can be joined no more.
func (s *source) Close() error {
	if s.wire == nil {
		return nil
	}
	return s.wire.conn.Close()
}
