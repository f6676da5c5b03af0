package postgres

import (
	"slices"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Finish makes the rows that were written in partitions visible, or removes
// them. Whatever of that an earlier call has done is left as it is; on the first
// call nothing has, and what is missing is lost.
func (d *destination) Finish(req *abi.FinishRequest) error {
	err := d.finish(req)
	d.wire.report(d.host)
	return err
}

func (d *destination) finish(req *abi.FinishRequest) error {
	var partitions []partition
	for _, s := range req.Partitions {
		p, err := parsePartition(s)
		if err != nil {
			return err
		}
		if p.mode != "" {
			partitions = append(partitions, p)
		}
	}
	if len(partitions) == 0 {
		return nil // written whole, or not at all
	}

	// They are all of one attempt, so the first tells everything but the number.
	t, p := &destTable{schema: d.schema, name: req.Stream}, partitions[0]
	if req.Commit {
		d.host.Phase(abi.PhaseCommit)
	}
	switch {
	case p.mode == modeStaged && req.Commit:
		return d.publish(t, p, req.Again)
	case p.mode == modeStaged:
		return d.discard(t, p)
	case req.Commit:
		return d.commitPrepared(t, partitions, req.Again)
	}
	return d.rollbackPrepared(t, p)
}

// publish gives the staging table the stream's name. Again says that it may have
// the name already.
func (d *destination) publish(t *destTable, p partition, again bool) error {
	staging := quoteIdent(t.schema) + "." + quoteIdent(p.staging())
	rename := "ALTER TABLE " + staging + " RENAME TO " + quoteIdent(t.name)
	err := raced(d.end(t, ending{sql: rename, tag: "ALTER TABLE", visible: true}))
	e, ok := err.(*abi.Error)
	if ok && e.CommitState == abi.CommitUnknown {
		e.Hint = "if table " + t.sql() + " is not there, " + rename + " completes it; or DROP TABLE " + staging + " and run again"
	}
	if !ok || !again || e.Code != "42P01" && e.Code != "3F000" {
		return err
	}

	// The staging table is gone: an earlier call has done it, or somebody else has
	// dropped what the partitions wrote.
	have, err := t.look(d.wire, "")
	if err != nil {
		return t.uncertain(ending{visible: true}, err)
	}
	if have.isTable() {
		return nil
	}
	return e
}

// discard drops the staging table, and the schema that was made for it if
// nothing else is in there.
func (d *destination) discard(t *destTable, p partition) error {
	if err := d.drop(t, p); err != nil || p.mark != schemaAbsent {
		return err
	}
	_, err := d.wire.exec("DROP SCHEMA IF EXISTS " + quoteIdent(t.schema))
	if e, ok := err.(*abi.Error); ok && (e.Code == "2BP01" || e.Code == "42501") {
		return nil // somebody else uses it, or has made it
	}
	return t.explain(err, "drop the schema of")
}

// drop drops the staging table of an attempt, in the schema of t.
func (d *destination) drop(t *destTable, p partition) error {
	// A partition whose connection was cut may still be about to create the table.
	drop := "DROP TABLE IF EXISTS " + quoteIdent(t.schema) + "." + quoteIdent(p.staging())
	_, err := d.wire.exec("SET LOCAL lock_timeout = " + quoteLiteral(d.timeout(dropLockTimeout)) +
		"; SELECT pg_catalog.pg_advisory_xact_lock(" + p.lock() + "); " + drop)
	if e, ok := err.(*abi.Error); ok {
		e.Hint = "it does not hurt, and goes with " + drop
	}
	return t.explain(err, "drop the staging table of")
}

// commitPrepared commits every partition. Again says that some may be committed
// already.
func (d *destination) commitPrepared(t *destTable, partitions []partition, again bool) error {
	transactions := make([]string, len(partitions))
	for i, p := range partitions {
		transactions[i] = p.transaction()
	}
	all, err := d.prepared(partitions[0].attempt + ":" + partitions[0].mark + ":%")
	if err != nil {
		return undecided(t.explain(err, "look for prepared transactions of"), transactions)
	}
	var left, gone []string
	for _, transaction := range transactions {
		if slices.Contains(all, transaction) {
			left = append(left, transaction)
		} else {
			gone = append(gone, transaction)
		}
	}
	if len(gone) > 0 && !again {
		return t.lost(gone)
	}

	for i, transaction := range left {
		err := d.end(t, ending{sql: "COMMIT PREPARED " + quoteLiteral(transaction), tag: "COMMIT PREPARED", visible: true})
		e, ok := err.(*abi.Error)
		switch {
		case !ok:
			continue
		case e.Code == "42704" && again:
			continue // an earlier call that nobody waits for any more has come to it
		case e.Code == "42704":
			e = t.lost(left[i : i+1])
			if i > 0 {
				e.CommitState = abi.CommitUnknown
				e.Hint = "other partitions have been committed: compare the table with the source"
				if rest := left[i+1:]; len(rest) > 0 {
					e.Hint += "; " + statements("COMMIT PREPARED ", rest) + " takes the rest, " + statements("ROLLBACK PREPARED ", rest) + " removes it"
				}
			}
			return e
		case e.Code == "55000": // it is coming to it
			e.Category = abi.CategoryTransientDB
			return undecided(e, left[i:])
		case i > 0 || len(left) < len(transactions) || e.CommitState == abi.CommitUnknown:
			return undecided(e, left[i:])
		}
		return e
	}
	return nil
}

// lost returns the error of prepared transactions that have ended without us.
// Nothing of the stream is visible then.
func (t *destTable) lost(transactions []string) *abi.Error {
	return &abi.Error{
		Category: abi.CategoryData,
		Message: "postgres: commit " + t.String() + ": the prepared transactions " + strings.Join(transactions, ", ") +
			" are gone: rolled back by another session, or lost in a failover",
		Hint: "run again after making sure that nothing else ends prepared transactions meanwhile",
	}
}

// undecided makes err that of a stream of which a part may be visible, and the
// rest of which is in the prepared transactions.
func undecided(err error, transactions []string) error {
	e, ok := err.(*abi.Error)
	if !ok {
		e = &abi.Error{Category: abi.CategoryTransientNetwork, Message: "postgres: stopped before the commit: " + err.Error()}
	}
	e.CommitState = abi.CommitUnknown
	e.Hint = "every row has been written; those not visible yet become so with " + statements("COMMIT PREPARED ", transactions)
	return e
}

// rollbackPrepared undoes every partition. One whose connection was cut may have
// been told to prepare its transaction and not have come to it: its advisory
// lock, which a prepared transaction keeps, says so.
func (d *destination) rollbackPrepared(t *destTable, p partition) error {
	const tries, pause = 100, "0.05" // five seconds
	for range tries {
		left, err := d.prepared(p.attempt + ":" + p.mark + ":%")
		if err != nil {
			return t.explain(err, "roll back")
		}
		for _, transaction := range left {
			err := d.rollback(transaction)
			if e, ok := err.(*abi.Error); ok && e.Code == "55000" {
				continue // it is being prepared this moment
			}
			if err != nil {
				return t.explain(err, "roll back")
			}
		}

		rows, err := d.wire.query("SELECT pg_catalog.pg_try_advisory_xact_lock(" + p.lock() + ")")
		if err != nil {
			return t.explain(err, "roll back")
		}
		if len(rows) == 1 && len(rows[0]) == 1 && rows[0][0].s == "t" {
			return nil
		}
		if _, err := d.wire.exec("SELECT pg_catalog.pg_sleep(" + pause + ")"); err != nil {
			return t.explain(err, "roll back")
		}
	}
	return &abi.Error{
		Category: abi.CategoryTransientDB,
		Message:  "postgres: roll back " + t.String() + ": a session of a partition does not end",
		Hint: "if it prepares its transaction yet, as " + strings.TrimSuffix(p.transaction(), p.number) +
			"..., the next run says so; pg_stat_activity lists the sessions",
	}
}
