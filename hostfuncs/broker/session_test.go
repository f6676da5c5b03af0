package broker

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// behind returns a proxy in front of the role's server and the configuration to
// log in through it, plain or under TLS.
func (r *role) behind(t *testing.T, p *proxy, encrypted bool) map[string]any {
	t.Helper()
	p.network, p.address = "tcp", net.JoinHostPort(r.host, r.port)
	mode := "disable"
	if encrypted {
		mode = "require"
		p.tls = &tls.Config{Certificates: []tls.Certificate{newAuthority(t, "test").issue(t, "127.0.0.1")}}
	}
	return r.config("host", "127.0.0.1", "port", p.start(t), "sslmode", mode)
}

// sessions returns how many sessions the role has.
func (r *role) sessions(t *testing.T) int {
	t.Helper()
	var n int
	if err := r.admin.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE usename = $1", r.user).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// wantNoSession waits until the server has ended the role's sessions.
func (r *role) wantNoSession(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); r.sessions(t) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server still has the session")
		}
	}
}

func forBoth(t *testing.T, test func(t *testing.T, encrypted bool)) {
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", encrypted), func(t *testing.T) { test(t, encrypted) })
	}
}

// TestNoticeFlood loads a table whose trigger answers each row with a notice.
// The server stops reading rows once nobody reads its notices.
func TestNoticeFlood(t *testing.T) {
	r := newRole(t)
	r.exec(t, `CREATE TABLE noisy (id int)`)
	r.exec(t, `CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE NOTICE 'row % %', NEW.id, repeat('!', 1000); RETURN NEW; END $$`)
	r.exec(t, `CREATE TRIGGER shout BEFORE INSERT ON noisy FOR EACH ROW EXECUTE FUNCTION shout()`)
	r.exec(t, `GRANT ALL ON noisy TO `+r.user)

	forBoth(t, func(t *testing.T, encrypted bool) {
		const rows = 6000
		c := open(t, r.behind(t, &proxy{}, encrypted))
		copyIn(t, c, "noisy")
		var data []byte
		for i := range rows {
			data = append(data, message('d', fmt.Sprintf("%d\n", i))...)
		}
		data = append(data, message('c', "")...)
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}

		notices, tag := 0, ""
		for kind := byte(0); kind != 'Z'; {
			var body []byte
			switch kind, body = receive(t, c); kind {
			case 'N':
				if want := fmt.Sprintf("Mrow %d !", notices); !strings.Contains(string(body), want) {
					t.Fatalf("notice %d is %.80q: lost or out of order", notices, body)
				}
				notices++
			case 'C':
				tag = strings.TrimRight(string(body), "\x00")
			case 'E':
				t.Fatalf("%q", body)
			}
		}
		if notices != rows || tag != fmt.Sprintf("COPY %d", rows) {
			t.Errorf("%d notices and %q, want %d and COPY %d", notices, tag, rows, rows)
		}
	})

	// More than the inbox takes ends the connection, and the server's work.
	t.Run("over the limit", func(t *testing.T) {
		c := open(t, r.config())
		copyIn(t, c, "noisy")
		chunk := bytes.Repeat(message('d', strings.Repeat("1\n", 10000)), 100)
		var err error
		for n := 0; err == nil && n < 20; n++ {
			_, err = c.Write(chunk)
		}
		var e *Error
		if !errors.As(err, &e) || e.Category != abi.CategoryData || !strings.Contains(e.Hint, "client_min_messages") {
			t.Errorf("Write = %v, want a data error with a hint", err)
		}
		c.Close()
		r.wantNoSession(t)
	})
}

// copyIn starts a COPY into the table.
func copyIn(t *testing.T, c Conn, table string) {
	t.Helper()
	if _, err := c.Write(message('Q', "COPY "+table+" FROM STDIN\x00")); err != nil {
		t.Fatal(err)
	}
	if kind, body := receive(t, c); kind != 'G' {
		t.Fatalf("COPY: %c %q", kind, body)
	}
}

// TestCloseWhenIdle ends a session between statements: politely, and without a
// cancel request.
func TestCloseWhenIdle(t *testing.T) {
	r := newRole(t)
	for _, test := range []struct {
		name   string
		before func(c Conn)
	}{
		{"after login", func(Conn) {}},
		{"after a statement", func(c Conn) { query(t, c, "SELECT 1") }},
		{"in a transaction", func(c Conn) { query(t, c, "BEGIN") }},
		{"after the guest's own goodbye", func(c Conn) { c.Write(terminate) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			forBoth(t, func(t *testing.T, encrypted bool) {
				p := &proxy{}
				c := open(t, r.behind(t, p, encrypted))
				test.before(c)
				if err := c.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
				r.wantNoSession(t)
				if sent := p.sentBy(0); !bytes.HasSuffix(sent, terminate) || bytes.HasSuffix(sent, append(terminate, terminate...)) {
					t.Errorf("the last bytes sent are % x, want one Terminate", sent[max(0, len(sent)-12):])
				}
				if p.sentBy(1) != nil {
					t.Error("a second connection was made")
				}
			})
		})
	}
}

