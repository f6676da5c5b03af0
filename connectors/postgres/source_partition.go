package postgres

import (
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// minPartition is how many bytes of a table are worth a connection if the number
// of partitions is left to us: they take a few hundred milliseconds to move, ten
// times what a session and a guest take to start.
const minPartition = 32 << 20

// Partition divides a table by its pages, or by ranges of the column that the
// request names. The table stays locked against changes, and the snapshot can be
// joined by the instances that read the partitions, until Close.
func (s *source) Partition(req *abi.PartitionRequest) (*abi.Partitions, error) {
	p, err := s.partition(req)
	s.wire.report(s.host)
	return p, err
}

func (s *source) partition(req *abi.PartitionRequest) (*abi.Partitions, error) {
	w, t := s.wire, sourceTable{s.schema, req.Stream}
	s.host.Phase(abi.PhaseQuery)

	if err := s.export(); err != nil {
		return nil, err
	}
	columns, err := lookUp(w, "", t)
	if err != nil {
		return nil, explainLookUp(w, t, err)
	}
	if err := refuseUnknown(t, columns); err != nil {
		return nil, err
	}
	if req.Key != "" {
		if err := refuseKey(t, columns, req.Key); err != nil {
			return nil, err
		}
	}

	// How many are worth it?
	n := req.Count
	if n <= 1 {
		return s.whole(""), nil
	}
	f, err := measure(w, t)
	if err != nil {
		return nil, err
	}
	if req.Auto && !f.partial {
		n = min(n, f.bytes/minPartition)
	}
	if n <= 1 {
		return s.whole(""), nil
	}

	var parts []sourcePart
	var few string
	switch {
	case req.Key != "":
		bounds, err := keyBounds(w, t, req.Key, n, f)
		if err != nil {
			return nil, explainLookUp(w, t, err)
		}
		parts = keyParts(s.snapshot, req.Key, bounds)
		few = "column " + quoteIdent(req.Key) + " of " + t.sql() + " has too few different values"
	case f.unpaged != "":
		return s.whole(t.sql() + " cannot be divided by its pages: " + f.unpaged + "; set partition_key to the column whose ranges are to be read"), nil
	default:
		parts = pageParts(s.snapshot, f, len(columns), n)
		few = t.sql() + " has too few pages"
	}
	note := ""
	if int64(len(parts)) < n {
		note = few + " for " + strconv.FormatInt(n, 10) + " partitions"
	}
	if len(parts) <= 1 {
		return s.whole(note), nil
	}
	answer := &abi.Partitions{Note: note, Partitions: make([]string, len(parts))}
	for i := range parts {
		answer.Partitions[i] = parts[i].String()
	}
	return answer, nil
}

// whole is the answer for a table that is read in one partition.
func (s *source) whole(note string) *abi.Partitions {
	return &abi.Partitions{Partitions: []string{sourcePart{snapshot: s.snapshot}.String()}, Note: note}
}

// Sharing a snapshot.

// export gives the transaction's snapshot a name, once.
func (s *source) export() error {
	begin, err := s.begin("")
	if err != nil || s.snapshot != "" {
		return err
	}
	rows, err := s.wire.query(begin + "SELECT pg_catalog.pg_export_snapshot()")
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0]) != 1 || !isSnapshot(rows[0][0].s) {
		return protocolError("a snapshot without a proper name")
	}
	s.snapshot = rows[0][0].s
	return nil
}

// join opens this session's transaction with the snapshot of another session.
func (s *source) join(snapshot string) error {
	_, err := s.wire.exec(beginSQL + "SET TRANSACTION SNAPSHOT " + quoteLiteral(snapshot))
	if e, ok := err.(*abi.Error); ok {
		switch e.Code {
		case "22023", "42704", "55000": // invalid_parameter_value, undefined_object, object_not_in_prerequisite_state
			e.Category = abi.CategoryTransientDB
			e.Message = "postgres: joining the snapshot of the partitions: " + strings.TrimPrefix(e.Message, "postgres: ")
			e.Hint = "the session that exported it is gone; run again"
		}
	}
	if err == nil {
		s.snapshot = snapshot
	}
	return err
}

