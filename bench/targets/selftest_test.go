package targets

import (
	"strings"
	"testing"

	"github.com/magefile/mage/mg"
)

func TestSelftestRefusesBeforeItBuilds(t *testing.T) {
	r, stdout, stderr := here(t)
	for want, o := range map[string]SelftestOptions{
		`"five" is not a number`: {Percents: ptr("2,five")},
		"0 % is no slowdown":     {Percents: ptr("0")},
		"no trial":               {Only: ptr("everything")},
	} {
		if err := r.Selftest(t.Context(), o); mg.ExitStatus(err) != 2 || !strings.Contains(err.Error(), want) {
			t.Errorf("%v with exit code %d, want %q and 2", err, mg.ExitStatus(err), want)
		}
	}
	if stdout.Len()+stderr.Len() > 0 {
		t.Errorf("something was started: %s%s", stdout, stderr)
	}
}
