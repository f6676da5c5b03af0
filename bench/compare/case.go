package compare

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Case is the name of one benchmark with its parameters, without "Benchmark" in front and without the number of
// processors behind: "Pipeline/rows=1000/load=copy/compression=lz4". Any name will do: the two commits compared may know
// families of cases that this package does not.
type Case string

// caseOf splits the name of a benchmark's line into its case and its number of processors, "" if the name has none.
func caseOf(name benchfmt.Name) (c Case, procs string) {
	base, parts := name.Parts()
	var s strings.Builder
	s.WriteString(strings.TrimPrefix(string(base), "Benchmark"))
	for _, part := range parts {
		if part[0] == '-' {
			procs = string(part[1:])
			continue
		}
		s.Write(part)
	}
	return Case(s.String()), procs
}

// Family returns the name of the benchmark function without "Benchmark".
func (c Case) Family() string {
	family, _, _ := strings.Cut(string(c), "/")
	return family
}

// Param returns the value of a key=value element of the name, "" if there is none.
func (c Case) Param(key string) string {
	for part := range strings.SplitSeq(string(c), "/") {
		if value, ok := strings.CutPrefix(part, key+"="); ok {
			return value
		}
	}
	return ""
}

// Pattern returns the -test.bench pattern that matches this case and no other. The elements of a pattern match anywhere
// in a name by default: "rows=1000" would also run rows=10000.
func (c Case) Pattern() string {
	parts := strings.Split("Benchmark"+string(c), "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// reference reports whether the case is measured to describe the machine, not the code: the native floor and the
// calibration. Such a case is in every round but never in the verdict.
func (c Case) reference() bool {
	return c.Family() == "Floor" || c.Family() == "Calibrate"
}

// matchCases returns the cases both sides have, in the order of head, and those only one has.
func matchCases(base, head []Case) (both, onlyBase, onlyHead []Case) {
	for _, c := range head {
		if slices.Contains(base, c) {
			both = append(both, c)
		} else {
			onlyHead = append(onlyHead, c)
		}
	}
	for _, c := range base {
		if !slices.Contains(head, c) {
			onlyBase = append(onlyBase, c)
		}
	}
	return both, onlyBase, onlyHead
}

// Side is one of the two commits compared.
type Side uint8

// The sides.
const (
	Base Side = iota // what the change started from
	Head             // the change
)

// String returns "base" or "head".
func (s Side) String() string {
	switch s {
	case Base:
		return "base"
	case Head:
		return "head"
	}
	return fmt.Sprintf("Side(%d)", uint8(s))
}

// other returns the opposite side.
func (s Side) other() Side { return 1 - s }

// MarshalText makes the side readable in JSON.
func (s Side) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
