package broker

import (
	"context"
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
	buf    []byte
	n      int
	err    error
	readFn func(fd uintptr) bool
	peekFn func(fd uintptr)
}

// dialer connects sockets.
type dialer struct {
	net.Dialer
}

func (d *dialer) dial(ctx context.Context, network, address string) (*sock, error) {
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newSock(nc, network, address)
}

func newSock(nc net.Conn, network, address string) (*sock, error) {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		nc.Close()
		return nil, err
	}
	s := &sock{Conn: nc, raw: raw, network: network, address: address}
	s.readFn = func(fd uintptr) bool {
		s.n, s.err = readNow(fd, s.buf)
		return true // whatever came of it: do not wait
	}
	s.peekFn = func(fd uintptr) { s.n, s.err = peekNow(fd) }
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

// peek returns what Read would without taking input away: nil if there is some,
// io.EOF at its end, os.ErrDeadlineExceeded if Read would wait. Another error is
// reported only once by the system, and it was just now.
func (s *sock) peek() error {
	if err := s.raw.Control(s.peekFn); err != nil {
		return err
	}
	return s.err
}

// closeWrite tells the peer that nothing more will come.
func (s *sock) closeWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
