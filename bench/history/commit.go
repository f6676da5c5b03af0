package history

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// Commit is what is recorded of one state of the code.
type Commit struct {
	Name    string // the sha, with a + if the working tree differed from it
	SHA     string
	First   time.Time // start of its first run
	Place   int       // as of [Record.Place]
	Records int
}

// Commit names the state of the code that was measured: the sha, with a + behind it if the working tree differed.
func (r *Record) Commit() string {
	if r.GitDirty {
		return r.GitSHA + "+"
	}
	return r.GitSHA
}

// PlaceCommits notes with each record where its commit stands in the repository's history: shas are its commits, the
// oldest first. A commit that is not among them, as after a rebase, keeps the place of what was measured before it.
func PlaceCommits(records []*Record, shas []string) {
	places := map[string]int{}
	last := 0
	for _, r := range records {
		place, ok := places[r.GitSHA]
		if !ok {
			place = slices.IndexFunc(shas, func(sha string) bool { return MatchSHA(r.GitSHA, sha) }) + 1
			places[r.GitSHA] = place
		}
		if place == 0 {
			place = last
		}
		r.Place, last = place, place
	}
}

// Commits returns the commits of records in the repository's order where their places are noted, otherwise and among equals
// in the order in which they were first measured.
func Commits(records []*Record) []Commit {
	var commits []Commit
	index := map[string]int{}
	for _, r := range records {
		i, ok := index[r.Commit()]
		if !ok {
			i = len(commits)
			index[r.Commit()] = i
			commits = append(commits, Commit{Name: r.Commit(), SHA: r.GitSHA, First: r.Timestamp, Place: r.Place})
		}
		commits[i].Records++
		if r.Timestamp.Before(commits[i].First) {
			commits[i].First = r.Timestamp
		}
	}
	slices.SortStableFunc(commits, Commit.Compare)
	return commits
}

// Compare orders commits by their place, those of the same by their first run.
func (c Commit) Compare(other Commit) int {
	return cmp.Or(c.Place-other.Place, c.First.Compare(other.First))
}

// Groups returns the records of each group, groups in the order of their first record.
func Groups(records []*Record) iter.Seq2[string, []*Record] {
	return func(yield func(string, []*Record) bool) {
		var names []string
		of := map[string][]*Record{}
		for _, r := range records {
			name := r.Group()
			if of[name] == nil {
				names = append(names, name)
			}
			of[name] = append(of[name], r)
		}
		for _, name := range names {
			if !yield(name, of[name]) {
				return
			}
		}
	}
}
