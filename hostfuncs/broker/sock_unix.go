//go:build unix

package broker

import (
	"io"
	"os"
	"syscall"
)

// readNow reads what has arrived, without waiting: os.ErrDeadlineExceeded if
// that is nothing.
func readNow(fd uintptr, p []byte) (int, error) {
	return result(ignoringEINTR(func() (int, error) { return syscall.Read(int(fd), p) }))
}

// peekNow is readNow of one byte that stays where it is.
func peekNow(fd uintptr) (int, error) {
	var b [1]byte
	return result(ignoringEINTR(func() (int, error) {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n, err
	}))
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
