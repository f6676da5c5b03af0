package connectors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// FinishVersion names what [FinishGuest] makes of a module. It is part of the key
// of every cache of finished modules: raise it when the same input comes out
// differently.
const FinishVersion = "1"

// maxGap is how many zeros are written at most to join two data segments. Nearly
// all of Go's gaps have 17 to 32 bytes: of the 28,312 segments of source-postgres
// 26,799 are left with a limit of 16, 69 with 32, 6 with 64 and 2 with 1024. The
// module is 0.2 % larger with the first and 11 % with each other, so there is
// nothing to gain between them and little above.
const maxGap = 64

// FinishGuest makes a module that is faster to load than what the linker wrote,
// and does the same: neighbouring data segments become one, with zeros between
// them. Go's linker ends a segment at 8 zeros or more, which makes thousands, and a
// runtime evaluates the offset of each and copies it by itself. Memory is zero
// before the segments are copied, so zeros between them change nothing.
//
// A module stays as it is where that reasoning may not hold: if a segment is
// passive, names its memory or has an offset that is not one i32.const; if
// segments overlap, because the order they are copied in counts then; if there is
// a data count section, because instructions may then name segments by their
// number; or if something other than functions is imported, because an imported
// memory need not be zero. Go's linker writes none of these.
//
// The input is not changed, but the result may be the input itself. An error says
// what is wrong with the module, and at which byte. Sections without segments are
// copied and not checked. The format is that of the WebAssembly core
// specification, section 5.5.
func FinishGuest(wasm []byte) ([]byte, error) {
	data, err := findData(wasm)
	if err != nil {
		return nil, fmt.Errorf("connectors: module is not valid: %w", err)
	}
	merged := merge(data.segments)
	if len(merged) == len(data.segments) {
		return wasm, nil
	}
	return slices.Concat(wasm[:data.start], encodeData(merged), wasm[data.end:]), nil
}

// The sections of a module that matter here.
const (
	sectionImport    = 2
	sectionData      = 11
	sectionDataCount = 12
)

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
	const header = "\x00asm\x01\x00\x00\x00"
	if !bytes.HasPrefix(wasm, []byte(header)) {
		return dataSection{}, errors.New("byte 0: it does not begin with the magic number and version 1")
	}
	plain := true // nothing around the segments speaks against merging them
	for d := (decoder{b: wasm, at: len(header)}); d.at < len(wasm); {
		start := d.at
		id := d.byte("section")
		size := d.u32("size of a section")
		body := decoder{b: wasm, at: d.at}
		d.bytes(size, "section")
		if d.err != nil {
			return dataSection{}, d.err
		}

		body.b = wasm[:d.at]
		switch id {
		case sectionImport:
			plain = body.importsFunctions() && plain
		case sectionDataCount:
			plain = false
		case sectionData:
			if found.end != 0 {
				return dataSection{}, fmt.Errorf("byte %d: a second data section", start)
			}
			found = dataSection{start, d.at, body.segments()}
		}
		if body.err != nil {
			return dataSection{}, body.err
		}
	}
	if !plain {
		found.segments = nil
	}
	return found, nil
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

// What an active segment of memory 0 with a constant offset consists of, besides
// the offset and the content.
const (
	activeSegment = 0x00
	opI32Const    = 0x41
	opEnd         = 0x0b
)

// encodeData returns a data section with its id and size.
func encodeData(segments []segment) []byte {
	body := binary.AppendUvarint(nil, uint64(len(segments)))
	for _, s := range segments {
		body = append(body, activeSegment, opI32Const)
		body = appendI32(body, int32(s.offset))
		body = append(body, opEnd)
		body = binary.AppendUvarint(body, uint64(len(s.content)))
		body = append(body, s.content...)
	}
	section := binary.AppendUvarint([]byte{sectionData}, uint64(len(body)))
	return append(section, body...)
}

// appendI32 appends v in signed LEB128.
func appendI32(b []byte, v int32) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}
