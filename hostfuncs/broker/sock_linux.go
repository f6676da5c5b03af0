package broker

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/processors"
)

// holdFor is how long a wait keeps its processor from other goroutines. A server
// at work answers within a few hundred microseconds, and has made room for more
// within a few milliseconds. Who has run for ten, this included, is sent a signal
// by the scheduler. Only tests change it.
var holdFor = 8 * time.Millisecond

const (
	// waitFor is the longest single wait in the kernel, which takes no number of
	// seconds for "until something comes".
	waitFor = time.Hour

	// unixBuffer is what a unix socket is asked to hold of what we write. The
	// kernel doubles it, and its default is the same number undoubled.
	unixBuffer = 208 << 10
)

// epoch is when deadlines begin to count, on the monotonic clock.
var epoch = time.Now()

// sock is a connected socket, the lowest layer of every connection. Below TLS
// it can be made to never wait, see poll. Each direction is for one goroutine at
// a time; the deadlines and Close are for any.
//
// Go's poller does not know the socket: who waits, waits in the kernel. The
// poller would park the goroutine, look for events on one thread or another,
// and wake the goroutine up, for each of the 8 KiB that a server sends at a
// time; that was half of all switches between threads, and from an eighth to a
// quarter of the time of COPY. The price is a thread for each wait, and three
// descriptors for each connection in place of one.
type sock struct {
	network, address string // what was dialled, to dial it again
	local, remote    net.Addr

	// poll makes Read return os.ErrDeadlineExceeded instead of waiting. Set and
	// reset by the goroutine that reads.
	poll bool

	stream stream      // guarded by in.busy
	asked  atomic.Bool // something was written that stream has not heard of
	room   int         // how much the peer of a unix socket can send ahead; 0 for others

	fd      int
	in, out direction

	mu     sync.Mutex // held to ring, so that no bell is rung that is gone
	closed atomic.Bool
}

// direction is reading or writing.
type direction struct {
	busy     sync.Mutex   // held by the goroutine that reads or writes
	deadline atomic.Int64 // nanoseconds since epoch; 0 is none
	bell     int          // an eventfd, rung when the deadline changes or the socket closes
}

// newSock takes over nc, but for an error.
func newSock(nc net.Conn, network, address string) (*sock, error) {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &sock{network: network, address: address, local: nc.LocalAddr(), remote: nc.RemoteAddr()}
	opened := make([]int, 0, 3)
	open := func(fd int, call string, errno error) int {
		if errno != nil && err == nil {
			err = os.NewSyscallError(call, errno)
		}
		if errno == nil {
			opened = append(opened, fd)
		}
		return fd
	}
	for _, d := range []*direction{&s.in, &s.out} {
		fd, errno := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		d.bell = open(fd, "eventfd", errno)
	}
	// The duplicate is the same connection under a number that the poller does
	// not know. Closing nc takes the other one away from it.
	if e := raw.Control(func(fd uintptr) {
		n, errno := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		s.fd = open(n, "fcntl", errno)
	}); err == nil {
		err = e
	}
	if err != nil {
		for _, fd := range opened {
			unix.Close(fd)
		}
		return nil, err
	}
	nc.Close()

	if network == "unix" {
		// The peer's is the default too: PostgreSQL does not change it.
		s.room, _ = unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)

		// A larger buffer lets a guest and the server take turns half as often.
		// TCP's grows by itself, which setting it would end.
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, unixBuffer) // no more than a matter of speed
	}
	return s, nil
}

// Read implements [net.Conn].
func (s *sock) Read(p []byte) (int, error) {
	s.in.busy.Lock()
	defer s.in.busy.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if s.asked.Swap(false) {
		s.stream.sent()
	}
	for paused := false; ; {
		if _, err := s.left(&s.in); err != nil {
			return 0, err
		}
		n, errno := transfer(unix.SYS_READ, s.fd, p)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			if s.poll {
				return 0, os.ErrDeadlineExceeded
			}
			if !paused && s.stream.flows() {
				paused = true
				if pause := s.stream.next(s.ahead()); pause > 0 {
					if err := s.rest(pause); err != nil {
						return 0, err
					}
					continue
				}
			}
			if err := s.wait(&s.in, unix.POLLIN); err != nil {
				return 0, err
			}
		case errno != 0:
			return 0, os.NewSyscallError("read", errno)
		case n == 0:
			return 0, io.EOF
		default:
			s.stream.received(n)
			return n, nil
		}
	}
}

// Write implements [net.Conn].
func (s *sock) Write(p []byte) (int, error) {
	s.out.busy.Lock()
	defer s.out.busy.Unlock()
	s.asked.Store(true)
	written := 0
	for written < len(p) {
		if _, err := s.left(&s.out); err != nil {
			return written, err
		}
		n, errno := transfer(unix.SYS_WRITE, s.fd, p[written:])
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			if err := s.wait(&s.out, unix.POLLOUT); err != nil {
				return written, err
			}
		case errno != 0:
			return written, os.NewSyscallError("write", errno)
		default:
			written += n
		}
	}
	return written, nil
}

// transfer reads or writes without waiting. Since it does not wait, Go's
// scheduler need not hear of it; the race detector does not hear of it either.
func transfer(call uintptr, fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

// ready returns whether Read would not wait: there is input, its end, or an
// error, which Read then returns.
func (s *sock) ready() (bool, error) {
	s.in.busy.Lock()
	defer s.in.busy.Unlock()
	for {
		if _, err := s.left(&s.in); err != nil {
			return false, err
		}
		fds := [2]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: -1}}
		switch errno := poll(&fds, 0, true); errno {
		case 0:
			return fds[0].Revents != 0, nil
		case unix.EINTR:
		default:
			return false, os.NewSyscallError("poll", errno)
		}
	}
}

