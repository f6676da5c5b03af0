package postgres

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
)

// benchRows is the usual batch.
const benchRows = 8192

// benchEvents returns the schema of bench_events and a batch of it.
func benchEvents(tb testing.TB, rows int) (*arrowipc.Schema, []byte) {
	s := &arrowipc.Schema{Fields: []arrowipc.Field{
		fieldOf("id", "integer"), fieldOf("event_type", "text"), fieldOf("user_id", "integer"), fieldOf("amount", "integer"),
		fieldOf("is_active", "boolean"), fieldOf("payload", "text"), fieldOf("created_at", "timestamp without time zone"),
	}}
	columns := make([][]any, len(s.Fields))
	events := []string{"click", "purchase", "view", "signup", "logout"}
	for i := range rows {
		for c, v := range []any{
			int32(i), events[i%5], int32(i % 1000), int32(i * 7 % 10000), i%3 != 0,
			fmt.Sprintf("payload-%d-%s", i, strings.Repeat("x", 47)), int64(1.7e15) + int64(i)*1e6,
		} {
			columns[c] = append(columns[c], v)
		}
	}
	return s, batchOf(tb, s, columns)
}

// BenchmarkEncode measures encoding alone: no parsing, no sending.
func BenchmarkEncode(b *testing.B) {
	s, msg := benchEvents(b, benchRows)
	b.Run("table=bench_events", func(b *testing.B) { benchmarkEncode(b, s, msg) })

	for _, typ := range []string{"boolean", "integer", "bigint", "text", "timestamp without time zone", "uuid", "jsonb", "numeric(10,2)"} {
		for _, nulls := range []int{0, 50} {
			name := fmt.Sprintf("type=%s/nulls=%d", strings.ReplaceAll(typ, " ", "_"), nulls)
			b.Run(name, func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				s := schemaOf(typ)
				columns := randomColumns(r, s, benchRows, func(int, int) bool { return r.IntN(100) < nulls })
				benchmarkEncode(b, s, batchOf(b, s, columns))
			})
		}
	}
}

func benchmarkEncode(b *testing.B, s *arrowipc.Schema, msg []byte) {
	r := arrowipc.NewReader(s)
	rows, err := r.Parse(msg)
	if err != nil {
		b.Fatal(err)
	}
	e := newEncoder(s, pgTypesOf(b, s), copyPrefix, nil)
	if err := e.load(r, rows, 0); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, loadBuffer)
	total := 0

	b.ReportAllocs()
	for b.Loop() {
		if err := e.load(r, rows, 0); err != nil {
			b.Fatal(err)
		}
		total = 0
		for lo := 0; lo < rows; {
			hi := e.fit(lo, rows, len(buf))
			n, err := e.encode(buf, lo, hi, 0)
			if err != nil {
				b.Fatal(err)
			}
			total += n
			lo = hi
		}
	}
	b.SetBytes(int64(total))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}
