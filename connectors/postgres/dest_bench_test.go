//go:build !wasip1

package postgres

import (
	"fmt"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// BenchmarkWrite writes streams of bench_events to a server, without a sandbox
// and without a source: what is left is the destination and the server.
func BenchmarkWrite(b *testing.B) {
	dsn := pgtest.Shared(b).NewDatabase(b)
	conn := connectPgx(b, dsn)
	s, batch := benchEvents(b, benchRows)
	for _, method := range methods {
		for _, batches := range []int{1, 25} {
			b.Run(fmt.Sprintf("load=%s/rows=%d", method, batches*benchRows), func(b *testing.B) {
				messages := stream(b, s, make([][]any, len(s.Fields)), 1)
				end := messages[len(messages)-1]
				messages = messages[:1]
				for range batches {
					messages = append(messages, testMessage{batch, benchRows})
				}
				messages = append(messages, end)

				rows := int64(0)
				for b.Loop() {
					h := newDestHost(b, dsn, method, "bench_events", messages)
					h.run.WriteMode = "replace"
					if err := write(h); err != nil {
						b.Fatal(err)
					}
					rows += h.metrics[abi.MetricRowsWritten]
				}
				wantCount(b, conn, "bench_events", batches*benchRows)
				b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
