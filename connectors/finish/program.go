package finish

import (
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
}

// firstFunction is the number that Go's linker gives to a module's first function
// in the table of functions and in return addresses
// (funcValueOffset in cmd/link/internal/wasm/asm.go).
const firstFunction = 0x1000

const (
	sectionType     = 1
	sectionFunction = 3
	funcType        = 0x60
	deferReturnName = "runtime.deferreturn"
)

// readProgram reads everything but the code, and finds that.
func readProgram(module []byte) (p program, code wasmbin.Section, err error) {
	if p.imported, _, err = wasmbin.ImportedFunctions(module); err != nil {
		return p, code, err
	}
	var types []uint32 // their parameters
	for s, err := range wasmbin.Sections(module) {
		if err != nil {
			return p, code, err
		}
		d := wasmbin.NewDecoder(module[:s.End], s.Body)
		switch s.ID {
		case sectionType:
			const what = "type section"
			for range d.Count(what) {
				if d.Byte(what) != funcType {
					return p, wasmbin.Section{}, d.Err() // of a later version of the format
				}
				n := d.U32(what)
				d.Bytes(n, what)
				d.Bytes(d.U32(what), what) // results
				types = append(types, n)
			}
		case sectionFunction:
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
			code = s
		}
		if d.Err() != nil {
			return p, code, d.Err()
		}
	}
	found := false
	for index, name := range wasmbin.FunctionNames(module) {
		if name == deferReturnName {
			p.deferReturn, found = index, true
		}
	}
	p.isGo = p.isGo && found
	return p, code, nil
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
	const what = "function"
	d := wasmbin.NewDecoder(body, 0)
	for range d.Count(what) {
		locals += d.U32(what)
		d.Byte(what)
	}
	declarations = body[:d.At()]
	code = make([]wasmbin.Instruction, 0, len(body)/2)
	for d.More() {
		code = append(code, d.Instruction())
	}
	return slices.Clip(declarations), locals, code, d.Err() == nil
}
