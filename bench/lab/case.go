package lab

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Case is one benchmark with all its parameters. The zero value is no case.
type Case struct {
	Family string  // "Pipeline"; the benchmark function without "Benchmark"
	Params []Param // every key of the family, always in the family's order
}

// Param is one key=value element of a case's name.
type Param struct {
	Key, Value string
}

// families holds the keys of each family, in the order they appear in names.
// A new key is a new family: results with and without it would not match.
var families = map[string][]string{
	"Pipeline":     {"rows", "load", "compression"},
	"PipelineCold": {"rows", "load", "compression", "cache"},
	"Floor":        {"rows", "load", "via"},
	"Tax":          {"rows", "load"},
	"Peer":         {"rows", "via"},
	"Network":      {"rows", "load", "compression", "network"},
	"Partitions":   {"rows", "partitions", "table"},
	"Source":       {"rows"},
	"Dest":         {"rows", "load"},
	"Workload":     {"workload", "rows", "load"},
	"Codec":        {"codec", "op"},
	"HostCall":     {"func"},
	"ModuleLoad":   {"module", "cache"},
	"Calibrate":    {"unit"},
}

// valuePattern is what a value may look like: testing rewrites spaces, "/"
// splits names, and benchfmt takes a final "-3" for the number of processors.
var valuePattern = regexp.MustCompile(`^[a-z0-9_.]+(-[a-z0-9_.]*[a-z_.][a-z0-9_.]*)*$`)

// NewCase returns the case of family with the values of its keys, in order. It
// panics if the family is unknown or a value cannot be part of a name: names
// come from tables in this module, never from input.
func NewCase(family string, values ...string) Case {
	keys, ok := families[family]
	if !ok || len(keys) != len(values) {
		panic(fmt.Sprintf("lab: case %s takes the keys %q, got %d values", family, keys, len(values)))
	}

	c := Case{Family: family}
	for i, v := range values {
		if !valuePattern.MatchString(v) {
			panic(fmt.Sprintf("lab: case %s: %s=%q cannot be part of a benchmark name", family, keys[i], v))
		}
		c.Params = append(c.Params, Param{keys[i], v})
	}
	return c
}

// ParseCase reads a name as benchmarks print it, with or without "Benchmark" in
// front and the number of processors at the end.
func ParseCase(name string) (Case, error) {
	base, parts := benchfmt.Name(strings.TrimPrefix(name, "Benchmark")).Parts()
	c := Case{Family: string(base)}
	keys, ok := families[c.Family]
	if !ok {
		return Case{}, fmt.Errorf("lab: case %q: unknown family %q", name, c.Family)
	}

	// The last part is the number of processors if it does not start with "/".
	if n := len(parts); n > 0 && parts[n-1][0] == '-' {
		parts = parts[:n-1]
	}
	if len(parts) != len(keys) {
		return Case{}, fmt.Errorf("lab: case %q: want the keys %s", name, strings.Join(keys, ", "))
	}
	for i, part := range parts {
		key, value, _ := strings.Cut(string(part[1:]), "=")
		if key != keys[i] || !valuePattern.MatchString(value) {
			return Case{}, fmt.Errorf("lab: case %q: element %d is %q, want %s=VALUE", name, i+1, part[1:], keys[i])
		}
		c.Params = append(c.Params, Param{key, value})
	}
	return c, nil
}

// String returns the name without "Benchmark", as benchmark files key it:
// "Pipeline/rows=1000/load=copy/compression=none".
func (c Case) String() string {
	return c.Family + "/" + c.Sub()
}

// Sub returns the name below the benchmark function, for [testing.B.Run].
func (c Case) Sub() string {
	var s strings.Builder
	for i, p := range c.Params {
		if i > 0 {
			s.WriteByte('/')
		}
		s.WriteString(p.Key + "=" + p.Value)
	}
	return s.String()
}

// Pattern returns the -bench pattern that matches this case and no other. The
// elements of a pattern are unanchored by default: rows=1000 alone would also
// run rows=10000.
func (c Case) Pattern() string {
	pattern := "^Benchmark" + c.Family + "$"
	for _, p := range c.Params {
		pattern += "/^" + p.Key + "=" + regexp.QuoteMeta(p.Value) + "$"
	}
	return pattern
}

// Param returns the value of key, or "" if the family has no such key.
func (c Case) Param(key string) string {
	for _, p := range c.Params {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// Rows returns the number of rows one run moves, or 0 if the case moves none.
func (c Case) Rows() int {
	n, _ := strconv.Atoi(c.Param("rows"))
	return n
}
