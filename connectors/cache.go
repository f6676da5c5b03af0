package connectors

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/connectors/finish"
)

// The cache has a folder for each content of the sources, named by its hash:
//
//	cache/lock               held while somebody builds
//	cache/.build-*           being built, or left by a process that was killed
//	cache/KEY/NAME.wasm      a module
//	cache/KEY/NAME.json      its manifest
//	cache/KEY/SHA256SUMS     what the files held when they were built
const (
	buildPrefix = ".build-"
	sumsFile    = "SHA256SUMS"

	// A folder not used for so long is removed: an edit of the sources makes a new
	// one of about 9 MB. Long enough to come back to a branch.
	keepUnused = 14 * 24 * time.Hour
	// A build takes seconds, so one of this age was killed.
	keepBroken = time.Hour
)

// userCache returns the default place of the cache.
func userCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", cacheError(err)
	}
	return filepath.Join(dir, "rapidbyte", "connectors"), nil
}

func cacheError(err error) error {
	return fmt.Errorf("connectors: no place to keep built connectors: %w; let XDG_CACHE_HOME or HOME name a folder that can be written, or %s one of built connectors", err, DirVariable)
}

// key hashes everything the modules depend on: the toolchain, the flags, the
// content of every file that is compiled and what is done to the modules then.
func (b *builder) key(ctx context.Context) (string, error) {
	version, err := goCommand(ctx, b.root, "env", "GOVERSION")
	if err != nil {
		return "", fmt.Errorf("connectors: %w", err)
	}
	const format = `{{if not .Standard}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}` +
		`{{range .SFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}`
	args := []string{"list", "-deps", "-f", format}
	for _, name := range b.names {
		args = append(args, "./connectors/"+name)
	}
	list, err := goCommand(ctx, b.root, args...)
	if err != nil {
		return "", fmt.Errorf("connectors: list sources: %w", err)
	}

	files := strings.Split(strings.TrimSpace(list), "\n")
	files = append(files, filepath.Join(b.root, "go.mod"))
	for _, name := range b.names {
		files = append(files, filepath.Join(b.root, "connectors", name, "manifest.json"))
	}
	slices.Sort(files)

	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q\n", version, buildFlags, finish.Version)
	for _, path := range files {
		rel, err := filepath.Rel(b.root, path)
		if err != nil {
			return "", fmt.Errorf("connectors: %w", err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("connectors: %w", err)
		}
		fmt.Fprintf(h, "%q %x\n", filepath.ToSlash(rel), sha256.Sum256(content))
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// complete reports whether dir holds every file as it was built. A module is
// code that is about to run and the disk may have been full, so presence alone
// does not count.
func (b *builder) complete(dir string) bool {
	want, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return false
	}
	got, err := sums(dir)
	if err != nil || !bytes.Equal(got, want) {
		return false
	}
	for _, name := range b.files() {
		if !bytes.Contains(want, []byte("  "+name+"\n")) {
			return false
		}
	}

	// The time says when it was used last; it need not be exact.
	if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
		_ = os.Chtimes(dir, time.Time{}, time.Now()) // at worst it is built again
	}
	return true
}

// sums returns the checksums of the files in dir, in the format of sha256sum.
func sums(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, e := range entries {
		if e.Name() == sumsFile {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out = fmt.Appendf(out, "%x  %s\n", sha256.Sum256(content), e.Name())
	}
	return out, nil
}

// summed is a file system that knows the checksums of what it holds.
type summed struct {
	fs.FS
	sums map[string][sha256.Size]byte
}

// SHA256 returns the checksum of the named file; the engine asks for it.
func (s *summed) SHA256(name string) (sum [sha256.Size]byte, ok bool) {
	sum, ok = s.sums[name]
	return sum, ok
}

// withSums returns files with the checksums in their [sumsFile], which are
// believed.
func withSums(files fs.FS) (fs.FS, error) {
	list, err := fs.ReadFile(files, sumsFile)
	if err != nil {
		return nil, err
	}
	s := &summed{files, make(map[string][sha256.Size]byte)}
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		b, err := hex.DecodeString(sum)
		if err != nil || len(b) != sha256.Size || name == "" {
			return nil, fmt.Errorf("%s is damaged: %q is no line of it", sumsFile, line)
		}
		s.sums[name] = [sha256.Size]byte(b)
	}
	return s, nil
}

func writeSums(dir string) error {
	s, err := sums(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), s, 0o600)
}

// replace moves the folder tmp to dir. What is there, and is not complete, goes
// away.
func replace(dir, tmp string) error {
	err := os.Rename(tmp, dir)
	if err == nil || !os.IsExist(err) {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// sweep removes what nobody uses any more, except dir. It does what it can: a
// folder that stays costs space only.
func (b *builder) sweep(dir string) {
	entries, err := os.ReadDir(b.cache)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(b.cache, e.Name())
		info, err := e.Info()
		if err != nil || !e.IsDir() || path == dir {
			continue
		}
		keep := keepUnused
		if strings.HasPrefix(e.Name(), buildPrefix) {
			keep = keepBroken
		}
		if time.Since(info.ModTime()) > keep {
			_ = os.RemoveAll(path)
		}
	}
}
