//go:build unix && !linux

package broker

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// readNow reads what has arrived, without waiting: os.ErrDeadlineExceeded if
// that is nothing.
func readNow(fd uintptr, p []byte) (int, error) {
	return result(ignoringEINTR(func() (int, error) { return syscall.Read(int(fd), p) }))
}

// readyNow returns whether a read would return at once, if only with the end of
// input or an error. Unlike a read that leaves a byte where it is, it has no use
// for the sender's address, which Go would allocate each time.
func readyNow(fd uintptr) (bool, error) {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := ignoringEINTR(func() (int, error) { return unix.Poll(fds[:], 0) })
	return n > 0, os.NewSyscallError("poll", err)
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}

func result(n int, err error) (int, error) {
	switch {
	case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK:
		return 0, os.ErrDeadlineExceeded
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
