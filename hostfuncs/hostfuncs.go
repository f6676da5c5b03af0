package hostfuncs

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Function is one entry of the table of host functions.
type Function struct {
	Name    string
	Params  []api.ValueType
	Results []api.ValueType
	call    func(i *Instance, m memory, stack []uint64)
}

// Functions returns everything a guest can import from [abi.Module], in the
// order of the contract. Pointers and lengths are unsigned 32-bit offsets into
// the guest's memory.
func Functions() []Function {
	const i32, i64 = api.ValueTypeI32, api.ValueTypeI64
	fn := func(name string, call func(*Instance, memory, []uint64), params ...api.ValueType) Function {
		return Function{Name: name, Params: params, Results: []api.ValueType{i32}, call: call}
	}
	return []Function{
		// Data.
		fn("emit_batch", emitBatch, i32, i32, i32), // ptr, len, rows
		fn("next_batch", nextBatch, i32, i32),      // ptr, cap

		// Connections.
		fn("conn_open", connOpen, i32, i32, i32, i32), // broker ptr, len, target ptr, len
		fn("conn_read", connRead, i32, i32, i32),      // handle, ptr, cap
		fn("conn_write", connWrite, i32, i32, i32),    // handle, ptr, len
		fn("conn_ready", connReady, i32),              // handle
		fn("conn_close", connClose, i32),              // handle

		// Control.
		fn("config", config, i32, i32, i32),                     // kind, ptr, cap
		fn("reply", reply, i32, i32, i32),                       // kind, ptr, len
		fn("log", logLine, i32, i32, i32),                       // level, ptr, len
		fn("phase", phase, i32),                                 // phase
		fn("metric", metric, i32, i32, i64),                     // name ptr, len, delta
		fn("checkpoint", checkpoint, i32, i32),                  // ptr, len
		fn("last_error", lastError, i32, i32),                   // ptr, cap
		fn("yield", yield),                                      //
		fn("state_get", stateGet, i32, i32, i32, i32),           // key ptr, len, out ptr, cap
		fn("state_put", statePut, i32, i32, i32, i32),           // key ptr, len, value ptr, len
		fn("state_cas", stateCAS, i32, i32, i32, i32, i32, i32), // key, old (len -1: none), new
	}
}

// Register makes the host functions importable in r. The instance a call
// belongs to is found in the context of the export that runs, see [Instance.Context].
func Register(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(abi.Module)
	for _, f := range Functions() {
		b.NewFunctionBuilder().
			WithGoModuleFunction(adapter(f), f.Params, f.Results).
			WithName(f.Name).
			Export(f.Name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

type instanceKey struct{}

// Context returns a context that carries i to the host functions. It must be
// the context of every call into the guest.
func (i *Instance) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, instanceKey{}, i)
}

// ExitOverdue is the exit code of a guest that was ended because it went on
// calling after its cancellation.
const ExitOverdue = 0x7eb17e

// adapter turns a call's stack into arguments. A guest that is overdue leaves
// through the same door as WASI's proc_exit: the module closes and the stack of
// the guest unwinds.
func adapter(f Function) api.GoModuleFunction {
	call := f.call
	return api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
		defer func() {
			if r := recover(); r != nil {
				if err, ok := r.(error); ok && errors.Is(err, errOverdue) {
					_ = mod.CloseWithExitCode(ctx, ExitOverdue) // the panic below reports it
					panic(sys.NewExitError(ExitOverdue))
				}
				panic(r)
			}
		}()
		call(ctx.Value(instanceKey{}).(*Instance), memory{mod.Memory()}, stack)
	})
}

// set stores a call's result.
func set[T ~int32](stack []uint64, r T) { stack[0] = uint64(uint32(r)) }

// badPointer answers a call whose pointer and length leave the guest's memory.
func (i *Instance) badPointer(stack []uint64, function string) {
	set(stack, i.refuse(abi.InvalidArgument, function+": pointer and length outside the guest's memory"))
}

func emitBatch(i *Instance, m memory, stack []uint64) {
	batch, ok := m.view(stack[0], stack[1])
	if !ok {
		i.badPointer(stack, "emit_batch")
		return
	}
	set(stack, i.EmitBatch(batch, int32(stack[2])))
}

