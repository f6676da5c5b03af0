package flame

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/bench/atomicfile"
)

// Graph is one picture.
type Graph struct {
	Title    string
	Subtitle string // what was measured, and how
	Unit     string // of the weights: "ns/row"
	Tree     *Tree
	Diff     bool     // the tree comes from [Diff]: colours say what grew and what shrank
	Sample   float64  // weight of one sample; a change that so few samples make by chance has no colour. 0: all have one
	Notes    []string // said below the graph, one line each
}

// ErrEmpty is returned for a tree without weight.
var ErrEmpty = errors.New("flame: nothing to draw: the profile has no samples")

const (
	rowHeight   = 18   // of a frame with the gap below it
	headHeight  = 136  // above the frames
	lineHeight  = 17   // of text below them
	drawnWidth  = 1e-4 // part of the whole below which a frame is left out; a tenth of a pixel
	pageWidth   = 1200 // for programs that ask how large the picture is; it fills any window
	labelWidth  = 0.02 // below which a frame has no label until it is zoomed
	mostChanges = 12   // of a differential graph that are listed
)

//go:embed flame.css
var style string

//go:embed flame.js
var script string

// Write draws the graph as one SVG document with everything in it: it can be opened by itself or become part of an HTML page,
// beside others. It writes nothing if there is nothing to draw, which is ErrEmpty.
func (g *Graph) Write(w io.Writer) error {
	if g.Tree == nil || !(g.Tree.Value > 0) {
		return ErrEmpty
	}
	g.Tree.sort()
	p := &painter{graph: g, total: g.Tree.Value}
	p.frame(g.Tree, 0, 0)
	head, foot := p.head(), p.foot()

	// The id keeps the style of one graph from another on the same page.
	h := fnv.New64a()
	io.WriteString(h, head+foot)
	h.Write(p.frames.Bytes())
	id := fmt.Sprintf("flame-%016x", h.Sum64())

	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" id="%s" class="flame" width="%d" height="%d" style="width:100%%" role="img" aria-label="%s">`+"\n",
		id, pageWidth, p.height(), escape(g.Title))
	fmt.Fprintf(&out, "<style>%s</style>\n", strings.ReplaceAll(style, "#flame", "#"+id))
	out.WriteString(`<rect class="paper" width="100%" height="100%"/>` + "\n" + head)
	out.Write(p.frames.Bytes())
	out.WriteString(foot)
	fmt.Fprintf(&out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", script)
	_, err := w.Write(out.Bytes())
	return err
}

