package refs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Worktree is one commit checked out in a folder of its own.
type Worktree struct {
	Ref Ref
	Dir string // root of the Go module in it

	repo *Repo
}

// Checkout puts the commit into a worktree. The same commit asked for twice, as in a comparison of a commit with itself,
// is checked out once. Its error matches ErrFolderExists or ErrDiskFull where that was the reason.
func (r *Repo) Checkout(ctx context.Context, ref Ref) (*Worktree, error) {
	key := ref.Commit + ref.SuiteFrom
	if w := r.worktrees[key]; w != nil {
		return &Worktree{Ref: ref, Dir: w.Dir, repo: r}, nil
	}
	name := ref.Commit[:min(len(ref.Commit), 12)]
	if ref.SuiteFrom != "" {
		name += "-" + ref.SuiteFrom[:min(len(ref.SuiteFrom), 12)]
	}
	tree := filepath.Join(r.dir, name)
	if _, err := os.Lstat(tree); err == nil {
		return nil, fmt.Errorf("%w: %s is not ours to overwrite; remove it if nothing uses it", ErrFolderExists, tree)
	}

	// Not cancelled half way, which would leave git's own books in disorder: it takes a moment, and Close cleans up.
	fmt.Fprintf(r.options.Log, "checking out %s\n", ref)
	_, err := git(context.WithoutCancel(ctx), r.top, nil, "worktree", "add", "--quiet", "--detach", tree, ref.Commit)
	if err != nil {
		return nil, diskFull(fmt.Errorf("refs: worktree of %s: %w", ref, err), r.options.Temp)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}

	if ref.SuiteFrom != "" {
		if err := r.replaceSuite(ctx, tree, ref); err != nil {
			return nil, err
		}
	}
	w := &Worktree{Ref: ref, Dir: filepath.Join(tree, filepath.FromSlash(r.prefix)), repo: r}
	r.worktrees[key] = w
	return w, nil
}

// replaceSuite puts another commit's suite into the worktree.
func (r *Repo) replaceSuite(ctx context.Context, tree string, ref Ref) error {
	suite := r.prefix + r.options.Suite
	_, err := git(ctx, tree, nil, "rm", "--quiet", "--force", "-r", "--", suite)
	if err == nil {
		_, err = git(ctx, tree, nil, "checkout", "--quiet", ref.SuiteFrom, "--", suite)
	}
	if err != nil {
		return diskFull(fmt.Errorf("refs: worktree of %s: %w", ref, err), r.options.Temp)
	}
	return nil
}

// registered returns the folders of the worktrees that git knows and that a run of this package made.
func (r *Repo) registered(ctx context.Context) []string {
	list, err := git(ctx, r.top, nil, "worktree", "list", "--porcelain")
	if err != nil {
		return nil
	}
	var trees []string
	for line := range strings.SplitSeq(list, "\n") {
		tree, ok := strings.CutPrefix(line, "worktree ")
		if ok && strings.HasPrefix(filepath.Base(filepath.Dir(tree)), dirPrefix) {
			trees = append(trees, tree)
		}
	}
	return trees
}

// unregister makes git forget a worktree whose folder is gone.
func (r *Repo) unregister(ctx context.Context, tree string) error {
	if _, err := os.Lstat(tree); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("refs: worktree %s could not be removed", tree)
	}
	_, err := git(ctx, r.top, nil, "worktree", "remove", "--force", "--force", tree)
	return err
}
