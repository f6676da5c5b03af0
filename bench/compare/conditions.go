package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// conditions holds the configuration lines that every process of a comparison must agree on: they describe machine,
// server and workload. A key that only one side prints is compared within that side; it is a difference of the suites,
// not of the conditions.
type conditions struct {
	sides [2]map[string]string
	procs string
	seen  bool
}

// check compares a process's conditions with those of all before it. Its error matches ErrMixed.
func (c *conditions) check(side Side, p *Process) error {
	if c.seen && p.Procs != c.procs {
		return &CaseError{Side: side, Case: p.Case, Err: fmt.Errorf("%w: it ran with %s processors, others with %s", ErrMixed, orOne(p.Procs), orOne(c.procs))}
	}
	c.seen, c.procs = true, p.Procs

	if c.sides[side] == nil {
		c.sides[side] = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(p.Config)) {
		value := p.Config[key]
		for _, known := range []Side{side, side.other()} {
			if want, ok := c.sides[known][key]; ok && want != value {
				return &CaseError{Side: side, Case: p.Case, Err: fmt.Errorf("%w: %s is %q, and was %q in %s", ErrMixed, key, value, want, known)}
			}
		}
		c.sides[side][key] = value
	}
	return nil
}

// orOne names a missing processor count, which means one.
func orOne(procs string) string {
	if procs == "" {
		return "1"
	}
	return procs
}

// config returns what both sides agree on.
func (c *conditions) config() map[string]string {
	both := map[string]string{}
	for key, value := range c.sides[Base] {
		if c.sides[Head][key] == value {
			both[key] = value
		}
	}
	return both
}

// oneSided returns the keys that only one side prints, as a warning for the report, "" if there are none.
func (c *conditions) oneSided() string {
	var only []string
	for _, side := range []Side{Base, Head} {
		for _, key := range slices.Sorted(maps.Keys(c.sides[side])) {
			if _, ok := c.sides[side.other()][key]; !ok {
				only = append(only, fmt.Sprintf("%s (%s)", key, side))
			}
		}
	}
	if only == nil {
		return ""
	}
	return "only one side prints " + strings.Join(only, ", ") + ": the suites differ"
}
