package broker

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// kinds are the connections that every test of this file runs over.
var kinds = []string{"tcp", "unix", "tls"}

// pair returns a connection of the kind and the peer's end of it. Both are
// closed at the end of the test, and a test that hangs is ended by it.
func pair(t testing.TB, kind string) (*conn, net.Conn) {
	t.Helper()
	network, address := "tcp", "127.0.0.1:0"
	if kind == "unix" {
		dir, err := os.MkdirTemp("", "rb") // short: a socket's path has 108 bytes
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		network, address = "unix", filepath.Join(dir, "s")
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var d dialer
	s, err := d.dial(context.Background(), network, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}

	nc := net.Conn(s)
	if kind == "tls" {
		cert := newAuthority(t, "test").issue(t, "127.0.0.1")
		server := tls.Server(&holder{Conn: peer}, &tls.Config{Certificates: []tls.Certificate{cert}})
		client := tls.Client(s, &tls.Config{InsecureSkipVerify: true})
		done := make(chan error)
		go func() { done <- server.Handshake() }()
		if err := errors.Join(client.Handshake(), <-done); err != nil {
			t.Fatal(err)
		}
		nc, peer = client, server
	}

	c := newConn("the peer", nc, s)
	hung := time.AfterFunc(time.Minute, func() {
		t.Error("the test hangs; ending its connections")
		s.Close()
		peer.Close()
	})
	t.Cleanup(func() {
		hung.Stop()
		c.Close()
		peer.Close()
	})
	return c, peer
}

func forKinds(t *testing.T, test func(t *testing.T, kind string)) {
	for _, kind := range kinds {
		t.Run("over="+kind, func(t *testing.T) { test(t, kind) })
	}
}

// pattern returns n bytes in which every position shows.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// TestWriteAgainstWriter has both sides write more than the buffers between
// them hold, neither reading until it is done.
func TestWriteAgainstWriter(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		c, peer := pair(t, kind)
		ours, theirs := pattern(8<<20), pattern(12<<20)

		var wg sync.WaitGroup
		wg.Go(func() {
			got := make([]byte, len(ours))
			if _, err := peer.Write(theirs[:len(theirs)/2]); err != nil {
				t.Error("peer:", err)
			}
			if _, err := io.ReadFull(peer, got[:3<<20]); err != nil {
				t.Error("peer:", err)
			}
			if _, err := peer.Write(theirs[len(theirs)/2:]); err != nil {
				t.Error("peer:", err)
			}
			if _, err := io.ReadFull(peer, got[3<<20:]); err != nil || !bytes.Equal(got, ours) {
				t.Errorf("the peer did not get what was written: %v", err)
			}
		})
		got := make([]byte, len(theirs))
		have := 0
		for part := 0; part < len(ours); part += 1 << 20 {
			if n, err := c.Write(ours[part : part+1<<20]); err != nil || n != 1<<20 {
				t.Fatalf("Write = %d, %v", n, err)
			}
			if len(c.inbox) > 0 { // some of it, before more is read ahead
				n, err := c.Read(got[have : have+1000])
				if err != nil {
					t.Fatal(err)
				}
				have += n
			}
		}
		if ready, err := c.Ready(); !ready || err != nil {
			t.Errorf("Ready = %v, %v with the peer's output waiting", ready, err)
		}
		if _, err := io.ReadFull(c, got[have:]); err != nil || !bytes.Equal(got, theirs) {
			t.Errorf("what was read is not what the peer wrote: %v", err)
		}
		wg.Wait()

		// The connection works as before.
		go peer.Write([]byte("more"))
		if _, err := io.ReadFull(c, got[:4]); err != nil || string(got[:4]) != "more" {
			t.Errorf("afterwards: %q, %v", got[:4], err)
		}
		if cap(c.inbox) > inboxKeep {
			t.Errorf("an empty inbox keeps %d bytes", cap(c.inbox))
		}
	})
}

// TestInboxLimit has the peer write for ever without reading.
func TestInboxLimit(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		c, peer := pair(t, kind)
		go func() {
			for chunk := make([]byte, 64<<10); ; {
				if _, err := peer.Write(chunk); err != nil {
					return
				}
			}
		}()
		_, err := c.Write(make([]byte, 32<<20))
		var e *Error
		if !errors.As(err, &e) || e.Category != abi.CategoryData || !strings.Contains(e.Message, "16 MiB") {
			t.Errorf("Write = %v, want a data error that names the limit", err)
		}
		if _, again := c.Write([]byte("x")); again != err {
			t.Errorf("the next Write = %v, want the same error", again)
		}
		if _, again := c.Read(make([]byte, 1)); again != err {
			t.Errorf("the next Read = %v, want the same error", again)
		}
	})
}