// ahead returns how many bytes the peer can send before we read any of them.
func (s *sock) ahead() int {
	if s.room > 0 {
		return s.room
	}
	// The kernel keeps half of TCP's buffer for its own bookkeeping, and makes
	// it larger in the course of a stream.
	size, _ := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF) // 0 means no pause
	return size / 2
}

// wait returns when events are there, or with an error when there is no point
// in waiting for them.
//
// A goroutine that says that it is going to wait has the scheduler wake up
// another thread, to see to the other goroutines and to take its processor
// away, only to give it back, and look for such goroutines every 20 us for some
// milliseconds after. That costs more than such a wait lasts. So the first wait
// does not say it, while there is a processor for each guest, and is short. A
// signal ends it too, normally: with one the scheduler asks for a processor
// back, to collect garbage for example.
func (s *sock) wait(d *direction, events int16) error {
	held := processors.Enough()
	for {
		timeout, err := s.left(d)
		if err != nil {
			return err
		}
		if held {
			timeout = min(timeout, holdFor)
		}
		if ready, err := s.look(d, events, timeout, held); ready || err != nil {
			return err
		}
		held = false
	}
}

// rest lets input collect. A deadline, Close and the peer's hanging up end it
// early, a signal too.
func (s *sock) rest(pause time.Duration) error {
	left, err := s.left(&s.in)
	if err != nil {
		return err
	}
	_, err = s.look(&s.in, unix.POLLRDHUP, min(left, pause), processors.Enough())
	return err
}

// look waits for events once and returns whether they are there. A bell and a
// signal end it too.
func (s *sock) look(d *direction, events int16, timeout time.Duration, held bool) (bool, error) {
	fds := [2]unix.PollFd{{Fd: int32(s.fd), Events: events}, {Fd: int32(d.bell), Events: unix.POLLIN}}
	switch errno := poll(&fds, timeout, held); errno {
	case 0:
		if fds[1].Revents != 0 {
			d.hush()
		}
		return fds[0].Revents != 0, nil
	case unix.EINTR:
		return false, nil
	default:
		return false, os.NewSyscallError("poll", errno)
	}
}

// poll waits for events. With held the goroutine keeps its processor.
func poll(fds *[2]unix.PollFd, timeout time.Duration, held bool) syscall.Errno {
	ts := unix.NsecToTimespec(int64(timeout))
	var errno syscall.Errno
	if held {
		_, _, errno = syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(fds)), uintptr(len(fds)), uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	} else {
		_, _, errno = syscall.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(fds)), uintptr(len(fds)), uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	}
	return errno
}

// left returns how long d may wait, or why it may not.
func (s *sock) left(d *direction) (time.Duration, error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	deadline := d.deadline.Load()
	if deadline == 0 {
		return waitFor, nil
	}
	left := time.Duration(deadline) - time.Since(epoch)
	if left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return min(left, waitFor), nil
}

// Close implements [net.Conn]. Who waits returns [net.ErrClosed].
func (s *sock) Close() error {
	s.mu.Lock()
	again := s.closed.Swap(true)
	if !again {
		s.in.ring()
		s.out.ring()
	}
	s.mu.Unlock()
	if again {
		return net.ErrClosed
	}

	// A number must not be given back while somebody uses it: it may at once
	// mean another file.
	s.in.busy.Lock()
	defer s.in.busy.Unlock()
	s.out.busy.Lock()
	defer s.out.busy.Unlock()
	err := unix.Close(s.fd)
	unix.Close(s.in.bell)
	unix.Close(s.out.bell)
	return os.NewSyscallError("close", err)
}

// closeWrite tells the peer that nothing more will come.
func (s *sock) closeWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return net.ErrClosed
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(s.fd, unix.SHUT_WR))
}

// SetDeadline implements [net.Conn].
func (s *sock) SetDeadline(t time.Time) error { return s.setDeadline(t, &s.in, &s.out) }

// SetReadDeadline implements [net.Conn].
func (s *sock) SetReadDeadline(t time.Time) error { return s.setDeadline(t, &s.in) }

// SetWriteDeadline implements [net.Conn].
func (s *sock) SetWriteDeadline(t time.Time) error { return s.setDeadline(t, &s.out) }

func (s *sock) setDeadline(t time.Time, directions ...*direction) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return net.ErrClosed
	}
	var deadline int64
	if !t.IsZero() {
		until := min(time.Until(t), 1<<62)                // far less than what would overflow below
		deadline = max(int64(time.Since(epoch)+until), 1) // 0 would be none
	}
	for _, d := range directions {
		d.deadline.Store(deadline)
		d.ring()
	}
	return nil
}

// ring wakes up who waits.
func (d *direction) ring() {
	one := [8]byte{1} // any number but 0, in the machine's byte order
	unix.Write(d.bell, one[:])
}

// hush ends the ringing.
func (d *direction) hush() {
	var n [8]byte
	unix.Read(d.bell, n[:])
}

// LocalAddr implements [net.Conn].
func (s *sock) LocalAddr() net.Addr { return s.local }

// RemoteAddr implements [net.Conn].
func (s *sock) RemoteAddr() net.Addr { return s.remote }
