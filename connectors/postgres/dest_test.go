//go:build !wasip1

package postgres

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

var methods = []string{"insert", "copy"}

// copyOut returns the rows of a table as COPY's binary format has them, in the
// order of their first column.
func copyOut(tb testing.TB, conn *pgx.Conn, table string) []byte {
	tb.Helper()
	var out bytes.Buffer
	if _, err := conn.PgConn().CopyTo(context.Background(), &out, "COPY (SELECT * FROM "+table+" ORDER BY 1) TO STDOUT (FORMAT binary)"); err != nil {
		tb.Fatalf("copy %s: %v", table, err)
	}
	b := out.Bytes()
	return b[len(copyStart) : len(b)-2]
}

// wantRows fails the test with the first value that is not as it should be.
func wantRows(tb testing.TB, s *arrowipc.Schema, got, want []byte) {
	tb.Helper()
	at := firstDifference(got, want)
	if at < 0 {
		return
	}
	for p, row := 0, 0; p < len(want); row++ {
		p += 2
		for i := range s.Fields {
			n := int(int32(be32(want[p:])))
			end := p + 4 + max(n, 0)
			if at < end {
				tb.Fatalf("row %d, column %s: got %x, want %x", row, s.Fields[i].Metadata[0].Value, got[p:min(end, len(got))], want[p:end])
			}
			p = end
		}
	}
	tb.Fatalf("got %d bytes, want %d", len(got), len(want))
}

// number makes the first column count the rows.
func number(columns [][]any) {
	for row := range columns[0] {
		columns[0][row] = int32(row)
	}
}

// storedAs makes values what the server keeps of them: a timestamp(3) has no
// microseconds.
func storedAs(s *arrowipc.Schema, columns [][]any) {
	for i, f := range s.Fields {
		if !strings.HasPrefix(f.Metadata[0].Value, "timestamp(3)") {
			continue
		}
		for row, v := range columns[i] {
			if v, ok := v.(int64); ok && !isInfiniteTimestamp(v) {
				columns[i][row] = max(v/1000*1000, minTimestamp)
			}
		}
	}
}

