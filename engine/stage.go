package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// stage is one connector at work. It belongs to its goroutine.
type stage struct {
	engine *Engine
	plan   *stagePlan
	inst   *hostfuncs.Instance
	module *module // nil for a native guest
	guest  guest   // nil until started
	load   Load
	stream string        // the stream under way
	trace  *stageTracing // nil: nobody draws it
}

// stageOptions are what all stages of one attempt share.
type stageOptions struct {
	codec    frame.Codec
	pool     *frame.Pool
	maxBatch int
	state    hostfuncs.State
	pipeline string
	tap      func(stream string, message []byte, rows int) error
}

// newStage prepares a stage; nothing runs yet.
func (e *Engine) newStage(ctx context.Context, p *stagePlan, o *stageOptions) *stage {
	s := &stage{engine: e, plan: p}
	log := e.opt.Log
	options := hostfuncs.Options{
		Open:        p.open,
		Codec:       o.codec,
		Pool:        o.pool,
		MaxBatch:    o.maxBatch,
		BrokerName:  p.brokerName,
		Broker:      p.broker,
		State:       o.state,
		StatePrefix: strconv.Quote(o.pipeline) + "/" + p.name + "/",
		Checkpoint: func(c abi.Checkpoint) {
			log.Debug("checkpoint", "stage", p.name, "stream", c.Stream, "rows", c.Rows, "bytes", c.Bytes)
		},
		Log: func(level abi.LogLevel, line string) {
			log.Log(ctx, slogLevel(level), line, "stage", p.name, "connector", p.connector)
		},
	}
	if o.tap != nil && p.role == abi.RoleDestination {
		options.Tap = func(message []byte, rows int) error { return o.tap(s.stream, message, rows) }
	}
	s.inst = hostfuncs.NewInstance(ctx, options)
	return s
}

