package lab

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Machine is what a time depends on besides the code and the server. Numbers
// of two machines are never compared.
type Machine struct {
	CPU        string // model name
	CPUs       int    // logical processors this process may use
	CPULimit   string // the control group's limit, "max" if none
	MemoryGB   int    // rounded
	Kernel     string // release
	Hypervisor bool   // the kernel runs in a virtual machine
	Governor   string // frequency governor; "" if not readable
	Turbo      string // "on", "off"; "" if not readable
	GoArch     string // architecture with its level, "amd64.v1"
	Storage    string // file system of the server's data; "" if not on this machine
}

// ThisMachine describes the machine this process runs on. What the system does
// not tell is empty.
func ThisMachine() Machine {
	m := Machine{CPUs: runtime.GOMAXPROCS(0), CPULimit: "max", GoArch: goArch()}
	for line := range strings.Lines(readFile("/proc/cpuinfo")) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			m.CPU = strings.TrimSpace(value)
		case "flags":
			m.Hypervisor = strings.Contains(" "+strings.TrimSpace(value)+" ", " hypervisor ")
		}
	}
	for line := range strings.Lines(readFile("/proc/meminfo")) {
		if kb, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(kb), " kB"))
			m.MemoryGB = (n + 1<<19) >> 20
		}
	}
	m.Kernel = strings.TrimSpace(readFile("/proc/sys/kernel/osrelease"))
	if limit := strings.TrimSpace(readFile("/sys/fs/cgroup/cpu.max")); limit != "" && !strings.HasPrefix(limit, "max") {
		m.CPULimit = limit
	}
	const cpufreq = "/sys/devices/system/cpu"
	m.Governor = strings.TrimSpace(readFile(filepath.Join(cpufreq, "cpu0/cpufreq/scaling_governor")))
	switch strings.TrimSpace(readFile(filepath.Join(cpufreq, "intel_pstate/no_turbo"))) {
	case "0":
		m.Turbo = "on"
	case "1":
		m.Turbo = "off"
	}
	return m
}

// ID is the fingerprint: 8 hex digits over all fields.
func (m Machine) ID() string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%+v", m)
	return fmt.Sprintf("%08x", h.Sum32())
}

// String describes the machine in one line.
func (m Machine) String() string {
	s := fmt.Sprintf("%s, %d CPUs, %d GB, %s, Linux %s", m.CPU, m.CPUs, m.MemoryGB, m.GoArch, m.Kernel)
	if m.CPULimit != "max" {
		s += ", limited to " + m.CPULimit
	}
	if m.Hypervisor {
		s += ", virtual"
	}
	if m.Governor != "" {
		s += ", governor " + m.Governor
	}
	if m.Turbo != "" {
		s += ", turbo " + m.Turbo
	}
	if m.Storage != "" {
		s += ", data on " + m.Storage
	}
	return s
}

// goArch returns the architecture with the level the binary was built for.
func goArch() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return runtime.GOARCH
	}
	for _, setting := range info.Settings {
		if setting.Key == "GO"+strings.ToUpper(runtime.GOARCH) {
			return runtime.GOARCH + "." + setting.Value
		}
	}
	return runtime.GOARCH
}

// storageOf returns the type of the file system path lies on, such as "ext4",
// or "" if the system does not tell.
func storageOf(path string) string {
	var storage string
	longest := -1
	for line := range strings.Lines(readFile("/proc/self/mounts")) {
		fields := strings.Fields(line)
		if len(fields) < 3 || len(fields[1]) <= longest {
			continue
		}
		mount := fields[1]
		if path == mount || strings.HasPrefix(path, strings.TrimSuffix(mount, "/")+"/") {
			longest, storage = len(mount), fields[2]
		}
	}
	return storage
}

// readFile returns the text of a file of the proc or sys file systems, or "".
func readFile(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}
