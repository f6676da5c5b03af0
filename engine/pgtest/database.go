package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"crypto/rand"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DSN is the connection string of the superuser (or, for a given server, of whoever its DSN names) in the database
// that the server came with. For a local server it leads through a unix socket and asks for no password; replace its
// host by 127.0.0.1, the port being the same, and the password in it is asked for.
func (s *Server) DSN() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dsn
}

// DSNFor is DSN with another database, which need not exist.
func (s *Server) DSNFor(database string) string {
	return withDatabase(s.DSN(), database)
}

// withDatabase replaces the database in a URL or in a string of keywords, where the last of two equal keys counts.
func withDatabase(dsn, database string) string {
	if u, err := url.Parse(dsn); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		u.Path, u.RawPath = "/"+database, ""
		q := u.Query()
		q.Del("dbname")
		q.Del("database")
		u.RawQuery = q.Encode()
		return u.String()
	}
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database)
	return dsn + " dbname='" + quoted + "'"
}

// CreateDatabase makes an empty UTF-8 database, sorted by bytes whatever the server's default is, and returns its DSN.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	sql := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
	if err := s.exec(ctx, sql); err != nil {
		return "", fmt.Errorf("pgtest: create database %q: %w", name, err)
	}
	return s.DSNFor(name), nil
}

// DropDatabase removes a database and ends the sessions in it. One that does not exist is not an error.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	if err := s.exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("pgtest: drop database %q: %w", name, err)
	}
	return nil
}

// NewDatabase makes a database for one test and drops it at the test's end. It returns a DSN for pgx and psql alike.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// A server given by its DSN may serve several test binaries at once, so the name is random.
	name := "rapidbyte_" + strings.ToLower(rand.Text()[:12])
	dsn, err := s.CreateDatabase(ctx, name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.DropDatabase(ctx, name); err != nil {
			tb.Error(err)
		}
	})
	return dsn
}

// exec runs one statement in the server's first database.
func (s *Server) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

// SourceConfig turns a DSN into the keys a pipeline's source or destination has in its config: host, port, user,
// password, database, and sslmode where the DSN names one. A DSN that cannot be parsed is returned under the key dsn,
// so that whoever reads the config says what is wrong with it.
func SourceConfig(dsn string) map[string]any {
	c, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return map[string]any{"dsn": dsn}
	}
	config := map[string]any{
		"host":     c.Host,
		"port":     int64(c.Port),
		"user":     c.User,
		"password": c.Password,
		"database": c.Database,
	}
	if _, after, ok := strings.Cut(dsn, "sslmode="); ok {
		mode, _, _ := strings.Cut(strings.TrimLeft(after, "'"), "&")
		config["sslmode"] = strings.TrimRight(strings.Fields(mode + " ")[0], "'")
	}
	return config
}