func slogLevel(l abi.LogLevel) slog.Level {
	switch l {
	case abi.LogError:
		return slog.LevelError
	case abi.LogWarn:
		return slog.LevelWarn
	case abi.LogInfo:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// do starts the guest, lets work use it, and ends it, whatever happens; the
// clock runs from beginning to end. It labels the goroutine for profiles.
func (s *stage) do(ctx context.Context, a *allowance, work func() error) (result StageResult, err error) {
	done, err := s.engine.use()
	if err != nil {
		s.inst.Close()
		return result, s.describe(err)
	}
	defer done()
	pprof.Do(ctx, pprof.Labels("stage", s.plan.name, "connector", s.plan.connector), func(ctx context.Context) {
		s.inst.Clock.Start(hostfuncs.Load)
		err = s.start(ctx, a)
		if err == nil {
			err = work()
		}
		if err == nil {
			// The work is done and, at a destination, visible: who is told that it
			// failed does it again.
			if cerr := s.call(abi.ExportClose); cerr != nil && !s.inst.Cancelled() {
				s.engine.opt.Log.Warn("connector did not close in order", "reason", s.describe(cerr))
			}
		} else {
			err = s.describe(err)
		}
		result = s.end()
	})
	return result, err
}

// start loads the module, makes the instance and opens it.
func (s *stage) start(ctx context.Context, a *allowance) error {
	var err error
	s.module, s.load, err = s.engine.module(ctx, s.plan.connector, s.plan.strict)
	if err != nil {
		return err
	}

	s.inst.Clock.Switch(hostfuncs.Instantiate)
	if s.module == nil {
		s.guest = nativeGuest{s.engine.opt.Native[s.plan.connector](s.inst)}
	} else {
		// A guest that is not strict hears of a cancellation in its host calls;
		// ending it from outside would leave nothing to clean up in order.
		guestCtx := context.WithoutCancel(ctx)
		if s.plan.strict {
			guestCtx = ctx
		}
		g, err := s.module.instantiate(guestCtx, s.inst, a)
		if err != nil {
			return err
		}
		s.guest = g
	}

	s.inst.Clock.Switch(hostfuncs.Guest)
	version, err := s.guest.call(abi.ExportVersion)
	if err != nil {
		return err
	}
	if version != abi.Version {
		return fmt.Errorf("connector speaks ABI version %d, this host speaks version %d: rebuild the connector", version, abi.Version)
	}
	return s.call(abi.ExportOpen)
}

// call runs an export and turns its status into an error.
func (s *stage) call(export string) error {
	status, err := s.guest.call(export)
	if err != nil {
		return err
	}
	if abi.Status(status) == abi.OK {
		return nil
	}

	if message := s.inst.TakeReply(abi.ReplyError); message != nil {
		var described abi.Error
		if err := json.Unmarshal(message, &described); err != nil {
			return fmt.Errorf("connector described its error in words that are not JSON: %w", err)
		}
		return clean(&described)
	}
	if abi.Status(status) == abi.Cancelled {
		if !s.inst.Cancelled() {
			return fmt.Errorf("connector's %s says that the run was cancelled, which it was not", export)
		}
		return context.Canceled
	}
	return fmt.Errorf("connector's %s: %w", export, abi.Status(status))
}

// ask runs an export and decodes its answer.
func (s *stage) ask(export string, kind abi.Reply, answer any) error {
	if err := s.call(export); err != nil {
		return err
	}
	message := s.inst.TakeReply(kind)
	if message == nil {
		return fmt.Errorf("connector gave no answer to %s", export)
	}
	if err := json.Unmarshal(message, answer); err != nil {
		return fmt.Errorf("connector's answer to %s is not valid: %w", export, err)
	}
	return nil
}

// clean makes an error's texts, which come from the guest, fit to print.
func clean(e *abi.Error) *abi.Error {
	for _, text := range []*string{&e.Message, &e.Hint, &e.Detail, &e.Code, &e.Field, &e.Column} {
		*text = hostfuncs.Printable(*text, 2000)
	}
	return e
}

// run moves one stream through this stage. The links are nil at the ends of
// the pipeline; the one behind is the caller's to close.
func (s *stage) run(stream string, request []byte, in, out *hostfuncs.Link) error {
	s.stream = stream
	rowsIn, written := s.inst.Counters.InRows, s.inst.Metrics[abi.MetricRowsWritten]
	s.inst.Begin(request, in, out)
	err := s.call(abi.ExportRun)
	whole := s.inst.End()
	if err != nil {
		return err
	}

	// A guest's word is not enough: a stream that was cut short, or a row that
	// came in and was not confirmed, is a failure whatever the guest says. If it
	// is the destination, it has committed by now as it thinks right.
	if !whole {
		return s.broken("connector ended the stream before its end-of-stream mark passed: rows may be missing")
	}
	if s.plan.role == abi.RoleDestination {
		got, want := s.inst.Metrics[abi.MetricRowsWritten]-written, s.inst.Counters.InRows-rowsIn
		if got != want {
			return s.broken(fmt.Sprintf("destination confirmed %d rows of %d it was given", got, want))
		}
	}
	s.stream = ""
	s.inst.Clock.SetPhase(abi.PhaseSetup)
	return nil
}

// draw goes on with what is done for stream index, -1 for none, in the trace.
func (s *stage) draw(index int) {
	if s.trace != nil {
		s.inst.Clock.Now() // books what was before
		s.trace.stream(index)
	}
}

// broken is the error of a connector that says all is well where it is not.
func (s *stage) broken(message string) error {
	e := &abi.Error{Category: abi.CategoryInternal, Message: message}
	if s.plan.role == abi.RoleDestination {
		e.CommitState = abi.CommitUnknown
	}
	return e
}

// describe says where an error happened, and prefers what the host saw first
// hand over a guest's account of it.
func (s *stage) describe(err error) error {
	phase, commit := s.inst.ErrorPhase(), commitStateOf(err)
	cancelled := errors.Is(err, context.Canceled) || errors.Is(err, abi.Cancelled)

	// In the middle of a commit only the destination itself can say that nothing
	// is visible, and only of a failure that it understood.
	if s.plan.role == abi.RoleDestination && s.stream != "" && phase == abi.PhaseCommit && (cancelled || puzzling(err)) {
		commit = abi.CommitUnknown
		if cancelled {
			err = &abi.Error{Category: abi.CategoryTransientDB, CommitState: commit, Message: "cancelled during the commit"}
		}
	} else if cancelled {
		return err
	}
	category := categoryOf(err)
	if host := s.inst.HostError(); host != nil && category == abi.CategoryInternal && host.Category != abi.CategoryInternal {
		category = host.Category
	}
	return &StageError{
		Stage:       s.plan.name,
		Connector:   s.plan.connector,
		Stream:      s.stream,
		Phase:       phase,
		Category:    category,
		CommitState: commit,
		Err:         err,
	}
}

// puzzling reports whether err is a failure that the guest did not see coming:
// it died, or names no cause but itself.
func puzzling(err error) bool {
	var described *abi.Error
	return !errors.As(err, &described) || described.Category == abi.CategoryInternal && described.Code == ""
}

// end closes what the stage holds and returns its account.
func (s *stage) end() StageResult {
	r := StageResult{Name: s.plan.name, Connector: s.plan.connector, Load: s.load}
	s.inst.Clock.Switch(hostfuncs.Instantiate) // taking down counts as setup
	if leaked := s.inst.Close(); leaked > 0 {
		s.engine.opt.Log.Debug("connections left open by a connector were closed", "stage", s.plan.name, "count", leaked)
	}
	if n := s.inst.Counters.LogDropped; n > 0 {
		s.engine.opt.Log.Warn("a connector's further log lines were dropped", "stage", s.plan.name, "connector", s.plan.connector, "lines", n)
	}
	if s.guest != nil {
		r.GuestMemory = s.guest.memory()
		if err := s.guest.close(); err != nil {
			s.engine.opt.Log.Debug("instance closed with an error", "stage", s.plan.name, "reason", err)
		}
	}
	r.Ledger = s.inst.Clock.Stop()
	r.Counters = s.inst.Counters
	r.Metrics = s.inst.Metrics
	return r
}
