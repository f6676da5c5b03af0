package compare

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// pairing returns a runner of the fake suite whose sides misbehave as told, and the file in which they note their turns.
func pairing(t *testing.T, base, head string) (*Binaries, string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a child inherits no files here")
	}
	log := filepath.Join(t.TempDir(), "turns")
	b := suite(t, "")
	b.Base.Env = []string{"FAKE=" + base, "FAKE_LOG=" + log, "FAKE_SIDE=base"}
	b.Head.Env = []string{"FAKE=" + head, "FAKE_LOG=" + log, "FAKE_SIDE=head"}
	return b, log
}

// Two processes make their runs in turn, whoever begins: first, second, second, first, and so on.
func TestPairTakesTurns(t *testing.T) {
	for _, c := range []struct {
		first Side
		want  string
	}{
		{Base, "base1 head1 head2 base2 base3 head3"},
		{Head, "head1 base1 base2 head2 head3 base3"},
	} {
		b, log := pairing(t, "", "")
		p, err := b.Pair(t.Context(), Turn{Side: c.first, Case: fakeCopy, Iterations: 3, Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		if !p.Alternated || p.BaseFirst != (c.first == Base) || p.Base == nil || p.Head == nil || len(p.Base.Values["sec/op"]) != 3 {
			t.Errorf("%s first: %+v", c.first, p)
		}
		turns, _ := os.ReadFile(log)
		if got := strings.Join(strings.Fields(string(turns)), " "); got != c.want {
			t.Errorf("%s first: turns %q, want %q", c.first, got, c.want)
		}
	}
}

// A suite that knows no turns runs to its end, before or after the other one. That is a pair like any, back to back.
func TestPairWithASuiteWithoutTurns(t *testing.T) {
	for _, c := range []struct{ base, head, turns string }{
		{"no turns", "no turns", ""},
		{"no turns", "", ""}, // the second runs alone
		{"", "no turns", "base1 base2"},
		{"", "no turns beside others", "base1 base2"},
		{"no turns beside others", "", ""},
	} {
		b, log := pairing(t, c.base, c.head)
		p, err := b.Pair(t.Context(), Turn{Side: Base, Case: fakeCopy, Iterations: 2, Seed: 5})
		if err != nil || p.Alternated || p.Base == nil || p.Head == nil {
			t.Errorf("%q and %q: %+v, %v", c.base, c.head, p, err)
			continue
		}
		turns, _ := os.ReadFile(log)
		if got := strings.Join(strings.Fields(string(turns)), " "); got != c.turns {
			t.Errorf("%q and %q: turns %q, want %q", c.base, c.head, got, c.turns)
		}

		// From now on nobody is asked to take turns.
		if p, err = b.Pair(t.Context(), Turn{Side: Head, Case: fakeCopy, Iterations: 2, Seed: 5}); err != nil || p.Alternated {
			t.Errorf("%q and %q once more: %+v, %v", c.base, c.head, p, err)
		}
		if again, _ := os.ReadFile(log); len(again) != len(turns) {
			t.Errorf("%q and %q once more: turns %q", c.base, c.head, again)
		}
	}
}

// Whichever half fails, before its first turn or in the middle, the pair ends with the error of that half and leaves no
// process behind.
func TestPairFails(t *testing.T) {
	const late = "fails in turn 2"
	for _, c := range []struct {
		base, head, says, side string
		processes              int
	}{
		{"failure", "", "connection refused", "base", 1},
		{"", "failure", "connection refused", "head", 3}, // it is given a second chance
		{late, "", "connection lost", "base", 2},
		{"", late, "connection lost", "head", 2},
		{late, "no turns", "connection lost", "base", 2},
	} {
		b, _ := pairing(t, c.base, c.head)
		started := notePids(t, b)
		_, err := b.Pair(t.Context(), Turn{Side: Base, Case: fakeCopy, Iterations: 3})
		none(t, started, c.processes)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), " of "+c.side) {
			t.Errorf("%q and %q: %v", c.base, c.head, err)
		}
	}

	b, _ := pairing(t, "", "")
	started := notePids(t, b)
	b.Head.Path = filepath.Join(t.TempDir(), "missing")
	if _, err := b.Pair(t.Context(), Turn{Side: Base, Case: fakeCopy, Iterations: 3}); err == nil {
		t.Error("a missing binary made a pair")
	}
	none(t, started, 1)
}

// notePids lets the processes write down which they are, and returns the file.
func notePids(t *testing.T, b *Binaries) string {
	path := filepath.Join(t.TempDir(), "started")
	b.Base.Env = append(b.Base.Env, "FAKE_STARTED="+path)
	b.Head.Env = append(b.Head.Env, "FAKE_STARTED="+path)
	return path
}

// none checks that so many processes wrote themselves down, and that none of them is there any more: a pair that has ended
// has waited for both.
func none(t *testing.T, path string, want int) {
	t.Helper()
	pids := waitForPids(t, path)
	if len(pids) != want {
		t.Errorf("%d processes were started, want %d: %v", len(pids), want, pids)
	}
	for _, pid := range pids {
		if running(pid) {
			t.Errorf("process %d was left behind", pid)
		}
	}
}

