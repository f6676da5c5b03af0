// Package finish makes of a guest that Go's linker wrote one that does the same
// and is faster to load and to run.
//
//  1. Data segments that lie close together become one (datasegments.go).
//  2. A function jumps where it means to, instead of to a table at its begin from
//     which it is sent there (pieces.go, loops.go, emit.go).
//  3. An address that is used several times is cut to 32 bits once (addresses.go).
//
// What is not recognized stays as it is: a module that another compiler wrote keeps
// its jumps. It may get the other two, so custom sections that hold positions in the
// code, those of DWARF, are wrong then. Go's linker writes none.
package finish

import (
	"fmt"
	"slices"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// Version names what [Guest] makes of a module. It is part of the key of every
// cache of finished modules: raise it when the same input comes out differently.
const Version = "4"

// Guest returns a module that does what the given one does. The input is not
// changed, but the result may be the input itself. An error says what is wrong
// with the module, and at which byte. What need not be read is copied and not
// checked.
func Guest(module []byte) ([]byte, error) {
	out, err := mergeData(module)
	if err == nil {
		out, err = finishCode(out)
	}
	if err != nil {
		return nil, fmt.Errorf("finish: module is not valid: %w", err)
	}
	return out, nil
}

// finishCode rewrites the functions of a module.
func finishCode(module []byte) ([]byte, error) {
	p, code, err := readProgram(module)
	if err != nil || code.End == 0 {
		return module, err
	}
	content := wasmbin.AppendU32(nil, uint32(len(p.params)))
	changed := false
	for f, err := range wasmbin.Functions(module) {
		if err != nil {
			return nil, err
		}
		body, i := module[f.Start:f.End], f.Index-p.imported
		finished := body
		if p.isGo {
			finished = structure(finished, &p, i)
		}
		finished = shareAddresses(finished, p.params[i])
		changed = changed || !slices.Equal(finished, body)
		content = wasmbin.AppendU32(content, uint32(len(finished)))
		content = append(content, finished...)
	}
	if !changed {
		return module, nil
	}
	out := slices.Clone(module[:code.Start])
	out = wasmbin.AppendSection(out, wasmbin.SectionCode, content)
	return append(out, module[code.End:]...), nil
}
