package arrowipc

import (
	"math/rand/v2"
	"testing"
)

// benchBatch returns the schema of the benchmark table and a batch of it.
func benchBatch(tb testing.TB, rows int) (*Schema, [][]value) {
	s := &Schema{Fields: []Field{
		{Name: "id", Type: Int32},
		{Name: "event_type", Type: Utf8, Nullable: true},
		{Name: "user_id", Type: Int32, Nullable: true},
		{Name: "amount", Type: Float64, Nullable: true},
		{Name: "is_active", Type: Bool, Nullable: true},
		{Name: "created_at", Type: TimestampUTC, Nullable: true},
		{Name: "payload", Type: Utf8, Nullable: true},
	}}
	r := rand.New(rand.NewPCG(5, 6))
	columns := make([][]value, len(s.Fields))
	for i := range columns {
		columns[i] = randomColumn(r, s.Fields[i], rows, func(row int) bool { return s.Fields[i].Nullable && row%10 == 3 })
	}
	return s, columns
}

func plansOf(s *Schema, columns [][]value) []Plan {
	plans := make([]Plan, len(columns))
	for i, column := range columns {
		for _, v := range column {
			if v == nil {
				plans[i].Nulls++
			}
			if s.Fields[i].varWidth() {
				plans[i].DataLen += len(v)
			}
		}
	}
	return plans
}

// BenchmarkWriter times what a batch costs beside filling it in.
func BenchmarkWriter(b *testing.B) {
	b.Run("rows=8192", func(b *testing.B) {
		const rows = 8192
		s, columns := benchBatch(b, rows)
		plans := plansOf(s, columns)
		w := NewWriter(s, 0)
		b.ReportAllocs()
		for b.Loop() {
			if err := w.Begin(rows, plans); err != nil {
				b.Fatal(err)
			}
			w.Finish()
		}
	})
}

// BenchmarkReader times the checks of a whole batch.
func BenchmarkReader(b *testing.B) {
	b.Run("rows=8192", func(b *testing.B) {
		const rows = 8192
		s, columns := benchBatch(b, rows)
		msg := write(b, NewWriter(s, 0), s, columns, rows)
		r := NewReader(s)
		b.SetBytes(int64(len(msg)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Parse(msg); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSchema(b *testing.B) {
	s := allTypes(true)
	msg := AppendSchema(nil, s)
	b.Run("op=append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			msg = AppendSchema(msg[:0], s)
		}
	})
	b.Run("op=parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseSchema(msg); err != nil {
				b.Fatal(err)
			}
		}
	})
}
