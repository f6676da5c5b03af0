// Package finish makes of a guest that Go's linker wrote one that does the same
// and is faster to load and to run.
//
//  1. Data segments that lie close together become one (datasegments.go).
//  2. A function jumps where it means to, instead of to a table at its begin from
//     which it is sent there (pieces.go, loops.go, emit.go).
//  3. An address that is used several times is cut to 32 bits once (addresses.go).
//
// What is not recognized stays as it is: all three are of no use with modules that
// another compiler wrote, and do no harm.
package finish

import (
	"fmt"
	"slices"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// Version names what [Guest] makes of a module. It is part of the key of every
// cache of finished modules: raise it when the same input comes out differently.
const Version = "3"

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
	d := wasmbin.NewDecoder(module[:code.End], code.Body)
	const what = "code section"
	n := d.Count(what)
	if int(n) != len(p.params) {
		d.Fail(what, fmt.Errorf("%d functions, %d were declared", n, len(p.params)))
	}
	content := wasmbin.AppendU32(nil, n)
	changed := false
	for i := range n {
		body := d.Bytes(d.U32(what), what)
		if d.Err() != nil {
			return module, d.Err()
		}
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
		return module, d.Err()
	}
	out := slices.Clone(module[:code.Start])
	out = wasmbin.AppendSection(out, wasmbin.SectionCode, content)
	return append(out, module[code.End:]...), d.Err()
}
