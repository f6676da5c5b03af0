package pgtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// binaries are the two programs of a Postgres server that are needed.
type binaries struct{ initdb, postgres string }

// findBinaries looks where server binaries usually are: PATH, the folder that pg_config names, and the folders of the
// distributions, newest major version first. The last are there because Debian and its kin put only the client's
// programs on PATH.
func findBinaries(ctx context.Context) (b binaries, ok bool) {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if dir != "" {
			dirs = append(dirs, dir)
		}
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"/usr/pgsql-*/bin",                  // PostgreSQL's own packages for Red Hat and its kin
		"/usr/libexec/postgresql*",          // Alpine
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew on ARM
		"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"/usr/local/pgsql/bin",              // built from source
	} {
		found, _ := filepath.Glob(pattern) // the only error is a bad pattern
		slices.SortStableFunc(found, func(a, b string) int { return majorIn(b) - majorIn(a) })
		dirs = append(dirs, found...)
	}
	return binariesIn(dirs)
}

// binariesIn picks the first folder that holds both programs. A postgres that is a shell script is taken only if there
// is no other: a signal would reach the script and not the server behind it.
func binariesIn(dirs []string) (b binaries, ok bool) {
	var wrapped *binaries
	for _, dir := range dirs {
		b := binaries{filepath.Join(dir, "initdb"), filepath.Join(dir, "postgres")}
		if !executable(b.initdb) || !executable(b.postgres) {
			continue
		}
		b.initdb, b.postgres = resolve(b.initdb), resolve(b.postgres)
		if !script(b.postgres) {
			return b, true
		}
		if wrapped == nil {
			wrapped = &b
		}
	}
	if wrapped != nil {
		return *wrapped, true
	}
	return binaries{}, false
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// resolve follows symbolic links, which may lead through a folder that the server's user cannot enter.
func resolve(file string) string {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		return target
	}
	return file
}

func script(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [2]byte
	_, err = f.Read(head[:])
	return err == nil && string(head[:]) == "#!"
}

// majorIn returns the first number in a path, which in all the patterns above is the major version; 0 without one.
func majorIn(path string) int {
	start := strings.IndexAny(path, "0123456789")
	if start < 0 {
		return 0
	}
	end := start
	for end < len(path) && path[end] >= '0' && path[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(path[start:end])
	return n
}
