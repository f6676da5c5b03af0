package pgtest

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// benchSeed is a copy of testdata/sql/bench_seed.sql, the file for psql, because a package can embed only what is
// below it. A test keeps the two equal.
//
//go:embed bench_seed.sql
var benchSeed string

// Seed fills the table ("name" or "schema.name"; the schema must exist) with rows of the benchmark's dataset,
// replacing a table that is there, and freezes it. The same number of rows always means the same contents.
func Seed(ctx context.Context, dsn string, table string, rows int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("pgtest: seed: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))

	// One statement at a time: VACUUM refuses to run in a group.
	name := pgx.Identifier(strings.Split(table, ".")).Sanitize()
	script := strings.NewReplacer("bench_events", name, ":bench_rows", strconv.Itoa(rows)).Replace(benchSeed)
	for statement := range strings.SplitSeq(script, ";\n") {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("pgtest: seed %s with %d rows: %w", table, rows, err)
		}
	}
	return nil
}
