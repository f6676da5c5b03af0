package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// parallel moves the given streams, by index, in partitions, where both ends have
// several, else whole: first those, then the others one after another. All are of
// the same moment.
func (r *run) parallel(ctx context.Context, streams []int, memory *allowance) (err error) {
	first, last := 0, len(r.plan.stages)-1
	source, dest := r.coordinate(ctx, first, memory), &finisher{run: r, stage: last, memory: memory}
	dest.coordinator = r.coordinate(ctx, last, memory)
	defer r.close(ctx, first, source)
	defer func() { r.close(ctx, last, dest.coordinator) }()
	defer func() {
		if err != nil { // neither waits for what the other still tries
			source.cancel()
			dest.cancel()
		}
	}()

	var whole []int
	var parts []part
	var divided []division
	for _, index := range streams {
		d, err := r.divide(ctx, index, source, dest.coordinator)
		if err != nil {
			return err
		}
		if len(d.parts) == 1 {
			whole, parts = append(whole, index), append(parts, d.parts[0])
			continue
		}
		divided = append(divided, d)
	}

	// The instances that move rows find the modules in memory. These found them
	// where a run does.
	r.mu.Lock()
	for i, c := range map[int]*coordinator{first: source, last: dest.coordinator} {
		if r.result.Stages[i].Load.Source == "" {
			r.result.Stages[i].Load = c.stage.load
		}
	}
	r.mu.Unlock()

	if len(whole) > 0 {
		if err := r.attempt(ctx, r.whole(whole, parts, memory)); err != nil {
			return err
		}
		r.settle()
	}
	for _, d := range divided {
		if err := r.inPartitions(ctx, d, source, dest); err != nil {
			return err
		}
		r.settle()
	}
	return nil
}

// division is a stream divided into partitions.
type division struct {
	stream  int
	attempt string // names what is written of it until it is finished
	parts   []part
}

// divide asks both ends for a stream's partitions. The destination is asked first:
// it may take no more than one.
func (r *run) divide(ctx context.Context, index int, source, dest *coordinator) (d division, err error) {
	p := r.plan.pipeline
	stream := p.Source.Streams[index]
	r.divided++
	request := &abi.PartitionRequest{
		Attempt:    fmt.Sprintf("%s-%d", strings.ToLower(strings.ReplaceAll(r.id, ".", "")), r.divided),
		Stream:     stream.Name,
		WriteMode:  p.Destination.WriteMode,
		PrimaryKey: append([]string{}, p.Destination.PrimaryKey...),
		Count:      int64(r.plan.partitions),
		Auto:       p.Resources.AutoParallelism,
		Key:        stream.PartitionKey,
	}
	into, err := dest.partition(ctx, request)
	if err != nil {
		return d, err
	}
	request.Count = int64(len(into.Partitions))
	from, err := source.partition(ctx, request)
	if err != nil {
		return d, err
	}

	n := len(from.Partitions)
	if n < r.plan.partitions && !p.Resources.AutoParallelism {
		r.engine.opt.Log.Warn("a stream is moved in fewer partitions than resources.parallelism says", "stream", stream.Name,
			"partitions", n, "reason", hostfuncs.Printable(strings.TrimSpace(into.Note+" "+from.Note), 500))
	}
	d = division{stream: index, attempt: request.Attempt, parts: make([]part, n)}
	if n == 1 {
		d.parts[0].source = from.Partitions[0]
		return d, nil
	}
	for i := range d.parts {
		d.parts[i] = part{from.Partitions[i], into.Partitions[i]}
	}
	return d, nil
}

// inPartitions moves one stream in several partitions at the same time: all of it
// is committed at the end, or nothing is.
func (r *run) inPartitions(parent context.Context, d division, source *coordinator, dest *finisher) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)

	lanes := make([]*lane, len(d.parts))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for i, p := range d.parts {
		l := &lane{run: r, number: i, stream: d.stream, part: p, stages: make([]StageResult, len(r.plan.stages))}
		for j := range l.stages {
			l.stages[j].Metrics = make(map[string]int64)
		}
		lanes[i] = l
		wg.Go(func() {
			if err := l.move(ctx, source, dest.memory); err != nil {
				cancel(err)
				mu.Lock()
				defer mu.Unlock()
				failed = context.Cause(ctx)
			}
		})
	}
	wg.Wait()
	r.bookStages(lanes)

	request := &abi.FinishRequest{
		Stream:     r.plan.pipeline.Source.Streams[d.stream].Name,
		WriteMode:  r.plan.pipeline.Destination.WriteMode,
		PrimaryKey: append([]string{}, r.plan.pipeline.Destination.PrimaryKey...),
		Commit:     failed == nil,
	}
	for _, p := range d.parts {
		request.Partitions = append(request.Partitions, p.dest)
	}
	ctx, stop := graced(parent)
	defer stop()
	if request.Commit {
		failed = dest.finish(ctx, request)
		if failed == nil {
			r.bookStream(parent, d.stream, lanes)
			return nil
		}
		var stage *StageError
		if errors.As(failed, &stage) && stage.CommitState == abi.CommitUnknown {
			return failed // nobody knows what there is to remove
		}
		request.Commit, request.Again = false, false
	}
	if err := dest.finish(ctx, request); err != nil {
		return &leftBehind{d.attempt, failed, err}
	}
	return failed
}

