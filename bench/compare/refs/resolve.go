package refs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Ref is a commit under the name the user gave it.
type Ref struct {
	Name    string // "main", "HEAD~1", "."
	Commit  string // full hash; for a changed working tree that of the snapshot
	Tree    string // hash of the module's source tree: equal trees hold equal files
	Suite   string // hash of the benchmark suite's folder, the harness
	Subject string // first line of the commit message
	Dirty   bool   // the snapshot of a working tree that differs from its commit
	// SuiteFrom is the commit whose suite is used instead of the commit's own, "" for its own. See [Ref.WithSuite].
	SuiteFrom string
}

// WithSuite returns the ref with another's suite in place of its own, so that two commits can be measured by one suite and
// differ only in what is measured. The suite may not build there: then it uses what the commit does not have yet.
func (r Ref) WithSuite(from Ref) Ref {
	if r.Suite == from.Suite {
		return r
	}
	r.Tree += " with the suite " + from.Suite
	r.Suite, r.SuiteFrom = from.Suite, from.Commit
	return r
}

// String returns the name and the short commit, "main (1a2b3c4)".
func (r Ref) String() string {
	if r.SuiteFrom != "" {
		own := r
		own.SuiteFrom = ""
		return fmt.Sprintf("%s with the suite of %.7s", own, r.SuiteFrom)
	}
	short := r.Commit[:min(len(r.Commit), 7)]
	switch {
	case r.Dirty:
		return fmt.Sprintf("the working tree (%s, not committed)", short)
	case r.Name == "" || strings.HasPrefix(r.Commit, r.Name):
		return short
	}
	return fmt.Sprintf("%s (%s)", r.Name, short)
}

// Resolve finds the commit that name stands for: a branch, a tag, a hash, an expression such as "HEAD~2", or "." for the
// working tree. Its errors match ErrUnknown and ErrNoSuite.
func (r *Repo) Resolve(ctx context.Context, name string) (Ref, error) {
	ref := Ref{Name: name}
	var err error
	switch {
	case name == ".":
		ref.Commit, ref.Dirty, err = r.snapshot(ctx)
	case name == "" || strings.HasPrefix(name, "-"):
		return ref, fmt.Errorf("%w %q", ErrUnknown, name)
	default:
		ref.Commit, err = git(ctx, r.top, nil, "rev-parse", "--verify", "--quiet", name+"^{commit}")
		if missing(err) {
			return ref, fmt.Errorf("%w %q: no branch, tag or commit of %s%s", ErrUnknown, name, r.top, r.suggest(ctx, name))
		}
	}
	if err != nil {
		return ref, diskFull(fmt.Errorf("refs: resolving %q: %w", name, err), r.dir)
	}

	if ref.Subject, err = git(ctx, r.top, nil, "log", "-1", "--format=%s", ref.Commit); err != nil {
		return ref, fmt.Errorf("refs: resolving %q: %w", name, err)
	}
	ref.Tree, err = git(ctx, r.top, nil, "rev-parse", "--verify", "--quiet", ref.Commit+":"+strings.TrimSuffix(r.prefix, "/"))
	if err == nil {
		ref.Suite, err = git(ctx, r.top, nil, "rev-parse", "--verify", "--quiet", ref.Commit+":"+r.prefix+r.options.Suite)
	}
	if missing(err) {
		return ref, fmt.Errorf("%w in %s: it has no folder %s%s to compare with", ErrNoSuite, ref, r.prefix, r.options.Suite)
	}
	if err != nil {
		return ref, fmt.Errorf("refs: resolving %q: %w", name, err)
	}

	files, err := git(ctx, r.top, nil, "ls-tree", "--name-only", ref.Suite)
	if err != nil {
		return ref, fmt.Errorf("refs: resolving %q: %w", name, err)
	}
	for file := range strings.SplitSeq(files, "\n") {
		if strings.HasSuffix(file, "_test.go") {
			return ref, nil
		}
	}
	return ref, fmt.Errorf("%w in %s: %s%s has no _test.go file", ErrNoSuite, ref, r.prefix, r.options.Suite)
}

// suggest returns a hint for a name that was not found, or "".
func (r *Repo) suggest(ctx context.Context, name string) string {
	known, err := git(ctx, r.top, nil, "for-each-ref", "--format=%(refname:short)")
	if err != nil {
		return ""
	}
	for ref := range strings.SplitSeq(known, "\n") {
		if strings.HasSuffix(ref, "/"+name) || ref != "" && strings.EqualFold(ref, name) {
			return fmt.Sprintf(" (is it %s?)", ref)
		}
	}
	return r.shallow(ctx)
}

// snapshot stores the working tree as a commit on top of HEAD and reports whether it differs from HEAD. Everything that
// "git add --all" would take is in it. A copy of the index is used, so the user's stays as it is; the objects become
// garbage that git collects in time, like those of "git stash create".
func (r *Repo) snapshot(ctx context.Context) (commit string, dirty bool, err error) {
	index := filepath.Join(r.dir, "index")
	defer os.Remove(index)
	users, err := git(ctx, r.top, nil, "rev-parse", "--git-path", "index")
	if err != nil {
		return "", false, err
	}
	if !filepath.IsAbs(users) {
		users = filepath.Join(r.top, users)
	}
	if err := copyIndex(index, users); err != nil {
		return "", false, diskFull(err, r.dir)
	}

	env := []string{"GIT_INDEX_FILE=" + index}
	if _, err = git(ctx, r.top, env, "add", "--all", "--", "."); err != nil {
		return "", false, err
	}
	tree, err := git(ctx, r.top, env, "write-tree")
	if err != nil {
		return "", false, err
	}
	head, err := git(ctx, r.top, nil, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return "", false, fmt.Errorf("the repository has no commit yet: %w", err)
	}
	committed, err := git(ctx, r.top, nil, "rev-parse", head+"^{tree}")
	if err != nil {
		return "", false, err
	}
	if tree == committed {
		return head, false, nil
	}

	// The same content gives the same commit, so the build cache and a second run recognise it.
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		env = append(env, "GIT_"+who+"_NAME=compare", "GIT_"+who+"_EMAIL=", "GIT_"+who+"_DATE=@0 +0000")
	}
	commit, err = git(ctx, r.top, env, "commit-tree", tree, "-p", head, "-m", "working tree")
	return commit, true, err
}

// copyIndex copies git's index with its time. A file changed within the clock's resolution after the index was written looks
// unchanged unless the index is not newer than it, so a copy made now would hide such a change. A repository without an
// index has nothing to copy.
func copyIndex(to, from string) error {
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := copyFile(to, from, 0o600); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// copyFile copies the file from to the path to, with the given permissions.
func copyFile(to, from string, perm os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
