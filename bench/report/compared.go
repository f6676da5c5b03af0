package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

// Extras is what a page about a comparison can show besides the comparison itself. The zero value is nothing.
type Extras struct {
	Figures   []page.Figure // flame graphs
	Benchstat string        // benchstat's tables
}

// Compared is the comparison as a page: the verdicts, what they were reached from, where the time went, and under which
// conditions.
func Compared(r *compare.Report, x Extras) page.Page {
	p := page.Page{
		Title:    fmt.Sprintf("%s → %s", named(r.Base, "base"), named(r.Head, "head")),
		Subtitle: fmt.Sprintf("“%s”, measured in pairs against “%s”", subject(r.Head), subject(r.Base)),
		Warnings: slices.Clone(r.Warnings),
	}
	if !r.Finished.IsZero() {
		p.Subtitle += ", finished " + r.Finished.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	for _, only := range []struct {
		side  string
		cases []compare.Case
	}{{"base", r.OnlyBase}, {"head", r.OnlyHead}} {
		if len(only.cases) > 0 {
			p.Warnings = append(p.Warnings, fmt.Sprintf("only in %s, not compared: %s", only.side, joined(only.cases)))
		}
	}
	if r.Identical != "" {
		p.Facts = []page.Fact{{Name: "verdict", Value: "same code", Tone: page.Good}}
		p.Sections = []page.Section{{Title: "Verdicts", Note: r.Identical + ". Nothing was measured."}, environment(r)}
		return p
	}

	p.Facts = facts(r)
	p.Sections = append(p.Sections, verdicts(r))
	if s := cases(r); len(s.Blocks) > 0 {
		p.Sections = append(p.Sections, s)
	}
	if s := scaling(r); len(s.Blocks) > 0 {
		p.Sections = append(p.Sections, s)
	}
	if len(x.Figures) > 0 {
		s := page.Section{ID: "flame-graphs", Title: "Flame graphs"}
		for _, f := range x.Figures {
			s.Blocks = append(s.Blocks, f)
		}
		p.Sections = append(p.Sections, s)
	}
	p.Sections = append(p.Sections, contamination(r), environment(r), again(r, x))
	return p
}

// named is how a title calls a commit: "main (1a2b3c4)".
func named(v compare.Version, otherwise string) string {
	switch {
	case v.Text != "":
		return v.Text
	case v.Name != "":
		return v.Name
	}
	return otherwise
}

// subject is a commit's first line, which the report holds quoted.
func subject(v compare.Version) string {
	if s, err := strconv.Unquote(v.Subject); err == nil {
		return s
	}
	return v.Subject
}

func joined(cases []compare.Case) string {
	var names []string
	for _, c := range cases {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

// facts sums the comparison up.
func facts(r *compare.Report) []page.Fact {
	count := func(name string, n int, tone page.Tone) page.Fact {
		if n == 0 {
			tone = page.Muted
		}
		return page.Fact{Name: name, Value: strconv.Itoa(n), Tone: tone}
	}
	all := []page.Fact{
		count("regressed", r.Counts.Regressed, page.Bad),
		count("improved", r.Counts.Improved, page.Good),
		count("inconclusive", r.Counts.Inconclusive, page.Unsure),
		count("same", r.Counts.Same, page.Neutral),
	}
	for _, g := range r.Geomeans {
		if g.Unit == "sec/op" || g.Unit == "cpu-sec/op" {
			all = append(all, page.Fact{Name: "geomean " + g.Unit, Value: signedPercent(float64(g.Change))})
		}
	}
	if r.Tax != nil {
		all = append(all, page.Fact{Name: "WASM tax (over pgx)",
			Value: fmt.Sprintf("%s → %s", digits(float64(r.Tax.Base), 3), digits(float64(r.Tax.Head), 3))})
	}
	pairs := 0
	for _, b := range r.Blocks {
		for _, s := range b.Series {
			pairs += len(s.Pairs)
		}
	}
	return append(all, page.Fact{Name: "pairs measured", Value: strconv.Itoa(pairs)})
}

// contamination lists the pairs that were disturbed and measured again.
func contamination(r *compare.Report) page.Section {
	s := page.Section{ID: "contamination", Title: "Contamination log",
		Note: "Pairs during which something else happened on the machine or in the server. They were measured again and count for nothing."}
	t := page.Table{Columns: []page.Column{{Title: "case"}, {Title: "block", Number: true}, {Title: "round", Number: true}, {Title: "what"}, {Title: "base"},
		{Title: "head"}, {Title: "base sec/op", Number: true}, {Title: "head sec/op", Number: true}, {Title: "started"}}}
	add := func(b *compare.Block, c compare.Case, p compare.Pair, what string) {
		base, head := middle(p.Base, "sec/op"), middle(p.Head, "sec/op")
		t.Rows = append(t.Rows, []page.Cell{
			page.Text(string(c)), number(b.Number), number(p.Round), page.Text(what), disturbance(p.Base), disturbance(p.Head),
			{Text: quantity(base, "sec/op"), Value: base}, {Text: quantity(head, "sec/op"), Value: head}, page.Text(started(p)),
		})
	}
	for _, b := range r.Blocks {
		for _, series := range b.Series {
			for _, p := range series.Repeated {
				add(b, series.Case, p, "measured again")
			}
			for _, p := range series.Pairs {
				if left := len(p.Base.LeftOut["sec/op"]); left > 0 {
					add(b, series.Case, p, fmt.Sprintf("%d of %d runs left out", left, left+len(p.Base.Values["sec/op"])))
				}
			}
		}
	}
	if t.Rows == nil {
		s.Blocks = []page.Block{page.Preformatted{Text: "No pair had to be measured again, and no run was left out."}}
		return s
	}
	s.Blocks = []page.Block{t}
	return s
}

// short is the beginning of a hash, which is enough to tell two apart.
func short(hash string) string { return hash[:min(len(hash), 12)] }

func number(n int) page.Cell { return page.Cell{Text: strconv.Itoa(n), Value: float64(n)} }

func disturbance(p *compare.Process) page.Cell {
	if p == nil || len(p.Contaminated) == 0 {
		return page.Cell{Text: "quiet", Tone: page.Muted}
	}
	return page.Cell{Text: strings.Join(p.Contaminated, ", "), Tone: page.Unsure}
}

// started is the time of day at which a pair's first half began.
func started(p compare.Pair) string {
	first := p.Base
	if !p.BaseFirst {
		first = p.Head
	}
	if first == nil || first.Started.IsZero() {
		return ""
	}
	return first.Started.UTC().Format("15:04:05")
}

// environment is what was compared where, and how.
func environment(r *compare.Report) page.Section {
	s := page.Section{ID: "environment", Title: "Environment"}
	refs := page.Table{Title: "Commits", Columns: []page.Column{{Title: "side"}, {Title: "name"}, {Title: "commit"}, {Title: "subject"}, {Title: "suite"}}}
	for _, side := range []struct {
		name string
		v    compare.Version
	}{{"base", r.Base}, {"head", r.Head}} {
		commit := page.Text(side.v.Commit)
		if side.v.Dirty {
			commit.Note = "with changes that are not committed"
		}
		refs.Rows = append(refs.Rows, []page.Cell{page.Text(side.name), page.Text(side.v.Name), commit, page.Text(subject(side.v)), page.Text(short(side.v.Harness))})
	}
	s.Blocks = append(s.Blocks, refs)
	if r.Identical != "" {
		return s
	}

	machine := page.Table{Title: "Machine, server and data", Columns: []page.Column{{Title: "what"}, {Title: "value"}}}
	for _, key := range slices.Sorted(maps.Keys(r.Config)) {
		machine.Rows = append(machine.Rows, []page.Cell{page.Text(key), page.Text(r.Config[key])})
	}
	how := page.Table{Title: "Measurement", Columns: []page.Column{{Title: "what"}, {Title: "value"}}, Rows: [][]page.Cell{
		{page.Text("seed"), page.Text(strconv.FormatUint(r.Seed, 10))},
		{page.Text("most pairs of a case in a block"), page.Text(strconv.Itoa(r.Rounds))},
		{page.Text("iterations in a process"), page.Text(strconv.Itoa(r.Iterations))},
		{page.Text("threshold"), page.Text(plainPercent(r.Threshold))},
		{page.Text("error probability of all verdicts together"), page.Text(plainPercent(r.Alpha))},
	}}
	for _, b := range r.Blocks {
		if b.Ended != "" {
			how.Rows = append(how.Rows, []page.Cell{page.Text(fmt.Sprintf("block %d", b.Number)), page.Text(b.Ended)})
		}
	}
	s.Blocks = append(s.Blocks, machine, how)

	if len(r.Resolves) > 0 {
		t := page.Table{Title: "What this machine can tell apart", Folded: true,
			Note:    fmt.Sprintf("The noise between equal programs, measured %s earlier. Bands are at least as wide.", age(r.Finished.Sub(r.NoiseTaken))),
			Columns: []page.Column{{Title: "case"}, {Title: "unit"}, {Title: "resolves", Number: true}}}
		for _, c := range r.Resolves {
			t.Rows = append(t.Rows, []page.Cell{page.Text(string(c.Case)), page.Text(c.Unit), {Text: plainPercent(float64(c.Floor)), Value: float64(c.Floor)}})
		}
		s.Blocks = append(s.Blocks, t)
	}
	return s
}

// age writes a long time roughly.
func age(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// again is how to do the same once more, and the report in the words of a terminal.
func again(r *compare.Report, x Extras) page.Section {
	s := page.Section{ID: "reproduce", Title: "Reproduce"}
	if r.Reproduce != "" {
		s.Blocks = append(s.Blocks, page.Preformatted{Text: r.Reproduce})
	}
	if x.Benchstat != "" {
		s.Blocks = append(s.Blocks, page.Preformatted{Title: "benchstat", Text: x.Benchstat, Folded: true})
	}
	var text strings.Builder
	// A strings.Builder does not fail.
	_ = r.WriteText(&text)
	s.Blocks = append(s.Blocks, page.Preformatted{Title: "The report as text", Text: text.String(), Folded: true})
	return s
}
