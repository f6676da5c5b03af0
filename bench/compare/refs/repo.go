package refs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options says where things are. The zero value is good for a program that runs in the module's root.
type Options struct {
	// Repo is the root of the Go module inside the user's repository. "" is the current folder.
	Repo string
	// Temp is where the folder of worktrees is made. "" is the system's folder for temporary files. It must be outside
	// the repository, or the tools would find the worktrees as part of it.
	Temp string
	// Cache keeps finished builds. "" is "rapidbyte/compare" in the user's cache folder.
	Cache string
	// Suite is the package of the benchmarks below the module's root. "" is "bench".
	Suite string
	// Guests builds the WASM guests of the module in dir into the folder out. Nil builds every main package below
	// "connectors" that compiles for wasip1, and copies the manifest.json beside it. The guests are then finished by
	// the code of their own commit.
	Guests func(ctx context.Context, dir, out string) error
	// Tags are the build tags of suite and guests. Nil is none.
	Tags []string
	// Log gets one line for each step that takes time. Nil discards them.
	Log io.Writer
}

func (o Options) withDefaults() (Options, error) {
	if o.Repo == "" {
		o.Repo = "."
	}
	if o.Temp == "" {
		o.Temp = os.TempDir()
	}
	if o.Suite == "" {
		o.Suite = "bench"
	}
	if o.Guests == nil {
		o.Guests = func(ctx context.Context, dir, out string) error { return buildGuests(ctx, dir, out, o.flags()) }
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("refs: no folder for the build cache (set XDG_CACHE_HOME): %w", err)
		}
		o.Cache = filepath.Join(dir, "rapidbyte", "compare")
	}
	return o, nil
}

// Repo is the user's repository, seen from outside. Its methods must not be called concurrently, except Close.
type Repo struct {
	options Options
	top     string // root of the user's checkout
	prefix  string // module root below top, "" or ending in "/"
	dir     string // our folder of worktrees
	lock    *os.File

	closing   sync.Mutex
	closed    bool
	worktrees map[string]*Worktree // by commit, and that of the suite if it is another's
}

// dirPrefix begins the name of every folder this package makes among the temporary files.
const dirPrefix = "rapidbyte-compare-"

// Open prepares to compare commits of the repository. Close must be called, also after a cancelled context.
func Open(ctx context.Context, options Options) (*Repo, error) {
	o, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Repo, err = filepath.Abs(o.Repo); err != nil {
		return nil, err
	}
	if o.Temp, err = filepath.Abs(o.Temp); err != nil {
		return nil, err
	}
	// git reports real paths; ours must compare equal to them.
	if o.Temp, err = filepath.EvalSymlinks(o.Temp); err != nil {
		return nil, fmt.Errorf("refs: folder for the worktrees: %w", err)
	}

	r := &Repo{options: o, worktrees: map[string]*Worktree{}}
	if r.top, err = git(ctx, o.Repo, nil, "rev-parse", "--show-toplevel"); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNoRepository, o.Repo, err)
	}
	if r.prefix, err = git(ctx, o.Repo, nil, "rev-parse", "--show-prefix"); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNoRepository, o.Repo, err)
	}

	if inside, err := filepath.Rel(r.top, o.Temp); err == nil && filepath.IsLocal(inside) {
		return nil, fmt.Errorf("refs: the folder for the worktrees, %s, lies inside the repository %s", o.Temp, r.top)
	}

	r.sweep(ctx)
	if err := r.makeDir(); err != nil {
		return nil, diskFull(err, o.Temp)
	}
	return r, nil
}

// makeDir creates the folder and takes its lock, which the kernel gives back however this process ends.
func (r *Repo) makeDir() error {
	dir, err := os.MkdirTemp(r.options.Temp, dirPrefix)
	if err != nil {
		return fmt.Errorf("refs: folder for the worktrees: %w", err)
	}
	r.dir = dir
	r.lock, err = os.Create(filepath.Join(dir, "lock"))
	if err == nil {
		_, err = tryLock(r.lock)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("refs: lock of %s: %w", dir, err), os.RemoveAll(dir))
	}
	return nil
}

// grace is how old a folder without a held lock must be before it counts as abandoned: its owner may be about to lock it.
const grace = time.Minute

// sweep removes the folders and worktree entries of runs that were killed. It is best effort: what cannot be removed, such
// as another user's folder, is not ours to complain about. Worktrees the user made are never touched, not even those
// whose folder is missing (it may be on a disk that is not mounted now), which is why "git worktree prune" is not used.
func (r *Repo) sweep(ctx context.Context) {
	folders, _ := filepath.Glob(filepath.Join(r.options.Temp, dirPrefix+"*"))
	for _, folder := range folders {
		if abandoned(folder) && os.RemoveAll(folder) == nil {
			fmt.Fprintf(r.options.Log, "removed %s, left by a run that was killed\n", folder)
		}
	}

	for _, tree := range r.registered(ctx) {
		folder := filepath.Dir(tree)
		if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
			_ = r.unregister(ctx, tree)
		}
	}
}

// abandoned reports whether the folder belongs to no running process.
func abandoned(folder string) bool {
	info, err := os.Stat(folder)
	if err != nil || time.Since(info.ModTime()) < grace {
		return false
	}
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR, 0)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer f.Close()
	free, err := tryLock(f)
	return err == nil && free
}

// Dir returns the folder of the worktrees, for whatever else should go with them on Close, or with the next sweep after a
// kill.
func (r *Repo) Dir() string { return r.dir }

// Close removes the worktrees and the folder. It is safe to call more than once and from another goroutine, and it works
// after the context of the other calls was cancelled. Finished builds stay in the cache.
func (r *Repo) Close() error {
	r.closing.Lock()
	defer r.closing.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := os.RemoveAll(r.dir)
	for _, tree := range r.registered(ctx) {
		if filepath.Dir(tree) == r.dir {
			err = errors.Join(err, r.unregister(ctx, tree))
		}
	}
	return errors.Join(err, r.lock.Close())
}
