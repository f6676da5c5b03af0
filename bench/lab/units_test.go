package lab

import (
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"
)

func TestUnitsAreWhatBenchstatExpects(t *testing.T) {
	seen := map[string]bool{}
	for _, u := range Units() {
		if seen[u.Name] {
			t.Errorf("unit %s is there twice", u.Name)
		}
		seen[u.Name] = true
		if u.Better != "lower" && u.Better != "higher" {
			t.Errorf("unit %s: better is %q", u.Name, u.Better)
		}
		if u.Doc == "" {
			t.Errorf("unit %s does not say what it is", u.Name)
		}

		// Times are in ns, which becomes seconds; ms or us would be taken as they
		// are and get prefixes of their own.
		_, tidy := benchunit.Tidy(1, u.Name)
		for _, bad := range []string{"ms", "us", "secs", "seconds"} {
			for _, token := range strings.FieldsFunc(u.Name, func(r rune) bool { return r == '-' || r == '/' }) {
				if token == bad {
					t.Errorf("unit %s is in %s", u.Name, bad)
				}
			}
		}
		if strings.HasSuffix(u.Name, "ns/op") && !strings.HasSuffix(tidy, "sec/op") {
			t.Errorf("unit %s becomes %s", u.Name, tidy)
		}
	}
	for _, name := range defaultUnits {
		if !seen[name] {
			t.Errorf("the default unit %s is not in the engine's table", name)
		}
	}
}

func TestUnitLinesReadBack(t *testing.T) {
	var text strings.Builder
	for _, u := range Units() {
		text.WriteString(u.Lines())
	}
	r := benchfmt.NewReader(strings.NewReader(text.String()), "units")
	for r.Scan() {
		if err, ok := r.Result().(*benchfmt.SyntaxError); ok {
			t.Error(err)
		}
	}
	for _, u := range Units() {
		want := map[string]int{"lower": -1, "higher": 1}[u.Better]
		_, tidy := benchunit.Tidy(1, u.Name)
		if got := r.Units().GetBetter(tidy); got != want {
			t.Errorf("benchstat takes %s for better=%d, want %d", u.Name, got, want)
		}
	}
}
