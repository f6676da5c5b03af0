package targets

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	pprof "github.com/google/pprof/profile"

	"github.com/rapidbyte-go/rapidbyte/bench/atomicfile"
	"github.com/rapidbyte-go/rapidbyte/bench/profile"
	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
)

// profiles is where the files of one call go, and what is to be said of them.
type profiles struct {
	repo   *Repo
	job    profiling
	prefix string   // of every file
	graphs []string // lines that name files
	files  []string
}

// newProfiles makes the folder, and fails if it cannot be written: minutes later would be late.
func (r *Repo) newProfiles(j profiling) (*profiles, error) {
	dir := filepath.Join(r.Dir, "target", "profiles")
	what := cmp.Or(j.Case.Param("load"), strings.ToLower(j.Case.Family))
	name := fmt.Sprintf("flamegraph_%drows_%s_%s", j.Case.Rows(), what, time.Now().Format("20060102T150405"))
	p := &profiles{repo: r, job: j, prefix: filepath.Join(dir, name)}
	if err := atomicfile.Check(p.file("", ".svg")); err != nil {
		return nil, fmt.Errorf("profiles go to target/profiles: %w", err)
	}
	return p, nil
}

// file returns the path of a file with the given name behind the common one.
func (p *profiles) file(variant, extension string) string {
	if variant != "" {
		variant = "_" + variant
	}
	return p.prefix + variant + extension
}

// save writes a graph and the profile it was made of.
func (p *profiles) save(variant string, g *flame.Graph, raw *pprof.Profile) error {
	svg := p.file(variant, ".svg")
	if err := g.WriteFile(svg); err != nil {
		return err
	}
	p.graphs = append(p.graphs, svg)
	return p.raw(variant, raw)
}

func (p *profiles) raw(variant string, raw *pprof.Profile) error {
	file := p.file(variant, ".pprof")
	p.files = append(p.files, file)
	return atomicfile.Write(file, raw.Write)
}

// cpu writes a CPU profile and its table.
func (p *profiles) cpu(variant string, c *profile.CPU, t *flame.Tree, notes []string) error {
	title := "CPU time of " + p.job.Case.String()
	if variant != "" {
		title += ", " + variant
	}
	shares := profile.Shares(t)
	what := fmt.Sprintf("%s: %.0f ns/row in %d runs, %d samples of this process", title, t.Value, c.Runs, c.Samples())
	fmt.Fprintf(p.repo.Stdout, "%s\n\n  %-14s %-10s %8s %7s\n", what, "stage", "side", "ns/row", "share")
	for _, s := range shares {
		fmt.Fprintf(p.repo.Stdout, "  %-14s %-10s %8.0f %5.1f %%\n", s.Stage, s.Side, s.Weight, 100*s.Weight/t.Value)
	}
	fmt.Fprintln(p.repo.Stdout)
	for _, n := range notes {
		fmt.Fprintf(p.repo.Stdout, "%s\n\n", n)
	}
	g := &flame.Graph{
		Title: title, Unit: "ns/row", Tree: t, Notes: notes,
		Subtitle: fmt.Sprintf("%.0f ns/row in %d timed runs of %d rows, %d samples of this process", t.Value, c.Runs, c.Rows, c.Samples()),
	}
	return p.save(variant, g, c.Profile)
}

// record writes a profile of another kind. That nothing waited, or nothing was allocated, is a result.
func (p *profiles) record(kind profile.Kind, raw *pprof.Profile, runs int) error {
	rows := p.job.Case.Rows()
	t := profile.Tree(raw, kind, runs*rows)
	fmt.Fprintf(p.repo.Stdout, "%-6s %8.1f %s\n", kind, t.Value, kind.Unit())
	if t.Value == 0 {
		return p.raw(string(kind), raw)
	}
	return p.save(string(kind), &flame.Graph{
		Title:    fmt.Sprintf("%s of %s", kind.Title(), p.job.Case),
		Subtitle: fmt.Sprintf("%.1f %s in %d timed runs of %d rows", t.Value, kind.Unit(), runs, rows),
		Unit:     kind.Unit(), Tree: t,
	}, raw)
}

// diff writes a comparison.
func (p *profiles) diff(c *profile.Comparison) error {
	fmt.Fprintf(p.repo.Stdout, "%s\n%s\n", c.Graph.Title, c.Graph.Subtitle)
	if err := p.save("diff", c.Graph, c.Head.Profile); err != nil {
		return err
	}
	if err := p.raw("diff_base", c.Base.Profile); err != nil {
		return err
	}
	return p.end()
}

// end says where everything is, as seen from the repository.
func (p *profiles) end() error {
	var s strings.Builder
	list := func(what string, files []string) {
		s.WriteString("\n" + what + ":\n")
		for _, file := range files {
			if short, err := filepath.Rel(p.repo.Dir, file); err == nil {
				file = short
			}
			s.WriteString("  " + file + "\n")
		}
	}
	list("flame graphs, for a browser", p.graphs)
	list("profiles, for go tool pprof", p.files)
	_, err := io.WriteString(p.repo.Stdout, s.String())
	return err
}