// TestWriteEveryType writes every type under every pattern of nulls and asks the
// server for the bytes it holds: they are the reference's.
func TestWriteEveryType(t *testing.T) {
	server := pgtest.Shared(t)
	dsn := server.NewDatabase(t)
	conn := connectPgx(t, dsn)

	s := schemaOf(append([]string{"integer"}, everyType...)...)
	patterns := map[string]func(r *rand.Rand) func(c, row int) bool{
		"none":   func(*rand.Rand) func(int, int) bool { return func(int, int) bool { return false } },
		"all":    func(*rand.Rand) func(int, int) bool { return func(int, int) bool { return true } },
		"random": func(r *rand.Rand) func(int, int) bool { return func(int, int) bool { return r.IntN(3) == 0 } },
	}
	for _, method := range methods {
		for pattern, nulls := range patterns {
			for _, rows := range []int{0, 1, 7, 8, 9, 1000, 8192, 20000} {
				if rows > 1000 && pattern == "all" {
					continue
				}
				t.Run(fmt.Sprintf("load=%s/nulls=%s/rows=%d", method, pattern, rows), func(t *testing.T) {
					r := rand.New(rand.NewPCG(7, uint64(rows)))
					columns := randomColumns(r, s, rows, nulls(r))
					number(columns)
					storedAs(s, columns)
					execSQL(t, conn, "DROP TABLE IF EXISTS every_type")

					h := newDestHost(t, dsn, method, "every_type", stream(t, s, columns, 8192))
					if err := write(h); err != nil {
						t.Fatalf("write: %v", err)
					}
					wantRows(t, s, copyOut(t, conn, "every_type"), reference(s, columns, copyPrefix))
					if got := h.metrics[abi.MetricRowsWritten]; got != int64(rows) {
						t.Errorf("rows_written = %d, want %d", got, rows)
					}
					if rows > 0 && h.metrics[abi.MetricStatements] == 0 || h.metrics[abi.MetricRoundTrips] == 0 {
						t.Errorf("metrics are %v, want statements and round trips", h.metrics)
					}
				})
			}
		}
	}
	if t.Failed() {
		return
	}

	// The table was made with the types as they are on the other side.
	got := queryText(t, conn, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'every_type'::regclass AND attnum > 1 ORDER BY attnum")
	if !slices.Equal(got, everyType) {
		t.Errorf("the table's types are %v, want %v", got, everyType)
	}
}

// TestWriteWideAndLongRows writes rows that fill more than one message, and
// tables with the most columns there can be.
func TestWriteWideAndLongRows(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	long := strings.Repeat("0123456789abcdef", 3<<20/16)
	wide := make([]string, maxColumns-1)
	for i := range wide {
		wide[i] = "boolean"
	}
	for _, method := range methods {
		t.Run("load="+method+"/long", func(t *testing.T) {
			s := schemaOf("integer", "text", "bytea")
			columns := [][]any{{}, {}, {}}
			for i := range 25 {
				columns[0] = append(columns[0], int32(i))
				columns[1] = append(columns[1], long[:len(long)/(1+i*i%7)])
				columns[2] = append(columns[2], []byte(long[:1+i]))
			}
			columns[1][3] = strings.Repeat(long, 7) // 21 MiB: more than one CopyData
			h := newDestHost(t, dsn, method, "long_"+method, stream(t, s, columns, 10))
			if err := write(h); err != nil {
				t.Fatal(err)
			}
			wantRows(t, s, copyOut(t, conn, "long_"+method), reference(s, columns, copyPrefix))
		})
		t.Run("load="+method+"/wide", func(t *testing.T) {
			s := schemaOf(append([]string{"integer"}, wide...)...)
			r := rand.New(rand.NewPCG(3, 3))
			columns := randomColumns(r, s, 100, func(int, int) bool { return r.IntN(4) == 0 })
			number(columns)
			h := newDestHost(t, dsn, method, "wide_"+method, stream(t, s, columns, 64))
			if err := write(h); err != nil {
				t.Fatal(err)
			}
			wantRows(t, s, copyOut(t, conn, "wide_"+method), reference(s, columns, copyPrefix))
		})
		// More different batch lengths than statements are kept prepared.
		t.Run("load="+method+"/uneven batches", func(t *testing.T) {
			s := schemaOf("integer")
			messages := []testMessage{{data: arrowipc.AppendSchema(nil, s)}}
			var all []any
			for i := 1; i <= 2*maxStatements; i++ {
				part := make([]any, i)
				for j := range part {
					part[j] = int32(len(all) + j)
				}
				all = append(all, part...)
				messages = append(messages, testMessage{batchOf(t, s, [][]any{part}), i})
			}
			h := newDestHost(t, dsn, method, "uneven_"+method, append(messages, testMessage{data: arrowipc.EOS}))
			if err := write(h); err != nil {
				t.Fatal(err)
			}
			wantRows(t, s, copyOut(t, conn, "uneven_"+method), reference(s, [][]any{all}, copyPrefix))
		})
	}
}

// TestWriteModes appends and replaces, in a table that the destination made.
func TestWriteModes(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	s := schemaOf("integer", "text")
	s.Fields[0].Nullable = false
	columns := [][]any{{int32(1), int32(2)}, {"a", nil}}

	for _, method := range methods {
		t.Run("load="+method, func(t *testing.T) {
			table := "modes_" + method
			writeMode := func(mode string) {
				t.Helper()
				h := newDestHost(t, dsn, method, table, stream(t, s, columns, 8192))
				h.open.Config["schema"] = "Raw \"Data\"" // needs quoting, and does not exist yet
				h.run.WriteMode = mode
				h.run.PrimaryKey = []string{"c0"}
				if err := write(h); err != nil {
					t.Fatalf("write_mode %s: %v", mode, err)
				}
				for _, p := range []abi.Phase{abi.PhaseConnect, abi.PhaseQuery, abi.PhaseFlush, abi.PhaseCommit} {
					if !slices.Contains(h.phases, p) {
						t.Errorf("write_mode %s: phase %v is missing in %v", mode, p, h.phases)
					}
				}
			}
			writeMode("append")
			execSQL(t, conn, `UPDATE "Raw ""Data""".`+table+` SET c0 = c0 + 10`)
			writeMode("append")
			rows := `SELECT c0::text FROM "Raw ""Data""".` + table + ` t ORDER BY t.c0`
			if got := queryText(t, conn, rows); !slices.Equal(got, []string{"1", "2", "11", "12"}) {
				t.Errorf("after append the rows are %v, want 1 2 11 12", got)
			}
			writeMode("replace")
			if got := queryText(t, conn, rows); !slices.Equal(got, []string{"1", "2"}) {
				t.Errorf("after replace the rows are %v, want 1 2", got)
			}
			got := queryText(t, conn, `SELECT attname || ' ' || attnotnull FROM pg_attribute WHERE attrelid = '"Raw ""Data""".`+table+`'::regclass AND attnum > 0 ORDER BY attnum`)
			if !slices.Equal(got, []string{"c0 true", "c1 false"}) {
				t.Errorf("columns are not null as %v, want only c0", got)
			}
			got = queryText(t, conn, `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '"Raw ""Data""".`+table+`'::regclass AND contype = 'p'`)
			if !slices.Equal(got, []string{"PRIMARY KEY (c0)"}) {
				t.Errorf("the primary key is %v, want PRIMARY KEY (c0)", got)
			}
		})
	}
}

// TestWriteTwoStreams writes two streams in one session, as a pipeline does.
func TestWriteTwoStreams(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	for _, method := range methods {
		t.Run("load="+method, func(t *testing.T) {
			h := newDestHost(t, dsn, method, "", nil)
			g := newDestGuest(h)
			if err := h.err(g.Open()); err != nil {
				t.Fatalf("open: %v", err)
			}
			for i, typ := range []string{"integer", "text"} {
				s := schemaOf(typ)
				value := any(int32(5))
				if i == 1 {
					value = "five"
				}
				h.run.Stream = fmt.Sprintf("two_%s_%d", method, i)
				h.input = stream(t, s, [][]any{{value, value, value}}, 2)
				if err := h.err(g.Run()); err != nil {
					t.Fatalf("stream %d: %v", i, err)
				}
				if n := len(queryText(t, conn, "SELECT c0::text FROM "+h.run.Stream)); n != 3 {
					t.Errorf("stream %d has %d rows, want 3", i, n)
				}
			}
			if s := g.Close(); s != abi.OK {
				t.Errorf("close: %v", s)
			}
		})
	}
}

// TestCheckpoints ends statements at each threshold without making anything
// visible before the commit.
func TestCheckpoints(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE TABLE c (c0 integer)")
	s := schemaOf("integer")
	var values []any
	for i := range 100 {
		values = append(values, int32(i))
	}
	messages := stream(t, s, [][]any{values}, 10)
	size := int64(len(messages[1].data))

	tests := []struct {
		name    string
		request abi.RunRequest
		rows    []int64
	}{
		{"off", abi.RunRequest{}, nil},
		{"rows", abi.RunRequest{CheckpointRows: 35}, []int64{40, 80}},
		{"bytes", abi.RunRequest{CheckpointBytes: 5 * size}, []int64{50, 100}},
		{"either", abi.RunRequest{CheckpointBytes: 5 * size, CheckpointRows: 80, CheckpointSeconds: 3600}, []int64{50, 100}},
	}
	for _, method := range methods {
		for _, tt := range tests {
			t.Run("load="+method+"/"+tt.name, func(t *testing.T) {
				h := newDestHost(t, dsn, method, "c", messages)
				tt.request.Stream, tt.request.WriteMode = "c", "replace"
				h.run = tt.request
				if err := write(h); err != nil {
					t.Fatal(err)
				}
				var rows []int64
				for _, c := range h.checkpoints {
					rows = append(rows, c.Rows)
					if c.Stream != "c" || c.Bytes != c.Rows/10*size {
						t.Errorf("checkpoint is %+v, want stream c and %d bytes", c, c.Rows/10*size)
					}
				}
				if !slices.Equal(rows, tt.rows) {
					t.Errorf("checkpoints at rows %v, want %v", rows, tt.rows)
				}
				if got := queryText(t, conn, "SELECT count(*)::text FROM c"); got[0] != "100" {
					t.Errorf("%s rows after the commit, want 100", got[0])
				}
			})
		}
	}
}

func TestCheck(t *testing.T) {
	dsn := pgtest.Shared(t).NewDatabase(t)
	conn := connectPgx(t, dsn)
	execSQL(t, conn, "CREATE SCHEMA raw")
	for schema, want := range map[string]string{"raw": ", schema raw", "new": ", schema new (will be created)"} {
		h := newDestHost(t, dsn, "copy", "", nil)
		h.open.Config["schema"] = schema
		g := newDestGuest(h)
		if g.Open() != abi.OK || g.Check() != abi.OK {
			t.Fatalf("check of schema %s: %v", schema, h.failure)
		}
		if got := h.check.Message; !strings.HasPrefix(got, "PostgreSQL ") || !strings.HasSuffix(got, want) {
			t.Errorf("check of schema %s says %q, want it to end in %q", schema, got, want)
		}
		g.Close()
	}
}
