package refs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// recipe changes when a build of the same source would come out differently because of this package.
const recipe = "2"

// buildSettings are the go command's settings that change what it builds.
var buildSettings = []string{
	"GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM", "GOARM64", "GO386", "GOPPC64", "GORISCV64", "GOWASM",
	"GOEXPERIMENT", "GOFLAGS", "GOFIPS140", "CGO_ENABLED", "CC", "CGO_CFLAGS", "CGO_LDFLAGS",
}

// key names the build of this source by this toolchain, and returns the toolchain's version. It is asked for inside the
// worktree, because the commit's go.mod decides which toolchain runs.
func (w *Worktree) key(ctx context.Context) (key, toolchain string, err error) {
	settings, err := goTool(ctx, w.Dir, nil, append([]string{"env"}, buildSettings...)...)
	if err != nil {
		return "", "", w.buildError(ctx, "go.mod", err)
	}
	toolchain, _, _ = strings.Cut(settings, "\n")

	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%s", recipe, w.Ref.Tree, w.repo.options.Suite, strings.Join(w.repo.options.flags(), " "), settings)
	return hex.EncodeToString(h.Sum(nil))[:32], toolchain, nil
}

// record is the file in which a build describes itself.
const record = "build.json"

// load returns the build kept in dir, or nil if there is none or it is damaged.
func load(dir string) *Build {
	data, err := os.ReadFile(filepath.Join(dir, record))
	if err != nil {
		return nil
	}
	var b Build
	if json.Unmarshal(data, &b) != nil {
		return nil
	}
	if files, err := listFiles(dir); err != nil || !slices.Equal(files, b.Files) {
		return nil
	}

	// Being used keeps it from being trimmed.
	_ = os.Chtimes(dir, time.Time{}, time.Now())
	b.locate(dir)
	return &b
}

// store writes the build's own record into dir and moves the whole to its place in the cache. Of two processes that
// finish the same build at once the second keeps what the first has put there.
func (b *Build) store(dir, place string) error {
	var err error
	if b.Files, err = listFiles(dir); err != nil {
		return err
	}
	data, err := json.MarshalIndent(b, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, record), data, 0o644); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}

	if os.Rename(dir, place) != nil && load(place) == nil {
		if err := os.RemoveAll(place); err != nil {
			return err
		}
		if err := os.Rename(dir, place); err != nil {
			return err
		}
	}
	b.locate(place)
	return nil
}

// locate fills in the paths of a build kept in dir.
func (b *Build) locate(dir string) {
	b.Binary = filepath.Join(dir, binaryName)
	b.Guests = filepath.Join(dir, guestsName)
}

// listFiles returns every file below dir except the build's own record, sorted by name.
func listFiles(dir string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == filepath.Join(dir, record) {
			return err
		}
		h := sha256.New()
		size, err := hashFile(h, path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files = append(files, File{filepath.ToSlash(name), hex.EncodeToString(h.Sum(nil)), size})
		return err
	})
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return files, err
}

// hashFile writes the file's content to h and returns its length.
func hashFile(h hash.Hash, path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(h, f)
}

// Builds are kept for keepDays after their last use, and the latest keepBuilds in any case. One takes about as much room
// as the test binary and its guests, some 50 MB.
const (
	keepDays   = 14
	keepBuilds = 6
)

// trim removes what has not been used for long, and what killed builds left behind. Best effort: the cache works without.
func trim(cache string) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	type aged struct {
		path string
		used time.Time
	}
	var builds []aged
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() {
			builds = append(builds, aged{filepath.Join(cache, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(builds, func(a, b aged) int { return b.used.Compare(a.used) })
	for i, b := range builds {
		if i >= keepBuilds && time.Since(b.used) > keepDays*24*time.Hour {
			_ = os.RemoveAll(b.path)
		}
	}
}
