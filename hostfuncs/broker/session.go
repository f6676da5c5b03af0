package broker

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// endTimeout bounds what Close does to end a session that is not idle:
	// asking the server to stop and waiting until it has.
	endTimeout = 2 * time.Second

	// goodbyeTimeout bounds sending the last message of an idle session.
	goodbyeTimeout = time.Second

	// firstPause is how long a cancel request has to take effect before the
	// next; the pauses double. A server with nothing else to do needs less.
	firstPause = 50 * time.Millisecond
)

// session follows a postgres session just closely enough to end it rightly.
type session struct {
	hijacked *pgconn.HijackedConn

	// busy is true from a write until the server says ReadyForQuery: something
	// may be running. It is judged by the last bytes read, without parsing what
	// is before them. Row data that looks like the message is possible and
	// harmless: the server then notices the end when it writes the next row.
	busy     bool
	patience time.Duration // endTimeout; longer in tests
	finished bool          // the guest has sent Terminate
	tail     [6]byte       // the last bytes read
}

// terminate is the message that ends a session.
var terminate = []byte{'X', 0, 0, 0, 4}

func newSession(h *pgconn.HijackedConn, s *sock) *session {
	// A cancel request must reach the very server of this session, not another
	// host of the list or another address of the name.
	config := h.Config.Copy()
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, s.network, s.address)
	}
	h.Config = config
	return &session{hijacked: h, patience: endTimeout}
}

// sent looks at what the guest writes.
func (s *session) sent(p []byte) {
	s.busy = true
	s.finished = string(p) == string(terminate)
}

// received looks at what the guest reads.
func (s *session) received(p []byte) {
	n := len(s.tail)
	if len(p) < n {
		copy(s.tail[:], s.tail[len(p):])
		copy(s.tail[n-len(p):], p)
	} else {
		copy(s.tail[:], p[len(p)-n:])
	}
	if t := &s.tail; t[0] == 'Z' && t[1] == 0 && t[2] == 0 && t[3] == 0 && t[4] == 5 {
		s.busy = false
	}
}

// end ends the session, all but closing the connection.
func (s *session) end(c *conn) {
	if c.readErr != nil || s.finished {
		return // the server has ended it, or is about to
	}
	if !s.busy && !c.cancelled.Load() && c.err == nil {
		c.sock.SetDeadline(time.Now().Add(goodbyeTimeout))
		c.nc.Write(terminate) // if it does not get through, closing says the same
		return
	}

	// A statement that runs would go on until it has something to send. Once it
	// is stopped the server reads on, finds the end of the input and rolls back;
	// what it had still to say is in the way until then.
	deadline := time.Now().Add(s.patience)
	c.sock.closeWrite()
	for pause := firstPause; ; pause *= 2 {
		if s.busy {
			s.requestCancel(deadline)
		}
		again := time.Now().Add(pause)
		if deadline.Before(again) {
			again = deadline
		}
		c.sock.SetDeadline(again)
		_, err := io.Copy(io.Discard, c.sock)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(deadline) {
			return // the server has let go, or it never will
		}
	}
}

// requestCancel asks the server to stop what the session does. The server does
// not answer, and a request that arrives before the statement does is lost.
func (s *session) requestCancel(deadline time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if pg, err := pgconn.Construct(s.hijacked); err == nil {
		pg.CancelRequest(ctx) // best effort: closing the socket is the other half
	}
}
