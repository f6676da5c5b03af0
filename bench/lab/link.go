package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// linkWindow is how many bytes may be under way in one direction of a
	// connection, as with the window of TCP: whoever sends more waits. With it a
	// round trip of 20 ms still passes 400 MB/s.
	linkWindow = 4 << 20
	// linkChunk is the most that arrives at once.
	linkChunk = 64 << 10
	// linkTimeout is how long a server may take to accept a connection.
	linkTimeout = 10 * time.Second
)

// Link is a proxy on the loopback interface that behaves like a network: what
// it reads it hands on later, and not faster than the network's rate. It needs
// no privileges. A delay holds up nothing that comes behind, as on a real line;
// only the rate does.
//
// Every connection has the whole rate, in each direction.
type Link struct {
	network     Network
	to, address string // where it leads
	listener    net.Listener
	end         context.CancelFunc // called by Close
	wg          sync.WaitGroup

	mu     sync.Mutex
	conns  []*linkConn // every one there was; guarded by mu, as all below
	spare  []*line     // to be used again
	closed bool
	err    error // why a connection could not be made
}

// OpenLink starts a proxy to an address ("tcp", "host:port") or ("unix", path).
// The server need not be there yet.
func OpenLink(network Network, to, address string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("lab: link: %w", err)
	}
	ctx, end := context.WithCancel(context.Background())
	l := &Link{network: network, to: to, address: address, listener: listener, end: end}
	l.wg.Go(func() { l.accept(ctx) })
	return l, nil
}

// Addr is where the proxy listens, "127.0.0.1:port".
func (l *Link) Addr() string { return l.listener.Addr().String() }

// RoundTrips returns for each connection so far, oldest first, how many times
// the server said something after the client had. It is exact where each side
// waits for the other; a client that sends on meanwhile makes it a matter of chance.
func (l *Link) RoundTrips() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	trips := make([]int, len(l.conns))
	for i, c := range l.conns {
		c.mu.Lock()
		trips[i] = c.trips
		c.mu.Unlock()
	}
	return trips
}

// Close ends all connections at once, whatever is under way, and returns why
// one could not be made, if that happened. Calling it again does nothing.
func (l *Link) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.end()
	l.listener.Close()
	for _, c := range l.conns {
		c.close()
	}
	l.mu.Unlock()

	l.wg.Wait()
	return l.err
}

// accept leads on whoever connects until the link is closed. If it cannot go on it refuses everybody.
func (l *Link) accept(ctx context.Context) {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			l.listener.Close()
			l.fail(err)
			return
		}
		l.wg.Go(func() {
			if err := l.carry(ctx, client.(halfCloser)); err != nil {
				l.fail(err)
			}
		})
	}
}

// fail notes why a connection could not be made, unless the link is closed.
func (l *Link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.err = errors.Join(l.err, fmt.Errorf("lab: link: %w", err))
	}
}

// linkConn is one connection through a link.
type linkConn struct {
	client, server halfCloser

	mu    sync.Mutex
	asked bool // the client spoke last
	trips int
}

func (c *linkConn) close() {
	c.client.Close()
	c.server.Close()
}

// spoke notes who said something.
func (c *linkConn) spoke(client bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !client && c.asked {
		c.trips++
	}
	c.asked = client
}

// carry leads a connection on until both directions have ended. Its error is that
// there is no way to the server.
func (l *Link) carry(ctx context.Context, client halfCloser) error {
	opened := time.Now()
	dialer := net.Dialer{Timeout: linkTimeout}
	server, err := dialer.DialContext(ctx, l.to, l.address)
	if err != nil {
		client.Close()
		return err
	}
	c := &linkConn{client: client, server: server.(halfCloser)}
	defer c.close()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.conns = append(l.conns, c)
	l.mu.Unlock()

	// A writer ends when its reader has met the end and all of it is delivered, or
	// when nobody takes it any more. The other direction goes on: a server that
	// hangs up has often said why.
	up, down := l.line(), l.line()
	defer l.recycle(up, down)
	up.free = opened.Add(l.network.RTT) // TCP greets before it carries anything
	var readers, writers sync.WaitGroup
	readers.Go(func() { up.fill(c.client, func() { c.spoke(true) }) })
	readers.Go(func() { down.fill(c.server, func() { c.spoke(false) }) })
	writers.Go(func() { up.empty(c.server, ctx.Done()) })
	writers.Go(func() { down.empty(c.client, ctx.Done()) })
	writers.Wait()
	c.close()
	readers.Wait()
	return nil
}

// line returns an empty line. Lines are used again, so that a run's allocations
// are those of the run.
func (l *Link) line() *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.spare); n > 0 {
		d := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return d
	}
	return newLine(l.network)
}

func (l *Link) recycle(lines ...*line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range lines {
		d.reset()
		l.spare = append(l.spare, d)
	}
}

// sleepUntil returns at the given time or later, false if done was closed before.
func sleepUntil(due time.Time, done <-chan struct{}) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}
