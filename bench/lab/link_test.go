package lab

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// serve starts a server that treats every connection so, and returns its
// address. The connection is closed afterwards.
func serve(t *testing.T, network string, treat func(c halfCloser)) (to, address string) {
	t.Helper()
	address = "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				treat(c.(halfCloser))
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return network, listener.Addr().String()
}

// through returns a connection to a server by way of a link of its own.
func through(t *testing.T, name, to, address string) *net.TCPConn {
	t.Helper()
	network, err := ParseNetwork(name)
	if err != nil {
		t.Fatal(err)
	}
	link, err := OpenLink(network, to, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := link.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func echo(c halfCloser) {
	io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	c.CloseWrite()
}

func TestLinkDelaysBothWays(t *testing.T) {
	var mu sync.Mutex
	var arrived time.Time
	to, address := serve(t, "tcp", func(c halfCloser) {
		c.Read(make([]byte, 1))
		mu.Lock()
		arrived = time.Now()
		mu.Unlock()
		c.Write([]byte("x"))
	})
	start := time.Now()
	c := through(t, "rtt20", to, address)
	c.Write([]byte("x"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// Greeting, request, answer.
	mu.Lock()
	defer mu.Unlock()
	if d := arrived.Sub(start); d < 30*time.Millisecond {
		t.Errorf("the first byte took %v, want 30 ms or more", d)
	}
	if d := time.Since(arrived); d < 10*time.Millisecond {
		t.Errorf("the answer took %v, want 10 ms or more", d)
	}
}

func TestLinkKeepsToItsRate(t *testing.T) {
	const size = 128 << 10
	to, address := serve(t, "tcp", func(c halfCloser) { c.Write(make([]byte, size)) })
	start := time.Now() // before anything can leave
	c := through(t, "10mbit", to, address)
	buf := make([]byte, 64<<10)
	for got := 0; got < size; {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += n
		if most := int(time.Since(start).Seconds() * 10e6 / 8); got > most {
			t.Fatalf("%d bytes were there after %v, want at most %d", got, time.Since(start), most)
		}
	}
}

// What a line does with time, without waiting for it.
func TestLineSchedule(t *testing.T) {
	t0 := time.Unix(1000, 0)
	ms := func(n float64) time.Time { return t0.Add(time.Duration(n * 1e6)) }
	for _, tt := range []struct {
		network string
		sent    [][2]float64 // bytes, at ms
		due     []float64    // ms
	}{
		// A later message is not held up by an earlier one.
		{"rtt10", [][2]float64{{60000, 0}, {1, 0}, {60000, 1}, {1, 4}}, []float64{5, 5, 6, 9}},
		// 1000 bytes are 1 ms: they queue, and an idle line saves nothing up.
		{"8mbit", [][2]float64{{1000, 0}, {1000, 0}, {1000, 1}, {1000, 10}, {1000, 10}}, []float64{1, 2, 3, 11, 12}},
		{"rtt10-8mbit", [][2]float64{{1000, 0}, {1000, 0}}, []float64{6, 7}},
	} {
		n, err := ParseNetwork(tt.network)
		if err != nil {
			t.Fatal(err)
		}
		d := newLine(n)
		for _, s := range tt.sent {
			d.sent(int(s[0]), ms(s[1]))
		}
		for i, p := range d.packets {
			if !p.due.Equal(ms(tt.due[i])) {
				t.Errorf("%s: message %d arrives after %v, want %v ms", tt.network, i, p.due.Sub(t0), tt.due[i])
			}
		}
	}
}

// More than the window, several at once, by both kinds of server.
func TestLinkCarriesEveryByte(t *testing.T) {
	for _, kind := range []string{"tcp", "unix"} {
		to, address := serve(t, kind, echo)
		link, err := OpenLink(Network{RTT: time.Millisecond, Mbit: 4000}, to, address)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for seed := range uint64(4) {
			wg.Go(func() {
				data := make([]byte, linkWindow+123457)
				random := rand.NewChaCha8([32]byte{byte(seed)})
				random.Read(data)
				c, err := net.Dial("tcp", link.Addr())
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				wg.Go(func() {
					sizes := rand.New(random)
					for rest := data; len(rest) > 0; {
						n := min(len(rest), 1+sizes.IntN(100_000))
						c.Write(rest[:n])
						rest = rest[n:]
					}
					c.(*net.TCPConn).CloseWrite()
				})
				got, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: %d bytes came back of %d, or others: %v", kind, len(got), len(data), err)
				}
			})
		}
		wg.Wait()
		if err := link.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A client that has said all may still listen.
func TestLinkPassesHalfCloseOn(t *testing.T) {
	to, address := serve(t, "tcp", func(c halfCloser) {
		all, _ := io.ReadAll(c)
		c.Write(append(all, " heard"...))
	})
	c := through(t, "rtt2", to, address)
	c.Write([]byte("this"))
	c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "this heard" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A server that hangs up has said why, and who goes on writing still learns it.
func TestLinkDeliversLastWords(t *testing.T) {
	to, address := serve(t, "tcp", func(c halfCloser) {
		c.Read(make([]byte, 10))
		c.Write([]byte("no more"))
		c.CloseWrite()
		io.Copy(io.Discard, io.LimitReader(c, 1<<20))
	})
	c := through(t, "rtt2", to, address)
	go func() {
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}()
	got := make([]byte, 7)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "no more" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := c.Read(got); err == nil {
		t.Error("the connection is still open")
	}
}

// Close waits for nothing that is under way, and tells of a server that is not there.
func TestLinkCloses(t *testing.T) {
	to, address := serve(t, "tcp", echo)
	link, err := OpenLink(Network{Mbit: 1, RTT: time.Second}, to, address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write(make([]byte, 1<<20)) // eight seconds
	for len(link.RoundTrips()) == 0 {
		time.Sleep(time.Millisecond) // until it leads on
	}
	start := time.Now()
	if err := link.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("closing took %v", took)
	}
	c.SetReadDeadline(time.Now().Add(4 * time.Second))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
	if err := link.Close(); err != nil {
		t.Error(err)
	}

	link, err = OpenLink(Network{}, "unix", filepath.Join(t.TempDir(), "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	c, err = net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes of nobody", n)
	}
	if err := link.Close(); err == nil {
		t.Error("a server that is not there is no error")
	}
}

// A link that can accept nobody any more says why, and does not let them wait.
func TestLinkTellsWhyItRefuses(t *testing.T) {
	link, err := OpenLink(Network{}, "unix", filepath.Join(t.TempDir(), "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	listener := link.listener.(*net.TCPListener)
	listener.SetDeadline(time.Now()) // an error as good as any
	failed := func() bool {
		link.mu.Lock()
		defer link.mu.Unlock()
		return link.err != nil
	}
	for start := time.Now(); !failed() && time.Since(start) < 10*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if c, err := net.Dial("tcp", link.Addr()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	if err := link.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("closing says %v", err)
	}
}

func TestLinkCountsRoundTrips(t *testing.T) {
	to, address := serve(t, "tcp", echo)
	link, err := OpenLink(Network{}, to, address)
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	for range 2 {
		c, err := net.Dial("tcp", link.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 3 {
			c.Write(make([]byte, 100))
			if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if trips := link.RoundTrips(); len(trips) != 2 || trips[0] != 3 || trips[1] != 3 {
		t.Errorf("counted %d, want [3 3]", trips)
	}
}
