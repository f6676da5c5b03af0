package targets

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilStopped returns a context that ends with ctx, on Ctrl-C and on SIGTERM. Every target that starts a program or a
// server works under it: mage knows Ctrl-C alone, and a process that SIGTERM ends takes back neither what it started, which
// has a process group of its own, nor its temporary files. The function returned gives the signals their usual effect again.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}
