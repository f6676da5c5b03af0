package postgres

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// benchCopy returns a batch of rows with the given columns as messages, indexed.
// values returns the fields of row i.
func benchCopy(b *testing.B, types []string, rows int, values func(i int) [][]byte) (*copyReader, *decoder) {
	columns := sourceColumns(b, types...)
	data := message(msgCopyData, copyHead)
	for i := range rows {
		data = append(data, message(msgCopyData, copyRow(values(i)...))...)
	}
	data = append(data, message(msgCopyData, copyEnd)...)
	data = append(data, copyDone(rows)...)

	r, d := copyOf(b, columns, data, func(req *abi.RunRequest) { req.BatchRows, req.BatchBytes = int64(rows), 64<<20 })
	if n, err := r.batch(); n != rows || err != nil {
		b.Fatalf("the batch has %d rows, error %v", n, err)
	}
	return r, d
}

// benchTypes are the columns of the suite's table bench_events.
var benchTypes = []string{"integer!", "text!", "integer!", "integer!", "boolean!", "text!", "timestamp without time zone!"}

func benchRow(i int) [][]byte {
	be4 := func(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }
	return [][]byte{
		be4(i), []byte([]string{"click", "purchase", "view", "signup", "logout"}[i%5]), be4(i % 1000), be4(i * 37 % 10000),
		{byte((i%3 + 1) / 2)}, []byte(fmt.Sprintf("payload-%d-%s", i, strings.Repeat("x", 47))),
		binary.BigEndian.AppendUint64(nil, uint64(757382400000000+int64(i)*1e6)),
	}
}

// benchValue returns a value of type typ, or NULL for nulls rows of a hundred.
func benchValue(typ string, i, nulls int) []byte {
	if i*7919%100 < nulls {
		return nil
	}
	row := benchRow(i)
	switch typ {
	case "boolean":
		return row[4]
	case "smallint":
		return row[0][2:]
	case "integer", "date":
		return row[0]
	case "bigint", "timestamp without time zone":
		return row[6]
	case "text":
		return row[1]
	case "text60":
		return row[5]
	case "uuid":
		return []byte(fmt.Sprintf("%016d", i))
	case "jsonb":
		return append([]byte{1}, `{"a": 1, "b": [true, null, "x"]}`...)
	case "numeric(10,2)":
		return referenceNumeric(fmt.Sprintf("%d.%02d", i*37%100000, i%100))
	}
	panic("no such type")
}

// BenchmarkIndex measures finding the fields of the rows of bench_events.
func BenchmarkIndex(b *testing.B) {
	for _, walk := range []string{"dense", "exact"} {
		b.Run("walk="+walk, func(b *testing.B) {
			r, _ := benchCopy(b, benchTypes, benchRows, benchRow)
			start := int(r.x.pos[0]) - rowHeader
			for b.Loop() {
				r.x.reset(walk == "dense")
				limits := r.limits
				limits.limit = r.w.w
				if walk == "dense" {
					r.x.walkDense(r.w.in, start, &limits)
				} else {
					r.x.walkExact(r.w.in, start, &limits)
				}
			}
			if r.x.rows != benchRows {
				b.Fatalf("walked %d rows", r.x.rows)
			}
			reportRows(b)
		})
	}
}

// BenchmarkDecode measures converting indexed rows: the whole of bench_events,
// each of its columns, and a column of each kind.
func BenchmarkDecode(b *testing.B) {
	b.Run("column=all", func(b *testing.B) {
		r, d := benchCopy(b, benchTypes, benchRows, benchRow)
		benchmarkDecode(b, r, d)
	})
	for _, typ := range []string{"boolean", "smallint", "integer", "bigint", "date", "timestamp without time zone", "uuid", "text", "text60", "jsonb", "numeric(10,2)"} {
		for _, nulls := range []int{0, 50} {
			b.Run(fmt.Sprintf("column=%s/nulls=%d", strings.ReplaceAll(typ, " ", "_"), nulls), func(b *testing.B) {
				// Two columns before and behind, so that places lie as far apart as
				// those of a real table.
				name := strings.TrimSuffix(typ, "60")
				types := []string{"integer!", "text!", name, "integer!", "text!"}
				r, d := benchCopy(b, types, benchRows, func(i int) [][]byte {
					row := benchRow(i)
					return [][]byte{row[0], row[1], benchValue(typ, i, nulls), row[2], row[5]}
				})
				benchmarkColumn(b, r, d, 2)
			})
		}
	}
}

func benchmarkDecode(b *testing.B, r *copyReader, d *decoder) {
	for b.Loop() {
		if _, err := d.batch(r.w.in, 0, r.x.rows, 64<<20); err != nil {
			b.Fatal(err)
		}
	}
	reportRows(b)
}

func benchmarkColumn(b *testing.B, r *copyReader, d *decoder, column int) {
	if _, err := d.batch(r.w.in, 0, r.x.rows, 64<<20); err == errGuess {
		if _, err := r.again(0); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := d.batch(r.w.in, 0, r.x.rows, 64<<20); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := d.column(r.w.in, column, 0, 0, r.x.rows); err != nil {
			b.Fatal(err)
		}
	}
	reportRows(b)
}

// reportRows reports the time a row takes.
func reportRows(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
	b.ReportMetric(0, "ns/op") // of a batch: nobody compares that
}
