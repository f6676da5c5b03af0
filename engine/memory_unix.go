//go:build unix

package engine

import "golang.org/x/sys/unix"

// reserve returns n bytes of address space without memory behind them; nil if
// the system refuses.
func reserve(n uint64) []byte {
	b, err := unix.Mmap(-1, 0, int(n), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil
	}
	return b
}

// commit makes b[from:to] readable and writable.
func commit(b []byte, from, to uint64) bool {
	return unix.Mprotect(b[from:to], unix.PROT_READ|unix.PROT_WRITE) == nil
}

func release(b []byte) {
	if b != nil {
		_ = unix.Munmap(b) // the address came from Mmap
	}
}
