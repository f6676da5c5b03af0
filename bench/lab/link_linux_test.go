package lab

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// Close does not wait for a server that does not answer.
func TestLinkClosesWhileDialling(t *testing.T) {
	link, err := OpenLink(Network{}, "tcp", silent(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // by then it dials
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the server answered: %v", err)
	}
	start := time.Now()
	if err := link.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > linkTimeout/2 {
		t.Errorf("closing took %v", took)
	}
}

// silent returns the address of a server whose queue is full: the system answers
// nobody else who wants to connect.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	raw, err := listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var listened error
	if err := raw.Control(func(fd uintptr) { listened = syscall.Listen(int(fd), 0) }); err != nil || listened != nil {
		t.Fatal(err, listened)
	}
	for range 8 {
		c, err := net.DialTimeout("tcp", listener.Addr().String(), 50*time.Millisecond)
		if err != nil {
			return listener.Addr().String()
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this system's queues are never full")
	return ""
}
