package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrWrongData is in every error that says a run finished and moved other rows
// than it should have. Such a run has no time: a fast wrong answer is wrong.
var ErrWrongData = errors.New("wrong data")

// Checksum describes the rows of a table independently of their order. Two
// tables with the same columns and rows have the same checksum, whatever they
// are called; it catches rows that are missing, doubled or changed, values that
// moved to another row, NULLs, and the difference between NULL and empty.
type Checksum struct {
	Rows    int64
	RowSum  string // sum of the 64-bit hashes of the whole rows
	Columns []ColumnSum
}

// ColumnSum is the part of one column. Its sums say where a difference is; only
// the sum over whole rows says that there is none.
type ColumnSum struct {
	Name, Type string
	NonNull    int64  // 0 if nobody asked
	Sum        string // sum of the 64-bit hashes of the values that are not NULL; "" if nobody asked
}

// ChecksumOf computes the checksum of a table on the server, so that no row
// passes through the code under test. It leaves out the sums of the columns,
// which take four times as long and tell nothing about tables that are equal.
func ChecksumOf(ctx context.Context, conn *pgx.Conn, schema, table string) (*Checksum, error) {
	return checksum(ctx, conn, schema, table, false)
}

func checksum(ctx context.Context, conn *pgx.Conn, schema, table string, columns bool) (*Checksum, error) {
	c := &Checksum{}
	name := pgx.Identifier{schema, table}.Sanitize()
	rows, err := conn.Query(ctx, `SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, name)
	if err != nil {
		return nil, fmt.Errorf("lab: columns of %s: %w", name, err)
	}
	for rows.Next() {
		var col ColumnSum
		if err := rows.Scan(&col.Name, &col.Type); err != nil {
			return nil, fmt.Errorf("lab: columns of %s: %w", name, err)
		}
		c.Columns = append(c.Columns, col)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("lab: columns of %s: %w", name, err)
	}

	// One scan for everything. A text's own collation may be one that the hash
	// functions refuse.
	quoted := make([]string, len(c.Columns))
	into := []any{&c.Rows, &c.RowSum}
	var query strings.Builder
	for i := range c.Columns {
		col := &c.Columns[i]
		quoted[i] = pgx.Identifier{col.Name}.Sanitize()
		if !columns {
			continue
		}
		fmt.Fprintf(&query, `, count(%[1]s), coalesce(sum(hashtextextended(%[1]s::text COLLATE "C", 0)), 0)::text`, quoted[i])
		into = append(into, &col.NonNull, &col.Sum)
	}
	sql := fmt.Sprintf(`SELECT count(*), coalesce(sum(hashtextextended(ROW(%s)::text COLLATE "C", 0)), 0)::text%s FROM %s`,
		strings.Join(quoted, ", "), &query, name)
	if err := conn.QueryRow(ctx, sql).Scan(into...); err != nil {
		return nil, fmt.Errorf("lab: checksum of %s: %w", name, err)
	}
	return c, nil
}

// check returns nil if the table behind conn has the source's rows. If it has
// not, both are looked at again, column by column, to say what differs.
func (s *Source) check(ctx context.Context, conn *pgx.Conn, schema string) error {
	got, err := ChecksumOf(ctx, conn, schema, s.Name)
	if err != nil {
		return err
	}
	if got.Rows == s.Sum.Rows && got.RowSum == s.Sum.RowSum && slices.Equal(got.Columns, s.Sum.Columns) {
		return nil
	}
	if got, err = checksum(ctx, conn, schema, s.Name, true); err != nil {
		return err
	}
	want, err := checksum(ctx, s.conn, "public", s.Name, true)
	if err != nil {
		return err
	}
	if want.Rows != s.Sum.Rows || want.RowSum != s.Sum.RowSum {
		return fmt.Errorf("lab: somebody else changed the source %s in database %s; drop the database and start again", s.from(), s.database)
	}
	if err := want.Compare(got); err != nil {
		return err
	}
	return fmt.Errorf("lab: %w: the destination changed while it was checked", ErrWrongData)
}

// Compare returns nil if got is the checksum of the same rows as want, else an
// ErrWrongData that says how many rows there are and which columns differ.
func (want *Checksum) Compare(got *Checksum) error {
	var diffs []string
	if got.Rows != want.Rows {
		diffs = append(diffs, fmt.Sprintf("%d rows instead of %d", got.Rows, want.Rows))
	}
	if len(got.Columns) != len(want.Columns) {
		diffs = append(diffs, fmt.Sprintf("%d columns instead of %d", len(got.Columns), len(want.Columns)))
	}
	for i := range min(len(got.Columns), len(want.Columns)) {
		g, w := got.Columns[i], want.Columns[i]
		switch {
		case g.Name != w.Name || g.Type != w.Type:
			diffs = append(diffs, fmt.Sprintf("column %d is %s %s instead of %s %s", i+1, g.Name, g.Type, w.Name, w.Type))
		case g.NonNull != w.NonNull:
			diffs = append(diffs, fmt.Sprintf("column %s has %d values that are not NULL instead of %d", g.Name, g.NonNull, w.NonNull))
		case g.Sum != w.Sum:
			diffs = append(diffs, fmt.Sprintf("column %s has other values", g.Name))
		}
	}
	if len(diffs) == 0 && got.RowSum != want.RowSum {
		diffs = append(diffs, "every column has its values, but in other rows")
	}
	if len(diffs) == 0 {
		return nil
	}
	return fmt.Errorf("lab: %w: %s", ErrWrongData, strings.Join(diffs, "; "))
}

// compareRows is the check that is cheap enough for every iteration.
func compareRows(got, want int64, what string) error {
	if got != want {
		return fmt.Errorf("lab: %w: %s %d rows instead of %d", ErrWrongData, what, got, want)
	}
	return nil
}
