//go:build unix

package lab

import "syscall"

// keepToOurselves makes that what this process starts does not inherit the descriptors: their end is how others learn of
// ours.
func keepToOurselves(descriptors ...int) bool {
	for _, fd := range descriptors {
		syscall.CloseOnExec(fd)
	}
	return true
}
