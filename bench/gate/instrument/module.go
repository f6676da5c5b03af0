package instrument

import (
	"bytes"
	"errors"
	"fmt"
)

// Sections of the binary format.
const (
	sectionCustom = 0
	sectionImport = 2
	sectionGlobal = 6
	sectionExport = 7
	sectionCode   = 10
)

// sectionOrder is the order the format demands; the data count (12) stands
// before the code.
var sectionOrder = map[byte]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 12: 10, 10: 11, 11: 12}

type section struct {
	id   byte
	body []byte
}

// parsed is a module split into its sections.
type parsed struct{ sections []section }

var header = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

func parse(module []byte) (*parsed, error) {
	if !bytes.HasPrefix(module, header) {
		return nil, errors.New("not a WebAssembly module")
	}
	m := &parsed{}
	r := reader{b: module, pos: len(header)}
	for r.pos < len(module) {
		id := r.u8()
		body := r.bytes(int(r.u32()))
		if r.err != nil {
			return nil, fmt.Errorf("section %d: %w", id, r.err)
		}
		m.sections = append(m.sections, section{id, body})
	}
	return m, nil
}

func (m *parsed) section(id byte) []byte {
	for _, s := range m.sections {
		if s.id == id {
			return s.body
		}
	}
	return nil
}

func (m *parsed) vectorLen(id byte) (uint32, error) {
	body := m.section(id)
	if body == nil {
		return 0, nil
	}
	r := reader{b: body}
	n := r.u32()
	return n, r.err
}

// imports returns how many globals and functions the module imports.
func (m *parsed) imports() (globals, functions uint32, err error) {
	body := m.section(sectionImport)
	if body == nil {
		return 0, 0, nil
	}
	r := reader{b: body}
	for range r.count() {
		r.bytes(int(r.u32())) // module
		r.bytes(int(r.u32())) // name
		switch kind := r.u8(); kind {
		case 0:
			functions++
			r.u32()
		case 1:
			r.u8()
			r.limits()
		case 2:
			r.limits()
		case 3:
			globals++
			r.u8()
			r.u8()
		default:
			return 0, 0, fmt.Errorf("import of unknown kind %d", kind)
		}
	}
	return globals, functions, r.err
}

// functionNames returns the names of the custom section "name", by function
// index; an absent or damaged one gives none.
func (m *parsed) functionNames() map[uint32]string {
	names := make(map[uint32]string)
	for _, s := range m.sections {
		if s.id != sectionCustom {
			continue
		}
		r := reader{b: s.body}
		if string(r.bytes(int(r.u32()))) != "name" {
			continue
		}
		for r.err == nil && r.pos < len(s.body) {
			id := r.u8()
			sub := reader{b: r.bytes(int(r.u32()))}
			if id != 1 {
				continue
			}
			for range sub.count() {
				index := sub.u32()
				name := sub.bytes(int(sub.u32()))
				if sub.err != nil {
					break
				}
				names[index] = string(name)
			}
		}
	}
	return names
}

// write puts the module together again, with new code, the counters as globals
// and their exports.
func (m *parsed) write(code []byte, counters []Counter, firstCounter uint32) ([]byte, error) {
	out := bytes.Clone(header)
	seen := map[byte]bool{}
	emit := func(id byte, body []byte) {
		seen[id] = true
		out = appendU32(append(out, id), uint32(len(body)))
		out = append(out, body...)
	}
	grow := func(id byte) error {
		body, err := m.grown(id, counters, firstCounter)
		if err != nil {
			return err
		}
		emit(id, body)
		return nil
	}
	for _, s := range m.sections {
		// A section the module lacks goes where the format wants it.
		for _, id := range []byte{sectionGlobal, sectionExport} {
			if s.id != sectionCustom && !seen[id] && m.section(id) == nil && sectionOrder[s.id] > sectionOrder[id] {
				if err := grow(id); err != nil {
					return nil, err
				}
			}
		}
		switch s.id {
		case sectionCode:
			emit(s.id, code)
		case sectionGlobal, sectionExport:
			if err := grow(s.id); err != nil {
				return nil, err
			}
		default:
			emit(s.id, s.body)
		}
	}
	return out, nil
}

// grown returns the global or export section with the counters added.
func (m *parsed) grown(id byte, counters []Counter, firstCounter uint32) ([]byte, error) {
	r := reader{b: m.section(id)}
	n := uint32(0)
	if r.b != nil {
		n = r.u32()
	}
	if r.err != nil {
		return nil, fmt.Errorf("section %d: %w", id, r.err)
	}
	body := appendU32(nil, n+uint32(len(counters)))
	body = append(body, r.b[r.pos:]...)
	for i, c := range counters {
		if id == sectionGlobal {
			body = append(body, 0x7e, 1, opI64Const, 0, opEnd) // mutable i64, from 0
			continue
		}
		body = appendU32(body, uint32(len(c.Global)))
		body = append(body, c.Global...)
		body = appendU32(append(body, 3), firstCounter+uint32(i)) // a global
	}
	return body, nil
}
