package lab

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// benchName is the name of the sessions that measure, unlike those that are measured.
const benchName = "rapidbyte-bench"

// Source is a seeded table, in a database of its own that also holds the
// destination.
type Source struct {
	Table
	DSN string   // of the database
	Sum Checksum // of the source's rows

	conn       *pgx.Conn // for everything that is not timed
	postmaster int       // process id; 0 if not on this machine
	checkpoint bool      // the server lets us force one
}

// Source returns the rows of Dataset in the given number. The first call on a
// server seeds it; a seeding that was killed half way is never used.
func (e *Env) Source(ctx context.Context, rows int) (*Source, error) {
	return e.sourceOf(ctx, events(rows))
}

// sourceOf returns the rows of any table, as Source does.
func (e *Env) sourceOf(ctx context.Context, t Table) (*Source, error) {
	if s, ok := e.sources[t.database]; ok {
		return s, nil
	}
	s := &Source{Table: t, checkpoint: true}
	s.DSN = e.Server.DSNFor(s.database)
	e.owe(s.database)
	if err := e.seed(ctx, s); err != nil {
		return nil, fmt.Errorf("lab: source of %d rows of %s: %w", t.Rows, t.Name, err)
	}

	var err error
	if s.conn, err = connect(ctx, s.DSN); err != nil {
		return nil, fmt.Errorf("lab: source of %d rows of %s: %w", t.Rows, t.Name, err)
	}
	e.sources[t.database] = s
	s.postmaster = postmasterOf(int(s.conn.PgConn().PID()), s.database)

	sum, err := ChecksumOf(ctx, s.conn, "public", t.Name)
	if err != nil {
		return nil, err
	}
	s.Sum = *sum
	return s, compareRows(sum.Rows, int64(t.Rows), "the seeded source has")
}

// connect returns a session for everything that is not timed.
func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	// What a checksum's text looks like must not depend on the server's taste.
	for key, value := range map[string]string{
		"application_name": benchName, "timezone": "UTC", "datestyle": "ISO", "intervalstyle": "postgres",
		"bytea_output": "hex", "extra_float_digits": "1",
	} {
		config.RuntimeParams[key] = value
	}
	return pgx.ConnectConfig(ctx, config)
}

// seed makes the database unless a complete one is there. The comment on it is
// written last and says that it is complete, and what with.
func (e *Env) seed(ctx context.Context, s *Source) error {
	ready := fmt.Sprintf("rapidbyte %s rows=%d", s.Dataset, s.Rows)
	var comment string
	err := e.lock.QueryRow(ctx, `SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1`,
		s.database).Scan(&comment)
	if err == nil && comment == ready {
		return nil
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}

	if err := e.Server.DropDatabase(ctx, s.database); err != nil {
		return err
	}
	if _, err := e.Server.CreateDatabase(ctx, s.database); err != nil {
		return err
	}
	if err := s.seed(ctx, s.DSN); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, `CREATE SCHEMA `+destSchema+`;
		CREATE TABLE `+s.dest()+` AS TABLE `+s.from()+` WITH NO DATA;
		COMMENT ON DATABASE `+s.database+` IS '`+ready+`'`)
	return err
}

// withNewTable returns the same rows with a destination that every run makes
// itself, which leaves the other one as it is.
func (s *Source) withNewTable() *Source {
	made := *s
	made.made = true
	return &made
}

// Reset empties the destination, or removes it if the run makes it, and lets
// everything settle that an earlier run may have left to do, here and in the
// server. It is never timed.
func (s *Source) Reset(ctx context.Context) error {
	// In a transaction of its own: a truncation inside the run's would let the
	// server skip the log under some settings, and move cost into the commit.
	reset := `TRUNCATE `
	if s.made {
		reset = `DROP TABLE IF EXISTS `
	}
	if _, err := s.conn.Exec(ctx, reset+s.dest()); err != nil {
		return fmt.Errorf("lab: reset the destination: %w", err)
	}

	// Last, because it also deletes the truncated files.
	if s.checkpoint {
		_, err := s.conn.Exec(ctx, `CHECKPOINT`)
		var refused *pgconn.PgError
		switch {
		case errors.As(err, &refused) && refused.Code == "42501":
			s.checkpoint = false // not allowed on this server; one that happens in a run is still seen
		case err != nil:
			return fmt.Errorf("lab: checkpoint: %w", err)
		}
	}
	runtime.GC()
	return nil
}

// Verify checks the destination against the source: the number of rows, and if
// full is set every value of every column. An error that matches ErrWrongData
// says what is wrong.
func (s *Source) Verify(ctx context.Context, full bool) error {
	if full {
		return s.check(ctx, s.conn, s.schema())
	}
	var rows int64
	err := s.conn.QueryRow(ctx, `SELECT count(*) FROM `+s.dest()).Scan(&rows)
	if err != nil {
		return fmt.Errorf("lab: count the destination's rows: %w", err)
	}
	return compareRows(rows, int64(s.Rows), "the destination has")
}

// settle waits until the sessions of a run have ended, so that their work is
// counted and the next run meets none of it.
func (s *Source) settle(ctx context.Context) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		var others int
		err := s.conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname IN (current_database(), current_database() || '`+peerSuffix+`')
			AND application_name <> $1 AND backend_type = 'client backend'`, benchName).Scan(&others)
		if err != nil {
			return fmt.Errorf("lab: look for open sessions: %w", err)
		}
		if others == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("lab: %d sessions of the run are still open", others)
		}
		time.Sleep(time.Millisecond)
	}
}
