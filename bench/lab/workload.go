package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Workload is a kind of rows that something in the path may take badly. A
// change of its columns is another workload, which takes another name: nothing
// else in a benchmark's output tells its numbers from the old ones.
type Workload struct {
	Name    string // as in the names of cases
	Doc     string // what is special about it
	columns []column
	bytes   int // of a row in Arrow, about
}

// column is one column of a workload.
type column struct {
	name, typ string
	value     string // in SQL, of i, the row's number from 1
}

// eventBytes is what Workload.bytes is for a row of Dataset.
const eventBytes = 97

// Workloads returns every workload, in the order the suite runs them.
func Workloads() []Workload {
	return []Workload{
		{"wide", "200 columns of five types", wide(200, "true"), 1640},
		{"nulls", "the same types, 50 columns, nine of ten values NULL", wide(50, "(i + %d) %% 10 = 0"), 336},
		{"json", "jsonb and json documents, nested", documents(), 812},
		{"unique", "no value is there twice and none compresses", unique(), 225},
		{"text10k", "10 kB of words in each row, which the server keeps apart from it", longText(), 10008},
		{"types", "every type, with NULLs, empty values, extremes and infinities", everyType(), 321},
	}
}

// RowsOf returns how many rows have about as many bytes in Arrow, at least one.
func (w Workload) RowsOf(bytes int) int { return max(1, bytes/w.bytes) }

// table returns the workload with the given number of rows.
func (w Workload) table(rows int) Table {
	name := "bench_" + w.Name
	return Table{
		Name: name, Dataset: name + "/1", Rows: rows, database: fmt.Sprintf("rapidbyte_%s_%d", name, rows),
		seed: func(ctx context.Context, dsn string) error { return w.seed(ctx, dsn, name, rows) },
	}
}

// tableOf returns the table that a case moves.
func tableOf(c Case) (Table, error) {
	name := c.Param("workload")
	if name == "" {
		return events(c.Rows()), nil
	}
	all := Workloads()
	i := slices.IndexFunc(all, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Table{}, fmt.Errorf("lab: case %s: no workload is called %q", c, name)
	}
	return all[i].table(c.Rows()), nil
}

// seed makes the table and fills it.
func (w Workload) seed(ctx context.Context, dsn, table string, rows int) error {
	var create, values strings.Builder
	for i, c := range w.columns {
		if i > 0 {
			create.WriteString(", ")
			values.WriteString(", ")
		}
		fmt.Fprintf(&create, "%s %s", c.name, c.typ)
		values.WriteString(c.value)
	}

	conn, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{
		`CREATE TABLE ` + table + ` (` + create.String() + `)`,
		fmt.Sprintf(`INSERT INTO %s SELECT %s FROM generate_series(1, %d) AS i`, table, &values, rows),
		// Hint bits are set before the first measured read; VACUUM wants to be alone.
		`VACUUM (FREEZE, ANALYZE) ` + table,
	} {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}
