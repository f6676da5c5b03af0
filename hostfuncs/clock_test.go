package hostfuncs

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Every pair of phase and activity has a bucket, and every bucket is reachable:
// otherwise time would be lost, or a number would always be zero.
func TestBucketsCoverEveryMoment(t *testing.T) {
	seen := make(map[Bucket]bool)
	for p := range abi.NumPhases {
		for a := range numActivities {
			b := bucketOf(p, a)
			if b < 0 || b >= NumBuckets {
				t.Errorf("bucketOf(%v, %d) = %d, which is no bucket", p, a, b)
			}
			seen[b] = true
		}
	}
	for b := range NumBuckets {
		if !seen[b] {
			t.Errorf("no moment belongs to bucket %v", b)
		}
	}
}

func TestClockBooksEveryMomentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		start := time.Now()
		var seen Ledger
		at := start
		c.Watch(func(b Bucket, from time.Time, d time.Duration) {
			if !from.Equal(at) {
				t.Errorf("the watcher is told of %v from %v on, want %v: no gap", b, from.Sub(start), at.Sub(start))
			}
			seen[b] += d
			at = from.Add(d)
		})
		spend := func(d time.Duration) { time.Sleep(d) } // exact in the bubble

		c.Start(Load)
		spend(5 * time.Millisecond)
		c.Switch(Instantiate)
		spend(time.Millisecond)
		c.Switch(Guest)
		c.SetPhase(abi.PhaseConnect)
		spend(2 * time.Millisecond)
		c.SetPhase(abi.PhaseFlush)
		spend(7 * time.Millisecond)
		back := c.Switch(Socket)
		spend(11 * time.Millisecond)
		c.Switch(back)
		spend(time.Millisecond)
		c.SetPhase(abi.PhaseCommit)
		c.Switch(Socket)
		spend(3 * time.Millisecond)
		got := c.Stop()

		want := Ledger{}
		want[BucketLoad] = 5 * time.Millisecond
		want[BucketSetup] = time.Millisecond
		want[BucketConnect] = 2 * time.Millisecond
		want[BucketGuest] = 8 * time.Millisecond
		want[BucketFlush] = 11 * time.Millisecond
		want[BucketCommit] = 3 * time.Millisecond
		if got != want {
			t.Errorf("ledger = %v, want %v", got, want)
		}
		if seen != want {
			t.Errorf("the watcher saw %v, want %v", seen, want)
		}
		if wall := time.Since(start); got.Wall() != wall {
			t.Errorf("buckets add up to %v of %v", got.Wall(), wall)
		}
	})
}
