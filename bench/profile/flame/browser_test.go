package flame_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/page/pagetest"
	"github.com/rapidbyte-go/rapidbyte/bench/profile/flame"
)

func stacks() *flame.Tree {
	t := &flame.Tree{Frame: flame.Frame{Name: "all"}}
	frame := func(name string) flame.Frame { return flame.Frame{Name: name, Full: "pkg." + name, Kind: flame.Host} }
	t.Add(60, frame("source"), frame("read"), frame("memmove"))
	t.Add(20, frame("dest"), frame("memmove"))
	t.Add(20, frame("dest"), frame("<script>"))
	return t
}

func drawn(t *testing.T, title string) []byte {
	t.Helper()
	var svg bytes.Buffer
	if err := (&flame.Graph{Title: title, Unit: "ns/row", Tree: stacks()}).Write(&svg); err != nil {
		t.Fatal(err)
	}
	return svg.Bytes()
}

// A click zooms, the field searches, Escape resets, and of two graphs in one document each minds its own business.
func TestBrowserInteraction(t *testing.T) {
	const driver = `<pre id="log"></pre><script>
		const say = s => { document.getElementById("log").textContent += s + "\n"; };
		const [one, two] = document.querySelectorAll("svg.flame");
		const frames = svg => [...svg.querySelectorAll(".f")];
		const shown = svg => frames(svg).filter(f => f.style.display !== "none").map(f => f.querySelector("text").textContent + " " + f.getAttribute("width")).join(", ");
		const named = (svg, name) => frames(svg).find(f => f.querySelector("text").textContent === name);
		named(one, "dest").dispatchEvent(new MouseEvent("click"));
		say("zoomed " + shown(one) + ".");
		say("other " + shown(two) + ".");
		const field = one.querySelector("input");
		field.value = "MEMMOVE|script>";
		field.dispatchEvent(new Event("input"));
		say("found " + one.querySelector(".hits").textContent + ", " + one.querySelectorAll(".hit").length + " frames, " + two.querySelectorAll(".hit").length + " in the other.");
		field.value = "(";
		field.dispatchEvent(new Event("input"));
		say("half an expression " + one.querySelector(".hits").textContent + ".");
		named(one, "dest").dispatchEvent(new MouseEvent("mouseenter"));
		say("pointing " + one.querySelector(".said").textContent + ".");
		one.querySelector("button").click();
		say("reset " + shown(one) + one.querySelector(".hits").textContent + ".");
		</script>`
	path := filepath.Join(t.TempDir(), "two.html")
	document := "<!doctype html><meta charset=utf-8><body>" + string(drawn(t, "one")) + string(drawn(t, "two")) + driver
	if err := os.WriteFile(path, []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	text := pagetest.Open(t, path)
	const all = "all 100%, source 60%, read 60%, memmove 60%, dest 40%, <script> 20%, memmove 20%."
	for _, want := range []string{
		"zoomed all 100%, dest 100%, <script> 50%, memmove 50%.", "other " + all, "reset " + all,
		"found 100.0 % of all, 3 frames, 0 in the other.", "half an expression 0.0 % of all.",
		"pointing pkg.dest — 40.0 ns/row, 40.0 % of all.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q in\n%s", want, text)
		}
	}
}

// In a report, which opens each graph as a document of its own, no script of it fails.
func TestBrowserOpensInReport(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report.html")
	err := page.WriteFile(report, page.Page{Title: "r", Sections: []page.Section{{Title: "s", Blocks: []page.Block{
		page.Figure{Title: "one", SVG: drawn(t, "one")}, page.Figure{Title: "two", SVG: drawn(t, "two")},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	pagetest.Open(t, report)
}
