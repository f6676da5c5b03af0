package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// tcpDialTimeout bounds looking up the name and connecting.
const tcpDialTimeout = 10 * time.Second

func tcpKeys() []abi.ManifestField {
	return []abi.ManifestField{{
		Name: "allow",
		Type: "list",
		Doc:  "the addresses this connector may connect to, each \"host:port\"; none if it is empty",
	}}
}

// tcpBroker connects to the addresses of its list.
type tcpBroker struct {
	allow    map[string]bool
	resolver *net.Resolver // nil: the system's
}

func newTCP(s settings) (Broker, error) {
	if err := s.check(tcpKeys()); err != nil {
		return nil, err
	}
	list, err := s.list("allow")
	if err != nil {
		return nil, err
	}

	b := &tcpBroker{allow: make(map[string]bool, len(list))}
	for _, entry := range list {
		host, port, err := net.SplitHostPort(entry)
		n, errPort := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || errPort != nil || n == 0 {
			return nil, s.errorf("allow", "entry %q: want host:port, such as \"db.example.com:5432\" or \"[::1]:5432\"", entry)
		}
		b.allow[entry] = true
	}
	return b, nil
}

// Open implements [Broker]. The target must be in the list letter by letter.
func (b *tcpBroker) Open(ctx context.Context, target string) (Conn, error) {
	if !b.allow[target] {
		return nil, &Error{
			Category: abi.CategoryPermission,
			Message:  fmt.Sprintf("the pipeline does not allow a connection to %q", target),
			Hint:     fmt.Sprintf("if it should, add %q to the config key allow", target),
			Field:    "allow",
			cause:    abi.Denied,
		}
	}

	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return nil, &Error{Category: abi.CategoryInternal, Message: fmt.Sprintf("tcp target %q: %v", target, err)}
	}
	d := dialer{Dialer: net.Dialer{Timeout: tcpDialTimeout, Resolver: b.resolver, Control: checkResolved(host)}}
	s, err := d.dial(ctx, "tcp", target)
	if err != nil {
		return nil, dialError("connect to "+target, err)
	}
	return newConn(target, s, s), nil
}

// checkResolved returns a hook that a dialer calls with the very address it is
// about to connect to, for each one that the name has. Checking there leaves no
// time between check and use in which a name server could change its answer.
//
// A name may lead to any host, inside or outside. What it may not do is lead
// back to this machine, or to the link's own addresses where clouds serve their
// credentials: whoever controls the name would choose what is reached. Such an
// address has to be in the list itself.
func checkResolved(host string) func(network, address string, _ syscall.RawConn) error {
	literal, err := netip.ParseAddr(host)
	if err == nil {
		literal = embedded(literal)
	}
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")

	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return &resolvedError{host: host, address: address}
		}
		a := embedded(ap.Addr())
		switch {
		case literal.IsValid():
			if a.WithZone("") != literal.WithZone("") {
				return &resolvedError{host: host, address: address}
			}
		case a.IsLoopback():
			if !local {
				return &resolvedError{host: host, address: address}
			}
		case a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast():
			return &resolvedError{host: host, address: address}
		}
		return nil
	}
}

// nat64 is the prefix under which a translator makes the IPv4 world reachable.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// embedded returns the IPv4 address inside an IPv6 address, if it is one of
// those, else a.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// resolvedError is a resolved address that the name may not lead to.
type resolvedError struct{ host, address string }

func (e *resolvedError) Error() string {
	return fmt.Sprintf("%s leads to %s", e.host, e.address)
}

// Is makes the error match [abi.Denied].
func (e *resolvedError) Is(target error) bool { return target == error(abi.Denied) }

// dialError describes a connection attempt that failed before any byte was
// exchanged.
func dialError(doing string, err error) *Error {
	var resolved *resolvedError
	if errors.As(err, &resolved) {
		return &Error{
			Category: abi.CategoryPermission,
			Message:  doing + ": the name leads to " + resolved.address + ", which only an entry with that address allows",
			Hint:     fmt.Sprintf("if that is meant, add %q to the config key allow and connect to it", resolved.address),
			Field:    "allow",
			cause:    abi.Denied,
		}
	}
	e := networkError(err)
	e.Message = doing + ": " + e.Message
	return e
}