// Cancelling ends a process that waits for its turn as well as the one that has it.
func TestPairCancelled(t *testing.T) {
	b, _ := pairing(t, "", "hang")
	started := notePids(t, b)
	pids := filepath.Join(t.TempDir(), "pids")
	b.Head.Env = append(b.Head.Env, "FAKE_PIDS="+pids)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := b.Pair(ctx, Turn{Side: Base, Case: fakeCopy, Iterations: 3})
		done <- err
	}()
	hanging := waitForPids(t, pids)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled pair: %v", err)
	}
	none(t, started, 2)
	gone(t, hanging) // with what it had started
}

// Processes that took turns are compared run by run: what slows two neighbouring runs alike leaves their ratio alone.
func TestLogRatioOfTurns(t *testing.T) {
	weather := []float64{1, 1, 5, 1, 3, 1, 7, 1}
	p := Pair{Base: &Process{Values: map[string][]float64{}}, Head: &Process{Values: map[string][]float64{}}}
	for _, w := range weather {
		p.Base.Values["sec/op"] = append(p.Base.Values["sec/op"], w)
		p.Head.Values["sec/op"] = append(p.Head.Values["sec/op"], w*1.05)
	}
	p.Head.Values["sec/op"][0] = 50 // one run met something of its own
	p.Alternated = true
	if x, ok, err := p.logRatio("sec/op"); !ok || err != nil || math.Abs(x-math.Log(1.05)) > 1e-9 {
		t.Errorf("ratio %v, %v, %v, want 1.05", math.Exp(x), ok, err)
	}

	// Without turns, or with another number of runs, only the medians are left.
	p.Alternated = false
	if x, ok, err := p.logRatio("sec/op"); !ok || err != nil || math.Abs(x-math.Log(2.1)) > 1e-9 {
		t.Errorf("ratio of medians %v, %v, %v", math.Exp(x), ok, err)
	}
	if _, ok, err := p.logRatio("B/op"); ok || err != nil {
		t.Errorf("a unit nobody has: %v, %v", ok, err)
	}
}

// A disturbed run is left out together with its neighbour of the other process. Only a pair that loses half of its runs is
// no pair any more.
func TestDisturbedTurns(t *testing.T) {
	p := Pair{
		Alternated: true,
		Base:       &Process{Values: map[string][]float64{"sec/op": {1, 1, 9, 1, 1, 1}}, Disturbed: []bool{false, false, true, false, false, false}, Contaminated: []string{"steal"}},
		Head:       &Process{Values: map[string][]float64{"sec/op": {2, 9, 2, 2, 2, 2}}, Disturbed: []bool{false, true, false, false, false, false}, Contaminated: []string{"checkpoint"}},
	}
	if reasons := p.contaminated(); len(reasons) > 0 {
		t.Errorf("two of six runs are left out, and the pair is disturbed by %q", reasons)
	}
	p.Head.Disturbed[5] = true
	if reasons := p.contaminated(); len(reasons) != 2 {
		t.Errorf("half of the runs are gone, and the pair is disturbed by %q", reasons)
	}
	p.Head.Disturbed[5] = false

	p.Base.Values["sec/op"] = []float64{1, 1, 9, 1, 4, 4}
	p.Head.Values["sec/op"] = []float64{2, 9, 9, 3, 4, 4} // ratios 2, left out, left out, 3, 1, 1
	p.Base.Values["zero/op"] = []float64{5}               // of the whole process
	p.leaveOut()
	if !slices.Equal(p.Base.LeftOut["sec/op"], []float64{1, 9}) || !slices.Equal(p.Head.LeftOut["sec/op"], []float64{9, 9}) ||
		len(p.Base.Values["zero/op"]) != 1 {
		t.Errorf("left out: %v and %v", p.Base.LeftOut, p.Head.LeftOut)
	}
	if runs := runsOf([]Pair{p}); len(runs) != 4 {
		t.Errorf("%d runs explain the change, want 4", len(runs))
	}
	if x, ok, err := p.logRatio("sec/op"); !ok || err != nil || math.Abs(x-math.Log(2)/2) > 1e-9 {
		t.Errorf("ratio %v, %v, %v", math.Exp(x), ok, err)
	}
	r := Report{Blocks: []*Block{{Series: []*Series{{Pairs: []Pair{p}}}}}}
	if r.leftOut(); r.LeftOut != (LeftOut{Runs: 2, Base: 1, Head: 1}) || len(r.Warnings) > 0 {
		t.Errorf("%+v, %q", r.LeftOut, r.Warnings)
	}

	// What falls on one side alone is said.
	p.Head.Disturbed = []bool{true, true, true, true, true, true, true, true, true}
	p.Base.Disturbed = []bool{false, true}
	r = Report{Blocks: r.Blocks}
	if r.leftOut(); len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "1 of base and 9 of head") {
		t.Errorf("%+v, %q", r.LeftOut, r.Warnings)
	}
}
