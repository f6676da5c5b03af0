package engine

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// attempt runs the given streams, by index, once: every stage on a goroutine of
// its own, with fresh instances, until all are done or one has failed.
func (r *run) attempt(parent context.Context, streams []int) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)

	a := &attempt{run: r, ctx: ctx, streams: streams, memory: &allowance{limit: r.plan.guestMemory}}
	pool := frame.NewPool(int(r.plan.pipeline.Resources.MaxBatchBytes))
	a.pool = pool
	shared := &stageOptions{
		codec:    r.plan.codec,
		pool:     pool,
		maxBatch: int(r.plan.pipeline.Resources.MaxBatchBytes),
		state:    r.options.State,
		pipeline: r.plan.pipeline.Name,
		tap:      r.options.Tap,
	}
	for i := range r.plan.stages {
		a.stages = append(a.stages, r.engine.newStage(ctx, &r.plan.stages[i], shared))
	}
	a.connect()
	r.show(a)
	if r.trace != nil {
		r.trace.begin()
		for i, s := range a.stages {
			s.trace = r.trace.stage(i)
			s.inst.Clock.Watch(s.trace.watch)
		}
	}

	// The first error cancels the rest and is the run's; a commit whose outcome
	// is unknown is worse than whatever came first.
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed, unknown error
	start := func(work func() error) {
		wg.Go(func() {
			err := work()
			if err == nil {
				return
			}
			cancel(err)
			mu.Lock()
			defer mu.Unlock()
			failed = context.Cause(ctx)
			var stage *StageError
			if errors.As(err, &stage) && stage.CommitState == abi.CommitUnknown {
				unknown = err
			}
		})
	}
	if r.options.Feed != nil {
		start(a.feed)
	}
	for i := range a.stages {
		start(func() error { return a.runStage(i) })
	}
	if r.options.Capture != nil {
		start(a.capture)
	}
	wg.Wait()

	for _, hop := range a.links {
		for _, l := range hop {
			l.Drain()
		}
	}
	r.result.PeakGuestMemory = max(r.result.PeakGuestMemory, a.memory.peak.Load())
	if unknown != nil {
		return unknown
	}
	return failed // not the context's: it may have ended after all was done
}

// attempt is the state the goroutines of one attempt share.
type attempt struct {
	run     *run
	ctx     context.Context
	streams []int
	stages  []*stage
	links   [][]*hostfuncs.Link // by hop, then by position in streams
	pool    *frame.Pool
	memory  *allowance

	mu sync.Mutex // guards the run's result
}

// connect makes a link per hop and stream. The links of a hop share its bounds.
func (a *attempt) connect() {
	hops := len(a.stages) - 1
	if a.run.options.Feed != nil {
		hops++
	}
	if a.run.options.Capture != nil {
		hops++
	}
	for range hops {
		a.links = append(a.links, hostfuncs.NewLinks(len(a.streams), a.run.plan.pipeline.Resources.MaxInflightBatches, a.run.plan.linkBytes))
	}
}

// ends returns the links before and behind stage i for the n-th stream.
func (a *attempt) ends(i, n int) (in, out *hostfuncs.Link) {
	before := i - 1
	if a.run.options.Feed != nil {
		before = i
	}
	if before >= 0 {
		in = a.links[before][n]
	}
	if before+1 < len(a.links) {
		out = a.links[before+1][n]
	}
	return in, out
}

// runStage runs every stream through stage i.
func (a *attempt) runStage(i int) error {
	s := a.stages[i]
	result, err := s.do(a.ctx, a.memory, func() error {
		for n, index := range a.streams {
			in, out := a.ends(i, n)
			name := a.run.result.Streams[index].Name
			s.draw(index)
			c, written := s.inst.Counters, s.inst.Metrics[abi.MetricRowsWritten]
			if err := s.run(name, a.run.plan.runs[index], in, out); err != nil {
				return err
			}
			s.draw(-1)
			a.finish(i, index, &c, &s.inst.Counters, s.inst.Metrics[abi.MetricRowsWritten]-written)
			if out != nil {
				out.Close() // after the books: the last stage closes them
			}
		}
		return nil
	})

	a.mu.Lock()
	defer a.mu.Unlock()
	a.run.result.Stages[i].add(&result)
	return err
}

// finish books what one stage did for one stream. The last stage's word is the
// commit.
func (a *attempt) finish(i, index int, before, after *hostfuncs.Counters, written int64) {
	a.mu.Lock()
	defer a.mu.Unlock()

	r := a.run
	s := &r.result.Streams[index]
	if i == 0 {
		s.RowsRead = after.OutRows - before.OutRows
		s.BytesRead = after.OutBytes - before.OutBytes
		if r.options.Feed != nil && len(a.stages) == 1 {
			s.RowsRead, s.BytesRead = after.InRows-before.InRows, after.InBytes-before.InBytes
		}
	}
	if r.plan.stages[i].role == abi.RoleDestination {
		s.RowsWritten = written
		s.BytesWritten = after.InBytes - before.InBytes
		r.committed(a.ctx, index)
	}
}

// feed puts the messages of RunOptions.Feed into the first link.
func (a *attempt) feed() error {
	link := a.links[0][0]
	for message, rows := range a.run.options.Feed {
		f, err := a.pool.Encode(a.run.plan.codec, message, rows)
		if err != nil {
			return err
		}
		if err := link.Put(a.ctx, f); err != nil {
			f.Release()
			return err
		}
	}
	link.Close()
	return nil
}

// capture hands the messages of the last links to RunOptions.Capture.
func (a *attempt) capture() error {
	var buf []byte
	hop := a.links[len(a.links)-1]
	for n, index := range a.streams {
		s := &a.run.result.Streams[index]
		for {
			f, err := hop[n].Take(a.ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if f.RawLen() > cap(buf) {
				buf = make([]byte, f.RawLen())
			}
			message, rows := buf[:f.RawLen()], f.Rows()
			err = f.Decode(message)
			f.Release()
			if err == nil {
				a.run.captured = true
				err = a.run.options.Capture(s.Name, message, rows)
			}
			if err != nil {
				return err
			}
		}
		a.mu.Lock()
		a.run.committed(a.ctx, index)
		a.mu.Unlock()
	}
	return nil
}
