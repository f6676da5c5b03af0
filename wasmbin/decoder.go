// Package wasmbin reads and writes the binary format of WebAssembly, as far as
// this module's tools need it: sections, function names, and the instructions
// that Go's compiler and clang emit for WebAssembly 2.0 without SIMD.
//
// The format is that of the WebAssembly core specification, section 5.
package wasmbin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
)

// Header begins a module: the magic number and version 1.
const Header = "\x00asm\x01\x00\x00\x00"

// The sections of a module, by id.
const (
	SectionCustom    = 0
	SectionType      = 1
	SectionImport    = 2
	SectionFunction  = 3
	SectionTable     = 4
	SectionMemory    = 5
	SectionGlobal    = 6
	SectionExport    = 7
	SectionElement   = 9
	SectionCode      = 10
	SectionData      = 11
	SectionDataCount = 12
)

// A Decoder reads bytes from front to back. It keeps its first error, which says
// at which byte, and returns zeros from then on.
type Decoder struct {
	b   []byte
	at  int
	err error
}

// NewDecoder returns a decoder of b from position at. What it returns are parts
// of b.
func NewDecoder(b []byte, at int) *Decoder { return &Decoder{b: b, at: at} }

// Err returns the first error.
func (d *Decoder) Err() error { return d.err }

// At returns the position of the next byte.
func (d *Decoder) At() int { return d.at }

// Left returns how many bytes are left.
func (d *Decoder) Left() int { return len(d.b) - d.at }

// More tells whether there is anything left to read. After an error there is not.
func (d *Decoder) More() bool { return d.err == nil && d.at < len(d.b) }

var errTooLarge = errors.New("a number of more than 32 bits")

// Fail makes err the decoder's error unless it has one. What names that which was
// read.
func (d *Decoder) Fail(what string, err error) {
	if d.err == nil {
		d.err = fmt.Errorf("byte %d: %s: %w", d.at, what, err)
	}
}

// Byte reads one byte.
func (d *Decoder) Byte(what string) byte {
	if b := d.Bytes(1, what); d.err == nil {
		return b[0]
	}
	return 0
}

// Bytes returns the next n bytes themselves.
func (d *Decoder) Bytes(n uint32, what string) []byte {
	if uint64(n) > uint64(len(d.b)-d.at) {
		d.Fail(what, io.ErrUnexpectedEOF)
	}
	if d.err != nil {
		return nil
	}
	start := d.at
	d.at += int(n)
	return d.b[start:d.at]
}

// U32 reads a number in unsigned LEB128.
func (d *Decoder) U32(what string) uint32 {
	bits, n := d.leb(what, 5)
	if bits > math.MaxUint32 {
		d.Fail(what, errTooLarge)
		return 0
	}
	d.at += n
	return uint32(bits)
}

// Count reads the length of a list. One with more items than there are bytes left
// cannot be true, which bounds every loop over one.
func (d *Decoder) Count(what string) uint32 {
	n := d.U32(what)
	if int64(n) > int64(len(d.b)-d.at) {
		d.Fail(what, io.ErrUnexpectedEOF)
		return 0
	}
	return n
}

// I32 reads a number in signed LEB128.
func (d *Decoder) I32(what string) int32 {
	v, n := d.signed(what, 5)
	if v != int64(int32(v)) {
		d.Fail(what, errTooLarge)
		return 0
	}
	d.at += n
	return int32(v)
}

// I64 reads a number of 64 bits in signed LEB128.
func (d *Decoder) I64(what string) int64 {
	v, n := d.signed(what, 10)
	d.at += n
	return v
}

func (d *Decoder) signed(what string, longest int) (v int64, n int) {
	bits, n := d.leb(what, longest)
	if unread := 64 - 7*n; unread > 0 { // the highest bit that was read is the sign
		return int64(bits<<unread) >> unread, n
	}
	return int64(bits), n
}

// leb looks at the next number, which has at most so many bytes of 7 bits each. It
// returns the bits, and how many bytes they take.
func (d *Decoder) leb(what string, longest int) (bits uint64, n int) {
	if d.err != nil {
		return 0, 0
	}
	next := d.b[d.at:min(d.at+longest, len(d.b))]
	for i, b := range next {
		bits |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return bits, i + 1
		}
	}
	if len(next) < longest {
		d.Fail(what, io.ErrUnexpectedEOF)
	} else {
		d.Fail(what, errTooLarge)
	}
	return 0, 0
}

// A Section is one section of a module: where it lies. The zero value is none.
type Section struct {
	ID         byte
	Start, End int // with id and size
	Body       int // where what is behind id and size begins
}