// isSnapshot reports whether s can be the name of a snapshot.
func isSnapshot(s string) bool {
	const most = 64 // they have 19 to 27
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789ABCDEF-") == ""
}

// lockWait is how long a partition waits for its table, in SQL. Whoever stands
// before it wants to change the table and waits for the lock of the instance that
// made the partitions, which waits for them: no deadlock that a server could see.
// This is long enough for those that soon give up by themselves.
const lockWait = "'3s'"

// settings returns the SQL that prepares the transaction for the part.
func (p sourcePart) settings() string {
	if p.snapshot == "" {
		return ""
	}
	sql := "SET LOCAL lock_timeout = " + lockWait + "; "
	if p.pages != nil {
		// Without scans of TID ranges every range costs a scan of the table. Compiling
		// dozens of scans that do nothing but return rows costs seconds.
		sql += "SET LOCAL enable_tidscan = on; SET LOCAL jit = off; "
	}
	return sql
}

// explainLock makes the server's error about a lock on t one that says who holds
// whom up.
func (p sourcePart) explainLock(t sourceTable, err error) error {
	if e, ok := err.(*abi.Error); ok && e.Code == "55P03" && p.snapshot != "" { // lock_not_available
		e.Message = "postgres: another session waits to change table " + t.sql() + " until this run is over, and the run's partitions wait behind it"
		e.Hint = "run again when the table is changed"
	}
	return err
}

// Measuring.

// files is what the rows of a table lie in, those of all tables below it together.
type files struct {
	sizes   []tablePages // of the tables that hold rows, the smallest first
	pages   int64        // of all of them
	bytes   int64        // of all of them, with what is stored out of line
	partial bool         // there are rows elsewhere, or in another form than heap's
	unpaged string       // why ranges of pages cannot be read; empty: they can
}

// measure asks what the rows of t lie in. Estimates of the planner are of the last
// VACUUM; the sizes of files are of this moment.
func measure(w *wire, t sourceTable) (*files, error) {
	rows, err := w.query("WITH RECURSIVE part(oid) AS (SELECT " + t.regclass() + "::pg_catalog.oid" +
		" UNION SELECT i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)" +
		" SELECT c.relkind, COALESCE(a.amname, 'heap')," +
		" COALESCE(pg_catalog.pg_relation_size(c.oid), 0) / pg_catalog.current_setting('block_size')::pg_catalog.int8," +
		" pg_catalog.count(*), pg_catalog.sum(COALESCE(pg_catalog.pg_table_size(c.oid), 0))," +
		" pg_catalog.current_setting('server_version_num'), pg_catalog.has_table_privilege(" + t.regclass() + ", 'SELECT')" +
		" FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam" +
		" GROUP BY 1, 2, 3 ORDER BY 3")
	if err != nil {
		return nil, err
	}

	f := &files{}
	for _, row := range rows {
		if len(row) != 7 {
			return nil, protocolError("a row of another shape than the query's")
		}
		var numbers [4]int64 // pages, tables, bytes, version
		for i := range numbers {
			if numbers[i], err = strconv.ParseInt(row[2+i].s, 10, 64); err != nil || numbers[i] < 0 {
				return nil, protocolError("a size that is no number")
			}
		}
		pages, tables, bytes, version := numbers[0], numbers[1], numbers[2], numbers[3]

		switch kind, method := row[0].s, row[1].s; {
		case kind == "p":
			continue // its rows lie in its partitions
		case kind == "v":
			f.unpaged, f.partial = "a view has none", true
		case kind == "f":
			f.unpaged, f.partial = "those of a foreign table are elsewhere", true
		case method != "heap":
			f.unpaged, f.partial = "access method "+quoteIdent(method)+" may have none like heap's", true
		case f.unpaged != "":
		case version < 140000:
			f.unpaged = "a server before version 14 cannot scan a range of them"
		case row[6].s != "t":
			f.unpaged = "the user may read the columns one by one, but has no SELECT on the table"
		}
		f.sizes = append(f.sizes, tablePages{pages, tables})
		f.pages += pages * tables
		f.bytes += bytes
	}
	return f, nil
}
