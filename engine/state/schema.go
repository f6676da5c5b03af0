package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A file says in its header whose it is and what is in it.
const (
	applicationID = 0x52425354 // "RBST"
	schemaVersion = 1
)

// schema makes the tables. Times are microseconds since 1970, UTC. A later
// version adds its changes as a second step and leaves this one alone.
const schema = `
CREATE TABLE runs (
	id            TEXT    NOT NULL,
	stream        TEXT    NOT NULL,
	pipeline      TEXT    NOT NULL,
	status        TEXT    NOT NULL,
	started       INTEGER NOT NULL,
	finished      INTEGER NOT NULL, -- 0 while running
	rows_read     INTEGER NOT NULL,
	rows_written  INTEGER NOT NULL,
	bytes_read    INTEGER NOT NULL,
	bytes_written INTEGER NOT NULL,
	error         TEXT    NOT NULL,
	host          TEXT    NOT NULL, -- the process that runs it: see type process
	boot          TEXT    NOT NULL,
	space         TEXT    NOT NULL,
	pid           INTEGER NOT NULL,
	born          TEXT    NOT NULL,
	PRIMARY KEY (id, stream)
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_by_time ON runs (started);

CREATE TABLE state (
	key     TEXT    NOT NULL PRIMARY KEY,
	value   BLOB    NOT NULL,
	updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

// Whose file it is.
var (
	errForeign = errors.New("the file is a SQLite database of another program; name another file with state.connection")
	errNewer   = errors.New("the file was written by a newer rapidbyte; use that one, or name another file with state.connection")
)

// prepare checks whose file it is and makes the tables in an empty one.
func (s *Store) prepare(ctx context.Context) error {
	// Whose is it? Before anything is changed.
	id, version, tables, err := s.header(ctx)
	if err != nil {
		return err
	}
	switch {
	case id != applicationID && (tables > 0 || version != 0 || id != 0):
		return errForeign
	case version > schemaVersion:
		return fmt.Errorf("%w (its schema is %d, this program knows %d)", errNewer, version, schemaVersion)
	}

	// The change to a write-ahead log is the one step that does not wait for
	// another process on its own. It happens once in a file's life.
	deadline := time.Now().Add(busyTimeout)
	for {
		_, err := s.db.ExecContext(ctx, `PRAGMA journal_mode = WAL`)
		if err == nil {
			break
		}
		if !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	if version == schemaVersion {
		return nil
	}

	// Several processes may come here at once: the first makes the tables, the
	// others wait for its transaction and find them.
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version == 0 {
		header := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
		if _, err := tx.ExecContext(ctx, schema+header); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// header reads the marks of the file in one step, so that they belong together.
func (s *Store) header(ctx context.Context) (id, version, tables int, err error) {
	err = s.db.QueryRowContext(ctx, `
		SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_application_id, pragma_user_version`).Scan(&id, &version, &tables)
	return id, version, tables, err
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}
