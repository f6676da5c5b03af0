// Package state keeps what must outlive a run in one SQLite file: a record of
// every run, and the values connectors store under keys.
//
// Several processes may use a file at the same time. Writers wait for each
// other, readers wait for nobody (write-ahead log). The file and the folders
// made for it are for their owner only.
package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
)

// Store is an open file. It is safe for use by several goroutines.
type Store struct {
	db   *sql.DB
	path string
	me   process
}

var (
	_ engine.Recorder = (*Store)(nil)
	_ hostfuncs.State = (*Store)(nil)
)

// busyTimeout is how long to wait for another process's write. One takes some
// milliseconds, so more than a few seconds means that it hangs.
const busyTimeout = 5 * time.Second

// Open opens the file at path, and makes it with its folders if it is not there.
// Close it.
func Open(path string) (*Store, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	s := &Store{path: full, me: currentProcess()}
	if err := s.create(); err != nil {
		return nil, fmt.Errorf("state: %w; name a file that can be written with state.connection", err)
	}

	// NORMAL does not wait for the disk at each commit: after a power failure the
	// last records may be missing, the file is whole all the same.
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(full), RawQuery: url.Values{
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "synchronous(NORMAL)"},
		"_txlock": {"immediate"}, // a transaction that reads first and writes later could find itself overtaken
	}.Encode()}
	if s.db, err = sql.Open("sqlite", name.String()); err != nil {
		return nil, s.explain("open", err)
	}
	// Calls are few and short: one connection saves their waiting for each other.
	s.db.SetMaxOpenConns(1)

	if err := s.prepare(context.Background()); err != nil {
		_ = s.db.Close() // the first error says more
		return nil, s.explain("open", err)
	}
	return s, nil
}

// create makes the file before SQLite does, which would let others read it.
func (s *Store) create() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// Path returns the file's full name.
func (s *Store) Path() string { return s.path }

// Close closes the file.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return s.explain("close", err)
	}
	return nil
}

// Get returns the value under key, and whether there is one.
func (s *Store) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT value FROM state WHERE key = ?`, key).Scan(&value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, s.explain("read a value", err)
	}
	return value, true, nil
}

// Put stores value under key.
func (s *Store) Put(ctx context.Context, key string, value []byte) error {
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO state (key, value, updated) VALUES (?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated = excluded.updated`,
		key, blob(value), time.Now().UnixMicro())
	if err != nil {
		return s.explain("store a value", err)
	}
	return nil
}

// CAS stores value if the current one equals old, nil meaning none, and reports
// whether it did. The comparison and the change are one step, for other
// processes too.
func (s *Store) CAS(ctx context.Context, key string, old, value []byte) (bool, error) {
	now := time.Now().UnixMicro()
	var r sql.Result
	var err error
	if old == nil {
		r, err = s.db.ExecContext(ctx, `INSERT INTO state (key, value, updated) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING`,
			key, blob(value), now)
	} else {
		r, err = s.db.ExecContext(ctx, `UPDATE state SET value = ?, updated = ? WHERE key = ? AND value = ?`,
			blob(value), now, key, old)
	}
	if err != nil {
		return false, s.explain("store a value", err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return false, s.explain("store a value", err)
	}
	return n == 1, nil
}

// blob keeps an empty value from becoming NULL.
func blob(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// explain adds the file and what can be done about it.
func (s *Store) explain(doing string, err error) error {
	hint := ""
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff { // the rest of the code is detail
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			hint = "; the file is damaged or not a state file: move it away, a new one is made"
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
			hint = "; make the file and its folder writable, or name another file with state.connection"
		case sqlite3.SQLITE_FULL:
			hint = "; the disk is full"
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			hint = "; another process has kept it locked: see whether one hangs"
		}
	}
	return fmt.Errorf("state: %s: %s: %w%s", s.path, doing, err, hint)
}
