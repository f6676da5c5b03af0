package finish

import (
	"fmt"
	"slices"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// program is what must be known of a module to rewrite its functions.
type program struct {
	imported uint32   // functions, which are numbered before the module's own
	params   []uint32 // of each own function, how many parameters it has

	// isGo tells that return addresses name functions as Go's linker has them do, and
	// that functions which are resumed in another way than by such an address can be
	// told.
	isGo        bool
	deferReturn uint32 // the function runtime.deferreturn
	sigPanic    uint32 // and runtime.sigpanic
}

// firstFunction is the number that Go's linker gives to a module's first function
// in the table of functions and in return addresses
// (funcValueOffset in cmd/link/internal/wasm/asm.go).
const firstFunction = 0x1000

const (
	deferReturnName = "runtime.deferreturn"
	sigPanicName    = "runtime.sigpanic"
)

// readProgram reads everything but the code, and finds that. Where a module has
// types of a later version of the format it finds none.
func readProgram(module []byte) (p program, code wasmbin.Section, err error) {
	imports, err := wasmbin.ReadImports(module)
	if err != nil {
		return p, code, err
	}
	p.imported = imports.Functions
	var types []uint32                        // their parameters
	for s := range wasmbin.Sections(module) { // which ReadImports has read
		d := wasmbin.NewDecoder(module[:s.End], s.Body)
		switch s.ID {
		case wasmbin.SectionType:
			const what = "type section"
			for range d.Count(what) {
				if d.Byte(what) != wasmbin.TypeFunction {
					return p, wasmbin.Section{}, d.Err()
				}
				n := d.ValueTypes()
				d.ValueTypes() // results
				types = append(types, n)
			}
		case wasmbin.SectionFunction:
			const what = "function section"
			for range d.Count(what) {
				n := uint32(0)
				if t := d.U32(what); int(t) < len(types) {
					n = types[t]
				}
				p.params = append(p.params, n)
			}
		case wasmbin.SectionElement:
			p.isGo = goTable(d, p.imported)
		case wasmbin.SectionCode:
			const what = "code section"
			if n := d.U32(what); int(n) != len(p.params) {
				d.Fail(what, fmt.Errorf("%d functions, %d were declared", n, len(p.params)))
			}
			code = s
		}
		if d.Err() != nil {
			return p, code, d.Err()
		}
	}
	p.isGo = p.isGo && p.findNames(module)
	return p, code, nil
}

// findNames finds the functions that are known by their names, and reports whether
// there are all.
func (p *program) findNames(module []byte) bool {
	deferReturn, sigPanic := false, false
	for index, name := range wasmbin.FunctionNames(module) {
		switch name {
		case deferReturnName:
			p.deferReturn, deferReturn = index, true
		case sigPanicName:
			p.sigPanic, sigPanic = index, true
		}
	}
	return deferReturn && sigPanic
}

// goTable reports whether an element section puts the module's own functions, one
// after another, into the table where Go's linker does.
func goTable(d *wasmbin.Decoder, imported uint32) bool {
	const what = "element section"
	if d.U32(what) != 1 || d.U32(what) != 0 || d.Byte(what) != wasmbin.OpI32Const || d.I32(what) != firstFunction || d.Byte(what) != wasmbin.OpEnd {
		return false
	}
	for i := range d.Count(what) {
		if d.U32(what) != imported+i {
			return false
		}
	}
	return d.Err() == nil
}

// instructions decodes a function's body: its declarations of locals, how many
// locals those are, and the code. It knows no more than [wasmbin.Decoder] does.
func instructions(body []byte) (declarations []byte, locals uint32, code []wasmbin.Instruction, ok bool) {
	d := wasmbin.NewDecoder(body, 0)
	locals = d.Locals()
	declarations = body[:d.At()]
	code = make([]wasmbin.Instruction, 0, len(body)/2)
	for d.More() {
		code = append(code, d.Instruction())
	}
	return slices.Clip(declarations), locals, code, d.Err() == nil
}
