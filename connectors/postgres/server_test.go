//go:build !wasip1

package postgres

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// connectTo returns the connect function of a testHost for the database dsn: the
// same broker that serves guests in a run.
func connectTo(tb testing.TB, dsn string) func() (testConn, error) {
	tb.Helper()
	b, err := broker.New(broker.Postgres, pgtest.SourceConfig(dsn))
	if err != nil {
		tb.Fatal(err)
	}
	return func() (testConn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return b.Open(ctx, "")
	}
}

// connectPgx returns a connection of the test's own to the database dsn.
func connectPgx(tb testing.TB, dsn string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// execSQL runs statements, all in one, as the test's own.
func execSQL(tb testing.TB, conn *pgx.Conn, sql string) {
	tb.Helper()
	if _, err := conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}
