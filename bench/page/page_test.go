package page_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/atomicfile"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/page/pagetest"
)

// hostile is text that would do harm in each place it could end up in.
const hostile = `</script></style></title><script>throw "hostile"</script> "'><img src=x onerror=alert(1)> &amp; ]]> <!-- ` + "\x00\x1b[31m\xff\u2028"

// shown is what must be readable of hostile.
const shown = `</script></style></title><script>throw "hostile"</script> "'><img src=x onerror=alert(1)> &amp; ]]> <!--`

const drawing = `<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50"><title>stack</title><rect x="0" y="0" width="100" height="50"/></svg>`

const scripted = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50"><script><![CDATA[if (1 < 2 && document.documentElement.tagName !== "svg") throw new Error("not alone")]]></script></svg>`

// everything is a page with every kind of block, in which each string is the given one.
func everything(s string) page.Page {
	nan, inf := math.NaN(), math.Inf(1)
	points := []page.Point{
		{X: 1, Y: 10, Label: s, Note: s}, {X: 2, Y: nan, Label: s}, {X: nan, Y: 1}, {X: 3, Y: inf}, {X: -inf, Y: 2}, {X: 4, Y: -5, Lo: -inf, Hi: inf, Label: "b"},
		{X: 5, Y: 0, Lo: nan, Hi: 3, Label: "c"}, {X: 1e300, Y: 1e300, Label: "d"}, {X: 6, Y: 30, Total: true, Label: "e", Tone: page.Good},
	}
	p := page.Page{Title: s, Subtitle: s, Facts: []page.Fact{{Name: s, Value: s, Tone: page.Bad}}, Warnings: []string{s}}
	for _, folded := range []bool{false, true} {
		section := page.Section{ID: s, Title: s, Note: s, Folded: folded, Blocks: []page.Block{
			page.Table{Title: s, Note: s, Folded: folded, Columns: []page.Column{{Title: s, Note: s}, {Title: "n", Number: true}, {Title: "r", Number: true}, {Title: "last"}},
				Rows: [][]page.Cell{
					{{Text: s, Note: s, Link: s, Tone: page.Unsure}, {Text: "1", Value: 1}, {Value: 2, Range: &page.Range{Lo: -inf, Centre: 0.1, Hi: inf, Band: 0.02}}},
					{page.Text(s), {Text: "NaN", Value: nan}, {Value: 3, Range: &page.Range{Lo: nan, Centre: nan, Hi: nan, Band: nan}}, {}, page.Text("too many")},
					{},
				}},
			page.Group{ID: s, Title: s, Note: s, Folded: folded, Tone: page.Good, Blocks: []page.Block{page.Preformatted{Title: s, Text: s, Folded: folded}}},
			page.Figure{Title: s, Note: s, SVG: []byte(drawing)}, page.Figure{Title: s, SVG: []byte(scripted)},
		}}
		for kind := page.Points; kind <= page.Waterfall; kind++ {
			for _, log := range []bool{false, true} {
				section.Blocks = append(section.Blocks, page.Chart{Title: s, Note: s, Kind: kind, XLabel: s, YLabel: s, XLog: log, YLog: log,
					Series: []page.Series{{Name: s, Points: points}, {Name: s, Points: points, Hollow: true, Tone: page.Muted}, {}},
					Bands:  []page.Band{{Lo: -1, Hi: 1, Label: s}, {Lo: -inf, Hi: nan}}, Marks: []page.Mark{{Y: 1, Label: s}, {Y: nan}},
					Breaks: []page.Break{{X: 2, Label: s}, {X: inf, Label: s}}})
			}
			section.Blocks = append(section.Blocks, page.Chart{Kind: kind}, page.Chart{Kind: kind, Series: []page.Series{{Points: []page.Point{{Y: nan}}}}})
		}
		p.Sections = append(p.Sections, section)
	}
	return p
}

