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
	Rows  int64 // that passed the stage
}

// progressInterval is how often a progress display is fed: often enough to look
// alive, too seldom to cost anything.
const progressInterval = 100 * time.Millisecond

// showing is the part of a run that other goroutines look at.
type showing struct {
	mu     sync.Mutex
	stages []*stage
	links  [][]*hostfuncs.Link // by hop, then by stream
}

// show makes an attempt visible to progress and to the trace.
func (r *run) show(a *attempt) {
	r.shown.mu.Lock()
	defer r.shown.mu.Unlock()
	r.shown.stages, r.shown.links = a.stages, a.links
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
	for _, s := range r.shown.stages {
		rows, bytes := s.inst.Progress()
		p.Rows, p.Bytes = rows, bytes // the last stage's stand
		phase, activity := s.inst.Clock.State()
		p.Stages = append(p.Stages, StageProgress{
			Name: s.plan.name, Connector: s.plan.connector, State: stateWord(phase, activity, done), Rows: rows,
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
