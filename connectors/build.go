package connectors

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// BuildOptions configure [Build]. The zero value builds into the user's cache.
type BuildOptions struct {
	// Dir receives the files. Empty means a folder in the user's cache directory
	// named by the content of the sources, which is built only if absent.
	Dir string
	// Source is the module's root. Empty means the one around the working
	// directory.
	Source string
}

// modulePath is the module whose root Build looks for.
const modulePath = "github.com/rapidbyte-go/rapidbyte"

var errNoSource = errors.New("source not found")

// buildFlags are how guests are compiled. Function names stay in the module:
// without them it would be a sixth smaller, and profiles and the instruction
// gate would have nothing to name.
var buildFlags = []string{"build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"}

// Build compiles every connector from source and returns a file system with the
// modules and their manifests.
func Build(ctx context.Context, o BuildOptions) (fs.FS, error) {
	root := o.Source
	if root == "" {
		var err error
		if root, err = moduleRoot(ctx); err != nil {
			return nil, err
		}
	}
	for _, name := range Names() {
		if err := checkManifest(root, name); err != nil {
			return nil, err
		}
	}

	if o.Dir != "" {
		if err := buildInto(ctx, root, o.Dir); err != nil {
			return nil, err
		}
		return os.DirFS(o.Dir), nil
	}
	dir, err := cacheDir(ctx, root)
	if err != nil {
		return nil, err
	}
	if complete(dir) {
		return os.DirFS(dir), nil
	}

	// Built aside and moved into place whole: two processes may do this at once,
	// and one that is killed leaves nothing half done.
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, fmt.Errorf("connectors: cache folder: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".build-*")
	if err != nil {
		return nil, fmt.Errorf("connectors: cache folder: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := buildInto(ctx, root, tmp); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, dir); err != nil && !complete(dir) {
		return nil, fmt.Errorf("connectors: cache folder: %w", err)
	}
	return os.DirFS(dir), nil
}

func complete(dir string) bool {
	for _, name := range Names() {
		for _, ext := range []string{".wasm", ".json"} {
			if _, err := os.Stat(filepath.Join(dir, name+ext)); err != nil {
				return false
			}
		}
	}
	return true
}

// buildInto compiles every connector into dir.
func buildInto(ctx context.Context, root, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("connectors: %w", err)
	}
	var g errgroup.Group
	for _, name := range Names() {
		g.Go(func() error {
			out := filepath.Join(dir, name+".wasm")
			args := append(append([]string{}, buildFlags...), "-o", out, "./connectors/"+name)
			if _, err := goCommand(ctx, root, args...); err != nil {
				return fmt.Errorf("connectors: build %s: %w", name, err)
			}
			manifest, err := os.ReadFile(filepath.Join(root, "connectors", name, "manifest.json"))
			if err != nil {
				return fmt.Errorf("connectors: %w", err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".json"), manifest, 0o644); err != nil {
				return fmt.Errorf("connectors: %w", err)
			}
			return nil
		})
	}
	return g.Wait()
}

// checkManifest refuses a connector whose folder and manifest do not agree.
func checkManifest(root, name string) error {
	path := filepath.Join(root, "connectors", name, "manifest.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("connectors: manifest of %s: %w", name, err)
	}
	var m abi.Manifest
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return fmt.Errorf("connectors: manifest of %s is not valid: %w", name, err)
	}
	if m.Name != name || m.ABI != abi.Version {
		return fmt.Errorf("connectors: manifest of %s says name %q and ABI version %d, want %q and %d", name, m.Name, m.ABI, name, abi.Version)
	}
	return nil
}

// moduleRoot returns the root of this module's source around the working
// directory.
func moduleRoot(ctx context.Context) (string, error) {
	mod, err := goCommand(ctx, "", "env", "GOMOD")
	if err != nil {
		return "", fmt.Errorf("connectors: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(mod))
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil || !bytes.Contains(text, []byte("module "+modulePath+"\n")) {
		return "", errNoSource
	}
	return root, nil
}

// cacheDir names the folder for what the sources under root compile to: by the
// toolchain, the flags, and the content of every file a guest is built from.
func cacheDir(ctx context.Context, root string) (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("connectors: no cache folder: %w", err)
	}
	version, err := goCommand(ctx, root, "env", "GOVERSION")
	if err != nil {
		return "", fmt.Errorf("connectors: %w", err)
	}
	var packages []string
	for _, name := range Names() {
		packages = append(packages, "./connectors/"+name)
	}
	const format = `{{if not .Standard}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}`
	list, err := goCommand(ctx, root, append([]string{"list", "-deps", "-f", format}, packages...)...)
	if err != nil {
		return "", fmt.Errorf("connectors: list sources: %w", err)
	}
	files := strings.FieldsFunc(list, func(r rune) bool { return r == '\n' })
	for _, name := range Names() {
		files = append(files, filepath.Join(root, "connectors", name, "manifest.json"))
	}
	sort.Strings(files)

	h := sha256.New()
	fmt.Fprintln(h, version, buildFlags)
	for _, path := range files {
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return "", fmt.Errorf("connectors: %w", err)
		}
		fmt.Fprintln(h, filepath.ToSlash(rel))
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("connectors: %w", err)
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", fmt.Errorf("connectors: read %s: %w", rel, err)
		}
	}
	return filepath.Join(user, "rapidbyte", "connectors", hex.EncodeToString(h.Sum(nil)[:12])), nil
}

// goCommand runs the go tool for the guests' platform. What the caller set for
// its own builds (a race detector, an overlay, coverage) does not reach them.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("the go command is not on the PATH: connectors are built from source; install Go, or set %s to a folder of built connectors", DirVariable)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
