package broker

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// BenchmarkCopyOut reads a table through a connection and throws it away: what
// a source can reach at most, with the server's own work in it.
func BenchmarkCopyOut(b *testing.B) {
	forNetworks(b, func(b *testing.B, config map[string]any) {
		c := open(b, config)
		buf := make([]byte, 256<<10)
		total, reads := 0, 0
		for b.Loop() {
			c.Write(message('Q', "COPY bench_events TO STDOUT (FORMAT binary)\x00"))
			total, reads = 0, 0
			for c.proto.busy {
				n, err := c.Read(buf)
				if err != nil {
					b.Fatal(err)
				}
				total += n
				reads++
			}
			b.SetBytes(int64(total))
		}
		b.ReportMetric(float64(reads), "reads/op")
	})
}

// BenchmarkCopyIn writes the same table back into an unlogged copy of it.
func BenchmarkCopyIn(b *testing.B) {
	forNetworks(b, func(b *testing.B, config map[string]any) {
		c := open(b, config)
		query(b, c, "CREATE UNLOGGED TABLE IF NOT EXISTS target (LIKE bench_events)")

		// The server's messages are what a client sends, but for the ends.
		c.Write(message('Q', "COPY bench_events TO STDOUT (FORMAT binary)\x00"))
		var data []byte
		for kind := byte(0); kind != 'c'; {
			var body []byte
			if kind, body = receive(b, c); kind == 'd' || kind == 'c' {
				data = append(data, message(kind, string(body))...)
			}
		}
		receive(b, c)
		receive(b, c)

		b.SetBytes(int64(len(data)))
		for b.Loop() {
			query(b, c, "TRUNCATE target")
			c.Write(message('Q', "COPY target FROM STDIN (FORMAT binary)\x00"))
			receive(b, c)
			for rest := data; len(rest) > 0; {
				n, err := c.Write(rest[:min(len(rest), 256<<10)])
				if err != nil {
					b.Fatal(err)
				}
				rest = rest[n:]
			}
			for kind := byte(0); kind != 'Z'; {
				var body []byte
				if kind, body = receive(b, c); kind == 'E' {
					b.Fatalf("%q", body)
				}
			}
		}
	})
}

// forNetworks runs a benchmark through the server's unix socket, if it has one
// here, and through TCP, on a table of 100,000 rows.
func forNetworks(b *testing.B, bench func(b *testing.B, config map[string]any)) {
	dsn := pgtest.Shared(b).NewDatabase(b)
	if err := pgtest.Seed(context.Background(), dsn, "bench_events", 100_000); err != nil {
		b.Fatal(err)
	}
	config := pgtest.SourceConfig(dsn)
	if host := config["host"].(string); strings.HasPrefix(host, "/") {
		b.Run("network=unix", func(b *testing.B) { bench(b, config) })
		config["host"] = "127.0.0.1"
	}
	b.Run("network=tcp", func(b *testing.B) { bench(b, config) })
}

// BenchmarkRoundTrip is what a call costs: a small write and its answer.
func BenchmarkRoundTrip(b *testing.B) {
	for _, kind := range kinds {
		b.Run("over="+kind, func(b *testing.B) {
			c, peer := pair(b, kind)
			go io.Copy(struct{ io.Writer }{peer}, struct{ io.Reader }{peer})
			msg := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(msg); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