// TestCloseWhenBusy ends a session in the middle of something. When Close
// returns, the server has stopped and let go of its locks.
func TestCloseWhenBusy(t *testing.T) {
	r := newRole(t)
	r.exec(t, "CREATE TABLE target (id int)")
	r.exec(t, "GRANT ALL ON target TO "+r.user)
	for _, test := range []struct {
		name  string
		begin func(t *testing.T, c Conn)
	}{
		{"a statement that runs", func(t *testing.T, c Conn) {
			c.Write(message('Q', "SELECT pg_sleep(600)\x00"))
		}},
		{"rows that nobody reads", func(t *testing.T, c Conn) {
			c.Write(message('Q', "COPY (SELECT repeat('x', 1000), generate_series(1, 100000000)) TO STDOUT\x00"))
			receive(t, c)
		}},
		{"rows on their way in", func(t *testing.T, c Conn) {
			query(t, c, "BEGIN")
			query(t, c, "TRUNCATE target")
			copyIn(t, c, "target")
			c.Write(message('d', "1\n2\n"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			forBoth(t, func(t *testing.T, encrypted bool) {
				for _, cancelled := range []bool{true, false} {
					p := &proxy{}
					c := open(t, r.behind(t, p, encrypted))
					test.begin(t, c)
					if cancelled {
						c.SetCancelled()
					}
					if err := c.Close(); err != nil {
						t.Errorf("Close = %v", err)
					}
					r.wantNoSession(t)
					request := p.sentBy(1)
					if len(request) < 16 || binary.BigEndian.Uint32(request[4:]) != 80877102 {
						t.Errorf("cancelled=%v: the second connection sent % x, want a cancel request", cancelled, request)
					}
				}
			})
		})
	}

	var rows int
	if err := r.admin.QueryRow(context.Background(), "SELECT count(*) FROM target").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows, %v: what was not committed must be gone", rows, err)
	}
}

// TestCancelWhileServerWorks cancels a read that waits for a long statement.
func TestCancelWhileServerWorks(t *testing.T) {
	r := newRole(t)
	forBoth(t, func(t *testing.T, encrypted bool) {
		c := open(t, r.behind(t, &proxy{}, encrypted))
		done := make(chan error)
		go func() {
			c.Write(message('Q', "SELECT pg_sleep(600)\x00"))
			_, err := c.Read(make([]byte, 100))
			done <- err
		}()
		for r.sessions(t) == 0 {
			time.Sleep(time.Millisecond)
		}
		c.SetCancelled()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Read = %v, want context.Canceled", err)
		}
		c.Close()
		r.wantNoSession(t)
	})
}

// TestServerGone has the network and the server end a session in a read.
func TestServerGone(t *testing.T) {
	r := newRole(t)
	forBoth(t, func(t *testing.T, encrypted bool) {
		p := &proxy{}
		c := open(t, r.behind(t, p, encrypted))
		query(t, c, "SELECT 1")
		p.reset()
		_, err := c.Read(make([]byte, 100))
		if err == nil || errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "connection to postgres at 127.0.0.1:") {
			t.Errorf("reset: Read = %v, want an error that says where", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("reset: Close = %v", err)
		}

		c = open(t, r.behind(t, &proxy{}, encrypted))
		r.exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+r.user+"'")
		kind, body := receive(t, c)
		if kind != 'E' || !strings.Contains(string(body), "57P01") {
			t.Errorf("terminated: %c %q, want the server's last words", kind, body)
		}
		if n, err := c.Read(make([]byte, 100)); n != 0 || err == nil {
			t.Errorf("terminated: Read = %d, %v, want the end", n, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("terminated: Close = %v", err)
		}
	})
}

// TestSlowServer gets every answer byte by byte.
func TestSlowServer(t *testing.T) {
	r := newRole(t)
	forBoth(t, func(t *testing.T, encrypted bool) {
		c := open(t, r.behind(t, &proxy{chunk: 1}, encrypted))
		want := strings.Repeat("x", 5000)
		if got := query(t, c, "SELECT repeat('x', 5000)"); got != want {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		r.wantNoSession(t)
	})
}

// TestBusy follows a session through the ends of messages, however the reads
// cut them.
func TestBusy(t *testing.T) {
	ready := []byte("Z\x00\x00\x00\x05T")
	for cut := range len(ready) + 1 {
		s := &session{}
		s.sent([]byte("Q"))
		s.received([]byte("some rows"))
		if !s.busy {
			t.Fatal("idle before ReadyForQuery")
		}
		s.received(ready[:cut])
		if cut < len(ready) && !s.busy {
			t.Fatalf("idle after %d bytes of ReadyForQuery", cut)
		}
		s.received(ready[cut:])
		if s.busy {
			t.Fatalf("busy after ReadyForQuery cut at %d", cut)
		}
		s.sent([]byte("Q"))
		if !s.busy || s.finished {
			t.Fatal("not busy after the next statement")
		}
	}
}
