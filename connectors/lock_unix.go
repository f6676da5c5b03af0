//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package connectors

import (
	"context"
	"os"
	"syscall"
	"time"
)

// lock waits until no other process holds the lock at path and takes it. The
// system gives it back should this process die.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch err {
		case nil:
			return func() { f.Close() }, nil // closing gives the lock back
		case syscall.EINTR:
			continue
		case syscall.EWOULDBLOCK:
		default:
			// A file system without locks: better built twice than not at all.
			f.Close()
			return func() {}, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
