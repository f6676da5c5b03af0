package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/processors"
)

// Load says how a module became ready to be instantiated.
type Load struct {
	Duration time.Duration
	Source   LoadSource
}

// LoadSource is where a compiled module came from.
type LoadSource string

// The load sources.
const (
	LoadCompiled LoadSource = "compiled" // compiled now
	LoadDisk     LoadSource = "disk"     // from the on-disk cache
	LoadMemory   LoadSource = "memory"   // this engine had it already
	LoadNative   LoadSource = "native"   // linked in: there was nothing to load
	// LoadInterpreted is a module read for the interpreter, which compiles nothing.
	LoadInterpreted LoadSource = "interpreted"
)

type moduleKey struct {
	name   string
	strict bool
}

// module is one connector, ready to be instantiated any number of times. Each
// has a wazero runtime of its own, so that its cache is a folder of its own,
// which can be thrown away when it is damaged.
type module struct {
	mu       sync.Mutex // held while loading: one load at a time
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil without a disk cache
	compiled wazero.CompiledModule   // nil until loaded
}

// Load makes a connector ready and reports how long that took and where it came
// from. A strict module checks for cancellation at every loop.
func (e *Engine) Load(ctx context.Context, name string, strict bool) (Load, error) {
	done, err := e.use()
	if err != nil {
		return Load{}, err
	}
	defer done()
	_, load, err := e.module(ctx, name, strict)
	return load, err
}

// module is Load for a caller that uses the engine already.
func (e *Engine) module(ctx context.Context, name string, strict bool) (*module, Load, error) {
	if e.opt.Runtime == Native {
		if e.opt.Native[name] == nil {
			return nil, Load{}, fmt.Errorf("connector %q is not linked into this program; run it with --runtime=compiled", name)
		}
		return nil, Load{Source: LoadNative}, nil
	}

	e.mu.Lock()
	key := moduleKey{name, strict}
	m := e.modules[key]
	if m == nil {
		m = new(module)
		e.modules[key] = m
	}
	e.mu.Unlock()

	m.mu.Lock()
	defer m.mu.Unlock()
	start := time.Now()
	if m.compiled != nil {
		return m, Load{time.Since(start), LoadMemory}, nil
	}

	source, err := e.compile(ctx, m, &moduleFile{files: e.opt.Connectors, name: name}, strict)
	if err != nil {
		return nil, Load{}, err
	}
	return m, Load{time.Since(start), source}, nil
}

// compile fills m from the disk cache or by compiling. A cache that cannot be
// used costs time, never a run.
func (e *Engine) compile(ctx context.Context, m *module, file *moduleFile, strict bool) (LoadSource, error) {
	common := func(c wazero.RuntimeConfig) wazero.RuntimeConfig {
		return c.WithDebugInfoEnabled(false).WithCloseOnContextDone(strict)
	}
	if e.opt.Runtime == Interpreted {
		wasm, err := file.read()
		if err != nil {
			return "", err
		}
		return LoadInterpreted, m.open(ctx, common(wazero.NewRuntimeConfigInterpreter()), wasm, "", false)
	}

	sum, err := file.checksum()
	if err != nil {
		return "", err
	}
	dir, err := e.cacheFolder(sum, strict)
	if err != nil {
		e.opt.Log.Warn("modules are compiled anew in each process", "reason", err)
		dir = ""
	}
	config := common(wazero.NewRuntimeConfigCompiler())
	source, files := LoadCompiled, machineCode(dir)
	if len(files) > 0 {
		source = LoadDisk
	}
	if linked(files) {
		// What fails here is tried below with the whole module.
		if short, err := readOutline(dir); err == nil && m.open(ctx, config, short, dir, true) == nil {
			return source, nil
		}
	}

	wasm, err := file.read()
	if err != nil {
		return "", err
	}
	err = m.open(ctx, config, wasm, dir, false)
	if dir == "" {
		return source, err
	}
	if err == nil {
		if source == LoadCompiled {
			sweepFolders(filepath.Dir(dir))
		}
		if err := keepOutline(ctx, config, wasm, dir); err != nil {
			e.opt.Log.Debug("the next load of a module is slower than it could be", "folder", dir, "reason", err)
		}
		return source, nil
	}

	// Either the module or the cache is bad. Without the cache we know which.
	if again := m.open(ctx, config, wasm, "", false); again != nil {
		return "", again
	}
	e.opt.Log.Warn("a damaged cache of compiled modules was discarded", "folder", dir, "reason", err)
	if err := os.RemoveAll(dir); err != nil {
		e.opt.Log.Warn("a damaged cache folder cannot be removed", "folder", dir, "reason", err)
	}
	return LoadCompiled, nil
}

