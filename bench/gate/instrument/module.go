package instrument

import "github.com/rapidbyte-go/rapidbyte/wasmbin"

// sectionOrder is the order the format demands; the data count (12) stands
// before the code.
var sectionOrder = map[byte]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 12: 10, 10: 11, 11: 12}

// parsed is a module split into its sections.
type parsed struct {
	module   []byte
	sections []wasmbin.Section
}

func parse(module []byte) (*parsed, error) {
	m := &parsed{module: module}
	for s, err := range wasmbin.Sections(module) {
		if err != nil {
			return nil, err
		}
		m.sections = append(m.sections, s)
	}
	return m, nil
}

// section returns a decoder of what is in the section, or nil where there is none.
func (m *parsed) section(id byte) *wasmbin.Decoder {
	for _, s := range m.sections {
		if s.ID == id {
			return wasmbin.NewDecoder(m.module[:s.End], s.Body)
		}
	}
	return nil
}

// vector returns how many items a section has, and their bytes.
func (m *parsed) vector(id byte, what string) (n uint32, items []byte, err error) {
	d := m.section(id)
	if d == nil {
		return 0, nil, nil
	}
	n = d.U32(what)
	items = d.Bytes(uint32(d.Left()), what)
	return n, items, d.Err()
}

// write puts the module together again, with new code, the counters as globals
// and their exports.
func (m *parsed) write(code []byte, counters []Counter, firstCounter uint32) ([]byte, error) {
	out := []byte(wasmbin.Header)
	seen := map[byte]bool{}
	emit := func(id byte, body []byte) {
		seen[id] = true
		out = wasmbin.AppendSection(out, id, body)
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
		for _, id := range []byte{wasmbin.SectionGlobal, wasmbin.SectionExport} {
			if s.ID != wasmbin.SectionCustom && !seen[id] && m.section(id) == nil && sectionOrder[s.ID] > sectionOrder[id] {
				if err := grow(id); err != nil {
					return nil, err
				}
			}
		}
		switch s.ID {
		case wasmbin.SectionCode:
			emit(s.ID, code)
		case wasmbin.SectionGlobal, wasmbin.SectionExport:
			if err := grow(s.ID); err != nil {
				return nil, err
			}
		default:
			emit(s.ID, m.module[s.Body:s.End])
		}
	}
	return out, nil
}

// grown returns the global or export section with the counters added.
func (m *parsed) grown(id byte, counters []Counter, firstCounter uint32) ([]byte, error) {
	what := "export section"
	if id == wasmbin.SectionGlobal {
		what = "global section"
	}
	n, items, err := m.vector(id, what)
	if err != nil {
		return nil, err
	}
	body := wasmbin.AppendU32(nil, n+uint32(len(counters)))
	body = append(body, items...)
	for i, c := range counters {
		if id == wasmbin.SectionGlobal {
			body = append(body, wasmbin.TypeI64, 1, wasmbin.OpI64Const, 0, wasmbin.OpEnd) // mutable, from 0
			continue
		}
		body = wasmbin.AppendU32(body, uint32(len(c.Global)))
		body = append(body, c.Global...)
		body = wasmbin.AppendU32(append(body, 3), firstCounter+uint32(i)) // a global
	}
	return body, nil
}
