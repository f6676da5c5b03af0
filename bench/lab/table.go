package lab

import (
	"context"
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// Dataset names the rows most benchmarks move and the tables they lie in. A
// change of either is another dataset, whose numbers stand alone.
const Dataset = "bench_events/1"

// destSchema is where the destination lies: beside the source, which is in the
// default schema as the pipeline files have it, with the same columns and no
// index, as a pipeline would create it.
const destSchema = "raw"

// newSchema is where the destination lies that every run makes itself.
const newSchema = "raw_new"

// Table describes rows to move. Every value follows from the row's number: two
// seedings are equal.
type Table struct {
	Name    string // of the source, of the destination and of the stream
	Dataset string // names the rows in results, which are averaged over equal ones only
	Rows    int

	made     bool   // by the run: the destination's table is not there when it starts
	database string // is the table's own
	seed     func(ctx context.Context, dsn string) error
}

// events returns the table of Dataset with the given number of rows.
func events(rows int) Table {
	const name = "bench_events"
	return Table{
		Name: name, Dataset: Dataset, Rows: rows, database: fmt.Sprintf("rapidbyte_bench_%d", rows),
		seed: func(ctx context.Context, dsn string) error { return pgtest.Seed(ctx, dsn, name, rows) },
	}
}

// from returns the name of the source's table in SQL.
func (t Table) from() string { return "public." + t.Name }

// schema returns the schema of the destination's table.
func (t Table) schema() string {
	if t.made {
		return newSchema
	}
	return destSchema
}

// dest returns the name of the destination's table in SQL.
func (t Table) dest() string { return t.schema() + "." + t.Name }
