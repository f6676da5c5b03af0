package pgtest

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestNewDatabase(t *testing.T) {
	s := Shared(t)
	var first, second string
	t.Run("databases", func(t *testing.T) {
		first, second = s.NewDatabase(t), s.NewDatabase(t)
		if first == second {
			t.Fatalf("two tests share %s", first)
		}
		got := value[string](t, first, "SELECT current_database() || ' ' || datcollate || ' ' || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
		if !strings.HasPrefix(got, "rapidbyte_") || !strings.HasSuffix(got, " C UTF8") {
			t.Errorf("database, collation and encoding are %q", got)
		}

		// A session that a test forgot must not keep its database from being dropped.
		if _, err := pgx.Connect(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	})
	for _, dsn := range []string{first, second} {
		name := SourceConfig(dsn)["database"].(string)
		if got := value[int](t, s.DSN(), "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"); got != 0 {
			t.Errorf("the database %s is left", name)
		}
	}
}

func TestWithDatabase(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:p%2Fw@h:1/old?sslmode=disable",
		"postgresql://u:p%2Fw@/old?host=h&port=1&dbname=older&sslmode=disable",
		"host=h port=1 user=u password=p/w dbname=old sslmode=disable",
	} {
		got := SourceConfig(withDatabase(dsn, "it's new"))
		want := map[string]any{"host": "h", "port": int64(1), "user": "u", "password": "p/w", "database": "it's new", "sslmode": "disable"}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", dsn, got, want)
		}
	}
}

func TestSourceConfig(t *testing.T) {
	for _, tt := range []struct {
		dsn  string
		want map[string]any
	}{
		{"postgres://u:p@/d?host=/run/pg&port=5433", map[string]any{"host": "/run/pg", "port": int64(5433), "user": "u", "password": "p", "database": "d"}},
		{"host=h user=u password='a b' dbname=d sslmode='prefer'", map[string]any{"host": "h", "port": int64(5432), "user": "u", "password": "a b", "database": "d", "sslmode": "prefer"}},
		{"host=h port=many", map[string]any{"dsn": "host=h port=many"}},
	} {
		if got := SourceConfig(tt.dsn); !maps.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.dsn, got, tt.want)
		}
	}
}

// The contents of the dataset are pinned: a result says "bench_events/1", and means these bytes.
func TestSeed(t *testing.T) {
	dsn := Shared(t).NewDatabase(t)
	for range 2 { // the second replaces the first
		if err := Seed(t.Context(), dsn, "bench_events", 1000); err != nil {
			t.Fatal(err)
		}
	}
	dump := value[string](t, dsn, "SELECT string_agg(e::text, E'\n' ORDER BY ctid) FROM bench_events e")
	lines := strings.Split(dump, "\n")
	if len(lines) != 1000 {
		t.Fatalf("got %d rows, want 1000", len(lines))
	}
	const last = `(1000,click,1,19000,t,payload-1000-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,"2026-01-01 00:29:37.777")`
	if lines[999] != last {
		t.Errorf("the last row is\n%s, want\n%s", lines[999], last)
	}
	const want = "1e08780b1a6037c7"
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(dump)))[:16]; got != want {
		t.Errorf("the rows' hash is %s, want %s: a changed dataset needs another name", got, want)
	}

	// Two thirds active, five kinds of events, times all over one day, as documented.
	const shape = "SELECT format('%s %s %s', count(*) FILTER (WHERE is_active), count(DISTINCT event_type), count(DISTINCT date_trunc('hour', created_at))) FROM bench_events"
	if got := value[string](t, dsn, shape); got != "667 5 24" {
		t.Errorf("active rows, kinds and hours are %q, want 667 5 24", got)
	}
}

func TestSeedSchema(t *testing.T) {
	dsn := Shared(t).NewDatabase(t)
	if err := Seed(t.Context(), dsn, "missing.events", 1); err == nil || !strings.HasPrefix(err.Error(), "pgtest: seed missing.events with 1 rows: ") {
		t.Errorf("error is %v", err)
	}
	if err := Seed(t.Context(), dsn, "public.Odd name", 3); err != nil {
		t.Fatal(err)
	}
	if got := value[int](t, dsn, `SELECT count(*) FROM public."Odd name"`); got != 3 {
		t.Errorf("got %d rows, want 3", got)
	}
}

// The embedded script is the one that a person runs by hand.
func TestSeedFile(t *testing.T) {
	file := filepath.Join("..", "..", "testdata", "sql", "bench_seed.sql")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != benchSeed {
		t.Errorf("%s and engine/pgtest/bench_seed.sql differ; copy the first over the second", file)
	}
}
