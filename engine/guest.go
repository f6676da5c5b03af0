package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/plant"
)

// guest is one running connector.
type guest interface {
	// call runs one export. The error says that the guest ended without
	// answering: it is a *GuestError, or the run's cancellation.
	call(export string) (int32, error)
	// memory returns the bytes of linear memory in use; 0 for a native guest.
	memory() int64
	close() error
}

// wasmGuest is an instance of a module.
type wasmGuest struct {
	ctx     context.Context
	module  api.Module
	exports map[string]api.Function
	mem     *guestMemory
	output  *tail
	stack   [1]uint64
}

// instantiate makes an instance of m that talks to the host through inst. ctx
// ends a strict guest; others look at it in their host calls only.
func (m *module) instantiate(ctx context.Context, inst *hostfuncs.Instance, a *allowance) (*wasmGuest, error) {
	g := &wasmGuest{
		ctx:     inst.Context(ctx),
		exports: make(map[string]api.Function),
		mem:     &guestMemory{allowance: a},
		output:  &tail{limit: 8 << 10},
	}
	need := uint64(m.compiled.ExportedMemories()["memory"].Min()) * wasmPage
	if err := g.mem.start(need); err != nil {
		g.mem.Free()
		return nil, &GuestError{Failure: GuestOutOfMemory, Export: "rb_open", Text: err.Error()}
	}

	// The defaults of wazero are for tests: a fixed random source, a clock that
	// stands still, a sleep that does not sleep.
	config := wazero.NewModuleConfig().
		WithName("").
		WithStartFunctions("_initialize").
		WithStdout(g.output).
		WithStderr(g.output).
		WithRandSource(rand.Reader).
		WithSysWalltime().
		WithSysNanotime().
		WithSysNanosleep()
	if plant.On {
		config = config.WithEnv(plant.Variable, os.Getenv(plant.Variable))
	}
	mctx := experimental.WithMemoryAllocator(g.ctx, experimental.MemoryAllocatorFunc(g.mem.allocate))
	module, err := m.runtime.InstantiateModule(mctx, m.compiled, config)
	if err != nil {
		g.mem.Free()
		return nil, g.failure("rb_open", err)
	}
	g.module = module
	for _, name := range abi.Exports() {
		g.exports[name] = module.ExportedFunction(name)
	}
	return g, nil
}

func (g *wasmGuest) call(export string) (int32, error) {
	if err := g.exports[export].CallWithStack(g.ctx, g.stack[:]); err != nil {
		return 0, g.failure(export, err)
	}
	return int32(g.stack[0]), nil
}

func (g *wasmGuest) memory() int64 { return int64(g.mem.size) }

func (g *wasmGuest) close() error { return g.module.Close(context.Background()) }

// failure classifies an error of wazero: the guest is gone.
func (g *wasmGuest) failure(export string, err error) error {
	said := g.output.obituary()
	var exit *sys.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == hostfuncs.ExitOverdue:
		return context.Canceled
	case errors.As(err, &exit) && g.ctx.Err() != nil:
		return context.Canceled // a strict guest was ended by its context
	case g.mem.denied && (strings.Contains(said, "out of memory") || said == "" && strings.Contains(err.Error(), "unreachable")):
		// A refusal alone proves nothing: a guest may have lived on and died of
		// something else. One that has no words for it traps.
		return &GuestError{Failure: GuestOutOfMemory, Export: export,
			Text: fmt.Sprintf("the guests of this run may use %d bytes together; raise resources.max_memory", g.mem.allowance.limit)}
	case exit != nil && exit.ExitCode() == 2 && said != "":
		return &GuestError{Failure: GuestPanic, Export: export, ExitCode: 2, Text: said}
	case exit != nil:
		return &GuestError{Failure: GuestExit, Export: export, ExitCode: exit.ExitCode(), Text: said}
	case strings.Contains(err.Error(), "(recovered by wazero)"):
		return &GuestError{Failure: GuestHostPanic, Export: export, Text: hostfuncs.Printable(firstLine(err.Error()), 300)}
	}
	text := hostfuncs.Printable(firstLine(err.Error()), 300)
	if said != "" {
		text = said + " (" + text + ")"
	}
	return &GuestError{Failure: GuestTrap, Export: export, Text: text}
}

// nativeGuest is a connector linked into this program.
type nativeGuest struct{ guest abi.Guest }

func (g nativeGuest) call(export string) (status int32, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &GuestError{Failure: GuestPanic, Export: export, ExitCode: 2,
				Text: hostfuncs.Printable(fmt.Sprint("panic: ", r), 300)}
		}
	}()
	switch export {
	case abi.ExportVersion:
		return g.guest.ABIVersion(), nil
	case abi.ExportOpen:
		return int32(g.guest.Open()), nil
	case abi.ExportCheck:
		return int32(g.guest.Check()), nil
	case abi.ExportDiscover:
		return int32(g.guest.Discover()), nil
	case abi.ExportPartition:
		return int32(g.guest.Partition()), nil
	case abi.ExportRun:
		return int32(g.guest.Run()), nil
	case abi.ExportFinish:
		return int32(g.guest.Finish()), nil
	case abi.ExportClose:
		return int32(g.guest.Close()), nil
	}
	return int32(abi.Unsupported), nil
}

func (nativeGuest) memory() int64 { return 0 }

func (nativeGuest) close() error { return nil }

// tail keeps the start of what a guest prints, for its obituary: a Go panic
// says what happened in its first line.
type tail struct {
	limit int
	buf   bytes.Buffer
}

// Write implements io.Writer; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	if room := t.limit - t.buf.Len(); room > 0 {
		t.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// obituary returns the line in which the guest's runtime says why it died, or
// else the first line it printed.
func (t *tail) obituary() string {
	text := t.buf.String()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return hostfuncs.Printable(strings.TrimSpace(line), 300)
		}
	}
	return hostfuncs.Printable(firstLine(text), 300)
}

func firstLine(s string) string {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}