// naming guards wazero's own version, part of a cache folder's name, which the
// first users find out and keep without a lock.
var naming sync.Mutex

// open makes a runtime with the host functions in it and compiles wasm, or takes
// its machine code from the cache, which is the only way with cachedOnly.
func (m *module) open(ctx context.Context, config wazero.RuntimeConfig, wasm []byte, cacheDir string, cachedOnly bool) (err error) {
	// wazero panics where the compiler does not exist for the machine.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the compiled runtime is not available on this machine: %v; use --runtime=interpreted", r)
		}
	}()

	if cacheDir != "" {
		naming.Lock()
		m.cache, err = wazero.NewCompilationCacheWithDir(cacheDir)
		naming.Unlock()
		if err != nil {
			return err
		}
		config = config.WithCompilationCache(m.cache)
	}
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer func() {
		if err != nil {
			_ = r.Close(ctx) // the error that counts is already there
			if m.cache != nil {
				_ = m.cache.Close(ctx)
				m.cache = nil
			}
		}
	}()

	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return fmt.Errorf("wasi: %w", err)
	}
	if err := hostfuncs.Register(ctx, r); err != nil {
		return fmt.Errorf("host functions: %w", err)
	}
	// Functions compile independently; without this one core does it all.
	compiling, workers := ctx, processors.Own()
	if cachedOnly {
		// An outline that is not in the cache any more must not be compiled: its
		// functions trap. wazero's workers, when there are more than one, ask the
		// context before each function; taking machine code from a file does not.
		ended, cancel := context.WithCancel(ctx)
		cancel()
		compiling, workers = ended, 2
	}
	compiled, err := r.CompileModule(experimental.WithCompilationWorkers(compiling, workers), wasm)
	if err != nil {
		return fmt.Errorf("module is not valid: %w", err)
	}
	if err := checkContract(compiled); err != nil {
		return err
	}
	m.runtime, m.compiled = r, compiled
	return nil
}

func (m *module) close(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	var errs []error
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(ctx))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(ctx))
	}
	m.compiled = nil
	return errors.Join(errs...)
}

// wasiAllowed is the part of WASI a Go guest needs: no files, no sockets.
var wasiAllowed = []string{
	"args_get", "args_sizes_get", "environ_get", "environ_sizes_get",
	"clock_time_get", "random_get", "sched_yield", "poll_oneoff", "proc_exit",
	"fd_write", "fd_read", "fd_close", "fd_seek", "fd_fdstat_get", "fd_fdstat_set_flags",
	"fd_prestat_get", "fd_prestat_dir_name",
}

// checkContract compares what a module imports and exports with the contract,
// so that a foreign module is refused by name before it runs.
func checkContract(m wazero.CompiledModule) error {
	host := make(map[string]hostfuncs.Function)
	for _, f := range hostfuncs.Functions() {
		host[f.Name] = f
	}
	for _, f := range m.ImportedFunctions() {
		namespace, name, _ := f.Import()
		switch {
		case namespace == wasi_snapshot_preview1.ModuleName && slices.Contains(wasiAllowed, name):
		case namespace == abi.Module && host[name].Name != "":
			want := host[name]
			if !slices.Equal(f.ParamTypes(), want.Params) || !slices.Equal(f.ResultTypes(), want.Results) {
				return fmt.Errorf("module imports %s.%s with another signature than this host offers: rebuild the connector", namespace, name)
			}
		default:
			return fmt.Errorf("module imports unknown function %s.%s: it asks for more than this host offers to connectors", namespace, name)
		}
	}

	exports := m.ExportedFunctions()
	for _, name := range abi.Exports() {
		f, ok := exports[name]
		if !ok {
			return fmt.Errorf("module does not export %s: it is not a connector", name)
		}
		if len(f.ParamTypes()) != 0 || len(f.ResultTypes()) != 1 {
			return fmt.Errorf("module exports %s with another signature than a connector's", name)
		}
	}
	if m.ExportedMemories()["memory"] == nil {
		return errors.New("module does not export its memory: it is not a connector")
	}
	return nil
}
