package processors

import (
	"runtime"
	"testing"
)

// expect compares what there is.
func expect(t *testing.T, when string, processors, own int, enough bool) {
	t.Helper()
	if got := runtime.GOMAXPROCS(0); got != processors {
		t.Errorf("%s: %d processors, want %d", when, got, processors)
	}
	if got := Own(); got != own {
		t.Errorf("%s: %d own ones, want %d", when, got, own)
	}
	if got := Enough(); got != enough {
		t.Errorf("%s: enough is %v, want %v", when, got, enough)
	}
}

// TestTake has runs come and go, as they do side by side.
func TestTake(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("GOMAXPROCS is raised on Linux only")
	}
	t.Setenv("GOMAXPROCS", "")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))

	expect(t, "nothing taken", 2, 2, true)
	two := Take(2)
	expect(t, "two guests", 2, 2, true)
	runtime.GOMAXPROCS(3) // by somebody else, while it is not raised
	three := Take(3)
	expect(t, "five guests", 5, 3, true)
	two()
	two()
	expect(t, "three guests", 3, 3, true)
	runtime.GOMAXPROCS(2)
	many := Take(5)
	expect(t, "eight guests", 8, 2, true)
	one := Take(1)
	expect(t, "nine guests", 2, 2, false)
	three()
	expect(t, "six guests", 6, 2, true)
	many()
	one()
	expect(t, "nothing taken any more", 2, 2, true)

	runtime.GOMAXPROCS(3)
	defer Take(12)()
	expect(t, "twelve guests on three", 12, 3, true)
}

// TestTakeHeedsTheEnvironment leaves alone what its user has said.
func TestTakeHeedsTheEnvironment(t *testing.T) {
	t.Setenv("GOMAXPROCS", "2")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	giveBack := Take(3)
	expect(t, "three guests", 2, 2, false)
	giveBack()
	expect(t, "nothing taken any more", 2, 2, true)
}
