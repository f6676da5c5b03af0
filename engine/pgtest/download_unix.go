//go:build unix

package pgtest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// downloadVersion is the release that the download provider fetches: the one of DefaultImage.
const downloadVersion = embedded.V17

// defaultRepository is where the binaries are published. RAPIDBYTE_PG_REPOSITORY names a mirror with the same layout.
const defaultRepository = "https://repo1.maven.org/maven2"

// repositoryLimit is how long the repository may take to answer at all.
const repositoryLimit = 8 * time.Second

// startDownloaded fetches server binaries and runs them just as if they were installed.
func startDownloaded(ctx context.Context, o Options) (backend, string, error) {
	return startLocal(ctx, "download", o, func(dir string, a account) (binaries, error) {
		return download(ctx, dir, a, o.Log)
	})
}

// download puts server binaries below dir and gives them to the account.
//
// The library fetches, checks and unpacks the archive, and only that: it would start the server as this user, which
// fails for root, with its own settings and over TCP only. Its Start is therefore shown a data directory that needs no
// initdb and is not one, so that it ends, with the server binaries in place, where it would start the server.
func download(ctx context.Context, dir string, a account, notices io.Writer) (binaries, error) {
	repository := os.Getenv(envRepository)
	if repository == "" {
		repository = defaultRepository
	}
	cache := filepath.Join(dir, "cache")
	if user, err := os.UserCacheDir(); err == nil {
		cache = filepath.Join(user, "rapidbyte", "postgres")
	}
	if err := repositoryAnswers(ctx, repository, cache, notices); err != nil {
		return binaries{}, err
	}

	// Lay the trap: a version file, and no cluster.
	server, trap := filepath.Join(dir, "server"), filepath.Join(dir, "trap")
	if err := os.Mkdir(trap, 0o700); err != nil {
		return binaries{}, err
	}
	major, _, _ := strings.Cut(string(downloadVersion), ".")
	if err := os.WriteFile(filepath.Join(trap, "PG_VERSION"), []byte(major+"\n"), 0o600); err != nil {
		return binaries{}, err
	}
	port, err := freePort() // it refuses to begin if its port is taken
	if err != nil {
		return binaries{}, err
	}

	// The library cannot be interrupted. If it takes too long it is left behind, and fails when dir goes away.
	config := embedded.DefaultConfig().Version(downloadVersion).BinaryRepositoryURL(repository).CachePath(cache).
		RuntimePath(filepath.Join(dir, "runtime")).BinariesPath(server).DataPath(trap).Port(uint32(port)).Logger(io.Discard)
	done := make(chan error, 1)
	go func() { done <- fetchOnly(embedded.NewDatabase(config)) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return binaries{}, fmt.Errorf("fetch server binaries %s from %s: %w", downloadVersion, repository, err)
	}

	if err := filepath.WalkDir(server, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return a.own(file)
	}); err != nil {
		return binaries{}, err
	}
	b, ok := binariesIn([]string{filepath.Join(server, "bin")})
	if !ok {
		return binaries{}, fmt.Errorf("the archive of %s holds no bin/initdb and bin/postgres", repository)
	}
	return b, nil
}

// fetchOnly runs the library up to the start of the server, and removes the log file that it leaves behind.
func fetchOnly(e *embedded.EmbeddedPostgres) error {
	const logs = "embedded_postgres_log*"
	before, _ := filepath.Glob(filepath.Join(os.TempDir(), logs)) // the only error is a bad pattern
	defer func() {
		after, _ := filepath.Glob(filepath.Join(os.TempDir(), logs))
		for _, file := range after {
			if !slices.Contains(before, file) {
				_ = os.Remove(file)
			}
		}
	}()

	err := e.Start()
	if err != nil && strings.HasPrefix(err.Error(), "could not start postgres using ") {
		return nil // as planned: everything before it worked
	}
	if err == nil {
		return fmt.Errorf("the library started a server where there is no cluster")
	}
	return err
}

// repositoryAnswers tells "no network" from "a slow download". An archive in the cache needs no repository.
func repositoryAnswers(ctx context.Context, repository, cache string, notices io.Writer) error {
	if have, _ := filepath.Glob(filepath.Join(cache, "*-"+string(downloadVersion)+".txz")); len(have) > 0 {
		return nil
	}
	probe, cancel := context.WithTimeout(ctx, repositoryLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(probe, http.MethodHead, repository+"/", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) // the library's client too, so the same proxy settings count
	if err != nil {
		return absentf("download", "the repository does not answer (%s); set %s to a mirror", err, envRepository)
	}
	resp.Body.Close()
	fmt.Fprintf(notices, "# pgtest: download: fetching server binaries %s\n", downloadVersion)
	return nil
}
