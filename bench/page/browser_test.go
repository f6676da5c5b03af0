package page_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/page/pagetest"
)

// save writes the page with more at its end into a file.
func save(t *testing.T, p page.Page, more string) string {
	t.Helper()
	document := write(t, p)
	body, end, ok := strings.Cut(document, "</body>")
	if !ok {
		t.Fatal("the page has no end")
	}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte(body+more+"</body>"+end), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A browser reads every text of the page, and no script of the page fails, whatever the text is.
func TestBrowserReadsEverything(t *testing.T) {
	if text := pagetest.Open(t, save(t, everything(hostile), "")); strings.Count(text, shown) < 30 {
		t.Errorf("the text is there %d times", strings.Count(text, shown))
	}
}

// The colours follow the system.
func TestBrowserTheme(t *testing.T) {
	path := save(t, page.Page{}, `<pre id="log"></pre><script>
		document.getElementById("log").textContent = "background " + getComputedStyle(document.body).backgroundColor;
		</script>`)
	for want, options := range map[string][]pagetest.Option{"background rgb(255, 255, 255)": nil, "background rgb(20, 24, 29)": {pagetest.Dark}} {
		if text := pagetest.Open(t, path, options...); !strings.Contains(text, want) {
			t.Errorf("nothing says %q in\n%s", want, text)
		}
	}
}

// A page is as wide as a phone: only what scrolls by itself may be wider.
func TestBrowserFitsPhone(t *testing.T) {
	p := everything("Pipeline/rows=50000/load=copy/compression=none and an_unbroken_name_of_some_length_that_goes_on_and_on_and_on")
	text := pagetest.Open(t, save(t, p, `<pre id="log"></pre><script>
		const root = document.documentElement;
		for (const d of document.querySelectorAll("details")) d.open = true;
		const wide = [...document.querySelectorAll("main *")].filter(e => !e.closest(".table, pre, svg") && e.getBoundingClientRect().right > innerWidth + 1);
		document.getElementById("log").textContent = "window " + innerWidth + ", wider by " + Math.max(0, root.scrollWidth - root.clientWidth) + ", too wide: " + wide.map(e => e.tagName + "." + e.className).join(" ") + ".";
		</script>`), pagetest.Phone)
	// Browsers without a screen have a least width of their own.
	if want := ", wider by 0, too wide: ."; !strings.Contains(text, want) {
		t.Errorf("got %.300s, want %s", text[max(0, strings.LastIndex(text, "window ")):], want)
	}
}

// What goes wrong in a script or is fetched is noticed: else the other tests would prove nothing.
func TestBrowserFindsPlantedErrors(t *testing.T) {
	for name, planted := range map[string]string{
		"error":     `<script>throw new Error("planted")</script>`,
		"rejection": `<script>Promise.reject(new Error("planted"))</script>`,
		"syntax":    `<script>planted planted</script>`,
		"fetched":   `<img src="https://planted.invalid/x.png" />`,
		"logged":    `<script>console.error("planted")</script>`,
	} {
		t.Run(name, func(t *testing.T) {
			d := pagetest.Load(t, save(t, page.Page{}, planted))
			if all := strings.Join(d.Problems, "\n"); !strings.Contains(all, "planted") && name != "syntax" || len(d.Problems) == 0 {
				t.Errorf("problems: %q", d.Problems)
			}
			// The page itself says it, too, where its script can know.
			if said := strings.Contains(pagetest.Text(d.DOM), "The report's script failed"); said != (name != "logged" && name != "fetched") {
				t.Errorf("the page says that a script failed: %v", said)
			}
		})
	}
}

// Clicks sort and restore, words filter, links open, marks explain, and the theme changes.
func TestBrowserInteraction(t *testing.T) {
	table := page.Table{Columns: []page.Column{{Title: "name"}, {Title: "value", Number: true}}}
	for _, row := range []struct {
		name  string
		value float64
	}{{"b10", 10}, {"b9", -9}, {"a", 200}, {"c", 3}, {"d", 4}, {"e", 5}, {"f", 6}, {"g", 7}, {"h", 8}} {
		table.Rows = append(table.Rows, []page.Cell{page.Text(row.name), {Text: "x", Value: row.value}})
	}
	table.Rows = append(table.Rows, []page.Cell{page.Text("short")})
	p := page.Page{Sections: []page.Section{
		{Title: "Table", Blocks: []page.Block{table}},
		{Title: "Chart", Blocks: []page.Block{page.Chart{Kind: page.Points, Series: []page.Series{{Name: "s", Points: []page.Point{{X: 1, Y: 2, Note: "why"}}}}}}},
		{Title: "Folded", Folded: true, Blocks: []page.Block{page.Preformatted{Text: "inside"}}},
	}}
	text := pagetest.Open(t, save(t, p, `<pre id="log"></pre><script>
		const say = s => { document.getElementById("log").textContent += s + "\n"; };
		const names = () => [...document.querySelectorAll("tbody tr")].slice(0, 10).filter(r => !r.hidden).map(r => r.cells[0].textContent).join(",");
		const [byName, byValue] = document.querySelectorAll("th button");
		for (const b of [byName, byName, byName, byValue, byValue]) { b.click(); say(names()); }
		const filter = document.querySelector("input.filter");
		filter.value = "B1";
		filter.dispatchEvent(new Event("input"));
		say("filtered " + names());
		const root = document.documentElement, theme = document.getElementById("theme");
		for (let i = 0; i < 3; i++) { theme.click(); say("theme " + root.dataset.theme + " " + getComputedStyle(document.body).backgroundColor); }
		document.querySelector(".point .mark").dispatchEvent(new Event("pointerover", { bubbles: true }));
		say("tip " + document.getElementById("tip").textContent.replaceAll("\n", "|") + " " + document.getElementById("tip").hidden);
		location.hash = "#folded";
		dispatchEvent(new Event("hashchange"));
		say("open " + document.querySelector("#folded details").open);
		</script>`))
	for _, want := range []string{
		"a,b9,b10,c,d,e,f,g,h,short", "short,h,g,f,e,d,c,b10,b9,a", "b10,b9,a,c,d,e,f,g,h,short",
		"b9,c,d,e,f,g,h,b10,a,short", "a,b10,h,g,f,e,d,c,b9,short", "filtered b10",
		"theme light rgb(255, 255, 255)", "theme dark rgb(20, 24, 29)", "theme undefined rgb",
		"tip s|x: 1|y: 2|why false", "open true",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q in\n%s", want, text)
		}
	}
}

