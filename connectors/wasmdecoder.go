package connectors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// decoder reads a WebAssembly module from front to back. It keeps its first error
// and returns zeros from then on.
type decoder struct {
	b   []byte // the module, up to the end of what is read
	at  int
	err error
}

var errTooLarge = errors.New("a number of more than 32 bits")

func (d *decoder) fail(what string, err error) {
	if d.err == nil {
		d.err = fmt.Errorf("byte %d: %s: %w", d.at, what, err)
	}
}

// importsFunctions reads an import section and reports whether it imports nothing
// else. It stops at the first import that is not a function.
func (d *decoder) importsFunctions() bool {
	const what = "import section"
	const function = 0
	for range d.u32(what) {
		d.bytes(d.u32(what), what) // the name of the module
		d.bytes(d.u32(what), what) // and of the import
		if kind := d.byte(what); d.err != nil || kind != function {
			return false
		}
		d.u32(what) // the function's type
	}
	return true
}

// segments reads a data section. It stops and returns none at the first segment
// that is not an active one of memory 0 with a constant offset.
func (d *decoder) segments() []segment {
	const what = "data section"
	var list []segment
	for range d.u32(what) {
		if kind := d.u32(what); kind != activeSegment {
			return nil
		}
		if op := d.byte(what); op != opI32Const {
			return nil
		}
		offset := d.i32(what)
		if op := d.byte(what); op != opEnd {
			return nil
		}
		content := d.bytes(d.u32(what), what)
		if d.err != nil {
			return nil
		}
		list = append(list, segment{uint32(offset), content})
	}
	if left := len(d.b) - d.at; left > 0 {
		d.fail(what, fmt.Errorf("%d bytes behind the last segment", left))
	}
	return list
}

func (d *decoder) byte(what string) byte {
	if b := d.bytes(1, what); d.err == nil {
		return b[0]
	}
	return 0
}

// bytes returns the next n bytes of the module itself.
func (d *decoder) bytes(n uint32, what string) []byte {
	if uint64(n) > uint64(len(d.b)-d.at) {
		d.fail(what, io.ErrUnexpectedEOF)
	}
	if d.err != nil {
		return nil
	}
	start := d.at
	d.at += int(n)
	return d.b[start:d.at]
}

// u32 reads a number in unsigned LEB128.
func (d *decoder) u32(what string) uint32 {
	bits, n := d.leb(what)
	if bits > math.MaxUint32 {
		d.fail(what, errTooLarge)
		return 0
	}
	d.at += n
	return uint32(bits)
}

// i32 reads a number in signed LEB128.
func (d *decoder) i32(what string) int32 {
	bits, n := d.leb(what)
	unread := 64 - 7*n // the highest bit that was read is the sign
	v := int64(bits<<unread) >> unread
	if v != int64(int32(v)) {
		d.fail(what, errTooLarge)
		return 0
	}
	d.at += n
	return int32(v)
}

// leb looks at the next number, which has at most 5 bytes of 7 bits each. It
// returns the bits, and how many bytes they take.
func (d *decoder) leb(what string) (bits uint64, n int) {
	if d.err != nil {
		return 0, 0
	}
	next := d.b[d.at:min(d.at+5, len(d.b))]
	if bits, n = binary.Uvarint(next); n > 0 {
		return bits, n
	}
	if len(next) < 5 {
		d.fail(what, io.ErrUnexpectedEOF)
	} else {
		d.fail(what, errTooLarge)
	}
	return 0, 0
}
