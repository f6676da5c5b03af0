package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/processors"
)

// CheckReport is what [Engine.Check] found good.
type CheckReport struct {
	Stages []StageCheck
}

// StageCheck is one stage of a [CheckReport].
type StageCheck struct {
	Stage     string
	Connector string
	Message   string // such as "PostgreSQL 15.18, user loader, schema raw"
	Err       error  // nil if the stage is fine
}

// Check opens every connector of p, lets it look at its connection and its
// settings, and closes it. No row moves. The report covers every stage, also
// when the error, which joins those of the stages, is not nil.
func (e *Engine) Check(ctx context.Context, p *pipeline.Pipeline) (*CheckReport, error) {
	pl, err := e.plan(p, true, true)
	if err != nil {
		return nil, err
	}
	defer processors.Take(len(pl.stages))()
	report := &CheckReport{Stages: make([]StageCheck, len(pl.stages))}
	errs := make([]error, len(pl.stages))
	var wg sync.WaitGroup
	for i := range pl.stages {
		wg.Go(func() {
			s := &pl.stages[i]
			var answer abi.CheckReport
			err := e.ask(ctx, pl, s, abi.ExportCheck, abi.ReplyCheck, &answer)
			errs[i] = err
			report.Stages[i] = StageCheck{Stage: s.name, Connector: s.connector, Message: answer.Message, Err: err}
		})
	}
	wg.Wait()
	return report, errors.Join(errs...)
}

// Discover returns the streams that the source of p offers.
func (e *Engine) Discover(ctx context.Context, p *pipeline.Pipeline) (*abi.Catalog, error) {
	pl, err := e.plan(p, true, false)
	if err != nil {
		return nil, err
	}
	defer processors.Take(1)()
	var catalog abi.Catalog
	if err := e.ask(ctx, pl, &pl.stages[0], abi.ExportDiscover, abi.ReplyCatalog, &catalog); err != nil {
		return nil, err
	}
	return &catalog, nil
}

// ask opens one connector, calls one export and decodes its answer.
func (e *Engine) ask(ctx context.Context, pl *plan, p *stagePlan, export string, kind abi.Reply, answer any) error {
	limit := int(pl.pipeline.Resources.MaxBatchBytes)
	s := e.newStage(ctx, p, &stageOptions{
		codec:    pl.codec,
		pool:     frame.NewPool(limit),
		maxBatch: limit,
		state:    newMemoryState(),
		pipeline: pl.pipeline.Name,
	})
	_, err := s.do(ctx, &allowance{limit: pl.guestMemory}, func() error { return s.ask(export, kind, answer) })
	return err
}
