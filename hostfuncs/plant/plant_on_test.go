//go:build plant

package plant

import (
	"testing"
	"time"
)

func TestPlantedParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want asked
		ok   bool
	}{
		{"", asked{}, true},
		{"row-dropped", asked{name: RowDropped}, true},
		{"codec=20ns/row", asked{name: Codec, perRow: 20}, true},
		{"dest-flush=3000ns/batch", asked{name: DestFlush, perStep: 3000}, true},
		{"codec=20", asked{name: Codec}, false},
		{"codec=20ns/op", asked{name: Codec}, false},
		{"codec=-1ns/row", asked{name: Codec}, false},
		{"codec=ns/row", asked{name: Codec}, false},
	} {
		if got, ok := parse(c.text); ok != c.ok || ok && got != c.want {
			t.Errorf("%q is %+v, %v", c.text, got, ok)
		}
	}
}

// The environment asks for 2 microseconds a row in the codec.
func TestPlantedBurn(t *testing.T) {
	if !On || !Is(Codec) || Is(HostCopy) {
		t.Fatalf("on %v, codec %v, host copy %v", On, Is(Codec), Is(HostCopy))
	}
	start := time.Now()
	Burn(Codec, 10000)
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("10000 rows took %v", took)
	}

	// Another place and a batch without rows burn nothing; a bound would be a matter of timing.
	Burn(HostCopy, 1<<40)
	Burn(Codec, 0)

	var due Due
	if a, b, c := due.Take(7), due.Take(7), due.Take(9); a != 7 || b != 0 || c != 2 {
		t.Errorf("due %d, %d, %d", a, b, c)
	}
}
