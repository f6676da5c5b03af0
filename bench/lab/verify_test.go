package lab

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// Each change is made to a destination that holds the right rows, as a broken
// connector might.
func TestVerifyCatches(t *testing.T) {
	e := openEnv(t)
	s := openSource(t, e, 500)
	for _, tt := range []struct {
		name, sql, want string
		rowsOnly        bool // the cheap check of every iteration sees it, too
	}{
		{"row deleted", `DELETE FROM raw.bench_events WHERE id = 77`, "499 rows instead of 500", true},
		{"row doubled", `INSERT INTO raw.bench_events SELECT * FROM raw.bench_events WHERE id = 77`, "501 rows instead of 500", true},
		{"row doubled, another deleted", `DELETE FROM raw.bench_events WHERE id = 78;
			INSERT INTO raw.bench_events SELECT * FROM raw.bench_events WHERE id = 77`, "column id has other values", false},
		{"all rows gone", `TRUNCATE raw.bench_events`, "0 rows instead of 500", true},
		{"value changed", `UPDATE raw.bench_events SET amount = amount + 1 WHERE id = 5`, "column amount has other values", false},
		{"value of one bit changed", `UPDATE raw.bench_events SET created_at = created_at + interval '1 microsecond' WHERE id = 5`,
			"column created_at has other values", false},
		{"value made NULL", `UPDATE raw.bench_events SET created_at = NULL WHERE id = 5`,
			"column created_at has 499 values that are not NULL instead of 500", false},
		{"text made empty", `UPDATE raw.bench_events SET payload = '' WHERE id = 5`, "column payload has other values", false},
		{"values swapped between rows", `UPDATE raw.bench_events SET payload = (SELECT payload FROM public.bench_events b
			WHERE b.id = 11 - bench_events.id) WHERE id IN (5, 6)`, "every column has its values, but in other rows", false},
		{"column missing", `ALTER TABLE raw.bench_events DROP COLUMN payload`, "6 columns instead of 7", false},
		{"column of another type", `ALTER TABLE raw.bench_events ALTER COLUMN amount TYPE bigint`,
			"column 4 is amount bigint instead of amount integer", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			tx, err := s.conn.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(ctx)
			if _, err := s.conn.Exec(ctx, `INSERT INTO raw.bench_events SELECT * FROM public.bench_events ORDER BY id DESC`); err != nil {
				t.Fatal(err)
			}
			for _, full := range []bool{false, true} {
				if err := s.Verify(ctx, full); err != nil {
					t.Fatalf("the right rows, in another order, are refused (full %v): %v", full, err)
				}
			}

			if _, err := s.conn.Exec(ctx, tt.sql); err != nil {
				t.Fatal(err)
			}
			err = s.Verify(ctx, true)
			if !errors.Is(err, ErrWrongData) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("full check: %v, want ErrWrongData with %q", err, tt.want)
			}
			if err := s.Verify(ctx, false); errors.Is(err, ErrWrongData) != tt.rowsOnly {
				t.Errorf("row count check: %v, want a difference: %v", err, tt.rowsOnly)
			}
		})
	}
}

// NULL and empty, and values whose texts could run into each other.
// Rows that others changed in the source are not the fault of what is measured.
func TestVerifyOfAChangedSource(t *testing.T) {
	s := openSource(t, openEnv(t), 20)
	tx, err := s.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `UPDATE public.bench_events SET amount = amount + 1 WHERE id = 5;
		INSERT INTO raw.bench_events SELECT * FROM public.bench_events`); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), true); err == nil || errors.Is(err, ErrWrongData) || !strings.Contains(err.Error(), "somebody else changed the source") {
		t.Errorf("a changed source gives %v", err)
	}
}

func TestChecksumTellsApart(t *testing.T) {
	ctx := t.Context()
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)

	sums := map[string]string{}
	for _, values := range []string{
		`('', NULL)`, `(NULL, '')`, `(NULL, NULL)`, `('', '')`, `('a,', 'b')`, `('a', ',b')`, `('a', 'b')`, `('A', 'b')`,
		`('a', 'b'), ('a', 'b')`, `('a', 'b'), ('a', 'b'), ('a', 'b')`,
	} {
		if _, err := conn.Exec(ctx, `DROP TABLE IF EXISTS "T 1"; CREATE TABLE "T 1" (x text, "select" text); INSERT INTO "T 1" VALUES `+values); err != nil {
			t.Fatal(err)
		}
		c, err := checksum(ctx, conn, "public", "T 1", true)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := sums[c.RowSum]; ok {
			t.Errorf("%s and %s have the same sum", values, other)
		}
		sums[c.RowSum] = values
	}

	if _, err := conn.Exec(ctx, `CREATE TABLE empty (x int)`); err != nil {
		t.Fatal(err)
	}
	c, err := ChecksumOf(ctx, conn, "public", "empty")
	if err != nil || c.Rows != 0 || c.RowSum != "0" {
		t.Errorf("an empty table has %+v, %v; want no rows and sum 0", c, err)
	}
	if _, err := ChecksumOf(ctx, conn, "public", "absent"); err == nil || !strings.Contains(err.Error(), `"public"."absent"`) {
		t.Errorf("a table that is not there gives %v, want an error with its name", err)
	}
}
