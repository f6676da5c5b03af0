package lab

import (
	"strings"
	"testing"
)

func TestCrossingCallsEachFunction(t *testing.T) {
	for _, function := range Crossings() {
		c, err := NewCrossing(t.Context(), function)
		if err != nil {
			t.Errorf("%s: %v", function, err)
			continue
		}
		for _, calls := range []int{1, 100, 3} {
			if err := c.Prepare(calls); err != nil {
				t.Errorf("%s: %v", function, err)
			}
			if err := c.Call(t.Context(), calls); err != nil {
				t.Error(err)
			}
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("%s: %v", function, err)
		}
	}
}

// What a call answers is looked at: without a link the batch functions refuse.
func TestCrossingReportsRefusal(t *testing.T) {
	c, err := NewCrossing(t.Context(), "emit_batch")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if err := c.Call(t.Context(), 10); err == nil || !strings.Contains(err.Error(), "emit_batch answered") {
		t.Errorf("got %v, want what emit_batch answered", err)
	}
	if _, err := NewCrossing(t.Context(), "launch"); err == nil || !strings.Contains(err.Error(), `no host function "launch"`) {
		t.Errorf("got %v, want an error with the name", err)
	}
	if _, err := NewCrossing(t.Context(), "state_cas"); err == nil || !strings.Contains(err.Error(), "no arguments") {
		t.Errorf("got %v, want an error", err)
	}
}
