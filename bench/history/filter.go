package history

import (
	"slices"
	"strings"
)

// Filter says which records are wanted; the zero value wants all.
type Filter struct {
	SHAs []string // commits, each a prefix of at least 4 digits; empty: all
	Rows int      // row count; 0: all
	Run  string   // run id; empty: all
	// Last keeps the last so many commits, of each group by itself, that the other conditions leave. 0: all.
	Last int
}

// Select returns the records f wants, in their order.
func (f Filter) Select(records []*Record) []*Record {
	var out []*Record
	for _, r := range records {
		if (f.Rows == 0 || r.Rows == f.Rows) && (f.Run == "" || r.Run == f.Run) && f.wantsSHA(r.SHA()) {
			out = append(out, r)
		}
	}
	if f.Last <= 0 {
		return out
	}

	wanted := map[string][]string{}
	for group, of := range Groups(out) {
		commits := Commits(of)
		for _, c := range commits[max(0, len(commits)-f.Last):] {
			wanted[group] = append(wanted[group], c.ID)
		}
	}
	return slices.DeleteFunc(out, func(r *Record) bool { return !slices.Contains(wanted[r.Group()], r.Commit()) })
}

// Quiet returns the records that count among those of one case at one commit: a run that was disturbed says nothing about
// the code, as long as there are others. Where all were disturbed it is all of them.
func Quiet(records []*Record) []*Record {
	quiet := slices.DeleteFunc(slices.Clone(records), func(r *Record) bool { return len(r.Contaminated) > 0 })
	if len(quiet) == 0 {
		return records
	}
	return quiet
}

func (f Filter) wantsSHA(sha string) bool {
	return len(f.SHAs) == 0 || slices.ContainsFunc(f.SHAs, func(want string) bool { return MatchSHA(want, sha) })
}

// MinSHA is the number of digits a commit must at least be named by.
const MinSHA = 4

// MatchSHA reports whether two names can be the same commit's: the shorter one, of at least MinSHA digits, is a prefix of
// the longer one.
func MatchSHA(a, b string) bool {
	n := min(len(a), len(b))
	return n >= MinSHA && strings.EqualFold(a[:n], b[:n])
}
