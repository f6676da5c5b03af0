// Package processors has Go run as many guests at the same time as there are.
//
// A guest spends most of its time waiting for a server, in the kernel and
// without letting go of its processor, which is what Go calls one of the
// GOMAXPROCS places at which goroutines run (see hostfuncs/broker, which says
// why). The default is a processor for each core. Where there are more guests
// than that, which is so for every transform and every partition on two cores,
// the others could not run although the cores are idle. So runs say how many
// guests they have.
package processors

import (
	"runtime"
	"sync"
	"sync/atomic"
)

var (
	mu     sync.Mutex
	taken  int         // by all runs under way
	own    int         // GOMAXPROCS without them; 0 while there are none
	lacked atomic.Bool // there are fewer than taken
)

// Take asks for a processor for each of n more goroutines, until giveBack is
// called, which may be done more than once. GOMAXPROCS is raised by no more than
// it must be, and to at most four times what it was, or 8: garbage is collected
// on a quarter of them.
//
// Whoever sets GOMAXPROCS meanwhile has it undone. When all are given back it is
// what it was, but does not follow a container's limits any more.
func Take(n int) (giveBack func()) {
	change(n)
	return sync.OnceFunc(func() { change(-n) })
}

// Own returns GOMAXPROCS as it is when nothing is taken: how much can be computed
// at the same time.
func Own() int {
	mu.Lock()
	defer mu.Unlock()
	if taken > 0 {
		return own
	}
	return runtime.GOMAXPROCS(0)
}

// Enough reports whether there is a processor for each that was taken.
func Enough() bool { return !lacked.Load() }

func change(n int) {
	mu.Lock()
	defer mu.Unlock()
	if taken == 0 {
		own = runtime.GOMAXPROCS(0)
	}
	taken += n
	want := max(own, min(taken, max(4*own, 8)))
	if want != runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(want) // stops everything for a moment
	}
	lacked.Store(taken > want)
}