func write(t *testing.T, p page.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryStringIsText(t *testing.T) {
	document := write(t, everything(hostile))
	pagetest.Check(t, document)
	if n := strings.Count(document, "<script>"); n != 1 {
		t.Errorf("%d scripts, want only the page's own", n)
	}
	if text := pagetest.Text(document); strings.Count(text, shown) < 30 {
		t.Errorf("the text is there %d times", strings.Count(text, shown))
	}
}

// Numbers that are not finite have no place in a drawing, and zero values are pages.
func TestDegeneratePages(t *testing.T) {
	for name, p := range map[string]page.Page{
		"zero":     {},
		"sections": {Sections: []page.Section{{}, {Blocks: []page.Block{page.Table{}, page.Chart{}, page.Preformatted{}, page.Group{}, nil}}}},
		"numbers":  everything("x"),
	} {
		t.Run(name, func(t *testing.T) { pagetest.Check(t, write(t, p)) })
	}
	if text := pagetest.Text(write(t, page.Page{})); !strings.Contains(text, "There is nothing to show.") {
		t.Errorf("an empty page says %q", text)
	}
}

func TestFigure(t *testing.T) {
	figure := func(svg string) (string, error) {
		var b bytes.Buffer
		err := page.Write(&b, page.Page{Sections: []page.Section{{Blocks: []page.Block{page.Figure{Title: "flame", SVG: []byte(svg)}}}}})
		return b.String(), err
	}
	for _, good := range []struct{ svg, want string }{
		{drawing, `<rect x="0" y="0" width="100" height="50"/></svg>`},
		{scripted, `<iframe title="flame" sandbox="allow-scripts" style="aspect-ratio:2" src="data:image/svg+xml;base64,`},
		{strings.Replace(scripted, "<svg ", `<svg width="1200" height="700" `, 1), `sandbox="allow-scripts" style="height:702px" src=`},
		{strings.Replace(scripted, "<svg ", `<svg height="100%" `, 1), `sandbox="allow-scripts" style="aspect-ratio:2" src=`},
		{`<svg onload="init()"/>`, `<iframe title="flame" sandbox="allow-scripts" src=`},
		{`<svg><use href="#a"/><g fill="url(#b)" id="a"/></svg>`, `<use href="#a"/>`},
	} {
		if got, err := figure(good.svg); err != nil || !strings.Contains(got, good.want) {
			t.Errorf("%s: %v, want %s", good.svg, err, good.want)
		}
	}
	for svg, want := range map[string]string{
		"":                   "not an SVG document",
		"<svg>":              "not an SVG document",
		"<html></html>":      `"html"`,
		"<svg/><svg/>":       "not an SVG document",
		"<svg><g></svg></g>": "not an SVG document",
		"<svg/></section>":   "not an SVG document",
		`<svg><image href="http://example.com/x.png"/></svg>`:           "outside",
		`<svg><a href="javascript:alert(1)">x</a></svg>`:                "outside",
		`<svg><style>@import "x.css";</style></svg>`:                    "outside",
		`<svg><rect style="fill:URL( 'http://example.com')"/></svg>`:    "outside",
		`<svg><style>rect { fill: url(//example.com/a) }</style></svg>`: "outside",
	} {
		if got, err := figure(svg); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "flame") || got != "" {
			t.Errorf("%s: %v, want %q and nothing written", svg, err, want)
		}
	}
}

// A file is the whole page or what was there before, and nothing is left beside it.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "report.html")
	good := page.Page{Title: "first"}
	if err := page.WriteFile(path, good); err != nil {
		t.Fatal(err)
	}
	bad := page.Page{Title: "second", Sections: []page.Section{{Title: "S", Blocks: []page.Block{page.Figure{Title: "F"}}}}}
	if err := page.WriteFile(path, bad); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), `"F"`) {
		t.Errorf("a faulty figure: %v, want the file and the figure", err)
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != write(t, good) {
		t.Errorf("%v: the file is not the first page", err)
	}
	if err := page.WriteFile(path, page.Page{Title: "third"}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Contains(data, []byte("third")) {
		t.Errorf("%v: the page was not replaced", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v, want a file others can read", info.Mode(), err)
	}
	alone(t, filepath.Dir(path), "report.html")

	if err := atomicfile.Check(path); err != nil {
		t.Error(err)
	}
	if err := atomicfile.Check(dir); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if err := page.WriteFile(filepath.Join(dir, "a"), good); err == nil {
		t.Error("a folder was replaced")
	}
	alone(t, dir, "a")
}

// Where nothing can be written the error says so, and nothing is left.
func TestWriteFileRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o555); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"file instead of folder": filepath.Join(file, "r.html"), "read-only folder": filepath.Join(closed, "r.html")} {
		t.Run(name, func(t *testing.T) {
			if name == "read-only folder" && os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			for _, err := range []error{page.WriteFile(path, page.Page{}), atomicfile.Check(path)} {
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "elsewhere") {
					t.Errorf("%v, want the path and what to do", err)
				}
			}
		})
	}
	alone(t, closed)
	alone(t, dir, "closed", "file")
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteReportsErrors(t *testing.T) {
	if err := page.Write(failing{}, page.Page{}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("%v, want the writer's error", err)
	}
}

// alone fails the test unless the folder holds just these.
func alone(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %v, want %v", dir, got, want)
	}
}
