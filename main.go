// Rapidbyte moves tables between systems with connectors that run as WebAssembly
// guests.
//
//	rapidbyte run pipeline.yaml
//
// Read engine/doc.go for what happens then. This folder holds the command line
// only: cli.go has the commands' frame, cli_*.go a command each.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/rapidbyte-go/rapidbyte/connectors"
)

func main() {
	collectLater()
	ctx, stop := signals(context.Background())
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// collectLater has the first collection of garbage at four times the usual heap,
// 16 MB, and the others as ever. Most commands never come so far, and two
// collections at the start would make it a tenth longer. Who sets GOGC has it as
// it is set.
func collectLater() {
	if os.Getenv("GOGC") != "" {
		return
	}
	usual := debug.SetGCPercent(400)
	unused := new([64]byte) // what the first collection finds; smaller things are put together
	runtime.AddCleanup(unused, func(percent int) { debug.SetGCPercent(percent) }, usual)
}

// run is the program: it does what args say and returns the exit code. Ending
// ctx ends it cleanly.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &cli{stdout: stdout, stderr: stderr, connectors: connectors.Open, native: connectors.Native}
	return c.run(ctx, args)
}

// signalError is why a context that [signals] made has ended.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "stopped by signal: " + e.signal.String() }
func (e *signalError) Unwrap() error { return context.Canceled }

// signals returns a context that ends at the first interrupt or termination
// signal. The second one ends the process at once, in case something does not
// listen to the first.
func signals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	incoming := make(chan os.Signal, 2)
	signal.Notify(incoming, os.Interrupt, syscall.SIGTERM)
	go func() {
		first, ok := <-incoming
		if !ok {
			return
		}
		fmt.Fprintf(os.Stderr, "\nrapidbyte: stopping (%v); once more to exit at once\n", first)
		cancel(&signalError{first})
		if second, ok := <-incoming; ok {
			os.Exit(codeOfSignal(second))
		}
	}()
	return ctx, func() {
		signal.Stop(incoming)
		close(incoming)
	}
}

// codeOfSignal is what a shell reports for a process that a signal ended.
func codeOfSignal(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return exitInterrupted
}

// signalCode returns the exit code of a run whose context a signal has ended.
func signalCode(ctx context.Context) int {
	var s *signalError
	if errors.As(context.Cause(ctx), &s) {
		return codeOfSignal(s.signal)
	}
	return exitInterrupted
}
