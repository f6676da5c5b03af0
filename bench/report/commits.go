package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/history"
)

// metric is one line of the tables of commits. A run reports it under a unit; lines of the seed's own tools have the
// pipeline result's key only.
type metric struct {
	label  string
	unit   string  // of history.Record.Metrics
	scale  float64 // turns the unit's numbers into the line's
	key    string  // of the pipeline result, in the line's unit; "" for none
	format func(float64) string
}

// metrics is the seed's table, top to bottom, with the CPU time and allocations it did not have.
var metrics = []metric{
	{"Duration (s)", "ns/op", 1e-9, "duration_secs", millis},
	{"CPU (s)", "cpu-ns/op", 1e-9, "", millis},
	{"Source (s)", "source-ns/op", 1e-9, "source_duration_secs", millis},
	{"  Connect (s)", "source-connect-ns/op", 1e-9, "source_connect_secs", millis},
	{"  Query (s)", "source-query-ns/op", 1e-9, "source_query_secs", millis},
	{"  Fetch (s)", "source-fetch-ns/op", 1e-9, "source_fetch_secs", millis},
	{"Dest (s)", "dest-ns/op", 1e-9, "dest_duration_secs", millis},
	{"  Connect (s)", "dest-connect-ns/op", 1e-9, "dest_connect_secs", millis},
	{"  Flush (s)", "dest-flush-ns/op", 1e-9, "dest_flush_secs", millis},
	{"  Commit (s)", "dest-commit-ns/op", 1e-9, "dest_commit_secs", millis},
	{"  VM setup (s)", "dest-setup-ns/op", 1e-9, "dest_vm_setup_secs", millis},
	{"  Recv loop (s)", "dest-recv-ns/op", 1e-9, "dest_recv_secs", millis},
	{"  WASM overhead (s)", "guest-ns/op", 1e-9, "wasm_overhead_secs", millis},
	{"Source load (ms)", "source-load-ns/op", 1e-6, "source_module_load_ms", millis},
	{"Dest load (ms)", "dest-load-ns/op", 1e-6, "dest_module_load_ms", millis},
	{"Allocations", "allocs/op", 1, "", thousands},
	{"Wall tax (x)", "wall-tax", 1, "", hundredths},
	{"CPU tax (x)", "cpu-tax", 1, "", hundredths},
	{"Guest tax (x)", "guest-tax", 1, "", hundredths},
}

// value returns the metric of one run.
func (m metric) value(r *history.Record) (float64, bool) {
	if v, ok := r.Metrics[m.unit]; ok {
		return v * m.scale, true
	}
	if m.key == "" || len(r.Metrics) > 0 {
		return 0, false
	}
	return r.Value(m.key)
}

// commitTable is the averages of one case under one set of conditions, a column for each commit.
type commitTable struct {
	group   string
	title   string // "INSERT, 10000 rows, none, compiled"
	order   [3]string
	rows    int
	commits []history.Commit
	runs    []int // averaged, of each commit
	left    int   // runs that were disturbed and left out
	lines   []commitLine
	seconds []float64 // average duration of each commit, in seconds
}

// commitLine is one metric's averages; NaN where there is none.
type commitLine struct {
	label  string
	values []float64
	format func(float64) string
}

// commitTables sorts records into tables: by group, mode, compression, runtime and rows.
func commitTables(records []*history.Record) []*commitTable {
	var tables []*commitTable
	for group, of := range history.Groups(records) {
		byTitle := map[string][]*history.Record{}
		var own []*commitTable
		for _, r := range of {
			t := &commitTable{group: group, title: title(r), order: [3]string{r.Mode, r.Compression + r.Via + r.Cache, runtimeOf(r)}, rows: r.Rows}
			if byTitle[t.title] == nil {
				own = append(own, t)
			}
			byTitle[t.title] = append(byTitle[t.title], r)
		}
		slices.SortStableFunc(own, func(a, b *commitTable) int {
			return cmp.Or(modeRank(a.order[0])-modeRank(b.order[0]), slices.Compare(a.order[:], b.order[:]), a.rows-b.rows)
		})
		for _, t := range own {
			t.fill(byTitle[t.title])
		}
		tables = append(tables, own...)
	}
	return tables
}

// modeRank puts the pipelines first, INSERT before COPY as in the seed, and other families behind them.
func modeRank(mode string) int {
	switch mode {
	case "insert":
		return 0
	case "copy":
		return 1
	}
	return 2
}

