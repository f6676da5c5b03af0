package lab

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strconv"
)

// recorder turns what package testing records of heap, locks and waiting on for
// timed runs and off for everything else. These profiles know no labels: what is
// once in them cannot be told apart any more. A nil recorder leaves things as
// they are.
type recorder struct {
	heap  bool
	mutex int // rates as package testing sets them; 0 is off
	block int
}

// recorderFor reads BENCH_PROFILE: "timed", or "" for profiles of the whole
// process. The flags that name the files say what is recorded.
func recorderFor(value string) (*recorder, error) {
	if value == "" {
		return nil, nil
	}
	if value != "timed" {
		return nil, fmt.Errorf("lab: BENCH_PROFILE=%q: want timed, or nothing", value)
	}
	given := func(name string) bool { f := flag.Lookup(name); return f != nil && f.Value.String() != "" }
	rate := func(name string) int {
		f := flag.Lookup(name)
		if f == nil {
			return 0
		}
		n, err := strconv.Atoi(f.Value.String())
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	r := &recorder{heap: given("test.memprofile")}
	if given("test.mutexprofile") {
		r.mutex = rate("test.mutexprofilefraction")
	}
	if given("test.blockprofile") {
		r.block = rate("test.blockprofilerate")
	}
	if !r.heap && r.mutex == 0 && r.block == 0 {
		return nil, errors.New("lab: BENCH_PROFILE=timed needs -memprofile, -mutexprofile or -blockprofile")
	}
	r.off()
	return r, nil
}

// on begins to record, every allocation if the heap is asked for: a sampled
// one would be scaled by the rate at the end of the process, which is not this.
func (r *recorder) on() {
	if r == nil {
		return
	}
	if r.heap {
		runtime.MemProfileRate = 1
	}
	runtime.SetMutexProfileFraction(r.mutex)
	runtime.SetBlockProfileRate(r.block)
}

// off ends recording, but for the next allocation of each processor, which the
// runtime records before it sees the change.
func (r *recorder) off() {
	if r == nil {
		return
	}
	runtime.MemProfileRate = 0
	runtime.SetMutexProfileFraction(0)
	runtime.SetBlockProfileRate(0)
}