// Sections yields a module's sections in order. The error of the last is what is
// wrong with the module, if anything is.
func Sections(module []byte) iter.Seq2[Section, error] {
	return func(yield func(Section, error) bool) {
		if len(module) < len(Header) || string(module[:len(Header)]) != Header {
			yield(Section{}, errors.New("byte 0: it does not begin with the magic number and version 1"))
			return
		}
		for d := NewDecoder(module, len(Header)); d.at < len(module); {
			s := Section{Start: d.at}
			s.ID = d.Byte("section")
			size := d.U32("size of a section")
			s.Body = d.at
			d.Bytes(size, "section")
			s.End = d.at
			if d.err != nil {
				yield(Section{}, d.err)
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// FunctionNames returns what the custom section "name" calls functions, by their
// index. Where that is absent or damaged it knows fewer, or none.
func FunctionNames(module []byte) map[uint32]string {
	const what = "name section"
	const functions = 1
	names := make(map[uint32]string)
	for s, err := range Sections(module) {
		if err != nil || s.ID != SectionCustom {
			continue
		}
		d := NewDecoder(module[:s.End], s.Body)
		if string(d.Bytes(d.U32(what), what)) != "name" {
			continue
		}
		for d.More() {
			id := d.Byte(what)
			end := uint64(d.U32(what)) + uint64(d.at)
			if d.err != nil || end > uint64(s.End) {
				break
			}
			if id == functions {
				sub := NewDecoder(module[:end], d.at)
				for range sub.Count(what) {
					index := sub.U32(what)
					name := sub.Bytes(sub.U32(what), what)
					if sub.err != nil {
						break
					}
					names[index] = string(name)
				}
			}
			d.at = int(end)
		}
	}
	return names
}

// Imports is how many things of each kind a module imports. They are numbered
// before its own.
type Imports struct{ Functions, Tables, Memories, Globals, Tags uint32 }

// ReadImports returns what a module imports. It knows all kinds of WebAssembly 3.0.
func ReadImports(module []byte) (n Imports, err error) {
	const what = "import section"
	for s, err := range Sections(module) {
		if err != nil {
			return Imports{}, err
		}
		if s.ID != SectionImport {
			continue
		}
		d := NewDecoder(module[:s.End], s.Body)
		for range d.Count(what) {
			d.Bytes(d.U32(what), what) // the name of the module
			d.Bytes(d.U32(what), what) // and of the import
			switch kind := d.Byte(what); {
			case d.err != nil:
			case kind == 0:
				n.Functions++
				d.U32(what) // its type
			case kind == 1:
				n.Tables++
				d.valueType(what)
				d.limits(what)
			case kind == 2:
				n.Memories++
				d.limits(what)
			case kind == 3:
				n.Globals++
				d.valueType(what)
				d.Byte(what) // whether it can be set
			case kind == 4:
				n.Tags++
				d.Byte(what)
				d.U32(what) // its type
			default:
				d.Fail(what, fmt.Errorf("import of unknown kind %d", kind))
			}
		}
		if d.err != nil {
			return Imports{}, d.err
		}
	}
	return n, nil
}

// ValueTypes reads a list of types of values, and returns how many there are.
func (d *Decoder) ValueTypes() uint32 {
	const what = "types of values"
	n := d.Count(what)
	for range n {
		d.valueType(what)
	}
	return n
}

// valueType skips a type of values.
func (d *Decoder) valueType(what string) {
	const reference, nullReference = 0x64, 0x63 // to a type that follows
	if b := d.Byte(what); b == reference || b == nullReference {
		d.I64(what)
	}
}

// limits skips how many elements or pages something has: at least and, with the
// first flag, at most.
func (d *Decoder) limits(what string) {
	flags := d.Byte(what)
	numbers := 1 + int(flags&1)
	for range numbers {
		_, n := d.leb(what, 10) // with another flag they have 64 bits
		d.at += n
	}
}

// A Function is the body of one of a module's own functions: where it lies,
// without its size.
type Function struct {
	Index      uint32 // with those that are imported
	Start, End int
}

// Functions yields a module's own functions in order. The error of the last is what
// is wrong with the module, if anything is.
func Functions(module []byte) iter.Seq2[Function, error] {
	const what = "code section"
	return func(yield func(Function, error) bool) {
		imports, err := ReadImports(module)
		if err != nil {
			yield(Function{}, err)
			return
		}
		for s := range Sections(module) { // which ReadImports has read
			if s.ID != SectionCode {
				continue
			}
			d := NewDecoder(module[:s.End], s.Body)
			f := Function{Index: imports.Functions}
			for range d.Count(what) {
				size := d.U32(what)
				f.Start = d.at
				d.Bytes(size, what)
				f.End = d.at
				if d.err != nil {
					d.err = fmt.Errorf("function %d: %w", f.Index, d.err)
					break
				}
				if !yield(f, nil) {
					return
				}
				f.Index++
			}
			if left := d.Left(); left > 0 {
				d.Fail(what, fmt.Errorf("%d bytes behind the last function", left))
			}
			if d.err != nil {
				yield(Function{}, d.err)
				return
			}
		}
	}
}

// Locals reads the declarations a function's body begins with, and returns how many
// locals there are besides the parameters.
func (d *Decoder) Locals() (n uint32) {
	const what = "locals"
	for range d.Count(what) {
		n += d.U32(what)
		d.valueType(what)
	}
	return n
}

// AppendU32 appends v in unsigned LEB128.
func AppendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// AppendI64 appends v in signed LEB128, which is the same for 32 and 64 bits.
func AppendI64(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

// AppendSection appends a section of the given content.
func AppendSection(b []byte, id byte, content []byte) []byte {
	b = AppendU32(append(b, id), uint32(len(content)))
	return append(b, content...)
}
