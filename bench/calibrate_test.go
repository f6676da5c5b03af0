package bench

import (
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
)

// BenchmarkCalibrate does fixed work that the code under test has no part in. It
// needs no server. Where its time differs between two sessions, their machines
// did, and so far no other difference means anything.
func BenchmarkCalibrate(b *testing.B) {
	if listed(b, lab.Grid.Calibrations) {
		return
	}
	for _, c := range (lab.Grid{}).Calibrations() {
		b.Run(c.Sub(), func(b *testing.B) {
			work := lab.NewCalibration(c)
			want := work.Run()
			b.SetBytes(work.Bytes)
			for b.Loop() {
				if work.Run() != want {
					b.Fatal("the same work gives two results")
				}
			}
		})
	}
}
