package targets

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
	"github.com/rapidbyte-go/rapidbyte/bench/history/trend"
	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/report"
)

// ResultsOptions are the flags of the results target; nil is the default.
type ResultsOptions struct {
	Last *int    // the last commits of each group; 2, or all with SHA
	SHA  *string // commits, by prefixes separated by commas or spaces
	Rows *int    // only runs of this row count
	HTML *string // file to write the report to
}

// Results shows what was recorded: averages by commit and the trend of the ratio to the floor. Lines of the file that are
// no records are named on standard error, and the rest is used.
func (r *Repo) Results(ctx context.Context, o ResultsOptions) error {
	filter, err := o.filter()
	if err != nil {
		return err
	}
	htmlFile := value(o.HTML, "")
	if err := checkPage(htmlFile); err != nil {
		return err
	}
	if os.Getenv("BENCH_RESULTS") == "off" {
		return usage("BENCH_RESULTS=off keeps no results: unset it, or name a file")
	}
	file, _, err := r.results()
	if err != nil {
		return err
	}
	records, bad, err := history.Read(file)
	if err != nil {
		return err
	}
	r.complain(bad)
	if len(records) == 0 {
		return fmt.Errorf("%s has no record: run the benchmarks first, such as go tool mage bench", file)
	}
	history.PlaceCommits(records, r.commits(ctx))
	if err := known(records, filter); err != nil {
		return err
	}
	shown := filter.Select(records)
	if len(shown) == 0 {
		return usage("no run of these commits has %d rows; there are %s", filter.Rows, rowCounts(history.Filter{SHAs: filter.SHAs}.Select(records)))
	}

	// The trend needs all commits, whichever of them the tables show.
	series := slices.DeleteFunc(trend.Of(history.Filter{Rows: filter.Rows}.Select(records)), func(s *trend.Series) bool {
		return !slices.ContainsFunc(shown, func(r *history.Record) bool { return r.Group() == s.Group })
	})
	if err := report.Commits(r.Stdout, shown); err != nil {
		return err
	}
	if err := report.Trend(r.Stdout, series); err != nil {
		return err
	}
	if htmlFile == "" {
		return nil
	}
	name := file
	if rel, err := filepath.Rel(r.Dir, file); err == nil && filepath.IsLocal(rel) {
		name = rel
	}
	subtitle := fmt.Sprintf("%s, %s", name, time.Now().UTC().Format(time.DateTime+" UTC"))
	return page.WriteFile(htmlFile, report.Results(subtitle, shown, series, bad))
}

// commits returns the commits of all branches, the oldest first; none outside of a repository, where results are ordered
// by their time.
func (r *Repo) commits(ctx context.Context) []string {
	var out bytes.Buffer
	quiet := &Repo{Dir: r.Dir, Stderr: io.Discard}
	if err := quiet.run(ctx, &out, nil, "git", "-c", "safe.directory=*", "log", "--all", "--topo-order", "--reverse", "--format=%H"); err != nil {
		return nil
	}
	return strings.Fields(out.String())
}

// filter returns what the flags ask for.
func (o ResultsOptions) filter() (history.Filter, error) {
	f := history.Filter{Rows: value(o.Rows, 0), Last: value(o.Last, 2)}
	if o.Rows != nil && (*o.Rows < 1 || *o.Rows > lab.MaxRows) {
		return f, usage("-rows=%d: want 1 to %d", *o.Rows, lab.MaxRows)
	}
	if o.Last != nil && *o.Last < 1 {
		return f, usage("-last=%d: want 1 or more", *o.Last)
	}
	if o.SHA == nil {
		return f, nil
	}
	f.SHAs = strings.FieldsFunc(*o.SHA, func(c rune) bool { return c == ',' || c == ' ' })
	if len(f.SHAs) == 0 {
		return f, usage("-sha=%q: name one or more commits", *o.SHA)
	}
	for _, sha := range f.SHAs {
		if len(sha) < history.MinSHA {
			return f, usage("-sha=%s: name a commit by %d digits or more", sha, history.MinSHA)
		}
	}
	if o.Last == nil {
		f.Last = 0
	}
	return f, nil
}

// known makes sure that every commit and the row count asked for are recorded, and otherwise lists what is.
func known(records []*history.Record, f history.Filter) error {
	commits := history.Commits(records)
	for _, sha := range f.SHAs {
		var matches []string
		for _, c := range commits {
			if history.MatchSHA(sha, c.SHA) && !slices.Contains(matches, c.SHA) {
				matches = append(matches, c.SHA)
			}
		}
		switch {
		case len(matches) == 0:
			return usage("-sha=%s: no run of that commit is recorded; there are:\n%s", sha, commitList(commits))
		case len(matches) > 1:
			return usage("-sha=%s: could be any of %s", sha, strings.Join(matches, ", "))
		}
	}
	if f.Rows > 0 && !slices.ContainsFunc(records, func(r *history.Record) bool { return r.Rows == f.Rows }) {
		return usage("-rows=%d: no such run is recorded; there are %s", f.Rows, rowCounts(records))
	}
	return nil
}

// commitList lists the last commits, the newest first.
func commitList(commits []history.Commit) string {
	const most = 20
	var s strings.Builder
	for i, c := range slices.Backward(commits) {
		if i < len(commits)-most {
			fmt.Fprintf(&s, "  and %d older ones\n", i+1)
			break
		}
		fmt.Fprintf(&s, "  %-12q %s, %d runs\n", c.Name, c.First.UTC().Format(time.DateTime), c.Records)
	}
	return strings.TrimRight(s.String(), "\n")
}

func rowCounts(records []*history.Record) string {
	var rows []int
	for _, r := range records {
		rows = append(rows, r.Rows)
	}
	slices.Sort(rows)
	var list []string
	for _, n := range slices.Compact(rows) {
		list = append(list, strconv.Itoa(n))
	}
	return strings.Join(list, ", ")
}

// complain names the lines that are no records.
func (r *Repo) complain(bad []*history.LineError) {
	const most = 10
	for i, err := range bad {
		if i == most {
			fmt.Fprintf(r.Stderr, "and %d more lines\n", len(bad)-most)
			break
		}
		fmt.Fprintln(r.Stderr, err)
	}
	if len(bad) > 0 {
		fmt.Fprintln(r.Stderr, "these lines were not used")
	}
}
