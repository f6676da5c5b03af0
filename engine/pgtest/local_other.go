//go:build !unix

package pgtest

import (
	"context"
	"runtime"
)

// startInstalled needs unix sockets, file locks and process groups.
func startInstalled(context.Context, Options) (backend, string, error) {
	return nil, "", absentf("local", "not supported on %s; set %s", runtime.GOOS, envDSN)
}
