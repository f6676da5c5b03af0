package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// shared is the one server of a test binary. It is the only state of this package: the point of it is that tests and
// benchmarks which know nothing of each other use the same server.
var shared struct {
	sync.Mutex
	server *Server
	err    error // of the first start; no test tries again
}

// Shared returns the test binary's server, which the first call starts. Without any Postgres the test is skipped, with
// the reason, or fails if RAPIDBYTE_PG_REQUIRE=1; a server that is there and does not start always fails it.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		// The limit is for a download of an image or of binaries. It ends well before go test's own, whose end
		// would not say what was waited for.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		shared.server, shared.err = Start(ctx, Options{})
	}

	if shared.err != nil {
		refuse(tb, shared.err)
	}
	return shared.server
}

// refuse ends a test that has no server.
func refuse(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, ErrAbsent) && os.Getenv(envRequire) != "1" {
		tb.Skip(err)
	}
	tb.Fatal(err)
}

// Run runs the tests and then stops the server that Shared started, if any. It is what a TestMain returns with:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
// Without it the server ends with the process all the same, a moment later.
func Run(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return code
	}
	err := shared.server.Close()
	shared.server, shared.err = nil, errors.New("pgtest: the tests are over")
	if err != nil {
		fmt.Fprintln(os.Stderr, "#", err)
		return max(code, 1)
	}
	return code
}
