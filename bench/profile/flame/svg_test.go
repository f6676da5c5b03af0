package flame

import (
	"bytes"
	"encoding/xml"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// element is one element of a document, as far as the tests look.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// draw draws the graph and reads the document back.
func draw(t *testing.T, g *Graph) (doc element, text string) {
	t.Helper()
	var out bytes.Buffer
	if err := g.Write(&out); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatalf("not XML: %v\n%s", err, out.String())
	}
	return doc, out.String()
}

// box is one frame as it is drawn; x and width in percent.
type box struct {
	name, title string
	class       string
	x, width    float64
	depth       int
}

func boxes(t *testing.T, doc element) []box {
	t.Helper()
	var list []box
	for _, e := range doc.Children {
		if e.XMLName.Local != "svg" {
			continue
		}
		b := box{class: e.attr("class")}
		for _, c := range e.Children {
			switch c.XMLName.Local {
			case "title":
				b.title = c.Text
			case "text":
				b.name = c.Text
			}
		}
		var errs [3]error
		b.x, errs[0] = strconv.ParseFloat(strings.TrimSuffix(e.attr("x"), "%"), 64)
		b.width, errs[1] = strconv.ParseFloat(strings.TrimSuffix(e.attr("width"), "%"), 64)
		b.depth, errs[2] = strconv.Atoi(e.attr("data-d"))
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

func stack(names ...string) []Frame {
	var frames []Frame
	for _, n := range names {
		frames = append(frames, Frame{Name: n, Kind: Host})
	}
	return frames
}

func example() *Tree {
	t := &Tree{Frame: Frame{Name: "all"}}
	t.Add(10, stack("source", "read", "memmove")...)
	t.Add(20, stack("source", "read")...)
	t.Add(30, stack("dest", "write")...)
	t.Add(5, stack("dest")...)
	t.Add(35)
	return t
}

// A frame is as wide as its samples, stands within its parent, and beside its siblings.
func TestWidthsAreSamples(t *testing.T) {
	doc, _ := draw(t, &Graph{Title: "t", Unit: "samples", Tree: example()})
	want := map[string]float64{"all": 100, "source": 30, "read": 30, "memmove": 10, "dest": 35, "write": 30}
	var open []box
	list := boxes(t, doc)
	for _, b := range list {
		if math.Abs(b.width-want[b.name]) > 1e-3 {
			t.Errorf("%s is %g %% wide, want %g", b.name, b.width, want[b.name])
		}
		open = open[:b.depth]
		if n := len(open); n > 0 {
			if parent := open[n-1]; b.x < parent.x-1e-3 || b.x+b.width > parent.x+parent.width+1e-3 {
				t.Errorf("%s does not stand on %s: %+v %+v", b.name, parent.name, b, parent)
			}
		}
		open = append(open, b)
	}
	for i, a := range list {
		for _, b := range list[:i] {
			if a.depth == b.depth && a.x < b.x+b.width-1e-3 && b.x < a.x+a.width-1e-3 {
				t.Errorf("%s and %s overlap", a.name, b.name)
			}
		}
	}
	if len(list) != len(want) {
		t.Errorf("%d frames drawn, want %d", len(list), len(want))
	}
}

// Names come from programs, and programs from anybody.
func TestHostileNames(t *testing.T) {
	names := []string{"<script>alert(1)</script>", `a"b'c&d`, "]]><script>x</script>", "</svg>", "\x00\xff\u202e", "&lt;"}
	for _, name := range names {
		tree := &Tree{Frame: Frame{Name: name}}
		tree.Add(1, Frame{Name: name, Full: name + name, Kind: 99})
		for _, diff := range []bool{false, true} {
			if diff {
				tree = Diff(example(), tree)
			}
			doc, text := draw(t, &Graph{Title: name, Subtitle: name, Unit: name, Tree: tree, Diff: diff, Notes: []string{name}})
			if n := strings.Count(text, "<script"); n != 1 {
				t.Errorf("%q: %d scripts in the document, want ours alone", name, n)
			}
			list := boxes(t, doc)
			if len(list) != 2 || !strings.HasPrefix(list[1].name, strings.ToValidUTF8(name, "\uFFFD")[:1]) && name[0] != 0 {
				t.Errorf("%q: drawn %+v", name, list)
			}
			if strings.Contains(list[0].name, "&lt;script") {
				t.Errorf("%q is escaped twice", name)
			}
		}
	}
}

func TestEmpty(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	for _, tree := range []*Tree{nil, {}, Diff(example(), &Tree{})} {
		g := &Graph{Tree: tree}
		if err := g.Write(&out); !errors.Is(err, ErrEmpty) || out.Len() > 0 {
			t.Errorf("%v after %d bytes, want ErrEmpty and nothing written", err, out.Len())
		}
		if err := g.WriteFile(filepath.Join(dir, "sub", "x.svg")); !errors.Is(err, ErrEmpty) {
			t.Errorf("%v, want ErrEmpty", err)
		}
	}
	tree := &Tree{}
	for _, weight := range []float64{0, -3, math.NaN(), math.Inf(1)} {
		tree.Add(weight, stack("a")...)
	}
	if tree.Value != 0 || len(tree.Children) > 0 {
		t.Errorf("weights that are none were added: %+v", tree)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// A folder that cannot be written gives its name, and no half file.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	g := &Graph{Unit: "samples", Tree: example()}
	if err := g.WriteFile(filepath.Join(file, "x.svg")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("below a file: %v", err)
	}
	// The name is taken by a folder: everything is written, and cannot be put in its place.
	place := filepath.Join(dir, "taken.svg")
	if err := os.MkdirAll(filepath.Join(place, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := g.WriteFile(place); err == nil || !strings.Contains(err.Error(), place) {
		t.Errorf("a taken name: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, left behind: %v", err, entries)
	}
}

func TestDiff(t *testing.T) {
	base, head := example(), &Tree{Frame: Frame{Name: "all"}}
	head.Add(50, stack("source", "read", "memmove")...)
	head.Add(20, stack("source", "read")...)
	head.Add(25, stack("dest", "write")...)
	head.Add(35)
	head.Add(1, stack("other")...)
	d := Diff(base, head)
	var got []string
	for _, c := range d.Changes(10) {
		got = append(got, c.Name+" "+change(c.Base, c.Head))
	}
	want := "memmove +40.0 (+400 %), dest gone, write -5.00 (-17 %), other new"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("changes %s\nwant    %s", s, want)
	}
	doc, text := draw(t, &Graph{Title: "d", Unit: "ns/row", Tree: d, Diff: true})
	classes := map[string]string{}
	for _, b := range boxes(t, doc) {
		classes[b.name] = strings.Fields(b.class)[1]
	}
	for name, want := range map[string]string{"all": "grew", "memmove": "grew", "source": "grew", "dest": "shrank", "write": "shrank", "other": "grew"} {
		if classes[name] != want {
			t.Errorf("%s is %q, want %q", name, classes[name], want)
		}
	}
	if !strings.Contains(text, "before 10.0, +40.0 (+400 %)") {
		t.Error("a frame does not say what it was before")
	}
	if d.Value != 131 || base.Value != 100 || base.Base != 0 {
		t.Errorf("the trees compared were changed: %+v %+v", d, base)
	}
}

// Two graphs on one page do not share a style.
func TestGraphsKeepApart(t *testing.T) {
	a, _ := draw(t, &Graph{Title: "a", Tree: example()})
	b, text := draw(t, &Graph{Title: "b", Tree: example()})
	if a.attr("id") == b.attr("id") {
		t.Error("two graphs have one id")
	}
	for line := range strings.Lines(style) {
		if strings.Contains(line, "{") && !strings.HasPrefix(line, "#flame") && !strings.HasPrefix(line, "@media (prefers-color-scheme: dark) { #flame") {
			t.Errorf("a rule for the whole page: %s", line)
		}
	}
	if strings.Contains(text, "#flame ") || strings.Contains(text, "http:") && strings.Count(text, "http:") != 2 {
		t.Error("the document refers to something outside, or its style to all graphs")
	}
	if strings.Contains(style+script, "]]>") || strings.Contains(style, "<") {
		t.Error("style or script would end its element")
	}
}

func TestScale(t *testing.T) {
	tree := example()
	tree.Scale(0.5)
	if tree.Value != 50 || tree.Children[0].Children[0].Children[0].Self != 5 {
		t.Errorf("scaled to %+v", tree)
	}
}