// A drawing of so many pixels is whole in a narrow window, as on paper: there is nothing to scroll to.
func TestBrowserShowsFigureWhole(t *testing.T) {
	high := strings.Replace(scripted, "<svg ", `<svg width="1200" height="700" style="width:100%" `, 1)
	p := page.Page{Sections: []page.Section{{Blocks: []page.Block{page.Figure{Title: "flame", SVG: []byte(high)}}}}}
	text := pagetest.Open(t, save(t, p, `<pre id="log"></pre><script>
		document.getElementById("log").textContent = "room for " + document.querySelector("iframe").clientHeight;
		</script>`), pagetest.Phone)
	if !strings.Contains(text, "room for 700") {
		t.Errorf("nothing says \"room for 700\" in\n%s", text)
	}
}

// A figure with a script runs it in a document of its own: it looks for its svg element at the top, and finds it.
func TestBrowserRunsFigureAlone(t *testing.T) {
	p := page.Page{Sections: []page.Section{{Blocks: []page.Block{page.Figure{Title: "flame", SVG: []byte(scripted)}}}}}
	pagetest.Open(t, save(t, p, ""))

	failing := strings.Replace(scripted, `tagName !== "svg"`, `tagName === "svg"`, 1)
	p.Sections[0].Blocks[0] = page.Figure{Title: "flame", SVG: []byte(failing)}
	if d := pagetest.Load(t, save(t, p, "")); !strings.Contains(strings.Join(d.Problems, "\n"), "not alone") {
		t.Errorf("the figure's script did not run: %q", d.Problems)
	}
}
