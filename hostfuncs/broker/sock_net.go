//go:build !linux

package broker

import (
	"net"
	"syscall"
)

// sock is a connected socket, the lowest layer of every connection. Below TLS
// it can be made to never wait, see poll.
type sock struct {
	net.Conn
	raw              syscall.RawConn
	network, address string // what was dialled, to dial it again

	// poll makes Read return os.ErrDeadlineExceeded instead of waiting. Set and
	// reset by the goroutine that reads.
	poll bool

	// The rest serves the calls through raw. The functions are made once, so
	// that a call allocates nothing.
	buf     []byte
	n       int
	isReady bool
	err     error
	readFn  func(fd uintptr) bool
	readyFn func(fd uintptr)
}

// newSock takes over nc, but for an error.
func newSock(nc net.Conn, network, address string) (*sock, error) {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &sock{Conn: nc, raw: raw, network: network, address: address}
	s.readFn = func(fd uintptr) bool {
		s.n, s.err = readNow(fd, s.buf)
		return true // whatever came of it: do not wait
	}
	s.readyFn = func(fd uintptr) { s.isReady, s.err = readyNow(fd) }
	return s, nil
}

// Read implements [net.Conn].
func (s *sock) Read(p []byte) (int, error) {
	if !s.poll {
		return s.Conn.Read(p)
	}

	s.buf = p
	err := s.raw.Read(s.readFn)
	s.buf = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// ready returns whether Read would not wait: there is input, its end, or an
// error, which Read then returns.
func (s *sock) ready() (bool, error) {
	if err := s.raw.Control(s.readyFn); err != nil {
		return false, err
	}
	return s.isReady, s.err
}

// closeWrite tells the peer that nothing more will come.
func (s *sock) closeWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
