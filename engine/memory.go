package engine

import (
	"fmt"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// wasmPage is the unit in which linear memory grows, in bytes.
const wasmPage = 64 << 10

// allowance is the memory the guests of one run may have together.
type allowance struct {
	limit int64
	used  atomic.Int64
	peak  atomic.Int64
}

// take reserves n bytes, or reports that the limit forbids it.
func (a *allowance) take(n int64) bool {
	used := a.used.Add(n)
	if used > a.limit {
		a.used.Add(-n)
		return false
	}
	for {
		peak := a.peak.Load()
		if used <= peak || a.peak.CompareAndSwap(peak, used) {
			return true
		}
	}
}

func (a *allowance) give(n int64) { a.used.Add(-n) }

// guestMemory is one guest's linear memory: a mapping that is reserved whole
// and made usable as the guest grows. It never moves, so a view stays valid
// while a call lasts, growing copies nothing, and fresh pages come zeroed from
// the system instead of from the garbage collector.
type guestMemory struct {
	allowance *allowance
	space     []byte // the whole reservation
	size      uint64 // usable now
	denied    bool   // the guest asked for more than the allowance
}

var _ experimental.LinearMemory = (*guestMemory)(nil)

// start makes the memory and its first size bytes, so that wazero, which cannot
// be told that there is none, finds them. It reports why it cannot. Free undoes it.
func (g *guestMemory) start(size uint64) error {
	// No more than the allowance can ever become usable.
	if g.space = reserve(max(size, uint64(g.allowance.limit)+wasmPage)); g.space == nil {
		return fmt.Errorf("the system refuses it an address space of %d bytes", g.allowance.limit)
	}
	if g.Reallocate(size) == nil {
		return fmt.Errorf("it needs %d bytes to start and %d are left; raise resources.max_memory",
			size, g.allowance.limit-g.allowance.used.Load())
	}
	return nil
}

// allocate implements experimental.MemoryAllocator.
func (g *guestMemory) allocate(_, _ uint64) experimental.LinearMemory { return g }

// Reallocate makes size bytes usable, or returns nil, which the guest sees as a
// failed memory.grow.
func (g *guestMemory) Reallocate(size uint64) []byte {
	if size > g.size {
		if size > uint64(len(g.space)) || !g.allowance.take(int64(size-g.size)) {
			g.denied = true
			return nil
		}
		if !commit(g.space, g.size, size) {
			g.allowance.give(int64(size - g.size))
			g.denied = true
			return nil
		}
		g.size = size
	}
	return g.space[:size:len(g.space)]
}

// Free gives the mapping back, once. No view of it may be in use.
func (g *guestMemory) Free() {
	g.allowance.give(int64(g.size))
	g.size = 0
	release(g.space)
	g.space = nil
}
