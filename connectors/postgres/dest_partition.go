package postgres

import (
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// The ways to write a stream in partitions, each in a transaction of its own.
const (
	// modeStaged is that of a table that is absent. The partitions commit into a
	// staging table beside it, which gets the table's name at the end.
	modeStaged = "staged"
	// modePrepared is that of a table that is there. The partitions prepare their
	// transactions, which are committed at the end one after the other.
	modePrepared = "prepared"
)

// The marks of modeStaged.
const (
	schemaAbsent = "new"
	schemaThere  = "old"
)

// partitionLockTimeout is how long a partition waits for a lock. What it waits for
// may be a prepared transaction, which ends only after it has itself: no server
// finds that deadlock. Less would fail where a busy session holds a row for a
// while; more only lengthens a wait that is for ever.
const partitionLockTimeout = "30s"

// dropLockTimeout is how long to wait for each of the two locks that dropping a
// staging table takes. Both are over before a run that is interrupted stops
// waiting for its end, which is after ten seconds.
const dropLockTimeout = "4s"

// durable makes the server answer the transaction's COMMIT when it is on disk.
// Otherwise a crash could take the rows of one partition, and nobody would know
// it when the table gets its name. A setting that waits for more stays.
const durable = "SELECT pg_catalog.set_config('synchronous_commit', 'on', true)" +
	" WHERE pg_catalog.current_setting('synchronous_commit') = 'off'"

// partition is one of several that write a stream at the same time. The zero
// value is a stream that is written whole.
type partition struct {
	mode    string // modeStaged or modePrepared; empty: whole
	attempt string // of the PartitionRequest
	mark    string // staged: whether the schema was there; prepared: the oid of the table
	number  string // from 1, within the attempt
}

// parsePartition parses what String wrote.
func parsePartition(s string) (partition, error) {
	if s == "" {
		return partition{}, nil
	}
	parts := strings.Split(s, ":")
	if len(parts) != 4 || parts[0] != modeStaged && parts[0] != modePrepared {
		return partition{}, &abi.Error{Category: abi.CategoryInternal, Message: "postgres: " + strconv.Quote(s) + " is no partition of this destination"}
	}
	return partition{parts[0], parts[1], parts[2], parts[3]}, nil
}

// String returns the partition as a RunRequest has it.
func (p partition) String() string {
	if p.mode == "" {
		return ""
	}
	return p.mode + ":" + p.attempt + ":" + p.mark + ":" + p.number
}

// staging returns the name of the staging table of the attempt.
func (p partition) staging() string { return stagingPrefix + p.attempt }

// stagingPrefix is how the names of all staging tables start.
const stagingPrefix = "_rapidbyte_"

// transaction returns the identifier of the partition's prepared transaction,
// which is one of the whole server.
func (p partition) transaction() string {
	return preparedPrefix + p.attempt + ":" + p.mark + ":" + p.number
}

// preparedPrefix is how the identifiers of all our prepared transactions start.
const preparedPrefix = "rapidbyte:"

// lock returns, as SQL, the key of the attempt's advisory lock.
func (p partition) lock() string {
	return "pg_catalog.hashtext(" + quoteLiteral(preparedPrefix+p.attempt) + ")"
}

// ending returns the last statement of the partition's transaction.
func (p partition) ending() ending {
	switch p.mode {
	case modeStaged:
		return ending{sql: "COMMIT", tag: "COMMIT"}
	case modePrepared:
		// It checks deferred constraints as COMMIT does, so that nothing is left
		// that could refuse the commit.
		return ending{sql: "PREPARE TRANSACTION " + quoteLiteral(p.transaction()), tag: "PREPARE TRANSACTION",
			hint: "a trigger or a foreign table there does what a prepared transaction cannot, such as NOTIFY: set parallelism to 1"}
	}
	return ending{sql: "COMMIT", tag: "COMMIT", visible: true}
}

// explain adds to an error of writing rows what only a partition runs into.
func (p partition) explain(err error) error {
	e, ok := err.(*abi.Error)
	if ok && p.mode == modePrepared && e.Code == "55P03" {
		// Mostly a key that two partitions have: trying again comes to the same.
		e.Category = abi.CategoryData
		e.Hint = "two partitions wait for each other if rows of both have the same unique key: mend the key in the source, or set parallelism to 1"
	}
	return err
}

// Partition says how the stream can be written over several connections.
func (d *destination) Partition(req *abi.PartitionRequest) (*abi.Partitions, error) {
	partitions, err := d.partition(req)
	d.wire.report(d.host)
	return partitions, err
}

func (d *destination) partition(req *abi.PartitionRequest) (*abi.Partitions, error) {
	if err := checkRequest(&abi.RunRequest{Stream: req.Stream, WriteMode: req.WriteMode}, d.identLimit); err != nil {
		return nil, err
	}
	d.host.Phase(abi.PhaseQuery)
	t := &destTable{schema: d.schema, name: req.Stream}
	have, err := t.look(d.wire, "")
	if err != nil {
		return nil, t.explain(err, "look for")
	}

	p, note := partition{attempt: req.Attempt}, ""
	switch {
	case have.kind == "" && have.schema:
		if err := d.sweep(t, req.Attempt); err != nil {
			return nil, err
		}
		p.mode, p.mark = modeStaged, schemaThere
	case have.kind == "":
		p.mode, p.mark = modeStaged, schemaAbsent
	case !have.isTable():
		// Write has the error.
	default:
		if err := d.clear(t, have.prepared, req.Attempt); err != nil {
			return nil, err
		}
		if req.WriteMode == "replace" {
			note = t.String() + " is there, and only one connection can empty a table and fill it: drop it before the run, or append"
			break
		}
		if note, err = d.room(t, req.Count); err != nil {
			return nil, err
		}
		if note == "" {
			p.mode, p.mark = modePrepared, have.oid
		}
	}
	if p.mode == "" || req.Count <= 1 {
		return &abi.Partitions{Partitions: []string{""}, Note: note}, nil
	}

	partitions := make([]string, req.Count)
	for i := range partitions {
		p.number = strconv.Itoa(i + 1)
		partitions[i] = p.String()
	}
	return &abi.Partitions{Partitions: partitions}, nil
}

// room returns why the server has no room for that many prepared transactions
// more, or nothing if it has.
func (d *destination) room(t *destTable, count int64) (note string, err error) {
	rows, err := d.wire.query("SELECT pg_catalog.current_setting('max_prepared_transactions'), pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts")
	if err != nil {
		return "", t.explain(err, "look for room to append to")
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return "", protocolError("another number of rows than the query has")
	}
	most, err := strconv.ParseInt(rows[0][0].s, 10, 64)
	if err != nil {
		return "", protocolError("a setting that is no number")
	}
	taken, err := strconv.ParseInt(rows[0][1].s, 10, 64)
	if err != nil {
		return "", protocolError("a count that is no number")
	}
	if count <= 1 || taken+count <= most {
		return "", nil
	}

	note = "max_prepared_transactions is " + strconv.FormatInt(most, 10)
	if taken > 0 {
		note += ", " + strconv.FormatInt(taken, 10) + " of them taken"
	}
	return note + ": to append to " + t.String() + " over " + strconv.FormatInt(count, 10) + " connections, make it " +
		strconv.FormatInt(taken+count, 10) + " or more and restart the server", nil
}

// sweep drops the staging tables that earlier attempts of this process left in
// the table's schema. None of them is under way any more: a process divides all
// of its streams before it writes one.
func (d *destination) sweep(t *destTable, attempt string) error {
	prefix := stagingPrefix + processOf(attempt) + "-"
	rows, err := d.wire.query("SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" +
		" WHERE n.nspname = " + quoteLiteral(t.schema) + " AND c.relkind = 'r'" +
		" AND pg_catalog.left(c.relname::pg_catalog.text, " + strconv.Itoa(len(prefix)) + ") = " + quoteLiteral(prefix))
	if err != nil {
		return t.explain(err, "look for staging tables beside")
	}
	for _, row := range rows {
		if len(row) != 1 {
			return protocolError("a row of another length than the query's")
		}
		left := partition{attempt: strings.TrimPrefix(row[0].s, stagingPrefix)}
		if processOf(left.attempt) != processOf(attempt) {
			continue // its name only begins as ours does
		}
		if err := d.drop(t, left); err != nil {
			return err
		}
	}
	return nil
}

// clear rolls back those of the table's prepared transactions that earlier
// attempts of this process left, and returns an error if others did.
func (d *destination) clear(t *destTable, prepared []string, attempt string) error {
	var others []string
	for _, transaction := range prepared {
		if processOf(attempt) != processOf(attemptOf(transaction)) {
			others = append(others, transaction)
			continue
		}
		if err := d.rollback(transaction); err != nil {
			return t.explain(err, "remove rows of an earlier attempt from")
		}
	}
	return t.undecided(others)
}

// undecided returns an error if other runs left prepared transactions that write
// to the table. Who replaces its rows would wait for them without an end, and
// rows that are appended would be there twice if they were committed later.
func (t *destTable) undecided(others []string) error {
	if len(others) == 0 {
		return nil
	}
	return &abi.Error{
		Category: abi.CategoryConfig,
		Message:  "postgres: " + t.String() + " has rows of another run, neither committed nor rolled back, in the prepared transactions " + strings.Join(others, ", "),
		Hint: "unless that run is under way: if the table shows rows of it, it ended while it committed, and " + statements("COMMIT PREPARED ", others) +
			" takes the rest; if not, " + statements("ROLLBACK PREPARED ", others) + " removes them",
	}
}

// attemptOf returns the attempt that a prepared transaction is of.
func attemptOf(transaction string) string {
	attempt, _, _ := strings.Cut(strings.TrimPrefix(transaction, preparedPrefix), ":")
	return attempt
}

// processOf returns the part of an attempt's name that names its process.
func processOf(attempt string) string {
	if i := strings.LastIndexByte(attempt, '-'); i >= 0 {
		return attempt[:i]
	}
	return attempt
}

// prepared returns the identifiers of our prepared transactions in this database
// whose rest, behind the prefix, is LIKE the pattern.
func (d *destination) prepared(pattern string) ([]string, error) {
	rows, err := d.wire.query("SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()" +
		" AND gid LIKE " + quoteLiteral(preparedPrefix+pattern) + " ORDER BY prepared, gid")
	if err != nil {
		return nil, err
	}
	transactions := make([]string, 0, len(rows))
	for _, row := range rows {
		if len(row) != 1 {
			return nil, protocolError("a row of another length than the query's")
		}
		transactions = append(transactions, row[0].s)
	}
	return transactions, nil
}

// rollback undoes a prepared transaction. One that is gone is undone.
func (d *destination) rollback(transaction string) error {
	_, err := d.wire.exec("ROLLBACK PREPARED " + quoteLiteral(transaction))
	if e, ok := err.(*abi.Error); ok && e.Code == "42704" {
		return nil
	}
	return err
}

// statements returns one statement for each prepared transaction.
func statements(verb string, transactions []string) string {
	list := make([]string, len(transactions))
	for i, transaction := range transactions {
		list[i] = verb + quoteLiteral(transaction)
	}
	return strings.Join(list, "; ")
}

// prepare makes the table ready for the rows of the stream, or of a partition of
// it, whose transaction has begun then.
func (d *destination) prepare(t *destTable, p partition, req *abi.RunRequest) error {
	if p.mode == "" {
		return t.prepare(d.wire, req.WriteMode == "replace", req.PrimaryKey)
	}
	if err := t.checkKey(req.PrimaryKey); err != nil {
		return err
	}

	sql := begin
	switch p.mode {
	case modeStaged:
		t.staging = p.staging()
		if err := t.stage(d.wire, p, req.PrimaryKey); err != nil {
			return err
		}
		sql += durable
	case modePrepared:
		// The table's lock counts, too: if another session waits for all of the table
		// behind a partition that is prepared, the next partition waits behind that
		// session. The advisory lock says that this transaction is under way.
		sql += "SET LOCAL lock_timeout = " + quoteLiteral(d.timeout(partitionLockTimeout)) + "; SELECT pg_catalog.pg_advisory_xact_lock_shared(" + p.lock() + ")"
	}
	if _, err := d.wire.exec(sql); err != nil {
		return t.explain(err, "begin the transaction for")
	}
	have, err := t.look(d.wire, "")
	if err != nil {
		return t.explain(err, "begin the transaction for")
	}
	if have.kind == "" {
		return &abi.Error{Category: abi.CategoryTransientDB, Message: "postgres: write to " + t.String() + ": " + t.sql() + " is gone", Hint: hintFor("42P01")}
	}
	return t.open(d.wire, have, false)
}

// timeout returns how long to wait for a lock where usual is the default.
func (d *destination) timeout(usual string) string {
	if d.lockTimeout != "" {
		return d.lockTimeout
	}
	return usual
}

// stage makes sure that the staging table is there, in a transaction of its own.
// The first partition creates the stream's table and renames it: the table and
// what belongs to it, such as the index of its key, are then in every respect
// what they are if a stream is written whole.
func (t *destTable) stage(w *wire, p partition, key []string) error {
	if _, err := w.exec(begin + "SELECT pg_catalog.pg_advisory_xact_lock(" + p.lock() + ")"); err != nil {
		return t.explain(err, "begin the transaction for")
	}
	have, err := t.look(w, "")
	if err != nil {
		return t.explain(err, "begin the transaction for")
	}
	if have.kind == "" {
		final := *t
		final.staging = ""
		if err := final.create(w, !have.schema, key); err != nil {
			return err
		}
		if _, err := w.exec("ALTER TABLE " + final.sql() + " RENAME TO " + quoteIdent(t.staging)); err != nil {
			return t.explain(err, "set aside")
		}
	}
	_, err = w.exec("COMMIT")
	return t.explain(err, "create")
}
