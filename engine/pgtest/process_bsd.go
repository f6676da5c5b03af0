//go:build unix && !linux

package pgtest

import "syscall"

// dieWithParent does nothing: other kernels have no such request, and the watchdog does the work.
func dieWithParent(*syscall.SysProcAttr) {}
