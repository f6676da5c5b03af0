package lab

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readHost reads what Linux counts. A file a kernel or a container does not
// have leaves its counters zero.
func readHost() hostCounters {
	var c hostCounters
	for line := range strings.Lines(readFile("/sys/fs/cgroup/cpu.stat")) {
		if n, ok := strings.CutPrefix(line, "nr_throttled "); ok {
			c.throttled = parseInt(n)
		}
	}
	stat, _, _ := strings.Cut(readFile("/proc/stat"), "\n")
	if fields := strings.Fields(stat); len(fields) > 8 {
		c.steal = time.Duration(parseInt(fields[8])) * clockTick
	}
	c.stallCPU = pressure("/proc/pressure/cpu")
	c.stallIO = pressure("/proc/pressure/io")

	// Last, so that reading the files above is on the other side of it.
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			c.cpu += time.Duration(u.Utime.Nano() + u.Stime.Nano())
			c.involuntary += int64(u.Nivcsw)
			c.majorFaults += int64(u.Majflt)
		}
	}
	return c
}

// pressure returns the time for which some task was stalled: the total of the
// line "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", in microseconds.
func pressure(path string) time.Duration {
	some, _, _ := strings.Cut(readFile(path), "\n")
	_, total, _ := strings.Cut(some, "total=")
	return time.Duration(parseInt(total)) * time.Microsecond
}

// resetPeak sets this process's high-water mark of resident memory back to what
// is resident now; without it the mark would only ever grow from case to case.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakRSS returns the high-water mark of a process, "self" or a number, in bytes; 0 once it has ended.
func peakRSS(process string) int64 {
	for line := range strings.Lines(readFile("/proc/" + process + "/status")) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return parseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB")) << 10
		}
	}
	return 0
}

// parseInt returns the number in s, or 0.
func parseInt(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n
}
