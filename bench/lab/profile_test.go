package lab

import (
	"bytes"
	"context"
	"flag"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// garbage keeps the compiler from leaving allocations out.
var garbage []byte

//go:noinline
func allocateTimed() { garbage = make([]byte, 1<<20) }

//go:noinline
func allocateUntimed() { garbage = make([]byte, 1<<20) }

// setFlag sets a flag of package testing for the time of the test.
func setFlag(t *testing.T, name, value string) {
	t.Helper()
	f := flag.Lookup(name)
	old := f.Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set(name, old) })
}

// What timed runs allocate is recorded, all of it, and next to nothing else: neither warming up nor preparing and verifying.
func TestTimedHeap(t *testing.T) {
	times(t, "3")
	rate := runtime.MemProfileRate
	setFlag(t, "test.memprofile", filepath.Join(t.TempDir(), "unused"))
	t.Cleanup(func() { runtime.MemProfileRate = rate })
	t.Setenv("BENCH_PROFILE", "timed")

	_, ok := measure(t, openEnv(t), func(trial *Trial) {
		run := trial.Run
		trial.Run = func(ctx context.Context) (Outcome, error) { allocateTimed(); return run(ctx) }
		trial.Prepare = func(context.Context) error {
			for range 100 {
				allocateUntimed()
			}
			return nil
		}
	})
	if !ok {
		t.Fatal("the benchmark failed")
	}
	runtime.GC()
	var data bytes.Buffer
	if err := pprof.Lookup("allocs").WriteTo(&data, 0); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&data)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int64{}
	for _, s := range p.Sample {
		for _, line := range s.Location[0].Line {
			count[line.Function.Name] += s.Value[0]
		}
	}
	if got := count["github.com/rapidbyte-go/rapidbyte/bench/lab.allocateTimed"]; got != 3 {
		t.Errorf("%d allocations of 3 timed runs recorded", got)
	}
	if got := count["github.com/rapidbyte-go/rapidbyte/bench/lab.allocateUntimed"]; got > int64(4*runtime.GOMAXPROCS(0)) {
		t.Errorf("%d allocations recorded that are not timed, want one of each processor after each of 4 changes at most", got)
	}
}

func TestRecorderRefuses(t *testing.T) {
	for value, want := range map[string]string{"always": `BENCH_PROFILE="always"`, "timed": "-memprofile"} {
		if _, err := recorderFor(value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("BENCH_PROFILE=%s: %v, want %q in it", value, err, want)
		}
	}
	if r, err := recorderFor(""); r != nil || err != nil {
		t.Errorf("without the variable: %v, %v", r, err)
	}
	var none *recorder
	none.on() // must not touch anything, nor panic
	none.off()
}
