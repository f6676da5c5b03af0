package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/history/trend"
)

// Trend writes the ratio to the floor of every series: its first and last value, and where it changed.
func Trend(w io.Writer, series []*trend.Series) error {
	var out strings.Builder
	out.WriteString("Pipeline over native floor, by commit\n")
	if len(series) == 0 {
		out.WriteString("  " + noTrend + "\n")
	}
	group := "\x00" // no group's name
	for _, s := range series {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&out, "  %s\n  %-32s %7s %8s %8s  %s\n", conditions(group), "", "commits", "first", "last", "change points")
		}
		first, last := s.Points[0], s.Points[len(s.Points)-1]
		fmt.Fprintf(&out, "  %-32s %7d %8.2f %8.2f  %s\n", plain(s.Name()), len(s.Points), first.Ratio, last.Ratio, changes(s))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

const noTrend = "no commit has both a pipeline and its floor: go tool mage matrix measures them in one process"

// changes lists the change points of s, or says why there is none.
func changes(s *trend.Series) string {
	if need := 2 * trend.MinSegment; len(s.Points) < need {
		return fmt.Sprintf("needs %d commits", need)
	}
	var list []string
	for _, c := range s.Changes {
		list = append(list, plain(s.Text(c)))
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, "; ")
}
