package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// suite is the environment all benchmarks of this process share. It is opened
// by the first one, so that the package's tests, which run before, can start
// suites of their own.
var suite struct {
	sync.Once
	server *pgtest.Server
	env    *lab.Env
	skip   error // no Postgres on this machine
	err    error
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := pgtest.Run(m)
	if err := closeSuite(); err != nil {
		fmt.Fprintln(os.Stderr, "#", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// require returns the suite's environment. Without a Postgres it skips the
// benchmark and says why, or fails it if RAPIDBYTE_PG_REQUIRE=1.
//
// It is called by the benchmark functions themselves, never below b.Run: the
// head it prints must not get between a benchmark's name and its numbers.
func require(b *testing.B) *lab.Env {
	b.Helper()
	suite.Do(openSuite)
	switch {
	case suite.err != nil:
		b.Fatal(suite.err)
	case suite.skip != nil && os.Getenv("RAPIDBYTE_PG_REQUIRE") == "1":
		b.Fatal(suite.skip)
	case suite.skip != nil:
		skip(b, suite.skip)
	}
	return suite.env
}

// skip skips a benchmark and says so: package testing keeps silent about it
// without -v, and a suite that measures nothing must not look like one that
// passed.
func skip(b *testing.B, reason error) {
	b.Helper()
	fmt.Printf("# %s skipped: %s\n", b.Name(), strings.ReplaceAll(reason.Error(), "\n", "; "))
	b.Skip(reason)
}

func openSuite() {
	grid, err := lab.GridFromEnv(os.LookupEnv)
	if err != nil {
		suite.err = err
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	signals, opened := make(chan os.Signal, 1), make(chan struct{})
	defer close(opened)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go stopOnSignal(signals, cancel, opened)

	// Lines for people start with "#" here: everything else on standard output
	// would be taken for a result or for configuration.
	suite.server, suite.err = pgtest.Start(ctx, pgtest.Options{Log: os.Stdout})
	if errors.Is(suite.err, pgtest.ErrAbsent) {
		suite.skip, suite.err = suite.err, nil
	}
	if suite.server == nil {
		return
	}
	if suite.env, suite.err = lab.Open(ctx, suite.server, grid); suite.err != nil {
		return
	}
	suite.err = suite.env.WriteHead(os.Stdout)
}

// stopOnSignal leaves nothing behind when the suite is interrupted, where package testing would just die. A suite that is
// still being opened is told to give up, and takes back what it has made so far.
func stopOnSignal(signals <-chan os.Signal, giveUp context.CancelFunc, opened <-chan struct{}) {
	<-signals
	giveUp()
	<-opened
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var errs []error
	if suite.env != nil {
		errs = append(errs, suite.env.Abandon(ctx))
	}
	if suite.server != nil {
		errs = append(errs, suite.server.Close())
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "#", err)
	}
	os.Exit(130)
}

func closeSuite() error {
	var errs []error
	if suite.env != nil {
		errs = append(errs, suite.env.Close())
	}
	if suite.server != nil {
		errs = append(errs, suite.server.Close())
	}
	return errors.Join(errs...)
}
