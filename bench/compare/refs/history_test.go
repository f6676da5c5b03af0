package refs

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// The history between two commits is that of the branch: what a merge brought in is one step of it.
func TestHistory(t *testing.T) {
	f := newFixture(t)
	first := f.Git("rev-parse", "HEAD")
	f.Edit("lib/lib.go", "n + 1", "n + 2")
	second := f.Commit("second")
	f.Git("checkout", "--quiet", "-b", "side")
	f.Write("lib/side.go", "package lib\n")
	side := f.Commit("side")
	f.Git("checkout", "--quiet", "main")
	f.Edit("lib/lib.go", "n + 2", "n + 3")
	third := f.Commit("third")
	f.Git("merge", "--quiet", "--no-edit", "side")
	merge := f.Git("rev-parse", "HEAD")

	r, err := Open(t.Context(), f.options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ref := func(name string) Ref {
		t.Helper()
		ref, err := r.Resolve(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}

	got, err := r.History(t.Context(), ref(first), ref("main"))
	if want := []string{second, third, merge}; err != nil || !slices.Equal(got, want) {
		t.Errorf("history %v, %v; want %v", got, err, want)
	}
	if from, to, ok := r.Merged(t.Context(), ref("main")); !ok || from != second || to != side {
		t.Errorf("the merge brought in %s to %s, %v", from, to, ok)
	}
	if _, _, ok := r.Merged(t.Context(), ref(third)); ok {
		t.Error("an ordinary commit is taken for a merge")
	}
	f.Edit("lib/lib.go", "n + 3", "n + 4")
	tree := ref(".")
	if got, err := r.History(t.Context(), ref("main"), tree); err != nil || !slices.Equal(got, []string{tree.Commit}) {
		t.Errorf("history of the working tree %v, %v", got, err)
	}

	for _, c := range []struct {
		name, from, to string
		is             error
		says           string
	}{
		{"the same commit twice", "main", merge, ErrSameCommit, "main ("},
		{"the wrong way round", "main", first, ErrNotAncestor, "the other way round"},
		{"beside each other", third, side, ErrNotAncestor, "common commit is " + second[:12]},
	} {
		if _, err := r.History(t.Context(), ref(c.from), ref(c.to)); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}
