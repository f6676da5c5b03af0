package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Whatever perf would have shown and was asked for is said to be missing.
func TestNotes(t *testing.T) {
	none := fmt.Errorf("%w: the program is not installed", ErrNoPerf)
	for name, tt := range map[string]struct {
		observer       Observer
		clock          bool
		guests, server error
		want           []string
	}{
		"all":        {Observer{Perf: &Perf{}, Postmaster: 1, Guests: "g"}, true, nil, nil, nil},
		"no perf":    {Observer{NoPerf: none, Postmaster: 1, Guests: "g"}, true, nil, nil, []string{"guests' functions have no names: no perf: the program is", "backends are not in it: no perf: the program is"}},
		"not asked":  {Observer{NoPerf: none, Postmaster: 1}, true, nil, nil, []string{"backends are not in it: no perf"}},
		"nobody":     {Observer{Guests: "g"}, false, nil, nil, []string{"no names: no perf.", "no label", "do not run on this machine"}},
		"perf fails": {Observer{Perf: &Perf{}, Postmaster: 1, Guests: "g"}, true, errors.New("e1"), errors.New("e2"), []string{"no names: e1.", "not in it: e2."}},
	} {
		got := tt.observer.notes(tt.clock, tt.guests, tt.server)
		if !slices.EqualFunc(got, tt.want, strings.Contains) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
