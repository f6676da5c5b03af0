package postgres

import (
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// destination writes streams into tables, each in one transaction: its table
// is created, compared or emptied, filled, and committed once the whole stream
// is there. Whatever fails before leaves the database as it was, because a
// session that is closed without COMMIT has changed nothing. A stream that is
// written in partitions has one transaction for each: see [partition].
type destination struct {
	host *sdk.Host
	conn *sdk.Conn
	wire *wire

	schema string
	copy   bool // load by COPY and not by INSERT

	identLimit  int
	lockTimeout string // how long to wait for a lock that partitions need, as SQL has it; empty: partitionLockTimeout or dropLockTimeout
}

var _ sdk.PartitionedDestination = (*destination)(nil)

// NewDestination returns the destination that manifest.json of dest-postgres
// describes. It opens its one connection through the broker "postgres".
func NewDestination() sdk.Destination { return &destination{} }

// Open connects and prepares the session.
func (d *destination) Open(h *sdk.Host, _ *abi.OpenRequest, c sdk.Config) error {
	d.host = h
	d.schema = c.String("schema")
	switch method := c.String("load_method"); method {
	case "copy":
		d.copy = true
	case "insert", "":
	default:
		return &abi.Error{Category: abi.CategoryConfig, Message: "postgres: unknown load_method " + strconv.Quote(method),
			Hint: "it is insert or copy", Field: "load_method"}
	}
	if d.schema == "" {
		d.schema = "public"
	}

	h.Phase(abi.PhaseConnect)
	conn, err := h.Open("postgres", "")
	if err != nil {
		return err
	}
	d.conn, d.wire = conn, newWire(conn)

	// The INSERT's plan, whose parameters tell a planner nothing, is made once.
	rows, err := d.wire.query(sessionSQL(", ('plan_cache_mode', 'force_generic_plan')") +
		"; SELECT pg_catalog.current_setting('max_identifier_length')")
	if err != nil {
		return err
	}
	if len(rows) != 2 || len(rows[1]) != 1 {
		return protocolError("another number of rows than the query has")
	}
	d.identLimit, err = strconv.Atoi(rows[1][0].s)
	if err != nil {
		d.identLimit = maxIdent
	}
	d.wire.report(h)
	if e := checkIdent("schema", d.schema, d.identLimit); e != nil {
		e.Category, e.Field = abi.CategoryConfig, "schema"
		return e
	}
	return nil
}

// Check looks whether the server takes writes and whether the user may write
// to the schema, or create it.
func (d *destination) Check() (*abi.CheckReport, error) {
	schema := quoteLiteral(d.schema)
	rows, err := d.wire.query("SELECT pg_catalog.current_setting('server_version'), current_user, pg_catalog.pg_is_in_recovery()," +
		" pg_catalog.current_database()," +
		" pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')," +
		" (SELECT pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = " + schema + ")," +
		" (SELECT pg_catalog.has_schema_privilege(oid, 'CREATE') FROM pg_catalog.pg_namespace WHERE nspname = " + schema + ")")
	d.wire.report(d.host)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 7 {
		return nil, protocolError("another number of rows than the query has")
	}
	row := rows[0]
	version, user, standby, database := row[0].s, row[1].s, row[2].s == "t", row[3].s
	mayCreateSchema, usage, mayCreateTable := row[4].s == "t", row[5], row[6].s == "t"

	state := ""
	switch {
	case standby:
		return nil, &abi.Error{Category: abi.CategoryConfig, Message: "postgres: the server is a standby and takes no writes",
			Hint: "connect to the primary, for instance with target_session_attrs: read-write", Field: "host"}
	case usage.null && !mayCreateSchema:
		return nil, &abi.Error{Category: abi.CategoryPermission,
			Message: "postgres: schema " + quoteIdent(d.schema) + " does not exist and user " + quoteIdent(user) + " may not create it", Code: "42501", Field: "schema",
			Hint: "CREATE SCHEMA " + quoteIdent(d.schema) + " AUTHORIZATION " + quoteIdent(user) + ", or GRANT CREATE ON DATABASE " + quoteIdent(database) + " TO " + quoteIdent(user)}
	case usage.null:
		state = " (will be created)"
	case usage.s != "t":
		return nil, &abi.Error{Category: abi.CategoryPermission,
			Message: "postgres: user " + quoteIdent(user) + " may not use schema " + quoteIdent(d.schema), Code: "42501", Field: "schema",
			Hint: "GRANT USAGE, CREATE ON SCHEMA " + quoteIdent(d.schema) + " TO " + quoteIdent(user)}
	case !mayCreateTable:
		state = " (may not create tables in it)"
	}
	return &abi.CheckReport{Message: "PostgreSQL " + version + ", user " + user + ", schema " + d.schema + state}, nil
}

// Close gives the connection back. A transaction that is still open is undone
// by the server.
func (d *destination) Close() error {
	if d.conn == nil {
		return nil
	}
	return d.conn.Close()
}
