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

// startDocker needs file locks, to find the containers of dead processes.
func startDocker(context.Context, Options) (backend, string, error) {
	return nil, "", absentf("docker", "not supported on %s; set %s", runtime.GOOS, envDSN)
}

// startDownloaded runs what it fetches as startInstalled does.
func startDownloaded(context.Context, Options) (backend, string, error) {
	return nil, "", absentf("download", "not supported on %s; set %s", runtime.GOOS, envDSN)
}
