package connectors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/rapidbyte-go/rapidbyte/connectors/finish"
)

// BuildOptions configure [Build]. The zero value builds what the working
// directory's module holds into the user's cache.
type BuildOptions struct {
	// Dir receives a copy of the files. Empty means that they stay where they are
	// in the cache.
	Dir string
	// Source is the root of this module's source. Empty means that it is looked
	// for: around the working directory, among the dependencies of the module
	// there, and where this program was compiled.
	Source string
	// CacheDir holds what was built before, one folder for each content of the
	// sources. Empty means rapidbyte/connectors in the user's cache directory.
	CacheDir string
}

// buildFlags are how guests are compiled: the same bytes wherever the source
// lies. Function names stay in the modules, because profiles are unreadable
// without them; dropping them (-ldflags=-s) would save 2 % of the size and no
// time to load that can be measured.
var buildFlags = []string{"-buildmode=c-shared", "-trimpath", "-buildvcs=false"}

// Build compiles every connector from source and returns a file system with
// NAME.wasm and NAME.json of each at its root, and their checksums in
// SHA256SUMS, which the engine is told. It needs the go command, and takes
// seconds the first time and milliseconds as long as the sources, the toolchain
// and the flags stay the same. Any number of processes may build at once.
func Build(ctx context.Context, o BuildOptions) (fs.FS, error) {
	b := builder{root: o.Source, cache: o.CacheDir, names: Names()}
	var err error
	if b.root == "" {
		if b.root, err = findSource(ctx); err != nil {
			return nil, err
		}
	}
	if b.cache == "" {
		if b.cache, err = userCache(); err != nil {
			return nil, err
		}
	}

	dir, err := b.build(ctx)
	if err != nil {
		return nil, err
	}
	if o.Dir != "" {
		if err := b.copyTo(o.Dir, dir); err != nil {
			return nil, fmt.Errorf("connectors: %w", err)
		}
		dir = o.Dir
	}
	files, err := withSums(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("connectors: folder %s: %w", dir, err)
	}
	return files, nil
}

// builder builds the named connectors of the source at root.
type builder struct {
	root, cache string
	names       []string
}

// build returns a folder in the cache that holds every module and manifest.
func (b *builder) build(ctx context.Context) (dir string, err error) {
	for _, name := range b.names {
		if _, err := os.Stat(filepath.Join(b.root, "connectors", name)); err != nil {
			return "", fmt.Errorf("connectors: %s is not the source of this module: %w", b.root, err)
		}
		if err := checkManifest(os.DirFS(filepath.Join(b.root, "connectors", name)), "manifest.json", name); err != nil {
			return "", fmt.Errorf("connectors: %w", err)
		}
	}
	key, err := b.key(ctx)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(b.cache, key)
	if b.complete(dir) {
		return dir, nil
	}

	// Others who want the same wait for the one who builds; building three times
	// at once would take each of them as long as all together. Where there are no
	// locks they all build, and the first one's folder stays.
	if err := os.MkdirAll(b.cache, 0o700); err != nil {
		return "", cacheError(err)
	}
	unlock, err := lock(ctx, filepath.Join(b.cache, "lock"))
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("connectors: build: %w", ctx.Err())
	case err != nil:
		return "", cacheError(err)
	}
	defer unlock()
	if b.complete(dir) {
		return dir, nil
	}

	// Built aside and moved into place whole: a process that is killed leaves
	// nothing half done.
	tmp, err := os.MkdirTemp(b.cache, buildPrefix)
	if err != nil {
		return "", cacheError(err)
	}
	defer os.RemoveAll(tmp)
	if err := b.compile(ctx, tmp); err != nil {
		return "", err
	}
	if err := writeSums(tmp); err != nil {
		return "", cacheError(err)
	}
	if err := replace(dir, tmp); err != nil && !b.complete(dir) {
		return "", cacheError(err)
	}
	b.sweep(dir)
	return dir, nil
}

// compile builds every connector into dir.
func (b *builder) compile(ctx context.Context, dir string) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range b.names {
		g.Go(func() error {
			args := append([]string{"build"}, buildFlags...)
			args = append(args, "-o", filepath.Join(dir, name+".wasm"), "./connectors/"+name)
			if _, err := goCommand(ctx, b.root, args...); err != nil {
				return fmt.Errorf("connectors: build %s: %w", name, err)
			}
			if err := finishFile(filepath.Join(dir, name+".wasm")); err != nil {
				return fmt.Errorf("connectors: build %s: %w", name, err)
			}
			manifest, err := os.ReadFile(filepath.Join(b.root, "connectors", name, "manifest.json"))
			if err != nil {
				return fmt.Errorf("connectors: %w", err)
			}
			return os.WriteFile(filepath.Join(dir, name+".json"), manifest, 0o600)
		})
	}
	return g.Wait()
}

// finishFile replaces what the linker wrote by what is loaded.
func finishFile(path string) error {
	wasm, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if wasm, err = finish.Guest(wasm); err != nil {
		return err
	}
	return os.WriteFile(path, wasm, 0o600)
}

// copyTo copies the files in from to dir. Each appears there whole, and the
// checksums last: a folder without them is of no program.
func (b *builder) copyTo(dir, from string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, sumsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range append(b.files(), sumsFile) {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		tmp, err := os.CreateTemp(dir, ".new-*")
		if err != nil {
			return err
		}
		_, err = tmp.Write(content)
		if e := tmp.Chmod(0o644); err == nil {
			err = e
		}
		if e := tmp.Close(); err == nil {
			err = e
		}
		if err == nil {
			err = os.Rename(tmp.Name(), filepath.Join(dir, name))
		}
		if err != nil {
			os.Remove(tmp.Name())
			return err
		}
	}
	return nil
}

// files returns the names of everything that is built.
func (b *builder) files() []string {
	var files []string
	for _, name := range b.names {
		files = append(files, name+".json", name+".wasm")
	}
	return files
}