func nextBatch(i *Instance, m memory, stack []uint64) {
	buf, ok := m.view(stack[0], stack[1])
	if !ok {
		i.badPointer(stack, "next_batch")
		return
	}
	set(stack, i.NextBatch(buf))
}

func connOpen(i *Instance, m memory, stack []uint64) {
	name, ok1 := m.text(stack[0], stack[1])
	target, ok2 := m.text(stack[2], stack[3])
	if !ok1 || !ok2 {
		i.badPointer(stack, "conn_open")
		return
	}
	set(stack, i.ConnOpen(name, target))
}

func connRead(i *Instance, m memory, stack []uint64) {
	buf, ok := m.view(stack[1], stack[2])
	if !ok {
		i.badPointer(stack, "conn_read")
		return
	}
	set(stack, i.ConnRead(int32(stack[0]), buf))
}

func connWrite(i *Instance, m memory, stack []uint64) {
	data, ok := m.view(stack[1], stack[2])
	if !ok {
		i.badPointer(stack, "conn_write")
		return
	}
	set(stack, i.ConnWrite(int32(stack[0]), data))
}

func connReady(i *Instance, _ memory, stack []uint64) { set(stack, i.ConnReady(int32(stack[0]))) }

func connClose(i *Instance, _ memory, stack []uint64) { set(stack, i.ConnClose(int32(stack[0]))) }

func config(i *Instance, m memory, stack []uint64) {
	buf, ok := m.view(stack[1], stack[2])
	if !ok {
		i.badPointer(stack, "config")
		return
	}
	set(stack, i.Config(abi.Request(stack[0]), buf))
}

func reply(i *Instance, m memory, stack []uint64) {
	message, ok := m.view(stack[1], stack[2])
	if !ok {
		i.badPointer(stack, "reply")
		return
	}
	set(stack, i.Reply(abi.Reply(stack[0]), message))
}

func logLine(i *Instance, m memory, stack []uint64) {
	line, ok := m.view(stack[1], stack[2])
	if !ok {
		i.badPointer(stack, "log")
		return
	}
	// One byte over the limit is enough to know that the line was cut.
	set(stack, i.Log(abi.LogLevel(stack[0]), string(line[:min(len(line), abi.MaxLogLine+1)])))
}

func phase(i *Instance, _ memory, stack []uint64) { set(stack, i.Phase(abi.Phase(stack[0]))) }

func metric(i *Instance, m memory, stack []uint64) {
	name, ok := m.view(stack[0], stack[1])
	if !ok {
		i.badPointer(stack, "metric")
		return
	}
	set(stack, i.Metric(i.metricName(name), int64(stack[2])))
}

func checkpoint(i *Instance, m memory, stack []uint64) {
	message, ok := m.view(stack[0], stack[1])
	if !ok {
		i.badPointer(stack, "checkpoint")
		return
	}
	set(stack, i.Checkpoint(message))
}

func lastError(i *Instance, m memory, stack []uint64) {
	buf, ok := m.view(stack[0], stack[1])
	if !ok {
		i.badPointer(stack, "last_error")
		return
	}
	set(stack, i.LastError(buf))
}

func yield(i *Instance, _ memory, stack []uint64) {
	set(stack, i.Yield())
}

func stateGet(i *Instance, m memory, stack []uint64) {
	key, ok1 := m.text(stack[0], stack[1])
	buf, ok2 := m.view(stack[2], stack[3])
	if !ok1 || !ok2 {
		i.badPointer(stack, "state_get")
		return
	}
	set(stack, i.StateGet(key, buf))
}

func statePut(i *Instance, m memory, stack []uint64) {
	key, ok1 := m.text(stack[0], stack[1])
	value, ok2 := m.view(stack[2], stack[3])
	if !ok1 || !ok2 {
		i.badPointer(stack, "state_put")
		return
	}
	set(stack, i.StatePut(key, value))
}

func stateCAS(i *Instance, m memory, stack []uint64) {
	key, ok1 := m.text(stack[0], stack[1])
	var old []byte
	ok2 := true
	if int32(stack[3]) >= 0 {
		old, ok2 = m.view(stack[2], stack[3])
		if old == nil && ok2 {
			old = []byte{} // an empty value, not none
		}
	}
	value, ok3 := m.view(stack[4], stack[5])
	if !ok1 || !ok2 || !ok3 {
		i.badPointer(stack, "state_cas")
		return
	}
	set(stack, i.StateCAS(key, old, value))
}