// title names a case as the seed named a mode, and what else must be equal for an average to mean anything.
func title(r *history.Record) string {
	parts := []string{strings.ToUpper(plain(r.Mode))}
	if r.Load != r.Mode {
		parts = append(parts, plain(r.Load))
	}
	parts = append(parts, strconv.Itoa(r.Rows)+" rows", plain(r.Compression), plain(r.Via), plain(r.Cache), runtimeOf(r))
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// runtimeOf returns what ran the guests; the seed's lines only say whether they were compiled.
func runtimeOf(r *history.Record) string {
	switch {
	case r.Runtime != "" || r.Mode == "floor":
		return plain(r.Runtime)
	case r.AOT:
		return "compiled"
	}
	return "not compiled"
}

// plain makes text from a file harmless on a terminal.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}

func (t *commitTable) fill(records []*history.Record) {
	byCommit := map[string][]*history.Record{}
	for _, r := range records {
		byCommit[r.Commit()] = append(byCommit[r.Commit()], r)
	}
	for _, c := range history.Commits(records) {
		all := byCommit[c.ID]
		quiet := history.Quiet(all)
		byCommit[c.ID] = quiet
		t.left += len(all) - len(quiet)
		t.commits = append(t.commits, c)
		t.runs = append(t.runs, len(quiet))
	}

	for _, m := range metrics {
		line := commitLine{label: m.label, format: m.format}
		known := false
		for _, commit := range t.commits {
			v := average(byCommit[commit.ID], m.value)
			line.values = append(line.values, v)
			known = known || !math.IsNaN(v) && v != 0
		}
		if known {
			t.lines = append(t.lines, line)
		}
		if m.unit == "ns/op" {
			t.seconds = line.values
		}
	}
	rate := commitLine{label: "Throughput (rows/s)", format: thousands}
	for _, s := range t.seconds {
		rate.values = append(rate.values, float64(t.rows)/s)
	}
	t.lines = append(t.lines, rate)
}

// average returns the mean over the records that have the value, NaN if none has.
func average(records []*history.Record, value func(*history.Record) (float64, bool)) float64 {
	var sum float64
	n := 0
	for _, r := range records {
		if v, ok := value(r); ok {
			sum += v
			n++
		}
	}
	return sum / float64(n)
}

// change returns the relative change of a line between exactly two commits. Where both are shown as zero there is none
// worth a word.
func (l commitLine) change() (float64, bool) {
	if len(l.values) != 2 || strings.Trim(l.cell(0)+l.cell(1), "0.") == "" {
		return 0, false
	}
	v := l.values[1]/l.values[0] - 1
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

func (l commitLine) cell(i int) string {
	if v := l.values[i]; !math.IsNaN(v) && !math.IsInf(v, 0) {
		return l.format(v)
	}
	return "-"
}

// Commits writes the averages of every metric for each commit in the seed's layout: a table for every case, grouped by the
// conditions under which runs compare. With exactly two commits there is the change as well.
func Commits(w io.Writer, records []*history.Record) error {
	var out strings.Builder
	group := "\x00" // no group's name
	disturbed := 0
	for _, t := range commitTables(records) {
		if t.group != group {
			group = t.group
			fmt.Fprintf(&out, "%s\n\n", conditions(group))
		}
		t.write(&out)
		disturbed += t.left
	}
	if disturbed > 0 {
		fmt.Fprintf(&out, "%d disturbed runs are left out of averages\n", disturbed)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// conditions returns a group's name for people.
func conditions(group string) string {
	if strings.Trim(group, " pg-") == "" {
		return "machine and server not recorded"
	}
	return "machine " + plain(group)
}

func (t *commitTable) write(out *strings.Builder) {
	labels := make([]string, len(t.commits))
	width := 10
	for i, c := range t.commits {
		labels[i] = label(c.Name)
		width = max(width, len(labels[i]))
	}
	two := len(labels) == 2
	row := func(first string, cells []string, change string) {
		line := fmt.Sprintf("  %-22s", first)
		for _, c := range cells {
			line += fmt.Sprintf("  %*s", width, c)
		}
		if two {
			line += fmt.Sprintf("  %10s", change)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}

	rule := strings.Repeat("=", 60)
	fmt.Fprintf(out, "%s\n  Mode: %s\n%s\n", rule, t.title, rule)
	row("Metric", labels, "Change")
	rules := slices.Repeat([]string{strings.Repeat("-", width)}, len(labels))
	row(strings.Repeat("-", 22), rules, strings.Repeat("-", 10))
	runs := make([]string, len(labels))
	for i, n := range t.runs {
		runs[i] = strconv.Itoa(n)
	}
	row("Runs", runs, "")
	for _, l := range t.lines {
		cells := make([]string, len(labels))
		for i := range cells {
			cells[i] = l.cell(i)
		}
		change := "-"
		if v, ok := l.change(); ok {
			change = fmt.Sprintf("%+.1f%%", 100*v)
		}
		row(l.label, cells, change)
	}
	out.WriteByte('\n')
}

// label shortens a commit's name to what still tells commits apart.
func label(commit string) string {
	name, changed := strings.CutSuffix(plain(commit), "+")
	switch {
	case name == "":
		name = "(none)"
	case len(name) > 10:
		name = strings.ToValidUTF8(name[:10], "?")
	}
	if changed {
		name += "+"
	}
	return name
}
