package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/rapidbyte-go/rapidbyte/bench/gate/instrument"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// maxBatch is the largest batch a measured run may have, in bytes.
const maxBatch = 64 << 20

// Counts is the work of one run. All of it is exact.
type Counts struct {
	Work      map[string]int64            `json:"work"`      // by name, such as "source host calls"
	Functions map[string]map[string]int64 `json:"functions"` // instructions by connector and function
}

// side is one of the two guests of a run.
type side struct {
	name      string // "source", "dest"
	connector string
	role      abi.Role
	config    map[string]any
}

func sides(load string) [2]side {
	return [2]side{
		{"source", "source-postgres", abi.RoleSource, map[string]any{"schema": "public"}},
		{"dest", "dest-postgres", abi.RoleDestination, map[string]any{"schema": "gate", "load_method": load}},
	}
}

// Record runs both guests against the server at dsn, which holds bench_events
// with the given number of rows, and writes down what the server says.
func Record(ctx context.Context, modules fs.FS, dsn, load string, rows int) (*Recording, error) {
	r := &Recording{Load: load, Rows: rows}
	b, err := broker.New("postgres", map[string]any{"dsn": dsn})
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	_, err = pass(ctx, modules, load, rows, recorder{b, &r.Source}, recorder{b, &r.Dest})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Measure runs both guests against a recording and counts their work.
func Measure(ctx context.Context, modules fs.FS, r *Recording) (*Counts, error) {
	return pass(ctx, modules, r.Load, r.Rows, &replayer{r.Source}, &replayer{r.Dest})
}

// pass runs the source to its end, then the destination on what it emitted: one
// after the other, so that nothing depends on which is faster.
func pass(ctx context.Context, modules fs.FS, load string, rows int, source, dest broker.Broker) (*Counts, error) {
	counts := &Counts{Work: make(map[string]int64), Functions: make(map[string]map[string]int64)}
	pool := frame.NewPool(maxBatch)
	link := hostfuncs.NewLink(rows+3, 1<<40) // room for everything
	for i, s := range sides(load) {
		b, in, out := source, (*hostfuncs.Link)(nil), link
		if i == 1 {
			b, in, out = dest, link, nil
		}
		if err := s.run(ctx, modules, counts, pool, b, in, out); err != nil {
			return nil, fmt.Errorf("gate: load=%s, %s: %w", load, s.name, err)
		}
		if out != nil {
			out.Close()
		}
	}
	if got := counts.Work["dest rows written"]; got != int64(rows) {
		return nil, fmt.Errorf("gate: load=%s: %d rows written of %d", load, got, rows)
	}
	return counts, nil
}

// run runs one guest and adds what it did to counts.
func (s *side) run(ctx context.Context, modules fs.FS, counts *Counts, pool *frame.Pool, b broker.Broker, in, out *hostfuncs.Link) error {
	wasm, err := fs.ReadFile(modules, s.connector+".wasm")
	if err != nil {
		return err
	}
	counted, counters, err := instrument.Count(wasm)
	if err != nil {
		return err
	}
	open, err := json.Marshal(abi.OpenRequest{Pipeline: "gate", Connector: s.connector, Role: s.role, Config: s.config})
	if err != nil {
		return err
	}
	request, err := json.Marshal(abi.RunRequest{
		Stream: "bench_events", SyncMode: "full_refresh", WriteMode: "replace", PrimaryKey: []string{},
		BatchRows: 8192, BatchBytes: 1 << 20, MaxBatchBytes: maxBatch, CheckpointBytes: 64 << 20,
	})
	if err != nil {
		return err
	}

	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return err
	}
	if err := hostfuncs.Register(ctx, r); err != nil {
		return err
	}
	inst := hostfuncs.NewInstance(ctx, hostfuncs.Options{
		Open: open, Pool: pool, MaxBatch: maxBatch, BrokerName: "postgres", Broker: b,
	})
	defer inst.Close()
	inst.Clock.Start(hostfuncs.Guest)

	// wazero's own clock and random source repeat themselves: just right here.
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize")
	gctx := inst.Context(ctx)
	m, err := r.InstantiateWithConfig(gctx, counted, config)
	if err != nil {
		return err
	}
	call := func(export string) error {
		result, err := m.ExportedFunction(export).Call(gctx)
		if err != nil {
			return err
		}
		if status := abi.Status(int32(result[0])); status != abi.OK {
			if e := inst.TakeReply(abi.ReplyError); e != nil {
				return errors.New(string(e))
			}
			return status
		}
		return nil
	}
	if err := call(abi.ExportOpen); err != nil {
		return err
	}

	// Start-up is not the work of moving rows: count from here.
	before := make([]uint64, len(counters))
	for i, c := range counters {
		before[i] = m.ExportedGlobal(c.Global).Get()
	}
	inst.Begin(request, in, out)
	if err := call(abi.ExportRun); err != nil {
		return err
	}
	if !inst.End() {
		return errors.New("the end of the stream did not pass")
	}

	functions := make(map[string]int64)
	total := int64(0)
	for i, c := range counters {
		if n := int64(m.ExportedGlobal(c.Global).Get() - before[i]); n > 0 {
			functions[c.Function] += n
			total += n
		}
	}
	counts.Functions[s.connector] = functions
	c := &inst.Counters
	for name, n := range map[string]int64{
		"guest instructions": total,
		"host calls":         c.HostCalls,
		"arrow bytes":        c.OutBytes + c.InBytes,
		"frame bytes":        c.OutFrames + c.InFrames,
		"batches":            c.Batches,
		"server bytes read":  c.ConnReadBytes,
		"server bytes sent":  c.ConnWriteBytes,
		"server writes":      c.ConnWrites,
		"statements":         inst.Metrics[abi.MetricStatements],
		"round trips":        inst.Metrics[abi.MetricRoundTrips],
		"memory pages":       int64(m.Memory().Size()) / 65536,
	} {
		counts.Work[s.name+" "+name] = n
	}
	if s.role == abi.RoleDestination {
		counts.Work["dest rows written"] = inst.Metrics[abi.MetricRowsWritten]
	}
	return call(abi.ExportClose)
}
