package engine

import "github.com/tetratelabs/wazero"

// PhaseName is for tests.
var PhaseName = phaseName

// Outline and WriteOutline are for tests.
var (
	Outline      = outline
	WriteOutline = writeOutline
)

// Compiled is for tests: a loaded module and what it is instantiated in.
func (e *Engine) Compiled(name string, strict bool) (wazero.Runtime, wazero.CompiledModule) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.modules[moduleKey{name, strict}]
	return m.runtime, m.compiled
}
