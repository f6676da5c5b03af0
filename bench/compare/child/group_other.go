//go:build !unix

package child

import "os/exec"

// isolate does nothing where there are no process groups: cancelling kills the child alone.
func isolate(*exec.Cmd) {}

// sweep does nothing where there are no process groups.
func sweep(int) {}
