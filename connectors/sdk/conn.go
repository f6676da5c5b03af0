package sdk

import (
	"io"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Conn is a connection that the host opened for this connector, already past
// TLS and login. It is not safe for concurrent use. Its errors are abi.Cancelled
// or an *[abi.Error].
type Conn struct {
	host   *Host
	handle int32
	closed bool
}

// Read reads at least one byte into p, waiting for it, or returns io.EOF at the
// end of input. Reading into an empty slice returns 0 at once.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := abi.Check(c.host.abi.ConnRead(c.handle, p))
	switch {
	case err != nil:
		return 0, c.fail(err, "read from connection")
	case n == 0:
		return 0, io.EOF
	case n > len(p):
		return 0, broken("read")
	}
	return n, nil
}

// Write writes all of p.
func (c *Conn) Write(p []byte) error {
	for len(p) > 0 {
		n, err := abi.Check(c.host.abi.ConnWrite(c.handle, p))
		switch {
		case err != nil:
			return c.fail(err, "write to connection")
		case n == 0 || n > len(p):
			return broken("write")
		}
		p = p[n:]
	}
	return nil
}

// Ready reports whether input is waiting. It never waits itself.
func (c *Conn) Ready() (bool, error) {
	n, err := abi.Check(c.host.abi.ConnReady(c.handle))
	if err != nil {
		return false, c.fail(err, "ask connection for input")
	}
	return n != 0, nil
}

// Close gives the connection back. Closing twice is fine.
func (c *Conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	if s := c.host.abi.ConnClose(c.handle); s != abi.OK {
		return c.fail(s, "close connection")
	}
	return nil
}

// fail describes a connection's error. Where the host says no more than that
// the other end is gone, that is a matter of the network and worth another try.
func (c *Conn) fail(err error, op string) error {
	err = c.host.fail(err, "sdk: "+op)
	e, ok := err.(*callError)
	switch {
	case !ok:
		return err
	case e.reason != nil:
		return e.reason
	case e.status == abi.Closed || e.status == abi.Failed:
		return &abi.Error{Category: abi.CategoryTransientNetwork, Message: e.Error()}
	}
	return &abi.Error{Category: abi.CategoryInternal, Message: e.Error()}
}
