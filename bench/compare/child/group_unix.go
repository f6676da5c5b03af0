//go:build unix

package child

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// isolate puts the child into its own process group and makes cancelling kill that group.
func isolate(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}

// sweep kills what is left of the group of a process that has ended. The number cannot have been given to another group
// while this one still has members.
func sweep(group int) { _ = syscall.Kill(-group, syscall.SIGKILL) }
