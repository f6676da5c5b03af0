//go:build unix && !linux

package state

import (
	"errors"
	"syscall"
)

func bootID() string { return "" }

func pidSpace() string { return "" }

// exists reports whether a process with this number runs.
func exists(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func birth(int) string { return "" }
