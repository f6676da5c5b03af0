package pagetest

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

var (
	script = regexp.MustCompile(`(?s)(<script>).*?(</script>)`)
	broken = regexp.MustCompile(`(?i)\b(nan|[+-]?inf(inity)?)\b`)
	remote = regexp.MustCompile(`(?i)(https?:)?//`)
)

// Check reads the page without a browser. It fails the test if the document is not well-formed, if two elements have the
// same ID, if a link leads nowhere, if anything would be fetched, or if a drawing has a place that is not a number.
func Check(tb testing.TB, document string) {
	tb.Helper()
	if !strings.HasPrefix(document, "<!DOCTYPE html>") {
		tb.Error("the document does not say that it is HTML")
	}
	ids, links := map[string]bool{}, map[string]bool{}
	// A script is no markup. Everything else is written so that a reader of XML accepts it, who is stricter than browsers.
	r := xml.NewDecoder(strings.NewReader(script.ReplaceAllString(document, "$1$2")))
	for {
		token, err := r.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tb.Errorf("not well-formed: %v", err)
			return
		}
		switch t := token.(type) {
		case xml.StartElement:
			for _, a := range t.Attr {
				switch name := a.Name.Local; name {
				case "id":
					if ids[a.Value] {
						tb.Errorf("two elements have the ID %q", a.Value)
					}
					ids[a.Value] = true
				case "href", "src", "action", "data", "srcset", "poster":
					if to, ok := strings.CutPrefix(a.Value, "#"); ok {
						links[to] = true
					} else if !strings.HasPrefix(a.Value, "data:") {
						tb.Errorf("%s has %s=%q, which is outside the page", t.Name.Local, name, a.Value)
					}
				case "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "d", "r", "width", "height", "viewBox", "points", "transform":
					if broken.MatchString(a.Value) {
						tb.Errorf("%s has %s=%q", t.Name.Local, name, a.Value)
					}
				case "style":
					fetching(tb, a.Value)
				}
				if strings.HasPrefix(a.Name.Local, "on") {
					tb.Errorf("%s has a script in %s", t.Name.Local, a.Name.Local)
				}
			}
		case xml.CharData:
			fetching(tb, string(t))
		}
	}
	for to := range links {
		if !ids[to] {
			tb.Errorf("a link leads to #%s, which is not there", to)
		}
	}
}

// fetching fails the test if a style gets something from elsewhere. Text may hold addresses; nothing follows them.
func fetching(tb testing.TB, style string) {
	tb.Helper()
	for _, part := range strings.Split(style, "url(")[1:] {
		if remote.MatchString(part[:min(len(part), 12)]) {
			tb.Errorf("a style fetches url(%s", part[:min(len(part), 40)])
		}
	}
	if strings.Contains(style, "@import") {
		tb.Error("a style imports another")
	}
}
