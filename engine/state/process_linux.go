package state

import (
	"os"
	"strconv"
	"strings"
)

func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // empty: unknown
	return strings.TrimSpace(string(id))
}

func pidSpace() string {
	space, _ := os.Readlink("/proc/self/ns/pid") // empty: unknown
	return space
}

// exists reports whether a process with this number runs.
func exists(pid int) bool {
	state, _ := stat(pid)
	return state != "" && state != "Z" && state != "X" // a zombie runs no more
}

// birth is the time since boot, in clock ticks.
func birth(pid int) string {
	_, born := stat(pid)
	return born
}

// stat returns the third and the 22nd field of /proc/PID/stat. The second, the
// program's name, may hold anything, parentheses too.
func stat(pid int) (state, born string) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", ""
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return "", ""
	}
	return fields[0], fields[19]
}
