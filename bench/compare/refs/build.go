package refs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/compare/child"
)

// Build is the compiled form of one commit. Its files lie in the cache and must not be changed.
type Build struct {
	Ref    Ref    `json:"-"`
	Binary string `json:"-"` // path of the test binary of the suite
	Guests string `json:"-"` // folder with NAME.wasm and NAME.json; empty if the commit has no guests
	Cached bool   `json:"-"` // taken from the cache, nothing was compiled
	// Files holds the name below the build's folder, hash and size of everything that was built.
	Files []File `json:"files"`
	// Code is a hash of all that was compiled in, without comments. See the package documentation.
	Code string `json:"code"`
	// Toolchain is the Go version that compiled it.
	Toolchain string `json:"toolchain"`
}

// File is one file of a build.
type File struct {
	Name string `json:"name"` // "bench.test", "guests/source-postgres.wasm"
	Hash string `json:"sha256"`
	Size int64  `json:"size"`
}

const (
	binaryName = "bench.test"
	guestsName = "guests"
)

// buildFlags are given to every build. Without them two folders and two commits give different bytes for equal code.
var buildFlags = []string{"-trimpath", "-buildvcs=false"}

// flags returns what every build with these options is given.
func (o *Options) flags() []string {
	if len(o.Tags) == 0 {
		return buildFlags
	}
	return append(slices.Clone(buildFlags), "-tags="+strings.Join(o.Tags, ","))
}

// Identical reports whether the two builds are the same code, and in which way.
func Identical(a, b *Build) (how string, ok bool) {
	switch {
	case a.Ref.Commit == b.Ref.Commit:
		return "the same commit", true
	case slices.Equal(a.Files, b.Files):
		return "no difference in the built code: test binary and guests are equal byte for byte", true
	case a.Code == b.Code && a.Toolchain == b.Toolchain:
		return "no difference in the built code: only comments and line numbers changed", true
	}
	return "", false
}

// Build compiles the suite and the guests of the commit, or takes them from the cache. Its error is a *BuildError when the
// commit does not compile, and matches ErrDiskFull when that was the reason.
func (w *Worktree) Build(ctx context.Context) (*Build, error) {
	key, toolchain, err := w.key(ctx)
	if err != nil {
		return nil, err
	}
	cache := w.repo.options.Cache
	if b := load(filepath.Join(cache, key)); b != nil {
		b.Ref, b.Cached = w.Ref, true
		return b, nil
	}

	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, diskFull(fmt.Errorf("refs: build cache: %w", err), cache)
	}
	dir, err := os.MkdirTemp(cache, "building-")
	if err != nil {
		return nil, diskFull(fmt.Errorf("refs: build cache: %w", err), cache)
	}
	defer os.RemoveAll(dir)
	b := &Build{Ref: w.Ref, Toolchain: toolchain}
	if err := w.compile(ctx, dir); err != nil {
		return nil, err
	}
	if b.Code, err = w.code(ctx); err != nil {
		return nil, err
	}
	if err := b.store(dir, filepath.Join(cache, key)); err != nil {
		return nil, diskFull(fmt.Errorf("refs: build cache: %w", err), cache)
	}
	trim(cache)
	return b, nil
}

// compile puts the test binary and the guests into dir.
func (w *Worktree) compile(ctx context.Context, dir string) error {
	fmt.Fprintf(w.repo.options.Log, "building the guests of %s\n", w.Ref)
	guests := filepath.Join(dir, guestsName)
	if err := os.Mkdir(guests, 0o755); err != nil {
		return diskFull(fmt.Errorf("refs: %w", err), dir)
	}
	if err := w.repo.options.Guests(ctx, w.Dir, guests); err != nil {
		return w.buildError(ctx, "guests", err)
	}
	if err := w.finishGuests(ctx, guests); err != nil {
		return diskFull(w.buildError(ctx, "guests", err), w.repo.options.Temp)
	}

	fmt.Fprintf(w.repo.options.Log, "building the benchmark suite of %s\n", w.Ref)
	args := append([]string{"test", "-c"}, w.repo.options.flags()...)
	args = append(args, "-o", filepath.Join(dir, binaryName), "./"+w.repo.options.Suite)
	if _, err := goTool(ctx, w.Dir, nil, args...); err != nil {
		return w.buildError(ctx, "benchmark suite", err)
	}
	return nil
}

// buildError turns the failure of a build step into a BuildError, or into the cancellation that caused it.
func (w *Worktree) buildError(ctx context.Context, what string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	b := &BuildError{Ref: w.Ref, What: what, Err: err}
	if e, ok := err.(*toolError); ok {
		b.Output, b.Err = e.output, e.err
	}
	return b
}

// toolError is a run of the go command that failed.
type toolError struct {
	args   []string
	output string
	err    error
}

func (e *toolError) Error() string {
	return fmt.Sprintf("go %s: %v\n%s", strings.Join(e.args, " "), e.err, e.output)
}

func (e *toolError) Unwrap() error { return e.err }

// goTool runs the go command in the module at dir and returns what it printed to stdout. A workspace that the user's shell
// points to would put the user's checkout into the build of every commit, so it is left out.
func goTool(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := child.Command(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(child.Environ("GOWORK", "GIT_*"), env...)
	var stdout, all strings.Builder
	cmd.Stdout = &stdout
	cmd.Stderr = &all
	if err := child.Run(cmd); err != nil {
		// go test prints compiler errors to stdout or stderr depending on the step that failed.
		return "", &toolError{args, all.String() + stdout.String(), err}
	}
	return stdout.String(), nil
}

// wasip1 is the environment in which guests are built.
var wasip1 = []string{"GOOS=wasip1", "GOARCH=wasm"}

// buildGuests compiles every main package below connectors as a WASM reactor.
func buildGuests(ctx context.Context, dir, out string, flags []string) error {
	mains, err := guestPackages(ctx, dir)
	if err != nil {
		return err
	}
	for _, main := range mains {
		name := filepath.Base(main)
		args := append([]string{"build", "-buildmode=c-shared"}, flags...)
		args = append(args, "-o", filepath.Join(out, name+".wasm"), ".")
		if _, err := goTool(ctx, main, wasip1, args...); err != nil {
			return err
		}
		err := copyFile(filepath.Join(out, name+".json"), filepath.Join(main, "manifest.json"), 0o644)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// guestPackages returns the folders of the main packages below connectors, none if there is no such folder.
func guestPackages(ctx context.Context, dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, "connectors")); os.IsNotExist(err) {
		return nil, nil
	}
	list, err := goTool(ctx, dir, wasip1, "list", "-f", `{{if eq .Name "main"}}{{.Dir}}{{end}}`, "./connectors/...")
	if err != nil {
		return nil, err
	}
	return strings.Fields(list), nil
}
