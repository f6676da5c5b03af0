package processors

import (
	"runtime"
	"testing"
)

// TestTake has runs come and go, as they do side by side.
func TestTake(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))

	expect := func(when string, processors int, enough bool) {
		t.Helper()
		if got := runtime.GOMAXPROCS(0); got != processors {
			t.Errorf("%s: %d processors, want %d", when, got, processors)
		}
		if got := Enough(); got != enough {
			t.Errorf("%s: enough is %v, want %v", when, got, enough)
		}
		if got := Own(); got != 2 {
			t.Errorf("%s: %d own ones, want 2", when, got)
		}
	}
	expect("nothing taken", 2, true)
	two := Take(2)
	expect("two guests", 2, true)
	three := Take(3)
	expect("five guests", 5, true)
	two()
	two()
	expect("three guests", 3, true)
	many := Take(6)
	expect("nine guests", 8, false)
	three()
	expect("six guests", 6, true)
	many()
	expect("nothing taken any more", 2, true)

	runtime.GOMAXPROCS(3)
	defer Take(20)()
	if got := runtime.GOMAXPROCS(0); got != 12 {
		t.Errorf("twenty guests on three processors of our own: %d processors, want 12", got)
	}
}
