package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// TestTCP connects to what is in the list, and to nothing else.
func TestTCP(t *testing.T) {
	port := fakeServer(t, func(c net.Conn) { io.Copy(c, c) })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	byName := fmt.Sprintf("localhost:%d", port)
	b, err := New(TCP, map[string]any{"allow": []any{address, byName}})
	if err != nil {
		t.Fatal(err)
	}

	for _, target := range []string{address, byName} {
		c, err := b.Open(context.Background(), target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("echo")); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 4)
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "echo" {
			t.Errorf("%s: read %q, %v", target, buf, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}

	for _, target := range []string{
		"", "127.0.0.1", fmt.Sprintf("127.0.0.1:%d", port+1), fmt.Sprintf("127.0.0.1:0%d", port), fmt.Sprintf("[::ffff:127.0.0.1]:%d", port),
		fmt.Sprintf("LOCALHOST:%d", port), fmt.Sprintf("localhost.:%d", port), " " + address,
	} {
		_, err := b.Open(context.Background(), target)
		var e *Error
		if !errors.As(err, &e) || e.Category != abi.CategoryPermission || !errors.Is(err, abi.Denied) {
			t.Errorf("%q: %v, want a permission error that is abi.Denied", target, err)
			continue
		}
		if !strings.Contains(e.Message, fmt.Sprintf("%q", target)) || !strings.Contains(e.Hint, fmt.Sprintf("add %q to the config key allow", target)) {
			t.Errorf("%q: %v does not say what to add", target, err)
		}
	}
}

func TestTCPNothingAllowed(t *testing.T) {
	for _, config := range []map[string]any{nil, {"allow": nil}, {"allow": []any{}}} {
		b, err := New(TCP, config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Open(context.Background(), "127.0.0.1:5432"); !errors.Is(err, abi.Denied) {
			t.Errorf("with %v: %v, want abi.Denied", config, err)
		}
	}
}

func TestTCPUnreachable(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	target := free.Addr().String()
	b, err := New(TCP, map[string]any{"allow": []string{target}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Open(context.Background(), target)
	var e *Error
	if !errors.As(err, &e) || e.Category != abi.CategoryTransientNetwork || e.Message != "connect to "+target+": connection refused" {
		t.Errorf("Open = %v, want a transient network error that says where", err)
	}
}

// TestCheckResolved decides on the addresses a name may lead to.
func TestCheckResolved(t *testing.T) {
	for _, test := range []struct {
		host, address string
		allowed       bool
	}{
		{"db.example", "203.0.113.7:5432", true},
		{"db.example", "10.1.2.3:5432", true}, // private is where databases are
		{"db.example", "[fd00::1]:5432", true},
		{"db.example", "127.0.0.1:5432", false},
		{"db.example", "127.8.9.1:5432", false},
		{"db.example", "[::1]:5432", false},
		{"db.example", "[::ffff:127.0.0.1]:5432", false},
		{"db.example", "[64:ff9b::7f00:1]:5432", false},
		{"db.example", "[64:ff9b::a9fe:a9fe]:80", false},
		{"db.example", "[64:ff9b::cb00:7107]:80", true},
		{"db.example", "169.254.169.254:80", false},
		{"db.example", "[fe80::1%eth0]:80", false},
		{"db.example", "0.0.0.0:5432", false},
		{"db.example", "[::]:5432", false},
		{"db.example", "224.0.0.1:5432", false},
		{"localhost", "127.0.0.1:5432", true},
		{"localhost", "[::1]:5432", true},
		{"db.localhost", "127.0.0.1:5432", true},
		{"notlocalhost", "127.0.0.1:5432", false},
		{"localhost", "169.254.169.254:80", false},
		{"127.0.0.1", "127.0.0.1:5432", true},
		{"127.0.0.1", "127.0.0.2:5432", false},
		{"::1", "[::1]:5432", true},
		{"169.254.169.254", "169.254.169.254:80", true}, // said letter by letter
		{"fe80::1%eth0", "[fe80::1%eth0]:80", true},
		{"::ffff:10.0.0.1", "10.0.0.1:80", true},
		{"db.example", "not an address", false},
	} {
		err := checkResolved(test.host)("tcp", test.address, nil)
		if (err == nil) != test.allowed || err != nil && !errors.Is(err, abi.Denied) {
			t.Errorf("%s leads to %s: %v, want allowed %v", test.host, test.address, err, test.allowed)
		}
	}

	// The dialer reports it through its own layers.
	e := dialError("connect to db.example:80", &net.OpError{Op: "dial", Err: checkResolved("db.example")("tcp", "127.0.0.1:80", nil)})
	if e.Category != abi.CategoryPermission || !errors.Is(e, abi.Denied) || !strings.Contains(e.Hint, `add "127.0.0.1:80"`) {
		t.Errorf("%v", e)
	}
}

// TestResolvedAddressIsChecked dials a name that leads to loopback under the rules
// of another one: what counts is the address the dialer is about to use.
func TestResolvedAddressIsChecked(t *testing.T) {
	port := fakeServer(t, func(c net.Conn) {})
	d := dialer{Dialer: net.Dialer{Control: checkResolved("db.example")}}
	s, err := d.dial(context.Background(), "tcp", fmt.Sprintf("localhost:%d", port))
	if err == nil {
		s.Close()
		t.Fatal("connected to loopback by a name that may not lead there")
	}
	if e := dialError("connect", err); !errors.Is(e, abi.Denied) {
		t.Errorf("dial = %v, want abi.Denied", e)
	}
}
