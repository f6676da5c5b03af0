package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// job is what one attempt is to move, and where that is booked.
type job struct {
	streams []int           // by index, in the order they are moved
	parts   []part          // by position in streams; nil: every stream is moved whole
	results []*StreamResult // by position in streams
	stages  []StageResult   // by stage
	lane    int             // which of the attempts under way at the same time this is, from 0
	memory  *allowance      // of the guests of all of them
	commits bool            // what the destination has written is committed; else a partition of it is written
}

// part is a partition of a stream in the words of both ends; empty ones stand for
// the whole stream.
type part struct{ source, dest string }

// whole is the job of moving whole streams: by the words of parts if there are any,
// else as they are.
func (r *run) whole(streams []int, parts []part, memory *allowance) *job {
	j := &job{streams: streams, parts: parts, stages: r.result.Stages, memory: memory, commits: true}
	for _, index := range streams {
		j.results = append(j.results, &r.result.Streams[index])
	}
	return j
}

// limits returns the bytes of frames that the links between two stages may hold,
// and those that no batch may pass. Those of a partition are its share: what all
// hold together stays within the bound.
func (r *run) limits(j *job) (link, batch int) {
	link, batch = r.plan.linkBytes, int(r.plan.pipeline.Resources.MaxBatchBytes)
	if !j.commits {
		link = max(link/r.plan.partitions, 1)
		batch = min(batch, link)
	}
	return link, batch
}

// stageOptions returns what the stages of one attempt share.
func (r *run) stageOptions(maxBatch int) *stageOptions {
	return &stageOptions{
		codec:    r.plan.codec,
		pool:     frame.NewPool(maxBatch),
		maxBatch: maxBatch,
		state:    r.options.State,
		pipeline: r.plan.pipeline.Name,
		tap:      r.options.Tap,
	}
}

// attempt does a job once: every stage on a goroutine of its own, with fresh
// instances, until all are done or one has failed.
func (r *run) attempt(parent context.Context, j *job) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)

	link, batch := r.limits(j)
	shared := r.stageOptions(batch)
	a := &attempt{run: r, ctx: ctx, job: j, maxBatch: batch, pool: shared.pool}
	for i := range r.plan.stages {
		a.stages = append(a.stages, r.engine.newStage(ctx, &r.plan.stages[i], shared))
	}
	a.connect(link)
	r.show(a)
	if r.trace != nil {
		r.trace.begin(j.lane)
		for i, s := range a.stages {
			s.trace = r.trace.stage(j.lane, i)
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
	r.mu.Lock()
	r.result.PeakGuestMemory = max(r.result.PeakGuestMemory, j.memory.peak.Load())
	r.mu.Unlock()
	if unknown != nil {
		return unknown
	}
	return failed // not the context's: it may have ended after all was done
}

// attempt is the state the goroutines of one attempt share.
type attempt struct {
	run    *run
	ctx    context.Context
	job    *job
	stages []*stage
	links  [][]*hostfuncs.Link // by hop, then by position in the job's streams
	pool   *frame.Pool

	maxBatch int // bytes no batch may pass
}

// connect makes a link per hop and stream. The links of a hop share its bounds.
func (a *attempt) connect(bytes int) {
	hops := len(a.stages) - 1
	if a.run.options.Feed != nil {
		hops++
	}
	if a.run.options.Capture != nil {
		hops++
	}
	r := a.run.plan.pipeline.Resources
	if r.MaxInflightBytes > 0 {
		bytes = int(min(int64(bytes), r.MaxInflightBytes))
	}
	for range hops {
		a.links = append(a.links, hostfuncs.NewLinks(len(a.job.streams), r.MaxInflightBatches, bytes))
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
	s, r := a.stages[i], a.run
	result, err := s.do(a.ctx, a.job.memory, func() error {
		for n, index := range a.job.streams {
			in, out := a.ends(i, n)
			stream := r.plan.pipeline.Source.Streams[index]
			request, err := json.Marshal(runRequest(r.plan.pipeline, stream, a.job.part(n, s.plan.role), int64(a.maxBatch)))
			if err != nil {
				return fmt.Errorf("engine: run request of stream %q: %w", stream.Name, err)
			}
			s.draw(index)
			c, written := s.inst.Counters, s.inst.Metrics[abi.MetricRowsWritten]
			if err := s.run(stream.Name, request, in, out); err != nil {
				return err
			}
			s.draw(-1)
			a.finish(i, n, &c, &s.inst.Counters, s.inst.Metrics[abi.MetricRowsWritten]-written)
			if out != nil {
				out.Close() // after the books: the last stage closes them
			}
		}
		return nil
	})

	r.mu.Lock()
	defer r.mu.Unlock()
	a.job.stages[i].add(&result)
	return err
}

// part returns the n-th stream's partition in the words of the given role, empty
// for one that has none.
func (j *job) part(n int, role abi.Role) string {
	switch {
	case j.parts == nil:
	case role == abi.RoleSource:
		return j.parts[n].source
	case role == abi.RoleDestination:
		return j.parts[n].dest
	}
	return ""
}

// finish books what one stage did for the n-th stream. The last stage's word is
// the commit.
func (a *attempt) finish(i, n int, before, after *hostfuncs.Counters, written int64) {
	r := a.run
	r.mu.Lock()
	defer r.mu.Unlock()

	s := a.job.results[n]
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
		if a.job.commits {
			s.Partitions = []PartitionResult{{Rows: written}}
			r.committed(a.ctx, a.job.streams[n])
		}
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
	for n, index := range a.job.streams {
		s := a.job.results[n]
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
		a.run.mu.Lock()
		a.run.committed(a.ctx, index)
		a.run.mu.Unlock()
	}
	return nil
}
