package page

import (
	_ "embed"
	"fmt"
	"io"

	"github.com/rapidbyte-go/rapidbyte/bench/atomicfile"
)

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// policy forbids the page to fetch anything. Figures with scripts are documents in data: addresses.
const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; frame-src data:"

// Write writes the page as one HTML document. Nothing is written if a block is faulty.
func Write(w io.Writer, p Page) error {
	doc, err := p.render()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, doc)
	return err
}

// WriteFile writes the page into a file, whose folder is made if it is missing. The file is either the whole page or what
// was there before. An error names the file.
func WriteFile(path string, p Page) error {
	doc, err := p.render()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	err = atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, doc)
		return err
	})
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// render returns the document.
func (p Page) render() (string, error) {
	w := &writer{}
	// The sections come first to learn their names, which the contents need.
	var names []string
	for _, s := range p.Sections {
		id := w.id(s.ID, s.Title)
		names = append(names, id)
	}

	w.put(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<meta http-equiv="Content-Security-Policy" content="%s" />
<link rel="icon" href="data:," />
<title>%s</title>
<style>
%s</style>
</head>
<body>
<p id="script-error" role="alert" hidden="hidden"></p>
<header>
<div class="bar"><h1>%s</h1><button type="button" id="theme" hidden="hidden">theme</button></div>
`, markup(policy), p.Title, markup(style), p.Title)
	if p.Subtitle != "" {
		w.put("<p class=\"subtitle\">%s</p>\n", p.Subtitle)
	}
	if len(p.Facts) > 0 {
		w.put("<dl class=\"facts\">\n")
		for _, f := range p.Facts {
			w.put("<div class=\"%s\"><dt>%s</dt><dd>%s</dd></div>\n", f.Tone, f.Name, f.Value)
		}
		w.put("</dl>\n")
	}
	for _, warning := range p.Warnings {
		w.put("<p class=\"warning\"><strong>Warning:</strong> %s</p>\n", warning)
	}
	if len(p.Sections) > 1 {
		w.put("<nav aria-label=\"contents\">\n")
		for i, s := range p.Sections {
			w.put("<a href=\"#%s\">%s</a>\n", names[i], s.Title)
		}
		w.put("</nav>\n")
	}
	w.put("</header>\n<main>\n")
	for i, s := range p.Sections {
		if err := w.part("section", "h2", names[i], s.Title, s.Note, s.Folded, Neutral, s.Blocks); err != nil {
			return "", fmt.Errorf("page: section %q: %w", s.Title, err)
		}
	}
	if len(p.Sections) == 0 {
		w.put("<p class=\"note\">There is nothing to show.</p>\n")
	}
	w.put("</main>\n<div id=\"tip\" role=\"tooltip\" hidden=\"hidden\"></div>\n<script>\n%s</script>\n</body>\n</html>\n", markup(script))
	return w.String(), nil
}

// part adds a section or a group.
func (w *writer) part(tag, heading, id, title, note string, folded bool, tone Tone, blocks []Block) error {
	w.put("<%s id=\"%s\" class=\"%s\">\n", markup(tag), id, tone)
	end := ""
	if folded {
		w.put("<details class=\"fold\"><summary><%s>%s</%s></summary>\n", markup(heading), breakable(title), markup(heading))
		end = "</details>\n"
	} else if title != "" {
		w.put("<%s>%s</%s>\n", markup(heading), breakable(title), markup(heading))
	}
	if note != "" {
		w.put("<p class=\"note\">%s</p>\n", note)
	}
	if err := w.blocks(blocks); err != nil {
		return err
	}
	w.put("%s</%s>\n", markup(end), markup(tag))
	return nil
}

// blocks adds blocks. Charts that follow one another stand side by side where there is room.
func (w *writer) blocks(blocks []Block) error {
	row := false
	for _, b := range blocks {
		_, chart := b.(Chart)
		switch {
		case chart && !row:
			w.put("<div class=\"charts\">\n")
		case !chart && row:
			w.put("</div>\n")
		}
		row = chart
		if b == nil {
			continue
		}
		if err := b.render(w); err != nil {
			return err
		}
	}
	if row {
		w.put("</div>\n")
	}
	return nil
}

func (g Group) render(w *writer) error {
	return w.part("div", "h3", w.id(g.ID, g.Title), g.Title, g.Note, g.Folded, g.Tone, g.Blocks)
}

func (p Preformatted) render(w *writer) error {
	w.foldable(p.Title, p.Folded, func() { w.put("<pre tabindex=\"0\">%s</pre>\n", p.Text) })
	return nil
}

// foldable adds what content adds, below a title or behind it.
func (w *writer) foldable(title string, folded bool, content func()) {
	switch {
	case folded:
		w.put("<details class=\"fold\"><summary>%s</summary>\n", title)
		content()
		w.put("</details>\n")
	case title != "":
		w.put("<h4>%s</h4>\n", title)
		content()
	default:
		content()
	}
}
