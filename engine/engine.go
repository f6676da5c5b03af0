package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"sort"
	"strings"
	"sync"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
)

// Options configure an [Engine]. The zero value has no connectors.
type Options struct {
	// Runtime says how connectors run.
	Runtime Runtime
	// Connectors holds NAME.wasm and NAME.json of every connector at its root.
	// The native runtime needs the .json files only. It may implement [Checksums].
	Connectors fs.FS
	// Native holds the linked-in connectors for the native runtime, by name.
	Native map[string]func(abi.Host) abi.Guest
	// CacheDir keeps compiled modules between processes. Empty means a folder in
	// the user's cache directory; "off" means none.
	CacheDir string
	// Log receives warnings and the guests' lines; nil discards them.
	Log *slog.Logger
}

// Engine holds compiled connectors and runs pipelines with them. It is safe for
// use by several goroutines.
type Engine struct {
	opt Options

	mu      sync.Mutex
	modules map[moduleKey]*module
	closed  bool
	users   sync.WaitGroup // stages and loads under way; added to under mu while not closed
}

// New returns an engine. It loads nothing yet. Close it.
func New(opt Options) (*Engine, error) {
	if opt.Connectors == nil {
		return nil, errors.New("engine: no connectors given")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{opt: opt, modules: make(map[moduleKey]*module)}, nil
}

// Close waits for the stages under way, which it does not end, and frees every
// compiled module.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.users.Wait() // a guest's code and memory must not go while it runs

	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, m := range e.modules {
		errs = append(errs, m.close(ctx))
	}
	clear(e.modules)
	return errors.Join(errs...)
}

// use keeps the engine from closing until done is called.
func (e *Engine) use() (done func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errors.New("engine: closed")
	}
	e.users.Add(1)
	return e.users.Done, nil
}

// Manifests returns the manifest of every connector there is, by name.
func (e *Engine) Manifests() ([]abi.Manifest, error) {
	files, err := fs.Glob(e.opt.Connectors, "*.json")
	if err != nil {
		return nil, fmt.Errorf("engine: list connectors: %w", err)
	}
	sort.Strings(files)
	var all []abi.Manifest
	for _, f := range files {
		m, err := e.manifest(strings.TrimSuffix(f, path.Ext(f)))
		if err != nil {
			return nil, err
		}
		all = append(all, *m)
	}
	return all, nil
}

// ErrUnknownConnector is returned, wrapped, when a pipeline names a connector
// that is not there.
var ErrUnknownConnector = errors.New("unknown connector")

// manifest reads one connector's manifest.
func (e *Engine) manifest(name string) (*abi.Manifest, error) {
	data, err := fs.ReadFile(e.opt.Connectors, name+".json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w %q (%s)", ErrUnknownConnector, name, e.available())
	}
	if err != nil {
		return nil, fmt.Errorf("engine: manifest of connector %q: %w", name, err)
	}
	var m abi.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("engine: manifest of connector %q is not valid JSON: %w", name, err)
	}
	switch {
	case m.Name != name:
		return nil, fmt.Errorf("engine: manifest %s.json says its name is %q: the two must be equal", name, m.Name)
	case m.ABI != abi.Version:
		return nil, fmt.Errorf("engine: connector %q is built for ABI version %d, this host speaks version %d: rebuild the connector", name, m.ABI, abi.Version)
	}

	// What belongs to the broker stays with the host, passwords above all: a
	// connector may not have it given to itself by declaring a key of that name.
	for _, key := range broker.Keys(m.Broker) {
		for _, f := range m.Config {
			if f.Name == key.Name {
				return nil, fmt.Errorf("engine: manifest of connector %q declares config key %q, which belongs to its broker %q: rename the key", name, f.Name, m.Broker)
			}
		}
	}
	return &m, nil
}

// available names the connectors there are, for an error message.
func (e *Engine) available() string {
	files, _ := fs.Glob(e.opt.Connectors, "*.json") // the pattern is well formed
	if len(files) == 0 {
		return "there are no connectors; set RAPIDBYTE_CONNECTOR_DIR or run go tool mage build"
	}
	sort.Strings(files)
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".json")
	}
	return "available: " + strings.Join(files, ", ")
}
