package lab

import (
	"regexp"
	"strings"
	"testing"
)

// allCases returns every case of the default suite.
func allCases() []Case { return DefaultGrid().All() }

func TestParseCaseReadsBackEveryName(t *testing.T) {
	for _, c := range allCases() {
		for _, name := range []string{c.String(), "Benchmark" + c.String(), "Benchmark" + c.String() + "-16"} {
			got, err := ParseCase(name)
			if err != nil {
				t.Errorf("ParseCase(%q): %v", name, err)
				continue
			}
			if got.String() != c.String() {
				t.Errorf("ParseCase(%q) = %q, want %q", name, got, c)
			}
		}
	}
}

func TestCaseNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range allCases() {
		if seen[c.String()] {
			t.Errorf("two cases are called %s", c)
		}
		seen[c.String()] = true
	}
}

// A pattern is matched element by element, as testing does.
func TestPatternMatchesItsCaseOnly(t *testing.T) {
	match := func(pattern, name string) bool {
		ps, ns := strings.Split(pattern, "/"), strings.Split("Benchmark"+name, "/")
		if len(ps) != len(ns) {
			return false
		}
		for i := range ps {
			if !regexp.MustCompile(ps[i]).MatchString(ns[i]) {
				return false
			}
		}
		return true
	}
	cases := allCases()
	for _, c := range cases {
		for _, other := range cases {
			got, want := match(c.Pattern(), other.String()), c.String() == other.String()
			if got != want {
				t.Errorf("pattern %s matches %s: %v, want %v", c.Pattern(), other, got, want)
			}
		}
	}
}

func TestParseCaseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"Nothing/rows=1", `unknown family "Nothing"`},
		{"Pipeline", "want the keys rows, load, compression"},
		{"Pipeline/rows=1/load=copy", "want the keys rows, load, compression"},
		{"Pipeline/load=copy/rows=1/compression=none", `element 1 is "load=copy", want rows=VALUE`},
		{"Pipeline/rows=1/load=/compression=none", `element 2 is "load=", want load=VALUE`},
		{"Pipeline/rows=1/load=copy/compression=none#01", "element 3"},
	} {
		_, err := ParseCase(tt.name)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseCase(%q) = %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestNewCaseRefusesValuesThatBreakNames(t *testing.T) {
	for _, value := range []string{"", "a b", "a/b", "Upper", "zstd-3", "-x", "x-"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewCase took the value %q", value)
				}
			}()
			NewCase("HostCall", value)
		}()
	}
}

func TestCaseParams(t *testing.T) {
	c := NewCase("Pipeline", "1000", "copy", "lz4")
	if c.Rows() != 1000 || c.Param("load") != "copy" || c.Param("via") != "" {
		t.Errorf("rows %d, load %q, via %q; want 1000, copy and nothing", c.Rows(), c.Param("load"), c.Param("via"))
	}
}
