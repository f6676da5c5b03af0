package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

const (
	// stallAfter is how long a Write waits before it begins to read ahead. A
	// server that only takes its time is often slower than a few milliseconds,
	// and reading ahead for it costs a goroutine's start for nothing; a longer
	// wait would be paid for each buffer of notices that the server fills.
	stallAfter = 20 * time.Millisecond

	// inboxLimit is how much is read ahead. A server that sends more while it is
	// being written to answers every row with pages of notices.
	inboxLimit = 16 << 20

	// inboxKeep is the largest inbox kept for the next time.
	inboxKeep = 256 << 10

	// inboxStep is how much room one read ahead has at least.
	inboxStep = 32 << 10
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

// conn implements [Conn] over a socket, with or without TLS.
//
// While Write waits for long, drain runs beside it and owns inbox and readErr;
// at all other times the goroutine that holds op does.
type conn struct {
	name  string   // for messages
	nc    net.Conn // sock, or TLS over it
	sock  *sock
	proto *session // what is known about a postgres session; nil for tcp

	op        sync.Mutex // held by Read, Write, Ready and the work of Close
	cancelled atomic.Bool
	closed    atomic.Bool
	err       error // ends all reading and writing

	stall   *time.Timer   // runs drain; stopped but while Write waits
	drained chan struct{} // one value when drain has ended
	inbox   []byte        // read ahead; begins at taken
	taken   int
	readErr error // came after the inbox
}

func newConn(name string, nc net.Conn, s *sock) *conn {
	c := &conn{name: name, nc: nc, sock: s, drained: make(chan struct{}, 1)}
	c.stall = time.AfterFunc(time.Hour, c.drain)
	c.stall.Stop()
	return c
}

// Read implements [Conn]. It returns what one read of the socket gives.
func (c *conn) Read(p []byte) (int, error) {
	c.op.Lock()
	defer c.op.Unlock()

	if err := c.usable(); err != nil || len(p) == 0 {
		return 0, err
	}
	n, err := c.read(p)
	if c.proto != nil {
		c.proto.received(p[:n])
	}
	return n, err
}

func (c *conn) read(p []byte) (int, error) {
	if c.taken < len(c.inbox) {
		n := copy(p, c.inbox[c.taken:])
		c.taken += n
		if c.taken == len(c.inbox) {
			c.resetInbox()
		}
		return n, nil
	}
	if c.readErr != nil {
		return 0, c.readErr
	}

	n, err := c.nc.Read(p)
	if err == nil || n > 0 {
		return n, nil // an error comes again with the next call
	}
	err = c.describe(err)
	if !errors.Is(err, errCancelled) && !errors.Is(err, ErrClosed) {
		c.readErr = err
	}
	return 0, err
}

// Write implements [Conn].
func (c *conn) Write(p []byte) (int, error) {
	c.op.Lock()
	defer c.op.Unlock()

	if err := c.usable(); err != nil || len(p) == 0 {
		return 0, err
	}
	if c.proto != nil {
		c.proto.sent(p)
	}

	c.stall.Reset(stallAfter)
	n, err := c.nc.Write(p)
	if !c.stall.Stop() {
		// drain is running or about to. Only its read is interrupted: a write
		// deadline would leave TLS broken.
		c.sock.SetReadDeadline(past)
		<-c.drained
		c.sock.SetReadDeadline(time.Time{}) // if cancelled meanwhile, the next call sees that first
	}
	if err == nil {
		return n, nil
	}
	if c.err == nil {
		return n, c.describe(err)
	}
	return n, c.err
}

// drain reads what the peer sends into the inbox until its read is interrupted
// or there is nothing more to come.
func (c *conn) drain() {
	defer func() { c.drained <- struct{}{} }()

	for {
		if len(c.inbox)-c.taken >= inboxLimit {
			c.err = &Error{
				Category: abi.CategoryData,
				Message:  fmt.Sprintf("%s: more than %d MiB of messages arrived while rows were being sent", c.name, inboxLimit>>20),
				Hint:     "a trigger or rule on the table probably raises a notice for each row; set client_min_messages to warning for this user",
			}
			c.sock.SetDeadline(past)
			return
		}
		if cap(c.inbox)-len(c.inbox) < inboxStep {
			c.inbox = append(make([]byte, 0, 2*len(c.inbox)+inboxStep), c.inbox[c.taken:]...)
			c.taken = 0
		}
		n, err := c.nc.Read(c.inbox[len(c.inbox):cap(c.inbox)])
		c.inbox = c.inbox[:len(c.inbox)+n]
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				c.readErr = c.describe(err)
			}
			return
		}
	}
}

// Ready implements [Conn].
func (c *conn) Ready() (bool, error) {
	c.op.Lock()
	defer c.op.Unlock()

	if err := c.usable(); err != nil {
		return false, err
	}
	if c.taken < len(c.inbox) || c.readErr != nil {
		return true, nil
	}
	if _, ok := c.nc.(*tls.Conn); !ok {
		ready, err := c.sock.ready()
		if err != nil {
			c.readErr = c.describe(err)
		}
		return ready || err != nil, nil
	}

	// What has arrived may be part of a record, and TLS may hold records that
	// have long left the socket. So read, without waiting, into the inbox.
	if cap(c.inbox) < inboxStep {
		c.inbox = make([]byte, 0, inboxStep)
	}
	c.sock.poll = true
	n, err := c.nc.Read(c.inbox[:cap(c.inbox)])
	c.sock.poll = false
	c.inbox, c.taken = c.inbox[:n], 0
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.readErr = c.describe(err)
	}
	return n > 0 || c.readErr != nil, nil
}

// SetCancelled implements [Conn].
func (c *conn) SetCancelled() {
	c.cancelled.Store(true)
	c.sock.SetDeadline(past)
}

// Close implements [Conn].
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if !c.op.TryLock() {
		c.sock.SetDeadline(past)
		c.op.Lock()
	}
	defer c.op.Unlock()

	if c.proto != nil {
		c.proto.end(c)
	}
	c.inbox, c.taken = nil, 0

	// TLS says goodbye too, if it still can. Whether the peer hears that does
	// not matter: it was told all there is by now, or cannot be told.
	if c.nc != net.Conn(c.sock) && !c.cancelled.Load() && c.err == nil {
		c.sock.SetDeadline(time.Now().Add(goodbyeTimeout))
		c.nc.Close()
	}
	if err := c.sock.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close connection to %s: %w", c.name, err)
	}
	return nil
}

// usable returns why the connection can no longer be used, or nil.
func (c *conn) usable() error {
	switch {
	case c.cancelled.Load():
		return errCancelled
	case c.closed.Load():
		return ErrClosed
	}
	return c.err
}

// describe turns the error of a read or write into the one to return.
func (c *conn) describe(err error) error {
	switch {
	case c.cancelled.Load():
		return errCancelled
	case c.closed.Load():
		return ErrClosed
	case err == io.EOF:
		return io.EOF
	}

	// net.OpError repeats the addresses, which the name says in the user's terms.
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("connection to %s: %w", c.name, err)
}

func (c *conn) resetInbox() {
	c.taken = 0
	c.inbox = c.inbox[:0]
	if cap(c.inbox) > inboxKeep {
		c.inbox = nil
	}
}
