package broker

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/processors"
)

// forWaits runs a test for each way of waiting: while the processor is held,
// after that, and without holding it.
func forWaits(t *testing.T, test func(t *testing.T)) {
	t.Run("wait=held", func(t *testing.T) {
		hold(t, time.Minute)
		test(t)
	})
	t.Run("wait=after", test)
	t.Run("wait=call", func(t *testing.T) {
		defer processors.Take(1 << 20)()
		test(t)
	})
}

// usualHold is holdFor where no test has changed it.
var usualHold = holdFor

// hold changes how long waits hold their processor, and leaves one for the test.
func hold(t *testing.T, d time.Duration) {
	was, giveBack := holdFor, processors.Take(2)
	holdFor = d
	t.Cleanup(func() {
		holdFor = was
		giveBack()
	})
}

// directions are calls that wait: a read of nothing, and writes into a buffer
// that nobody empties.
var directions = map[string]func(s *sock) error{
	"read": func(s *sock) error {
		_, err := s.Read(make([]byte, 1))
		return err
	},
	"write": func(s *sock) error {
		_, err := s.Write(make([]byte, 16<<20))
		return err
	},
}

// waiting starts a call that waits, gives it time to be past the milliseconds for
// which waits usually hold their processor, and returns where its error will be.
func waiting(s *sock, call func(*sock) error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call(s) }()
	time.Sleep(usualHold + 4*time.Millisecond)
	return done
}

func TestSockDeadline(t *testing.T) {
	forWaits(t, func(t *testing.T) {
		for name, call := range directions {
			for how, set := range map[string]func(s *sock) error{
				"past":   func(s *sock) error { return s.SetDeadline(past) },
				"future": func(s *sock) error { return s.SetDeadline(time.Now().Add(2 * time.Millisecond)) },
			} {
				c, _ := pair(t, "unix")
				s := c.sock
				if err := s.SetDeadline(time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				done := waiting(s, call)
				if err := set(s); err != nil {
					t.Fatal(err)
				}
				if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s, deadline in the %s while it waits: %v", name, how, err)
				}
				if err := call(s); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s after the deadline: %v", name, err)
				}
			}
		}
	})
}

// TestSockDeadlineIsOver has a call wait again once the deadline is taken away,
// or is so far off that it must not come round to the past.
func TestSockDeadlineIsOver(t *testing.T) {
	c, peer := pair(t, "unix")
	for _, far := range []time.Time{{}, time.Now().Add(1<<63 - 1), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		c.sock.SetDeadline(past)
		c.sock.SetDeadline(far)
		done := waiting(c.sock, directions["read"])
		peer.Write([]byte("x"))
		if err := <-done; err != nil {
			t.Errorf("deadline %v: %v", far, err)
		}
	}
}

// TestSockBellIsHushed has a bell that was rung end one wait and no other: the
// reader would never sleep again.
func TestSockBellIsHushed(t *testing.T) {
	c, peer := pair(t, "unix")
	c.sock.SetReadDeadline(time.Now().Add(time.Hour))
	done := waiting(c.sock, directions["read"])
	peer.Write([]byte("x"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	bell := []unix.PollFd{{Fd: int32(c.sock.in.bell), Events: unix.POLLIN}}
	if unix.Poll(bell, 0); bell[0].Revents != 0 {
		t.Error("the bell still rings after the wait")
	}
}

// TestSockDirections has the deadline of one direction leave the other alone.
func TestSockDirections(t *testing.T) {
	c, peer := pair(t, "unix")
	c.sock.SetReadDeadline(past)
	if _, err := c.sock.Write([]byte("x")); err != nil {
		t.Errorf("write with a read deadline: %v", err)
	}
	c.sock.SetReadDeadline(time.Time{})
	c.sock.SetWriteDeadline(past)
	peer.Write([]byte("x"))
	if _, err := c.sock.Read(make([]byte, 1)); err != nil {
		t.Errorf("read with a write deadline: %v", err)
	}
}

func TestSockClose(t *testing.T) {
	forWaits(t, func(t *testing.T) {
		for name, call := range directions {
			c, _ := pair(t, "unix")
			done := waiting(c.sock, call)
			if err := c.sock.Close(); err != nil {
				t.Error(err)
			}
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s that was waiting: %v", name, err)
			}
			if err := call(c.sock); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: %v", name, err)
			}
			_, ready := c.sock.ready()
			for what, err := range map[string]error{
				"Close": c.sock.Close(), "SetDeadline": c.sock.SetDeadline(past), "closeWrite": c.sock.closeWrite(), "ready": ready,
			} {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s after Close: %v", what, err)
				}
			}
		}
	})
}

// TestSockLeavesNothingOpen counts descriptors.
func TestSockLeavesNothingOpen(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(entries)
	}
	pair(t, "unix") // whatever comes with the first one
	before := count()
	c, peer := pair(t, "unix")
	opened := count()
	if n := opened - before; n != 4 {
		t.Errorf("%d descriptors opened, want the peer's, the socket and two bells", n)
	}
	c.Close()
	if n := opened - count(); n != 3 {
		t.Errorf("%d descriptors closed, want the socket and two bells", n)
	}
	peer.Close()
}

// TestSockCloseWaitsForUsers holds the numbers of a socket and its bells until
// nobody can use them any more: they may mean other files at once.
func TestSockCloseWaitsForUsers(t *testing.T) {
	for name, user := range map[string]func(s *sock) *direction{
		"a reader": func(s *sock) *direction { return &s.in },
		"a writer": func(s *sock) *direction { return &s.out },
	} {
		c, _ := pair(t, "unix")
		s := c.sock
		open := func() (n int) {
			for _, fd := range []int{s.fd, s.in.bell, s.out.bell} {
				if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
					n++
				}
			}
			return n
		}
		user(s).busy.Lock()
		done := make(chan error)
		go func() { done <- s.Close() }()
		time.Sleep(5 * time.Millisecond)
		if n := open(); n != 3 {
			t.Errorf("with %s at work %d of 3 descriptors are open", name, n)
		}
		user(s).busy.Unlock()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := open(); n != 0 {
			t.Errorf("%d descriptors are left open", n)
		}
	}
}

// TestSockSharesProcessors has a wait hold a processor for long and the garbage
// collector ask for it.
func TestSockSharesProcessors(t *testing.T) {
	hold(t, 20*time.Second)
	c, peer := pair(t, "unix")
	done := waiting(c.sock, directions["read"])
	start := time.Now()
	runtime.GC()
	if waited := time.Since(start); waited > holdFor/2 {
		t.Errorf("the collector waited %v for the processor", waited)
	}
	peer.Write([]byte("x"))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestSockBuffer holds the larger buffer of a unix socket, as far as the kernel
// allows it.
func TestSockBuffer(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/wmem_max")
	if err != nil {
		t.Skip(err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := pair(t, "unix")
	got, err := unix.GetsockoptInt(c.sock.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * min(unixBuffer, most); got != want {
		t.Errorf("a unix socket holds %d bytes, want %d", got, want)
	}
}
