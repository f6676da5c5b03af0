// Package processors has Go run as many guests at the same time as there are.
//
// What Go calls a processor is one of the GOMAXPROCS places at which goroutines
// run: by default one for each core. On Linux a guest spends most of its time
// waiting for a server, and while it waits it keeps its processor (see
// hostfuncs/broker, which says why). Where there are more guests than
// processors, as with a transform or with partitions on two cores, the others
// could not run although a core is idle. So runs say how many guests they have.
package processors

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

var (
	mu     sync.Mutex
	taken  int         // by all runs under way
	own    int         // what GOMAXPROCS was when it was raised; 0 while it is not
	lacked atomic.Bool // there are fewer than taken
)

// Take asks for a processor for each of n more goroutines, until giveBack is
// called, which may be done more than once. GOMAXPROCS is raised to what all
// need together, or not at all: not on other systems than Linux, not against
// the environment variable of that name, and not beyond four times what it was
// or 8, because garbage is collected on a quarter of the processors at least.
//
// Whoever sets GOMAXPROCS while it is raised has it undone. Once raised, it does
// not follow a container's limits any more.
func Take(n int) (giveBack func()) {
	change(n)
	return sync.OnceFunc(func() { change(-n) })
}

// Own returns GOMAXPROCS as it is when it is not raised: how much can be computed
// at the same time.
func Own() int {
	mu.Lock()
	defer mu.Unlock()
	if own > 0 {
		return own
	}
	return runtime.GOMAXPROCS(0)
}

// Enough reports whether there is a processor for each that was taken.
func Enough() bool { return !lacked.Load() }

func change(n int) {
	mu.Lock()
	defer mu.Unlock()
	taken += n
	was := own
	if was == 0 {
		was = runtime.GOMAXPROCS(0)
	}
	raise := taken > was && taken <= max(4*was, 8) && runtime.GOOS == "linux" && os.Getenv("GOMAXPROCS") == ""
	lacked.Store(taken > was && !raise)
	switch {
	case raise:
		own = was
		runtime.GOMAXPROCS(taken)
	case own > 0:
		own = 0
		runtime.GOMAXPROCS(was)
	}
}
