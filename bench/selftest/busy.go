package selftest

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
)

const (
	watchTime = 500 * time.Millisecond
	// quiet is the share of the machine that others may take: a tenth of two processors is a fifth of one, which moves a
	// run that uses both by a few per cent.
	quiet = 0.1
	// quietTrials is the share of trials before which it must have been quiet.
	quietTrials = 0.9
)

// watch returns the share of all processors that is in use while nothing of ours runs. It reports false where the system
// does not tell.
func watch(ctx context.Context) (share float64, ok bool) {
	busy, total, ok := processors()
	if !ok {
		return 0, false
	}
	select {
	case <-ctx.Done():
		return 0, false
	case <-time.After(watchTime):
	}
	busyNow, totalNow, ok := processors()
	if !ok || totalNow <= total {
		return 0, false
	}
	return float64(busyNow-busy) / float64(totalNow-total), true
}

// processors returns the time all processors were in use, and the time there was, in the kernel's ticks.
func processors() (busy, total int64, ok bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	return parseStat(string(stat))
}

// parseStat reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. What follows is
// contained in user and nice.
func parseStat(stat string) (busy, total int64, ok bool) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, false
	}
	for i, f := range fields[1:9] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		total += ticks
		if i != 3 && i != 4 {
			busy += ticks
		}
	}
	return busy, total, true
}

// idle reports whether the machine was otherwise idle before the trials, and the median share that others took, -1 if
// nobody knows.
func idle(trials []Trial) (bool, compare.Number) {
	var shares []float64
	for i := range trials {
		if trials[i].Others >= 0 {
			shares = append(shares, trials[i].Others)
		}
	}
	if len(shares) == 0 {
		return false, -1
	}
	slices.Sort(shares)
	most := shares[min(int(quietTrials*float64(len(shares))), len(shares)-1)]
	return most <= quiet, compare.Number(shares[len(shares)/2])
}
