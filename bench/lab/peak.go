package lab

import (
	"strconv"
	"time"
)

// peakInterval is how often a program is asked for its peak while it runs. Memory grows while rows move, so what the last
// moments may add to it is little; and asking takes microseconds.
const peakInterval = 10 * time.Millisecond

// watchPeak asks a process that was just started for its peak of resident memory until stop is called, which returns it in
// bytes; 0 if the system does not tell. The peak that comes with an exit status will not do: on Linux it begins at that of
// the process that started this one.
func watchPeak(pid int) (stop func() int64) {
	done, peak := make(chan struct{}), make(chan int64)
	go func() {
		ticker := time.NewTicker(peakInterval)
		defer ticker.Stop()
		var most int64
		for {
			most = max(most, peakRSS(strconv.Itoa(pid)))
			select {
			case <-ticker.C:
			case <-done:
				peak <- most
				return
			}
		}
	}()
	return func() int64 {
		close(done)
		return <-peak
	}
}
