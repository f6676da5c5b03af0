//go:build unix

package refs

import (
	"os"
	"syscall"
)

// tryLock takes the file's exclusive lock if nobody has it, and reports whether it did. The lock ends with the open file.
func tryLock(f *os.File) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch err {
		case nil:
			return true, nil
		case syscall.EWOULDBLOCK:
			return false, nil
		case syscall.EINTR:
			continue
		}
		return false, err
	}
}
