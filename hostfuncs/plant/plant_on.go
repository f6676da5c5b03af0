//go:build plant

package plant

import (
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// On reports whether this program was built to be slowed down. Everything else stands behind it.
const On = true

// Due counts the rows that a place has not been slowed down for yet. The zero value has seen none.
type Due struct{ taken int64 }

// Take returns the rows since the last call, of all seen so far.
func (d *Due) Take(seen int64) int {
	n := seen - d.taken
	d.taken = seen
	return int(n)
}

// asked is what the environment asks for.
type asked struct {
	name            string
	perRow, perStep int64 // nanoseconds
}

// read reads the environment once. Package os would bring its files into the guests' imports.
var read = sync.OnceValue(func() asked {
	text, _ := syscall.Getenv(Variable)
	a, ok := parse(text)
	if !ok {
		panic("plant: " + Variable + "=" + strconv.Quote(text) + " is not like codec=20ns/row, codec=20ns/batch or row-dropped")
	}
	return a
})

func parse(text string) (a asked, ok bool) {
	name, amount, timed := strings.Cut(text, "=")
	a.name = name
	if !timed {
		return a, true
	}
	number, per, _ := strings.Cut(amount, "ns/")
	ns, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil || ns < 0:
		return a, false
	case per == "row":
		a.perRow = ns
	case per == "batch":
		a.perStep = ns
	default:
		return a, false
	}
	return a, true
}

// Burn takes as much time as was asked for in the place, for one batch of so many rows. It computes all the while: a sleep
// would leave the core to others.
func Burn(place string, rows int) {
	a := read()
	if a.name != place || rows == 0 {
		return
	}
	for end := nanos() + a.perStep + a.perRow*int64(rows); nanos() < end; {
	}
}

// Is reports whether the plant of that name was asked for.
func Is(name string) bool { return read().name == name }
