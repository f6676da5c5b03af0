package state

import "os"

// process says which process a run belongs to, so that another one can tell
// whether it is still there. A process number alone does not: numbers are used
// again, after some time and after each boot.
type process struct {
	host  string // the machine's name
	boot  string // identifies the time since the machine was started; "" if unknown
	space string // the space process numbers count in (containers have their own); "" if unknown
	pid   int
	born  string // when the process was started, as the system tells it; "" if unknown
}

func currentProcess() process {
	host, _ := os.Hostname() // without a name all nameless machines are one
	pid := os.Getpid()
	return process{host: host, boot: bootID(), space: pidSpace(), pid: pid, born: birth(pid)}
}

// knowsGone reports whether p, seen from here, is certainly gone.
func (me process) knowsGone(p process) bool {
	switch {
	case me.host != p.host:
		return false // another machine with the same file: cannot tell
	case me.boot != p.boot:
		return true // the machine has been started again since
	case me.space != p.space:
		return false // a container beside this one, or above it
	}
	return !exists(p.pid) || birth(p.pid) != p.born
}
