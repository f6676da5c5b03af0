// Package broker opens connections for guests.
//
// A guest asks for the connection its pipeline declares and gets a handle to
// it; the host does the rest. The "postgres" broker logs in, so that passwords
// and TLS stay outside the sandbox and the guest receives an idle session to
// speak the protocol on. The "tcp" broker connects to the addresses that the
// pipeline lists, and to nothing else.
//
// No error of this package contains a password, wherever it came from: a key,
// the dsn, a password file, a service file or the environment.
package broker

import (
	"context"
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// The brokers' names, as manifests and guests write them.
const (
	Postgres = "postgres"
	TCP      = "tcp"
)

// Broker opens connections of one kind to the places its configuration allows.
// It is safe for concurrent use.
type Broker interface {
	// Open connects and, where the broker does that, logs in. The target must
	// be empty for "postgres" and is "host:port" for "tcp". The context bounds
	// the opening only. Errors are of type [*Error].
	Open(ctx context.Context, target string) (Conn, error)
}

// Conn is an open connection. Read, Write and Ready are for one goroutine at a
// time; SetCancelled and Close may be called from any.
type Conn interface {
	// Read reads at least one byte, or returns io.EOF at the end of the input.
	// After a failed Write it still returns what the peer sent before.
	Read(p []byte) (int, error)

	// Write writes all of p. While it waits for a peer that is itself waiting
	// for us to read, it reads ahead into a bounded inbox; later Reads take
	// that first.
	Write(p []byte) (int, error)

	// Ready reports whether a Read would return at once, with input, the end of
	// it or an error. It never blocks and takes nothing away.
	Ready() (bool, error)

	// SetCancelled makes a Read or Write that is waiting, and all later ones,
	// return an error that matches [context.Canceled].
	SetCancelled()

	// Close ends the connection; calling it again does nothing. A postgres
	// session that is idle is ended politely. One in the middle of something is
	// told to stop, and Close then waits until the server has let go of it, two
	// seconds at most.
	Close() error
}

// Keys returns the configuration keys that belong to the named broker, in the
// order they are worth explaining. It returns nil for a name that is no broker.
func Keys(broker string) []abi.ManifestField {
	switch broker {
	case Postgres:
		return postgresKeys()
	case TCP:
		return tcpKeys()
	}
	return nil
}

// New returns the named broker with its configuration: the broker's own keys
// and no others, defaults left out or filled in. Values have the types a YAML
// file gives them; a number may also be a string of digits. Errors are of type
// [*Error] and name the key.
func New(broker string, config map[string]any) (Broker, error) {
	s := settings{broker: broker, config: config}
	switch broker {
	case Postgres:
		return newPostgres(s)
	case TCP:
		return newTCP(s)
	}
	return nil, &Error{
		Category: abi.CategoryConfig,
		Message:  fmt.Sprintf("there is no broker %q", broker),
		Hint:     "use postgres or tcp",
	}
}