// TestReady looks at every state of the input in turn.
func TestReady(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		c, peer := pair(t, kind)
		want := func(ready bool, when string) {
			t.Helper()
			if got, err := c.Ready(); got != ready || err != nil {
				t.Fatalf("%s: Ready = %v, %v, want %v", when, got, err, ready)
			}
		}
		want(false, "nothing sent")

		// Three writes, which are three records under TLS, read in small pieces.
		for _, part := range []string{"first,", "second,", "third"} {
			if _, err := peer.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		waitReady(t, c)
		want(true, "asked again") // asking takes nothing away
		var got []byte
		for len(got) < len("first,second,third") {
			waitReady(t, c)
			buf := make([]byte, 2)
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if string(got) != "first,second,third" {
			t.Errorf("read %q", got)
		}
		want(false, "all read")

		// Reading waits again, too.
		go func() {
			time.Sleep(5 * time.Millisecond)
			peer.Write([]byte("later"))
		}()
		buf := make([]byte, 10)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "later" {
			t.Fatalf("Read = %q, %v", buf[:n], err)
		}

		peer.Close()
		waitReady(t, c)
		want(true, "the end") // Read returns at once
		for range 2 {
			if n, err := c.Read(buf); n != 0 || err != io.EOF {
				t.Errorf("at the end: Read = %d, %v, want EOF", n, err)
			}
		}
	})
}

func waitReady(t *testing.T, c *conn) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		ready, err := c.Ready()
		if err != nil {
			t.Fatal(err)
		}
		if ready {
			return
		}
		if time.Now().After(end) {
			t.Fatal("Ready stays false though the peer has sent something")
		}
	}
}

// TestReadyWithPartOfARecord gives TLS the first bytes of a record: that is not
// input yet, and must not be lost.
func TestReadyWithPartOfARecord(t *testing.T) {
	c, peer := pair(t, "tls")
	wire := peer.(*tls.Conn).NetConn().(*holder)
	wire.hold.Store(true)
	if _, err := peer.Write([]byte("a message in one record")); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{3, 5, wire.held.Len() - 9} {
		wire.Conn.Write(wire.held.Next(cut))
		time.Sleep(2 * time.Millisecond) // that it arrived cannot be seen; arriving late would only prove less
		if ready, err := c.Ready(); ready || err != nil {
			t.Fatalf("with part of a record: Ready = %v, %v", ready, err)
		}
	}
	wire.Conn.Write(wire.held.Next(wire.held.Len()))
	waitReady(t, c)
	buf := make([]byte, 100)
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "a message in one record" {
		t.Errorf("Read = %q, %v", buf[:n], err)
	}
}

// holder is the wire below a TLS peer, which can be told to hold back.
type holder struct {
	net.Conn
	hold atomic.Bool
	held bytes.Buffer
}

func (h *holder) Write(p []byte) (int, error) {
	if h.hold.Load() {
		return h.held.Write(p)
	}
	return h.Conn.Write(p)
}

// TestSetCancelled cancels a connection in each thing it can be doing.
func TestSetCancelled(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		for _, test := range []struct {
			name string
			do   func(c *conn) error
		}{
			{"reading", func(c *conn) error { _, err := c.Read(make([]byte, 10)); return err }},
			{"writing", func(c *conn) error { _, err := c.Write(make([]byte, 64<<20)); return err }},
		} {
			t.Run(test.name, func(t *testing.T) {
				c, peer := pair(t, kind)
				if test.name == "writing" {
					peer.Write([]byte("in the inbox"))
				}
				done := make(chan error)
				go func() { done <- test.do(c) }()
				time.Sleep(2 * stallAfter) // so that it waits, and reads ahead; earlier is a case too
				c.SetCancelled()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v, want context.Canceled", test.name, err)
				}

				// For ever, also with input there.
				if n, err := c.Read(make([]byte, 10)); n != 0 || !errors.Is(err, context.Canceled) {
					t.Errorf("Read = %d, %v, want context.Canceled", n, err)
				}
				if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, context.Canceled) {
					t.Errorf("Write = %d, %v, want context.Canceled", n, err)
				}
				if _, err := c.Ready(); !errors.Is(err, context.Canceled) {
					t.Errorf("Ready = %v, want context.Canceled", err)
				}
				c.SetCancelled()
				if err := c.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			})
		}
	})
}

