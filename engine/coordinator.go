package engine

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// coordinator is an instance of a connector beside those that move the partitions
// of streams. A source's says what the partitions are and holds the moment that all
// of them read; a destination's makes visible what all of them have written.
//
// Its guest runs on a goroutine of its own, which waits for what it is asked.
type coordinator struct {
	stage  *stage
	cancel context.CancelFunc // ends a call that is under way
	calls  chan func()
	ended  chan struct{} // closed when the goroutine has ended; the fields below are final then
	result StageResult
	err    error // why the guest could not start
}

// coordinate starts an instance of stage i. It goes on when ctx ends, since what
// was written may have to be removed then; close it.
func (r *run) coordinate(ctx context.Context, i int, memory *allowance) *coordinator {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &coordinator{
		stage:  r.engine.newStage(ctx, &r.plan.stages[i], r.stageOptions(int(r.plan.pipeline.Resources.MaxBatchBytes))),
		cancel: cancel,
		calls:  make(chan func()),
		ended:  make(chan struct{}),
	}
	go func() {
		defer close(c.ended)
		c.result, c.err = c.stage.do(ctx, memory, func() error {
			for call := range c.calls {
				call()
			}
			return nil
		})
	}()
	return c
}

// partition asks in which partitions a stream can be moved.
func (c *coordinator) partition(ctx context.Context, request *abi.PartitionRequest) (*abi.Partitions, error) {
	message, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	answer := new(abi.Partitions)
	err = c.ask(ctx, request.Stream, func(s *stage) error {
		s.inst.Ask(abi.RequestPartition, message)
		if err := s.ask(abi.ExportPartition, abi.ReplyPartitions, answer); err != nil {
			return err
		}
		if n := len(answer.Partitions); n < 1 || int64(n) > request.Count {
			return errors.New("connector answered partition with none, or with more partitions than were wanted")
		}
		for _, p := range answer.Partitions {
			if len(p) > abi.MaxPartition {
				return errors.New("connector described a partition in more bytes than it may")
			}
		}
		return nil
	})
	return answer, err
}

// finish tells a destination what becomes of what was written to the partitions.
func (c *coordinator) finish(ctx context.Context, request *abi.FinishRequest) error {
	message, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return c.ask(ctx, request.Stream, func(s *stage) error {
		s.inst.Ask(abi.RequestFinish, message)
		return s.call(abi.ExportFinish)
	})
}

// check looks whether the instance is still what it was.
func (c *coordinator) check(ctx context.Context, stream string) error {
	var answer abi.CheckReport
	return c.ask(ctx, stream, func(s *stage) error { return s.ask(abi.ExportCheck, abi.ReplyCheck, &answer) })
}

// ask has the guest's goroutine make a call. If ctx ends first, so does the
// instance.
func (c *coordinator) ask(ctx context.Context, stream string, call func(*stage) error) error {
	answered := make(chan error, 1)
	asked := func() {
		s := c.stage
		s.stream = stream
		err := call(s)
		s.inst.End()
		if err != nil {
			err = s.describe(err)
		}
		s.stream = ""
		s.inst.Clock.SetPhase(abi.PhaseSetup)
		answered <- err
	}

	select {
	case c.calls <- asked:
	case <-c.ended:
		return c.gone()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		c.cancel()
		return <-answered // what the guest knows of the call it was in
	}
}

// gone is the error of an instance that has ended already.
func (c *coordinator) gone() error {
	if c.err != nil {
		return c.err
	}
	return errors.New("engine: coordinator is closed")
}

// close ends the instance, at once if ctx has ended or ends, and books its work. Its time
// is not booked: a stage's ledger is that of one instance.
func (r *run) close(ctx context.Context, i int, c *coordinator) {
	close(c.calls)
	select {
	case <-c.ended:
	case <-ctx.Done():
		c.cancel()
		<-c.ended
	}
	c.cancel()

	r.mu.Lock()
	defer r.mu.Unlock()
	c.result.Ledger = hostfuncs.Ledger{}
	r.result.Stages[i].add(&c.result)
}
