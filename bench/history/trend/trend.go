package trend

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

// Series is the ratio of one case to its floor over the commits of a group. Only one group's numbers are ever in it.
type Series struct {
	Group       string // as [history.Record.Group]
	Load        string
	Rows        int
	Compression string
	Runtime     string
	Points      []Point
	Changes     []ChangePoint // of the ratio
}

// Name returns "copy lz4, 10000 rows", with the runtime if it is not the usual one.
func (s *Series) Name() string {
	name := fmt.Sprintf("%s %s, %d rows", s.Load, s.Compression, s.Rows)
	if s.Runtime != "" && s.Runtime != "compiled" {
		name += ", " + s.Runtime
	}
	return name
}

// Point is one commit.
type Point struct {
	Commit history.Commit
	Ratio  float64 // pipeline over floor; 1 is no cost at all
	Runs   int     // processes that measured both
}

// alarms is the probability that a group in which nothing changes has any change point.
const alarms = 0.05

// Of returns the series of records: every warm pipeline case whose floor was measured too. A ratio is one of medians: of
// the runs of one process over those of the floor in the same process, or where a process made only one of them, over the
// floor of the same commit. Several processes of a commit count alike, by their geometric mean. Disturbed runs are left out
// as in tables, see [history.Quiet].
func Of(records []*history.Record) []*Series {
	var all []*Series
	for group, of := range history.Groups(records) {
		series := ofGroup(group, of)
		for _, s := range series {
			logs := make([]float64, len(s.Points))
			for i, p := range s.Points {
				logs[i] = math.Log(p.Ratio)
			}
			s.Changes = ChangePoints(logs, alarms/float64(len(series)))
			for i := range s.Changes {
				c := &s.Changes[i]
				c.Before, c.After = math.Exp(c.Before), math.Exp(c.After)
			}
		}
		all = append(all, series...)
	}
	return all
}

// longestRun is thirty years in nanoseconds: what a file says beyond that is no time, and its ratios no numbers.
const longestRun = 1e18

// caseOf is what records have in common that measured the same.
type caseOf struct {
	load, compression, runtime string
	rows                       int
}

// times holds nanoseconds by commit and process.
type times map[string]map[string][]float64

func (t times) add(r *history.Record, ns float64) {
	if t[r.Commit()] == nil {
		t[r.Commit()] = map[string][]float64{}
	}
	t[r.Commit()][r.Run] = append(t[r.Commit()][r.Run], ns)
}

// all returns the times of a commit, whatever the process.
func (t times) all(commit string) []float64 {
	var all []float64
	for _, ns := range t[commit] {
		all = append(all, ns...)
	}
	return all
}

// timesOf returns the times of one case's records, of each commit those that [history.Quiet] leaves.
func timesOf(records []*history.Record) times {
	byCommit := map[string][]*history.Record{}
	for _, r := range records {
		byCommit[r.Commit()] = append(byCommit[r.Commit()], r)
	}
	t := times{}
	for _, of := range byCommit {
		for _, r := range history.Quiet(of) {
			t.add(r, r.Metrics["ns/op"])
		}
	}
	return t
}

func ofGroup(group string, records []*history.Record) []*Series {
	pipelines, floors := map[caseOf][]*history.Record{}, map[caseOf][]*history.Record{}
	var cases []caseOf // in the order of the file
	for _, r := range records {
		ns := r.Metrics["ns/op"]
		if !(ns >= 1 && ns <= longestRun) {
			continue // no time of a run
		}
		c := caseOf{load: r.Load, rows: r.Rows}
		into := floors
		switch {
		case r.Mode == "floor" && r.Via == "pgx":
		case (r.Mode == "insert" || r.Mode == "copy") && r.Mode == r.Load:
			c.compression, c.runtime = r.Compression, r.Runtime
			into = pipelines
		default:
			continue
		}
		if into[c] == nil && c.compression != "" {
			cases = append(cases, c)
		}
		into[c] = append(into[c], r)
	}

	var series []*Series
	commits := history.Commits(records)
	for _, c := range cases {
		s := &Series{Group: group, Load: c.load, Rows: c.rows, Compression: c.compression, Runtime: c.runtime}
		pipeline, floor := timesOf(pipelines[c]), timesOf(floors[caseOf{load: c.load, rows: c.rows}])
		for _, commit := range commits {
			if ratio, runs := ratio(pipeline, floor, commit.ID); runs > 0 {
				s.Points = append(s.Points, Point{Commit: commit, Ratio: ratio, Runs: runs})
			}
		}
		if len(s.Points) > 0 {
			series = append(series, s)
		}
	}
	return series
}

// ratio returns the ratio at a commit and how many processes it is from; none if either side was not measured.
func ratio(pipeline, floor times, commit string) (float64, int) {
	var sum float64
	n := 0
	for _, run := range slices.Sorted(maps.Keys(pipeline[commit])) { // sums in one order are equal to the last digit
		if below := floor[commit][run]; run != "" && len(below) > 0 {
			sum += math.Log(median(pipeline[commit][run]) / median(below))
			n++
		}
	}
	if n > 0 {
		return math.Exp(sum / float64(n)), n
	}
	above, below := pipeline.all(commit), floor.all(commit)
	if len(above) == 0 || len(below) == 0 {
		return 0, 0
	}
	return median(above) / median(below), 1
}

// Text returns "+9.8 % at abc1234 (1.41 to 1.55, p = 0.001)" for a change of s.
func (s *Series) Text(c ChangePoint) string {
	return fmt.Sprintf("%+.1f %% at %s (%.2f to %.2f, p = %s)", 100*(c.After/c.Before-1), s.Points[c.Index].Commit.Name, c.Before, c.After,
		strings.TrimRight(fmt.Sprintf("%.4f", c.P), "0"))
}
