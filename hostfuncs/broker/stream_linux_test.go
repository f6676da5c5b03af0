package broker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/processors"
)

// TestStreamFlows tells a stream from an answer.
func TestStreamFlows(t *testing.T) {
	var s stream
	s.received(streamAfter - 1)
	if s.flows() {
		t.Error("an answer is taken for a stream")
	}
	s.received(1)
	if !s.flows() {
		t.Error("a stream is not told from an answer")
	}
	s.sent()
	if s.flows() {
		t.Error("what will come of a question is taken for a stream")
	}
}

// TestStreamPauses gives a stream of a peer that can send 200,000 bytes ahead the
// bytes that came between two waits, and expects the pause for the next.
func TestStreamPauses(t *testing.T) {
	var s stream
	for i, c := range []struct {
		came int
		want int // microseconds
	}{
		{125_000, 0}, // fast enough
		{49_999, 50},
		{49_999, 100},
		{0, 200},
		{50_000, 200},  // a quarter
		{125_000, 200}, // five eighths
		{125_001, 100},
		{200_000, 50},
		{200_000, 0}, // and not 25
		{200_000, 0},
		{8000, 50},
		{8000, 100},
		{8000, 200},
		{8000, 400},
		{8000, 800},
		{8000, 1000}, // never longer
		{8000, 1000},
	} {
		s.received(c.came)
		if got := s.next(200_000); got != time.Duration(c.want)*time.Microsecond {
			t.Fatalf("step %d: %v after %d bytes, want %d us", i, got, c.came, c.want)
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
		s := stream{pause: 400}
		s.received(enough)
		if got := s.next(room); got > 400 {
			t.Errorf("a peer that can send %d bytes ahead has sent %d and is given longer", room, enough)
		}
	}
}

// rest pauses as a reader does.
func rest(s *sock, pause time.Duration) error {
	s.in.busy.Lock()
	defer s.in.busy.Unlock()
	return s.rest(pause)
}

// resting starts a pause of a minute that some input does not end. Now and then a
// signal ends one; that of the input would end each.
func resting(t *testing.T, kind string) (*conn, net.Conn, <-chan error) {
	t.Helper()
	for range 5 {
		c, peer := pair(t, kind)
		done := waiting(c.sock, func(s *sock) error { return rest(s, time.Minute) })
		peer.Write([]byte("x"))
		time.Sleep(5 * time.Millisecond)
		select {
		case <-done:
		default:
			return c, peer, done
		}
	}
	t.Fatalf("%s: input ends a pause", kind)
	return nil, nil, nil
}

// TestSockRest has a pause ended by what its reader must hear of, and by nothing
// that it waits to have more of.
func TestSockRest(t *testing.T) {
	defer processors.Take(1 << 20)() // or else the scheduler sends a signal
	events := map[string]struct {
		event func(s *sock, peer net.Conn)
		then  error
	}{
		"close":      {func(s *sock, _ net.Conn) { go s.Close() }, net.ErrClosed},
		"deadline":   {func(s *sock, _ net.Conn) { s.SetReadDeadline(past) }, os.ErrDeadlineExceeded},
		"hanging up": {func(_ *sock, peer net.Conn) { peer.Close() }, nil},
	}
	for _, kind := range []string{"unix", "tcp"} {
		for name, e := range events {
			c, peer, done := resting(t, kind)
			e.event(c.sock, peer)
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("%s, %s during a pause: %v", kind, name, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s, %s does not end a pause", kind, name)
			}
			if _, err := c.sock.Read(make([]byte, 1)); !errors.Is(err, e.then) {
				t.Errorf("%s, a read after %s: %v, want %v", kind, name, err, e.then)
			}
		}
	}
}

// TestSockRestIsShort has a pause end by itself, and by a deadline before that.
func TestSockRestIsShort(t *testing.T) {
	c, _ := pair(t, "unix")
	if err := rest(c.sock, time.Millisecond); err != nil {
		t.Error(err)
	}
	c.sock.SetReadDeadline(time.Now().Add(time.Millisecond))
	var err error
	for err == nil { // the deadline's bell ends a pause too
		err = rest(c.sock, time.Minute)
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

// TestSockStreams sends what is long enough to be a stream, in a server's pieces,
// over both kinds of sockets.
func TestSockStreams(t *testing.T) {
	sent := make([]byte, 2<<20)
	for i := range sent {
		sent[i] = byte(i ^ i>>8 ^ i>>16)
	}
	for _, kind := range []string{"unix", "tcp"} {
		c, peer := pair(t, kind)
		go func() {
			for piece := range slices.Chunk(sent, 8<<10) {
				peer.Write(piece)
			}
		}()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(c.sock, got); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%s: other bytes come out than went in", kind)
		}
		if !c.sock.stream.flows() {
			t.Errorf("%s: %d bytes in one go are not taken for a stream", kind, len(sent))
		}
		if n := c.sock.ahead(); n < streamAfter/2 {
			t.Errorf("%s: the peer can send %d bytes ahead, want the tens of thousands that systems allow", kind, n)
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
