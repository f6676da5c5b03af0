package pgtest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

func TestQuick(t *testing.T) {
	t0 := time.Now()
	s := Shared(t)
	t.Log(time.Since(t0), s.Provider, s.Profile, s.Version, s.ConfHash, s.DSN())
	t0 = time.Now()
	dsn := s.NewDatabase(t)
	t.Log(time.Since(t0), dsn, SourceConfig(dsn))
	t0 = time.Now()
	if err := Seed(context.Background(), dsn, "public.bench_events", 100000); err != nil {
		t.Fatal(err)
	}
	t.Log("seed", time.Since(t0))
	c, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	var n, b int64
	if err := c.QueryRow(context.Background(), "select count(*), pg_relation_size('bench_events') from bench_events").Scan(&n, &b); err != nil {
		t.Fatal(err)
	}
	t.Log(n, b)
	c.Close(context.Background())
	t0 = time.Now()
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Log("restart", time.Since(t0))
}
