package history

import (
	"iter"
	"slices"
	"time"
)

// Commit is what is recorded of one state of the code.
type Commit struct {
	Name    string // the sha, with a + if the working tree differed from it
	SHA     string
	First   time.Time // start of its first run
	Records int
}

// Commit names the state of the code that was measured: the sha, with a + behind it if the working tree differed.
func (r *Record) Commit() string {
	if r.GitDirty {
		return r.GitSHA + "+"
	}
	return r.GitSHA
}

// Commits returns the commits of records, in the order in which they were first measured.
func Commits(records []*Record) []Commit {
	var commits []Commit
	index := map[string]int{}
	for _, r := range records {
		i, ok := index[r.Commit()]
		if !ok {
			i = len(commits)
			index[r.Commit()] = i
			commits = append(commits, Commit{Name: r.Commit(), SHA: r.GitSHA, First: r.Timestamp})
		}
		commits[i].Records++
		if r.Timestamp.Before(commits[i].First) {
			commits[i].First = r.Timestamp
		}
	}
	slices.SortStableFunc(commits, func(a, b Commit) int { return a.First.Compare(b.First) })
	return commits
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
