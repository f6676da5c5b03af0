package frame

import (
	"fmt"
	"testing"
)

// benchRows are the rows of the measured batches; a batch of 8192 is what the
// engine makes by default, about 0.8 MB.
var benchRows = []int{1024, 8192, 32768}

func BenchmarkEncode(b *testing.B) {
	for _, c := range codecs {
		for _, rows := range benchRows {
			b.Run(fmt.Sprintf("codec=%s/rows=%d", c, rows), func(b *testing.B) {
				p := NewPool(0)
				raw := eventBatch(1, rows)
				size := 0
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					f, err := p.Encode(c, raw, rows)
					if err != nil {
						b.Fatal(err)
					}
					size = f.Len()
					f.Release()
				}
				b.ReportMetric(float64(size)/float64(len(raw)), "frame-ratio")
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range codecs {
		for _, rows := range benchRows {
			b.Run(fmt.Sprintf("codec=%s/rows=%d", c, rows), func(b *testing.B) {
				raw := eventBatch(1, rows)
				f, err := NewPool(0).Encode(c, raw, rows)
				if err != nil {
					b.Fatal(err)
				}
				dst := make([]byte, len(raw))
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					if err := f.Decode(dst); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkStages has as many stages at work as there are processors, half of
// each encoding and half decoding: throughput grows with them if they share the
// pool well.
func BenchmarkStages(b *testing.B) {
	for _, c := range codecs {
		b.Run("codec="+c.String(), func(b *testing.B) {
			p := NewPool(0)
			raw := eventBatch(1, 8192)
			b.SetBytes(int64(len(raw)))
			b.RunParallel(func(pb *testing.PB) {
				dst := make([]byte, len(raw))
				for pb.Next() {
					f, err := p.Encode(c, raw, 8192)
					if err != nil {
						b.Error(err)
						return
					}
					if err := f.Decode(dst); err != nil {
						b.Error(err)
						return
					}
					f.Release()
				}
			})
		})
	}
}
