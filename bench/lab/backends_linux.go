package lab

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// backendClock counts the CPU time of the server processes that serve a run.
// They are born and gone within it, so nobody can ask them afterwards: the
// clock hangs on the postmaster and is inherited by what it starts from now on,
// which leaves out the backends and writers that run already.
type backendClock struct {
	fd    int           // of the kernel's counter; -1: count by start
	pid   int           // of the postmaster
	start time.Duration // CPU of the postmaster's ended children, in clock ticks
}

// startBackendClock returns the clock of the server whose postmaster has the
// given process id, or nil if that is 0 or there is no way to tell.
func startBackendClock(postmaster int) *backendClock {
	if postmaster == 0 {
		return nil
	}
	attr := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_SOFTWARE,
		Config: unix.PERF_COUNT_SW_TASK_CLOCK,
		Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Bits:   unix.PerfBitInherit,
	}
	fd, err := unix.PerfEventOpen(&attr, postmaster, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err == nil {
		return &backendClock{fd: fd, pid: postmaster}
	}

	// Not allowed: what remains is the kernel's sum over ended children, which
	// is good to a clock tick.
	start, ok := endedChildren(postmaster)
	if !ok {
		return nil
	}
	return &backendClock{fd: -1, pid: postmaster, start: start}
}

// read returns the time since the start. The backends must have ended.
func (c *backendClock) read() (time.Duration, bool) {
	if c.fd < 0 {
		end, ok := endedChildren(c.pid)
		return end - c.start, ok
	}
	var count [8]byte
	if n, err := unix.Read(c.fd, count[:]); err != nil || n != len(count) {
		return 0, false
	}
	return time.Duration(binary.NativeEndian.Uint64(count[:])), true
}

// close gives the clock back.
func (c *backendClock) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
}

// endedChildren returns the CPU time of the children a process has waited for.
func endedChildren(pid int) (time.Duration, bool) {
	fields := statFields(pid)
	if len(fields) < 15 {
		return 0, false
	}
	return time.Duration(parseInt(fields[13])+parseInt(fields[14])) * clockTick, true
}

// postmasterOf returns the process id of the server that backend belongs to, or
// 0 if that backend is not a process of this machine: in a container's or
// another machine's count the same number is some other process.
func postmasterOf(backend int, database string) int {
	title := readFile("/proc/" + strconv.Itoa(backend) + "/cmdline")
	if !strings.HasPrefix(title, "postgres: ") || !strings.Contains(title, " "+database+" ") {
		return 0
	}
	fields := statFields(backend)
	if len(fields) < 2 {
		return 0
	}
	return int(parseInt(fields[1]))
}

// statFields returns the fields of a process's stat file from the third, its
// state, on: the second is a name that may hold spaces.
func statFields(pid int) []string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
}
