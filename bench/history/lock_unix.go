//go:build unix

package history

import (
	"os"
	"syscall"
)

// lock waits for the file's exclusive lock, which ends with the open file.
func lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			return err
		}
	}
}
