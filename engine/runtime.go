package engine

import "fmt"

// Runtime says how connectors run.
type Runtime int

// The runtimes.
const (
	// Compiled translates modules to machine code, cached on disk. The default.
	Compiled Runtime = iota
	// Interpreted runs modules without compiling them: it starts faster, works
	// on every platform and computes one to two orders of magnitude slower.
	Interpreted
	// Native links the same connector code into the host: no sandbox, no memory
	// limit. It makes the price of the sandbox measurable and gives profilers
	// whole stacks. Only the connectors of this repository can run so.
	Native
)

var runtimeNames = [...]string{"compiled", "interpreted", "native"}

// String returns the runtime's name in lower case.
func (r Runtime) String() string {
	if r < 0 || int(r) >= len(runtimeNames) {
		return fmt.Sprintf("runtime(%d)", int(r))
	}
	return runtimeNames[r]
}

// ParseRuntime returns the runtime with the given name; "" is Compiled.
func ParseRuntime(name string) (Runtime, error) {
	if name == "" {
		return Compiled, nil
	}
	for i, n := range runtimeNames {
		if n == name {
			return Runtime(i), nil
		}
	}
	return 0, fmt.Errorf("engine: unknown runtime %q (use compiled, interpreted or native)", name)
}
