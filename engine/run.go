package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/processors"
)

// RunOptions are what one run may be given besides its pipeline. The zero value
// is a plain run.
type RunOptions struct {
	// Progress is called about every 100 ms from one goroutine, and once more
	// when the run has ended. Nil: nobody looks.
	Progress func(Progress)
	// State is where connectors keep values between runs; nil keeps them in
	// memory for the length of the run.
	State hostfuncs.State
	// Recorder keeps a record of every stream; nil keeps none.
	Recorder Recorder
	// Trace is given the run's stage clocks as a Chrome trace while it goes on,
	// whole also where the run fails; nil: there is none. What cannot be written
	// is an error of a run that has none of its own.
	Trace io.Writer

	// Capture takes the place of the destination: it gets every Arrow IPC
	// message of every stream, valid during the call. Its error ends the run, and
	// so does any other once it was called: it could not take anything back.
	Capture func(stream string, message []byte, rows int) error
	// Feed takes the place of the source: it yields Arrow IPC messages with
	// their rows, schema first and end-of-stream mark last, and may be ranged
	// over again by a retry. The pipeline must have one stream.
	Feed iter.Seq2[[]byte, int]
	// Tap sees every message the destination is given, valid during the call;
	// those of a stream that is tried again come again, schema first. Streams are
	// moved whole then, whatever the pipeline's parallelism is.
	Tap func(stream string, message []byte, rows int) error
}

// Recorder keeps records of runs. Finish is called for each Start, again if it
// failed.
type Recorder interface {
	Start(ctx context.Context, r RunRecord) error
	Finish(ctx context.Context, r RunRecord) error
}

// RunStatus is the state of a recorded run.
type RunStatus string

// The statuses.
const (
	StatusRunning   RunStatus = "running"
	StatusCompleted RunStatus = "completed"
	StatusFailed    RunStatus = "failed"
	StatusCancelled RunStatus = "cancelled"
)

// RunRecord is one stream of one run.
type RunRecord struct {
	ID           string // of the run: the same for all its streams
	Pipeline     string
	Stream       string
	Status       RunStatus
	Started      time.Time
	Finished     time.Time // zero while running
	RowsRead     int64
	RowsWritten  int64
	BytesRead    int64 // Arrow IPC bytes
	BytesWritten int64
	Error        string // empty unless failed or cancelled
}

// Run moves every stream of p and returns what happened. On an error the result
// is what there was until then; it is nil if nothing was started.
//
// A stream is committed whole or not at all: after an error or the end of ctx
// the destination holds the streams listed as committed in the result, and
// nothing of the others.
func (e *Engine) Run(ctx context.Context, p *pipeline.Pipeline, o RunOptions) (*Result, error) {
	if o.Feed != nil && len(p.Source.Streams) != 1 {
		return nil, errors.New("engine: a fed pipeline has exactly one stream")
	}
	pl, err := e.plan(p, o.Feed == nil, o.Capture == nil)
	if err != nil {
		return nil, err
	}
	if o.Tap != nil {
		pl.partitions = 1 // it is given a stream's messages in their order
	}
	if o.State == nil {
		o.State = newMemoryState()
	}
	r := &run{
		engine:  e,
		plan:    pl,
		options: o,
		id:      newID(),
		started: time.Now(),
		result:  newResult(e, pl),
		shown:   showing{past: make([]passed, len(pl.stages))},
	}
	return r.result, r.do(ctx)
}

// run is one call of [Engine.Run].
type run struct {
	engine  *Engine
	plan    *plan
	options RunOptions
	id      string
	started time.Time
	result  *Result
	shown   showing

	trace    *tracing // nil: there is none
	captured bool     // Capture was called
	divided  int      // times a stream was divided into partitions

	mu       sync.Mutex // guards what follows, and result while attempts are under way
	recorded []bool     // by stream: its record is finished
}

func (r *run) do(ctx context.Context) (err error) {
	defer processors.Take(r.atOnce())()
	cpu := cpuTime()
	defer func() {
		r.result.Duration = time.Since(r.started)
		r.result.CPU = cpuTime() - cpu
	}()

	r.recorded = make([]bool, len(r.result.Streams))
	for i := range r.result.Streams {
		if err := r.record(ctx, i, StatusRunning, nil); err != nil {
			err = fmt.Errorf("the run cannot be recorded, so nothing was started: %w", err)
			for j := range i {
				err = errors.Join(err, r.record(ctx, j, StatusFailed, err))
			}
			return err
		}
	}
	if r.options.Trace != nil {
		r.trace = r.startTrace(r.options.Trace)
	}
	stop := r.watch()
	err = r.attempts(ctx)
	stop()
	if r.trace != nil {
		if terr := r.trace.end(); terr != nil && err == nil {
			err = fmt.Errorf("every stream was committed, but the trace cannot be written: %w", terr)
		}
	}
	if rerr := r.finishRecords(ctx, err); rerr != nil {
		err = errors.Join(err, rerr)
	}
	return err
}

// atOnce returns how many goroutines may move rows at the same time: the guests,
// and who stands in for one. Coordinators wait meanwhile.
func (r *run) atOnce() int {
	n := len(r.plan.stages) * r.plan.partitions
	if r.options.Feed != nil {
		n++
	}
	if r.options.Capture != nil {
		n++
	}
	return n
}

