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
)

// Options configure an [Engine]. The zero value has no connectors.
type Options struct {
	// Runtime says how connectors run.
	Runtime Runtime
	// Connectors holds NAME.wasm and NAME.json of every connector at its root.
	// The native runtime needs the .json files only.
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

// Close frees every compiled module. No run may be under way.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.closed = true
	var errs []error
	for _, m := range e.modules {
		errs = append(errs, m.close(ctx))
	}
	clear(e.modules)
	return errors.Join(errs...)
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