// leftBehind is the error of a stream of which nothing is visible, but something
// is still there, under the attempt's name.
type leftBehind struct {
	attempt    string
	cause, err error
}

func (e *leftBehind) Error() string {
	return fmt.Sprintf("%v; what was written until then, under the name %s, could not be removed: %v", e.cause, e.attempt, e.err)
}

func (e *leftBehind) Unwrap() error { return e.cause }

// bookStages adds what the stages of all lanes did to the run's.
func (r *run) bookStages(lanes []*lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.result.Stages {
		sum := StageResult{Metrics: make(map[string]int64)}
		for _, l := range lanes {
			s := &l.stages[i]
			if s.Ledger.Wall() > sum.Ledger.Wall() {
				sum.Ledger = s.Ledger
			}
			sum.Counters.Add(&s.Counters)
			for name, n := range s.Metrics {
				sum.Metrics[name] += n
			}
			sum.GuestMemory += s.GuestMemory
		}
		r.result.Stages[i].add(&sum)
	}
}

// bookStream adds up the partitions of a stream that is committed.
func (r *run) bookStream(ctx context.Context, index int, lanes []*lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.result.Streams[index]
	for _, l := range lanes {
		s.RowsRead += l.result.RowsRead
		s.RowsWritten += l.result.RowsWritten
		s.BytesRead += l.result.BytesRead
		s.BytesWritten += l.result.BytesWritten
		s.Partitions = append(s.Partitions, PartitionResult{Rows: l.result.RowsWritten, Duration: l.took})
	}
	r.committed(ctx, index)
}

// lane moves one partition of a stream.
type lane struct {
	run    *run
	number int
	stream int
	part   part

	result StreamResult  // of the try that worked
	stages []StageResult // of all tries
	took   time.Duration
}

// move moves the partition, again where that may help. Nothing of it is visible
// whatever the error is.
func (l *lane) move(ctx context.Context, source *coordinator, memory *allowance) error {
	start := time.Now()
	defer func() { l.took = time.Since(start) }()
	name := l.run.plan.pipeline.Source.Streams[l.stream].Name
	for {
		l.result = StreamResult{Name: name}
		err := l.run.attempt(ctx, &job{
			streams: []int{l.stream},
			parts:   []part{l.part},
			results: []*StreamResult{&l.result},
			stages:  l.stages,
			lane:    l.number,
			memory:  memory,
		})
		if err == nil {
			return nil
		}
		var stage *StageError
		if ctx.Err() != nil || !errors.As(err, &stage) {
			return err // of another lane, maybe
		}
		stage.CommitState = abi.CommitNone // of the stream, and so far

		// Where the partition itself may have been written, and where the moment to
		// read is lost, another try of the whole stream may help.
		if !stage.Retryable() || stage.Phase == abi.PhaseCommit || source.check(ctx, name) != nil {
			return err
		}
		if !l.run.again(ctx, stage, fmt.Sprintf("partition %d is tried again", l.number+1)) {
			return err
		}
	}
}

// finishGrace is how long finishing may go on after the run was told to stop:
// longer than a server needs to commit or to remove a table, short enough for a
// person who waits.
const finishGrace = 10 * time.Second

// finisher is the destination's coordinator, replaced when it is lost.
type finisher struct {
	*coordinator
	run    *run
	stage  int
	memory *allowance
}

// graced returns a context that ends finishGrace after parent does.
func graced(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	unwatch := context.AfterFunc(parent, func() {
		time.AfterFunc(finishGrace, func() { cancel(context.Cause(parent)) })
	})
	return ctx, func() {
		unwatch()
		cancel(nil)
	}
}

// finish tells the destination what becomes of a stream's partitions, again where
// that may help. Once it is not known whether something is visible, that remains
// so until a later answer says that all is.
func (f *finisher) finish(ctx context.Context, request *abi.FinishRequest) error {
	var unknown error
	for {
		err := f.coordinator.finish(ctx, request)
		if err == nil {
			return nil
		}
		var stage *StageError
		described := errors.As(err, &stage)
		if described && stage.CommitState == abi.CommitUnknown {
			unknown = err
		}

		// An instance that is well and knows that nothing is visible means it, and so
		// does one that found rows gone. One that lost its server, or stopped half way,
		// has to go on.
		final := !described || stage.Category == abi.CategoryData || stage.CommitState == abi.CommitNone && (!stage.Category.Retryable() || f.check(ctx, request.Stream) == nil)
		if final || !f.run.again(ctx, stage, "finishing is tried again") {
			return cmp.Or(unknown, err)
		}
		request.Again = true
		f.run.close(ctx, f.stage, f.coordinator)
		f.coordinator = f.run.coordinate(ctx, f.stage, f.memory)
	}
}