// finishRecords closes the records that are still open, whatever ended the run:
// those of streams that were not committed because of cause, and those that
// could not be written before.
func (r *run) finishRecords(ctx context.Context, cause error) (err error) {
	failed := StatusFailed
	if ctx.Err() != nil {
		failed = StatusCancelled
	}
	for i, s := range r.result.Streams {
		var rerr error
		switch {
		case r.recorded[i]:
		case s.Committed:
			rerr = r.record(ctx, i, StatusCompleted, nil)
		default:
			rerr = r.record(ctx, i, failed, cause)
		}
		if rerr != nil && err == nil { // the others fail for the same reason
			err = rerr
		}
	}
	switch {
	case err == nil:
		return nil
	case cause == nil:
		return fmt.Errorf("every stream was committed, but its record cannot be written: %w", err)
	}
	return fmt.Errorf("nor can the run's record be written: %w", err)
}

// committed notes that stream i is there. r.mu is held.
func (r *run) committed(ctx context.Context, i int) {
	r.result.Streams[i].Committed = true
	if err := r.record(ctx, i, StatusCompleted, nil); err != nil {
		r.engine.opt.Log.Warn("a record cannot be written; it is tried again at the end", "reason", err)
		return
	}
	r.recorded[i] = true
}

// attempts runs the streams, again where that may help.
func (r *run) attempts(ctx context.Context) error {
	for {
		var pending []int
		for i, s := range r.result.Streams {
			if !s.Committed {
				pending = append(pending, i)
			}
		}
		if len(pending) == 0 {
			return nil
		}

		var err error
		memory := &allowance{limit: r.plan.guestMemory}
		r.forget()
		if r.plan.partitions > 1 {
			err = r.parallel(ctx, pending, memory)
		} else {
			err = r.attempt(ctx, r.whole(pending, nil, memory))
		}
		if err == nil {
			continue // looks again whether all streams are there
		}
		if ctx.Err() != nil {
			return r.cancelled(ctx, err)
		}
		var stage *StageError
		var remains *leftBehind
		if r.captured || errors.As(err, &remains) || !errors.As(err, &stage) || !stage.Retryable() {
			return err
		}
		switch {
		case r.again(ctx, stage, "the run is tried again"):
		case ctx.Err() != nil:
			return r.cancelled(ctx, err)
		default:
			return err
		}
	}
}

// again waits before another try of what failed with err, or reports false: all
// retries of the run are used up, or ctx has ended.
func (r *run) again(ctx context.Context, err *StageError, what string) bool {
	r.mu.Lock()
	n := r.result.Retries
	left := n < r.plan.pipeline.Resources.MaxRetries
	if left {
		r.result.Retries++
	}
	r.mu.Unlock()
	if !left {
		return false
	}

	wait := backoff(err.Category, n)
	r.engine.opt.Log.Warn(what, "after", wait, "reason", err)
	if r.trace != nil {
		r.trace.retry(err, wait)
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// cancelled returns the error of a run that was told to stop. It matches the
// context's error, unless a commit was under way or something was left behind,
// which matters more.
func (r *run) cancelled(ctx context.Context, err error) error {
	var stage *StageError
	var remains *leftBehind
	if errors.As(err, &remains) || errors.As(err, &stage) && stage.CommitState == abi.CommitUnknown {
		return fmt.Errorf("%w (%w)", err, ctx.Err())
	}
	committed := 0
	for _, s := range r.result.Streams {
		if s.Committed {
			committed++
		}
	}
	left := "the destination is as it was before"
	if committed > 0 {
		left = fmt.Sprintf("%d of %d streams were committed before, the others are as they were", committed, len(r.result.Streams))
	}
	return fmt.Errorf("pipeline %q was cancelled; %s: %w", r.plan.pipeline.Name, left, context.Cause(ctx))
}

// backoff is how long to wait before retry number n, from 0: half a second
// doubling to half a minute, ten times that where the other side asked for less
// traffic.
func backoff(c abi.Category, n int) time.Duration {
	d := 500 * time.Millisecond
	if c == abi.CategoryRateLimit {
		d *= 10
	}
	for range min(n, 10) {
		d *= 2
	}
	return min(d, 30*time.Second)
}

// record writes stream i's record.
func (r *run) record(ctx context.Context, i int, status RunStatus, cause error) error {
	if r.options.Recorder == nil {
		return nil
	}
	s := r.result.Streams[i]
	rec := RunRecord{
		ID:           r.id,
		Pipeline:     r.plan.pipeline.Name,
		Stream:       s.Name,
		Status:       status,
		Started:      r.started,
		RowsRead:     s.RowsRead,
		RowsWritten:  s.RowsWritten,
		BytesRead:    s.BytesRead,
		BytesWritten: s.BytesWritten,
	}
	// A record is written whatever has become of the run: one that is cancelled
	// at its very start is a cancelled run, not an unrecorded one.
	ctx = context.WithoutCancel(ctx)
	if status == StatusRunning {
		return r.options.Recorder.Start(ctx, rec)
	}
	rec.Finished = time.Now()
	if cause != nil {
		rec.Error = cause.Error()
	}
	return r.options.Recorder.Finish(ctx, rec)
}

// newID returns an identifier that sorts by time.
func newID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return time.Now().UTC().Format("20060102T150405.000Z") + "-" + hex.EncodeToString(b[:])
}
