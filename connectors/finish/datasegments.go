package finish

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// maxGap is how many zeros are written at most to join two data segments. Nearly
// all of Go's gaps have 17 to 32 bytes: of the 28,330 segments of source-postgres
// 26,799 are left with a limit of 16, 69 with 32, 6 with 64 and 2 with 1024. The
// module is 0.2 % larger with the first and 11 % with each other, so there is
// nothing to gain between them and little above.
const maxGap = 64

// mergeData makes neighbouring data segments one, with zeros between them. Go's
// linker ends a segment at 8 zeros or more, which makes thousands, and a runtime
// evaluates the offset of each and copies it by itself. Memory is zero before the
// segments are copied, so zeros between them change nothing.
//
// A module stays as it is where that reasoning may not hold: if a segment is
// passive, names its memory or has an offset that is not one i32.const; if
// segments overlap, because the order they are copied in counts then; if there is
// a data count section, because instructions may then name segments by their
// number; or if something other than functions is imported, because an imported
// memory need not be zero. Go's linker writes none of these.
func mergeData(wasm []byte) ([]byte, error) {
	data, err := findData(wasm)
	if err != nil {
		return nil, err
	}
	merged := merge(data.segments)
	if len(merged) == len(data.segments) {
		return wasm, nil
	}
	return slices.Concat(wasm[:data.start], encodeData(merged), wasm[data.end:]), nil
}

// dataSection is the data section of a module.
type dataSection struct {
	start, end int       // where it lies, with its id and size
	segments   []segment // none if they must stay as they are
}

// segment is what a part of memory 0 holds at the start.
type segment struct {
	offset  uint32
	content []byte
}

func (s *segment) end() uint64 { return uint64(s.offset) + uint64(len(s.content)) }

// findData reads a module as far as its data segments need it.
func findData(wasm []byte) (found dataSection, err error) {
	imports, err := wasmbin.ReadImports(wasm)
	if err != nil {
		return dataSection{}, err
	}
	// whether nothing around the segments speaks against merging them
	plain := imports == wasmbin.Imports{Functions: imports.Functions}
	for s := range wasmbin.Sections(wasm) { // which ReadImports has read
		body := wasmbin.NewDecoder(wasm[:s.End], s.Body)
		switch s.ID {
		case wasmbin.SectionDataCount:
			plain = false
		case wasmbin.SectionData:
			if found.end != 0 {
				return dataSection{}, fmt.Errorf("byte %d: a second data section", s.Start)
			}
			found = dataSection{s.Start, s.End, segments(body)}
		}
		if err := body.Err(); err != nil {
			return dataSection{}, err
		}
	}
	if !plain {
		found.segments = nil
	}
	return found, nil
}

// segments reads a data section. It stops and returns none at the first segment
// that is not an active one of memory 0 with a constant offset.
func segments(d *wasmbin.Decoder) []segment {
	const what = "data section"
	var list []segment
	for range d.U32(what) {
		if kind := d.U32(what); kind != activeSegment {
			return nil
		}
		if op := d.Byte(what); op != wasmbin.OpI32Const {
			return nil
		}
		offset := d.I32(what)
		if op := d.Byte(what); op != wasmbin.OpEnd {
			return nil
		}
		content := d.Bytes(d.U32(what), what)
		if d.Err() != nil {
			return nil
		}
		list = append(list, segment{uint32(offset), content})
	}
	if left := d.Left(); left > 0 {
		d.Fail(what, fmt.Errorf("%d bytes behind the last segment", left))
	}
	return list
}

// merge joins segments that have a small gap or none between them. They need not
// ascend, and Go's linker writes some that do not: what is copied first makes no
// difference. If any overlap it does, and they are returned as they are.
func merge(segments []segment) []segment {
	ascending := slices.SortedStableFunc(slices.Values(segments), func(a, b segment) int { return cmp.Compare(a.offset, b.offset) })
	var merged []segment
	for _, s := range ascending {
		if len(merged) > 0 {
			last := &merged[len(merged)-1]
			if uint64(s.offset) < last.end() {
				return segments
			}
			if gap := uint64(s.offset) - last.end(); gap <= maxGap {
				last.content = append(last.content, make([]byte, gap)...)
				last.content = append(last.content, s.content...)
				continue
			}
		}
		// Clipped, or appending would write into the module.
		merged = append(merged, segment{s.offset, slices.Clip(s.content)})
	}
	return merged
}

// activeSegment is the kind of a segment of memory 0 with an offset.
const activeSegment = 0x00

// encodeData returns a data section with its id and size.
func encodeData(segments []segment) []byte {
	body := wasmbin.AppendU32(nil, uint32(len(segments)))
	for _, s := range segments {
		body = append(body, activeSegment, wasmbin.OpI32Const)
		body = wasmbin.AppendI64(body, int64(int32(s.offset)))
		body = append(body, wasmbin.OpEnd)
		body = wasmbin.AppendU32(body, uint32(len(s.content)))
		body = append(body, s.content...)
	}
	return wasmbin.AppendSection(nil, wasmbin.SectionData, body)
}
