package history

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// Commit is what is recorded of one state of the code.
type Commit struct {
	ID      string    // as [Record.Commit]: equal for records of one state, and for no others
	Name    string    // for people: the short hash, with a + if the working tree differed; the ID if others have that too
	SHA     string    // as [Record.SHA]
	First   time.Time // start of its first run
	Place   int       // as of [Record.Place]
	Records int
}

// SHA returns the hash of the commit that was measured: the whole of it, or the short one where no more is known.
func (r *Record) SHA() string { return cmp.Or(r.GitCommit, r.GitSHA) }

// Commit identifies the state of the code that was measured: [Record.SHA], with a + behind it if the working tree differed.
func (r *Record) Commit() string { return r.changed(r.SHA()) }

func (r *Record) changed(sha string) string {
	if r.GitDirty {
		return sha + "+"
	}
	return sha
}

// PlaceCommits notes with each record where its commit stands in the repository's history: hashes are its commits, the
// oldest first. A commit that is not among them, as after a rebase, keeps the place of what was measured before it. Records
// that know a short hash only are given the whole one, if exactly one commit of the history or of the records begins so:
// otherwise one commit would be two.
func PlaceCommits(records []*Record, hashes []string) {
	places := make(map[string]int, len(hashes)) // from 1; 0 for those of records alone
	for i, hash := range hashes {
		places[hash] = i + 1
	}
	all := slices.Clone(hashes)
	for _, r := range records {
		if _, ok := places[r.GitCommit]; r.GitCommit != "" && !ok {
			places[r.GitCommit] = 0
			all = append(all, r.GitCommit)
		}
	}

	whole := map[string]string{} // by short hash
	last := 0
	for _, r := range records {
		if r.GitCommit == "" {
			hash, ok := whole[r.GitSHA]
			if !ok {
				hash = only(all, r.GitSHA)
				whole[r.GitSHA] = hash
			}
			r.GitCommit = hash
		}
		place := places[r.GitCommit]
		if place == 0 {
			place = last
		}
		r.Place, last = place, place
	}
}

// only returns the hash that may be the same commit's as the short one, "" if there are several or none.
func only(hashes []string, short string) string {
	found := ""
	for _, hash := range hashes {
		if !MatchSHA(short, hash) {
			continue
		}
		if found != "" {
			return ""
		}
		found = hash
	}
	return found
}

// Commits returns the commits of records in the repository's order where their places are noted, otherwise and among equals
// in the order in which they were first measured.
func Commits(records []*Record) []Commit {
	var commits []Commit
	index := map[string]int{} // by ID
	for _, r := range records {
		i, ok := index[r.Commit()]
		if !ok {
			i = len(commits)
			index[r.Commit()] = i
			commits = append(commits, Commit{ID: r.Commit(), Name: r.changed(r.GitSHA), SHA: r.SHA(), First: r.Timestamp, Place: r.Place})
		}
		commits[i].Records++
		if r.Timestamp.Before(commits[i].First) {
			commits[i].First = r.Timestamp
		}
	}

	named := map[string]int{}
	for _, c := range commits {
		named[c.Name]++
	}
	for i := range commits {
		if c := &commits[i]; named[c.Name] > 1 {
			c.Name = c.ID
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