// WriteFile draws the graph into a file, whose folder is made. The file is there whole or not at all.
func (g *Graph) WriteFile(path string) error {
	var svg bytes.Buffer
	if err := g.Write(&svg); err != nil {
		return err
	}
	err := atomicfile.Write(path, func(w io.Writer) error {
		_, err := svg.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("flame: %w", err)
	}
	return nil
}

// painter holds what is drawn so far.
type painter struct {
	graph  *Graph
	total  float64
	frames bytes.Buffer
	count  int // frames drawn
	depth  int // of the deepest
	kinds  [len(kindNames)]bool
	hidden int // frames too narrow to draw
}

// frame draws a frame and what is below it from the given place on.
func (p *painter) frame(t *Tree, left float64, depth int) {
	if t.Value/p.total < drawnWidth {
		if t.Value > 0 {
			p.hidden++
		}
		return
	}
	p.count++
	p.depth = max(p.depth, depth)
	class, fill := p.colour(t)
	if t.Value/p.total < labelWidth {
		class += " n"
	}
	fmt.Fprintf(&p.frames, `<svg class="f %s" x="%s%%" y="%d" width="%s%%" height="%d" data-d="%d"><title>%s</title>`+
		`<rect width="100%%" height="%d"%s/><text x="3" y="12">%s</text></svg>`+"\n",
		class, percent(left/p.total), headHeight+depth*rowHeight, percent(t.Value/p.total), rowHeight, depth, escape(p.describe(t)),
		rowHeight-1, fill, escape(t.Name))
	for _, c := range t.Children {
		p.frame(c, left, depth+1)
		left += c.Value
	}
}

// percent has enough digits for frames to meet: a millionth of the width.
func percent(part float64) string {
	s := fmt.Sprintf("%.4f", 100*part)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// colour returns the class and the attributes of a frame's box.
func (p *painter) colour(t *Tree) (class, fill string) {
	if !p.graph.Diff {
		p.kinds[int(t.Kind)%len(kindNames)] = true
		// Neighbours of one kind differ a little, the same function never.
		h := fnv.New32a()
		io.WriteString(h, t.Name)
		return fmt.Sprintf("k%d", t.Kind), fmt.Sprintf(` style="--s:%d%%"`, h.Sum32()%9)
	}
	change := t.Value - t.Base
	// A tenth of the whole is as red as it gets; the root keeps what the sum says.
	strength := min(1, math.Sqrt(math.Abs(change)/(0.1*max(p.total, p.graph.Tree.Base))))
	switch {
	case strength < 0.05, p.graph.chance(t.Base, t.Value):
		return "same", ""
	case change > 0:
		return "grew", fmt.Sprintf(` style="--c:%.2f"`, strength)
	}
	return "shrank", fmt.Sprintf(` style="--c:%.2f"`, strength)
}

// chance reports whether samples that fall at random differ as much in one of twenty frames that did not change.
func (g *Graph) chance(base, head float64) bool {
	return math.Abs(head-base) < 2*math.Sqrt(g.Sample*(base+head))
}

// describe says what a frame is, in two lines.
func (p *painter) describe(t *Tree) string {
	unit := p.graph.Unit
	s := fmt.Sprintf("%s\n%s %s, %.1f %% of all", t.full(), amount(t.Value), unit, 100*t.Value/p.total)
	if t.Self > 0 && t.Self < t.Value {
		s += fmt.Sprintf("; %s itself", amount(t.Self))
	}
	if p.graph.Diff {
		s += "; before " + amount(t.Base) + ", " + change(t.Base, t.Value)
	}
	return s
}

// change says how much more or less something is.
func change(base, head float64) string {
	switch {
	case base == 0:
		return "new"
	case head == 0:
		return "gone"
	}
	return fmt.Sprintf("%s (%+.0f %%)", signed(head-base), 100*(head/base-1))
}

// amount writes a weight with three digits or all before the point.
func amount(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == 0:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.01:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func signed(v float64) string {
	if v > 0 {
		return "+" + amount(v)
	}
	return amount(v)
}

// head returns title, tools and legend.
func (p *painter) head() string {
	var s strings.Builder
	fmt.Fprintf(&s, `<text class="title" x="10" y="26">%s</text>`+"\n", escape(p.graph.Title))
	fmt.Fprintf(&s, `<text class="quiet" x="10" y="45">%s</text>`+"\n", escape(p.graph.Subtitle))
	s.WriteString(`<foreignObject x="10" y="54" width="99%" height="30"><div xmlns="http://www.w3.org/1999/xhtml" class="tools">` +
		`<button type="button">Reset</button><input type="search" placeholder="Search: Ctrl-F" aria-label="Search frames"/>` +
		`<span class="hits"></span></div></foreignObject>` + "\n")
	s.WriteString(`<text class="said" x="10" y="102"><tspan class="quiet">Click a frame to zoom, point at one to read it.</tspan></text>` + "\n")

	x := 10
	entry := func(class, attributes, name string) {
		fmt.Fprintf(&s, `<g class="%s"><rect x="%d" y="112" width="12" height="12"%s/></g><text class="quiet" x="%d" y="122">%s</text>`+"\n",
			class, x, attributes, x+17, name)
		x += 36 + 7*len(name)
	}
	if p.graph.Diff {
		entry("grew", ` style="--c:1"`, "grew")
		entry("shrank", ` style="--c:1"`, "shrank")
		entry("same", "", "as before")
		return s.String()
	}
	for kind, there := range p.kinds {
		if there && Kind(kind) != Group {
			entry(fmt.Sprintf("k%d", kind), ` style="--s:4%"`, kindNames[kind])
		}
	}
	return s.String()
}

// foot returns the list of changes and the notes.
func (p *painter) foot() string {
	var s strings.Builder
	y := headHeight + (p.depth+1)*rowHeight + 8
	line := func(class, text string) {
		y += lineHeight
		fmt.Fprintf(&s, `<text class="%s" x="10" y="%d" xml:space="preserve">%s</text>`+"\n", class, y, escape(text))
	}
	for i, c := range p.changes() {
		if i == 0 {
			line("quiet", "Functions whose own time changed most, "+p.graph.Unit+":")
		}
		line("mono", fmt.Sprintf("%9s → %-9s %-18s %s", amount(c.Base), amount(c.Head), change(c.Base, c.Head), c.full()))
	}
	for _, note := range p.notes() {
		line("quiet", note)
	}
	return s.String()
}

func (p *painter) changes() []Change {
	if !p.graph.Diff {
		return nil
	}
	list := slices.DeleteFunc(p.graph.Tree.Changes(math.MaxInt), func(c Change) bool { return p.graph.chance(c.Base, c.Head) })
	return list[:min(len(list), mostChanges)]
}

func (p *painter) notes() []string {
	if p.hidden == 0 {
		return p.graph.Notes
	}
	return append(p.graph.Notes[:len(p.graph.Notes):len(p.graph.Notes)],
		fmt.Sprintf("%d frames narrower than a hundredth of a percent are not drawn.", p.hidden))
}

// height returns the height of the whole document.
func (p *painter) height() int {
	lines := len(p.notes())
	if changes := len(p.changes()); changes > 0 {
		lines += changes + 1
	}
	return headHeight + (p.depth+1)*rowHeight + 8 + lines*lineHeight + 14
}

// escape makes a text safe inside an element or attribute. What XML cannot hold becomes a question mark in a box.
func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
