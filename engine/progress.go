package engine

import (
	"sync"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Progress is a moment of a run.
type Progress struct {
	Pipeline string
	Rows     int64 // that reached the destination so far
	Bytes    int64 // Arrow IPC bytes of them
	Elapsed  time.Duration
	Stages   []StageProgress
	Done     bool // the run has ended; the last call
}

// StageProgress is what one stage is doing.
type StageProgress struct {
	Name      string // "source", "transform-1", "destination"
	Connector string
	// State is one word: load, setup, connect, query, fetch, process, flush,
	// commit, waiting (for another stage), or done.
	State string
	Rows  int64 // that passed the stage, all partitions together; the state is that of the first
}

// progressInterval is how often a progress display is fed: often enough to look
// alive, too seldom to cost anything.
const progressInterval = 100 * time.Millisecond

// showing is the part of a run that other goroutines look at.
type showing struct {
	mu       sync.Mutex
	attempts []*attempt // by lane; nil where none has begun
	past     []passed   // by stage, what passed it in attempts that are no longer shown
}

// passed is what passed a stage.
type passed struct{ rows, bytes int64 }

// show makes an attempt visible to progress and to the trace, in place of the
// earlier one of its lane.
func (r *run) show(a *attempt) {
	r.shown.mu.Lock()
	defer r.shown.mu.Unlock()
	for len(r.shown.attempts) <= a.job.lane {
		r.shown.attempts = append(r.shown.attempts, nil)
	}
	r.shown.attempts[a.job.lane] = a
}

// settle keeps what passed the attempts that are shown, which have moved their
// streams, and shows them no longer.
func (r *run) settle() {
	r.shown.mu.Lock()
	defer r.shown.mu.Unlock()
	for i := range r.plan.stages {
		r.shown.past[i] = r.shown.passed(i)
	}
	r.shown.attempts = nil
}

// forget shows no attempt until the next one begins.
func (r *run) forget() {
	r.shown.mu.Lock()
	defer r.shown.mu.Unlock()
	r.shown.attempts = nil
}

// passed returns what passed stage i so far. s.mu is held.
func (s *showing) passed(i int) passed {
	sum := s.past[i]
	for _, a := range s.attempts {
		if a != nil {
			rows, bytes := a.stages[i].inst.Progress()
			sum.rows, sum.bytes = sum.rows+rows, sum.bytes+bytes
		}
	}
	return sum
}

// stage returns stage i of the first attempt that is shown, or nil. s.mu is held.
func (s *showing) stage(i int) *stage {
	for _, a := range s.attempts {
		if a != nil {
			return a.stages[i]
		}
	}
	return nil
}

// watch calls RunOptions.Progress until stop is called, and once then.
func (r *run) watch() (stop func()) {
	if r.options.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(progressInterval)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				r.options.Progress(r.progress(false))
			case <-done:
				r.options.Progress(r.progress(true))
				return
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

func (r *run) progress(done bool) Progress {
	r.shown.mu.Lock()
	defer r.shown.mu.Unlock()

	p := Progress{Pipeline: r.plan.pipeline.Name, Elapsed: time.Since(r.started), Done: done}
	for i := range r.plan.stages {
		n := r.shown.passed(i)
		p.Rows, p.Bytes = n.rows, n.bytes // the last stage's stand
		state := stateWord(abi.PhaseSetup, hostfuncs.Load, done)
		if s := r.shown.stage(i); s != nil {
			phase, activity := s.inst.Clock.State()
			state = stateWord(phase, activity, done)
		}
		p.Stages = append(p.Stages, StageProgress{
			Name: r.plan.stages[i].name, Connector: r.plan.stages[i].connector, State: state, Rows: n.rows,
		})
	}
	return p
}

func stateWord(p abi.Phase, a hostfuncs.Activity, done bool) string {
	switch {
	case done:
		return "done"
	case a == hostfuncs.Load:
		return "load"
	case a == hostfuncs.Upstream, a == hostfuncs.Downstream:
		return "waiting"
	}
	return p.String()
}
