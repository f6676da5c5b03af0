package broker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/processors"
)

// TestStreamPauses gives a stream of a peer that can send 200,000 bytes ahead the
// bytes that came between two waits, and expects the pause for the next.
func TestStreamPauses(t *testing.T) {
	const room = 200_000
	us := func(n int) time.Duration { return time.Duration(n) * time.Microsecond }

	var s stream
	for i, c := range []struct {
		asked bool
		came  int
		want  time.Duration
	}{
		{came: 8000, want: 0},   // an answer,
		{came: 57_535, want: 0}, // still one,
		{came: 1, want: us(50)}, // and what no answer is
		{came: 49_999, want: 100 * time.Microsecond},
		{came: 0, want: us(200)},
		{came: 50_000, want: us(200)},  // a quarter
		{came: 125_000, want: us(200)}, // five eighths
		{came: 125_001, want: us(100)},
		{came: 200_000, want: us(50)},
		{came: 200_000, want: us(25)},
		{came: 8000, want: us(50)},
		{came: 8000, want: us(100)},
		{came: 8000, want: us(200)},
		{came: 8000, want: us(400)},
		{came: 8000, want: us(800)},
		{came: 8000, want: us(1000)}, // never longer
		{came: 8000, want: us(1000)},
		{asked: true, came: 0, want: 0}, // the answer is waited for
		{came: 8000, want: 0},
		{came: 60_000, want: us(1000)}, // the same peer, as fast as before
	} {
		if c.asked {
			s.sent()
		}
		s.received(c.came)
		if got := s.next(room); got != c.want {
			t.Fatalf("step %d: %v after %d bytes, want %v", i, got, c.came, c.want)
		}
	}
}

// TestStreamRoom has what collects be no more than a peer can have on its way.
func TestStreamRoom(t *testing.T) {
	for room, enough := range map[int]int{
		0:         1, // unknown: no pause
		4000:      1000,
		1 << 30:   maxRoom / 4,
		maxRoom:   maxRoom / 4,
		1 + 1<<17: 1 << 15,
	} {
		s := stream{unasked: streamAfter, pause: 400}
		s.received(enough)
		if got := s.next(room); got > 400 {
			t.Errorf("a peer that can send %d bytes ahead has sent %d and is given longer", room, enough)
		}
	}
}

// paused starts a pause of a minute and gives it time to begin. Without enough
// processors no signal of the scheduler ends it.
func paused(t *testing.T, s *sock) <-chan error {
	giveBack := processors.Take(1 << 20)
	t.Cleanup(giveBack)
	return waiting(s, func(s *sock) error { return s.rest(time.Minute) })
}

// TestSockRest has a pause ended by what its reader must hear of, and by nothing
// that it waits to have more of.
func TestSockRest(t *testing.T) {
	for name, c := range map[string]struct {
		event func(s *sock, peer net.Conn)
		then  error
	}{
		"close":      {func(s *sock, _ net.Conn) { go s.Close() }, net.ErrClosed},
		"deadline":   {func(s *sock, _ net.Conn) { s.SetReadDeadline(past) }, os.ErrDeadlineExceeded},
		"hanging up": {func(_ *sock, peer net.Conn) { peer.Close() }, nil},
	} {
		conn, peer := pair(t, "unix")
		done := paused(t, conn.sock)
		peer.Write([]byte("x"))
		time.Sleep(5 * time.Millisecond)
		select {
		case err := <-done:
			t.Fatalf("%s: input ends a pause (%v)", name, err)
		default:
		}
		c.event(conn.sock, peer)
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s during a pause: %v", name, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s does not end a pause", name)
		}
		if _, err := conn.sock.Read(make([]byte, 1)); !errors.Is(err, c.then) {
			t.Errorf("a read after %s: %v, want %v", name, err, c.then)
		}
	}
}

// TestSockRestIsShort has a pause end by itself, and by a deadline before that.
func TestSockRestIsShort(t *testing.T) {
	c, _ := pair(t, "unix")
	if err := c.sock.rest(time.Millisecond); err != nil {
		t.Error(err)
	}
	c.sock.SetReadDeadline(time.Now().Add(time.Millisecond))
	var err error
	for err == nil { // the deadline's bell ends a pause too
		err = c.sock.rest(time.Minute)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a pause after the deadline: %v", err)
	}
}

// TestSockPausesOnce has the reader of a stream that hesitates wait for it, once
// it has paused.
func TestSockPausesOnce(t *testing.T) {
	c, peer := pair(t, "unix")
	c.sock.stream.unasked = streamAfter
	done := waiting(c.sock, directions["read"])
	peer.Write([]byte("x"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := c.sock.stream.pause; got != minPause {
		t.Errorf("the next pause is %v, want %v as after one", got, minPause)
	}
}

// TestSockStreams sends what is long enough to be a stream, in a server's pieces
// and with its hesitations, over both kinds of sockets.
func TestSockStreams(t *testing.T) {
	sent := make([]byte, 2<<20)
	for i := range sent {
		sent[i] = byte(i ^ i>>8 ^ i>>16)
	}
	for _, kind := range []string{"unix", "tcp"} {
		c, peer := pair(t, kind)
		go func() {
			for rest := sent; len(rest) > 0; rest = rest[8<<10:] {
				peer.Write(rest[:8<<10])
				if len(rest)%(128<<10) == 0 {
					time.Sleep(2 * time.Millisecond) // it is waited for
				}
			}
		}()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(c.sock, got); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%s: other bytes come out than went in", kind)
		}
		if c.sock.stream.pause == 0 {
			t.Errorf("%s: the reader of %d bytes never paused", kind, len(sent))
		}

		// What follows a question is an answer: nobody pauses for it.
		c.sock.Write([]byte("?"))
		peer.Write([]byte("!"))
		if _, err := io.ReadFull(c.sock, got[:1]); err != nil {
			t.Fatal(err)
		}
		if n := c.sock.stream.unasked; n != 1 {
			t.Errorf("%s: %d bytes have come unasked after a question, want the answer's one", kind, n)
		}
	}
}
