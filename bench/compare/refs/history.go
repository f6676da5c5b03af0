package refs

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotAncestor is returned by History when one commit does not lead to the other.
	ErrNotAncestor = errors.New("refs: not an ancestor")
	// ErrSameCommit is returned by History when both names are one commit.
	ErrSameCommit = errors.New("refs: the same commit")
)

// History returns the hashes of the commits after from up to and including to, oldest first. Of a merge only the first
// parent is followed: the list is what the branch looked like, one state after another. Its errors match ErrNotAncestor
// and ErrSameCommit.
func (r *Repo) History(ctx context.Context, from, to Ref) ([]string, error) {
	if from.Commit == to.Commit {
		return nil, fmt.Errorf("%w: %s and %s", ErrSameCommit, from, to)
	}
	if ok, err := r.leads(ctx, from, to); err != nil {
		return nil, err
	} else if !ok {
		hint := r.shallow(ctx)
		if back, err := r.leads(ctx, to, from); err == nil && back {
			hint = "; it is the other way round"
		} else if base, err := git(ctx, r.top, nil, "merge-base", from.Commit, to.Commit); err == nil {
			hint = "; their latest common commit is " + base[:min(len(base), 12)]
		}
		return nil, fmt.Errorf("%w: %s does not lead to %s%s", ErrNotAncestor, from, to, hint)
	}

	list, err := git(ctx, r.top, nil, "rev-list", "--first-parent", "--reverse", from.Commit+".."+to.Commit)
	if err != nil {
		return nil, fmt.Errorf("refs: history of %s: %w", to, err)
	}
	return strings.Fields(list), nil
}

// Merged returns what a merge brought in: the commits after from, up to and including to. It returns false for a commit
// that is no merge, or whose parents have nothing in common.
func (r *Repo) Merged(ctx context.Context, ref Ref) (from, to string, ok bool) {
	to, err := git(ctx, r.top, nil, "rev-parse", "--verify", "--quiet", ref.Commit+"^2")
	if err != nil {
		return "", "", false
	}
	from, err = git(ctx, r.top, nil, "merge-base", ref.Commit+"^1", to)
	return from, to, err == nil
}

// leads reports whether from is an ancestor of to.
func (r *Repo) leads(ctx context.Context, from, to Ref) (bool, error) {
	_, err := git(ctx, r.top, nil, "merge-base", "--is-ancestor", from.Commit, to.Commit)
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("refs: history of %s: %w", to, err)
	}
	return true, nil
}

// shallow returns a hint if the clone does not hold the whole history, or "".
func (r *Repo) shallow(ctx context.Context) string {
	if is, err := git(ctx, r.top, nil, "rev-parse", "--is-shallow-repository"); err == nil && is == "true" {
		return " (this clone holds only the latest history: git fetch --unshallow)"
	}
	return ""
}