func TestClose(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		c, peer := pair(t, kind)
		done := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 1))
			done <- err
		}()
		time.Sleep(2 * time.Millisecond)
		for range 2 {
			if err := c.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		}
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("the Read that was waiting = %v, want ErrClosed", err)
		}
		if _, err := c.Read(make([]byte, 1)); err != ErrClosed {
			t.Errorf("Read = %v, want ErrClosed", err)
		}
		if _, err := c.Write([]byte("x")); err != ErrClosed {
			t.Errorf("Write = %v, want ErrClosed", err)
		}
		if _, err := c.Ready(); err != ErrClosed {
			t.Errorf("Ready = %v, want ErrClosed", err)
		}
		c.SetCancelled()
		if _, err := peer.Read(make([]byte, 1)); err == nil {
			t.Error("the peer does not see the end")
		}
	})
}

// TestReadAfterFailedWrite has the peer say why and hang up in the middle of a
// write. The reason is still there to be read.
func TestReadAfterFailedWrite(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		for _, late := range []bool{false, true} {
			c, peer := pair(t, kind)
			go func() {
				if late {
					time.Sleep(2 * stallAfter) // into the inbox
				}
				peer.Write([]byte("because"))
				peer.Close()
			}()
			if n, err := c.Write(make([]byte, 64<<20)); err == nil || n == 64<<20 {
				t.Fatalf("Write = %d, %v to a peer that hung up", n, err)
			} else if !strings.HasPrefix(err.Error(), "connection to the peer: ") || strings.Contains(err.Error(), "->") {
				t.Errorf("Write = %v, want an error that says where, once", err)
			}
			buf := make([]byte, 20)
			if n, err := c.Read(buf); err != nil || string(buf[:n]) != "because" {
				t.Errorf("late=%v: Read = %q, %v", late, buf[:n], err)
			}
			if n, err := c.Read(buf); n != 0 || err == nil {
				t.Errorf("late=%v: Read = %d, %v after the end", late, n, err)
			}
		}
	})
}

// TestHalfClose has the peer end its output and read on.
func TestHalfClose(t *testing.T) {
	for _, kind := range []string{"tcp", "unix"} {
		c, peer := pair(t, kind)
		peer.(interface{ CloseWrite() error }).CloseWrite()
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%s: Read = %d, %v, want EOF", kind, n, err)
		}
		data := pattern(4 << 20)
		go func() {
			time.Sleep(2 * stallAfter) // the read ahead meets the end
			io.ReadFull(peer, make([]byte, len(data)))
		}()
		if n, err := c.Write(data); n != len(data) || err != nil {
			t.Errorf("%s: Write = %d, %v to a peer that still reads", kind, n, err)
		}
	}
}

// TestReset has the peer reset the connection.
func TestReset(t *testing.T) {
	c, peer := pair(t, "tcp")
	peer.(*net.TCPConn).SetLinger(0)
	peer.Close()
	waitReady(t, c)
	_, err := c.Read(make([]byte, 1))
	if err == nil || err == io.EOF || !strings.HasPrefix(err.Error(), "connection to the peer: ") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("Read = %v, want an error that says where, once", err)
	}
}

// TestNoAllocations holds the usual case of each call, in which nothing waits
// for long.
func TestNoAllocations(t *testing.T) {
	for _, kind := range []string{"tcp", "unix"} {
		c, peer := pair(t, kind)
		go io.Copy(peer, struct{ io.Reader }{peer})
		msg, buf := make([]byte, 8<<10), make([]byte, 8<<10)
		n := testing.AllocsPerRun(100, func() {
			if _, err := c.Write(msg); err != nil {
				t.Fatal(err)
			}
			for ready := false; !ready; { // both answers, with the echo on its way and there
				var err error
				if ready, err = c.Ready(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.ReadFull(c, buf); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 {
			t.Errorf("%s: %v allocations for a write, a look and a read", kind, n)
		}
		c.Close()
	}
}

// TestNoGoroutineIsLeft looks for what outlives a connection.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, kind := range kinds {
		c, peer := pair(t, kind)
		go func() {
			time.Sleep(2 * stallAfter)
			io.Copy(io.Discard, peer)
			peer.Close()
		}()
		if _, err := c.Write(make([]byte, 4<<20)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		peer.Close()
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 64<<10)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
