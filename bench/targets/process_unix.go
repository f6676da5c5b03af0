//go:build unix

package targets

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes the program the head of a process group, so that what it
// starts can be reached with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func interruptGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGINT) }
