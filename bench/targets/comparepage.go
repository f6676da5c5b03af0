package targets

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/rapidbyte-go/rapidbyte/bench/atomicfile"
	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/report"
)

// pageFile is the page among the files of a comparison.
const pageFile = "report.html"

// checkPage refuses a page that could not be written: minutes of measuring should
// not end with that. No file, "", is no page.
func checkPage(file string) error {
	if file == "" {
		return nil
	}
	if err := atomicfile.Check(file); err != nil {
		return usage("-html=%s: %v", file, err)
	}
	return nil
}

// writePage writes the page about a comparison among its files in dir, unless that
// is "", and where the user wants it.
func (o *CompareOptions) writePage(dir string, r *compare.Report, benchstat string, flames []page.Figure) error {
	var paths []string
	if dir != "" {
		paths = append(paths, filepath.Join(dir, pageFile))
	}
	if file := value(o.HTML, ""); file != "" {
		paths = append(paths, file)
	}
	for _, path := range paths {
		if err := page.WriteFile(path, report.Compared(r, report.Extras{Benchstat: benchstat, Figures: flames})); err != nil {
			return err
		}
	}
	return nil
}

// flames draws what head changed in the case with the largest confirmed change of
// time, for a page that was asked for. A comparison is worth no less without: what
// prevents it is said, and no more.
func (r *Repo) flames(ctx context.Context, c *compare.Report, o CompareOptions) []page.Figure {
	v := drawable(c)
	if value(o.HTML, "") == "" || v == nil {
		return nil
	}
	if why := undrawable(c, o); why != "" {
		fmt.Fprintf(r.Stderr, "warning: no flame graph: %s\n", why)
		return nil
	}
	fmt.Fprintf(r.Stderr, "drawing what changed in %s\n", v.Case)
	path, err := r.bisected(ctx, c.Base.Commit, c.Head.Commit, v.Case)
	if err == nil && path == "" {
		return nil // equal code, by force
	}
	var svg []byte
	if err == nil {
		svg, err = os.ReadFile(path)
	}
	if err != nil {
		fmt.Fprintf(r.Stderr, "no flame graph: %v\n", err)
		return nil
	}
	return []page.Figure{{Title: fmt.Sprintf("What changed in %s", v.Case), SVG: svg,
		Note: "CPU time of a row; its profiles are beside " + filepath.Base(path) + "."}}
}

// undrawable says why a flame graph would show other code than was measured, "" if
// it would not: it builds both commits anew, each with its own suite, and runs guests
// compiled. A name may mean another commit by then, a commit does not.
func undrawable(c *compare.Report, o CompareOptions) string {
	runtime := c.Config["runtime"]
	if !value(o.AOT, true) {
		runtime = "interpreted"
	}
	switch {
	case c.Base.Dirty || c.Head.Dirty:
		return "the working tree that was measured is in no commit, and may have changed since"
	case runtime != "" && runtime != "compiled":
		return "it shows compiled guests, and " + runtime + " ones were measured"
	case value(o.Harness, "own") != "own":
		return "it is drawn with each side's own suite, and both were measured with head's"
	}
	return ""
}

// drawable returns the confirmed change of time that a flame graph can explain, the
// largest of the worse ones first, nil if there is none.
func drawable(c *compare.Report) *compare.Verdict {
	var all []*compare.Verdict
	for _, v := range c.Verdicts {
		confirmed := v.Outcome == compare.Regressed || v.Outcome == compare.Improved
		if confirmed && v.Case.Family() == "Pipeline" && (v.Unit == "sec/op" || v.Unit == "cpu-sec/op") {
			all = append(all, v)
		}
	}
	if all == nil {
		return nil
	}
	return slices.MinFunc(all, func(a, b *compare.Verdict) int {
		return cmp.Or(cmp.Compare(b.Outcome, a.Outcome), cmp.Compare(math.Abs(float64(b.Change.Estimate)), math.Abs(float64(a.Change.Estimate))))
	})
}
