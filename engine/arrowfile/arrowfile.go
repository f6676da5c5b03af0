// Package arrowfile makes an Arrow IPC file of the messages of an Arrow IPC
// stream, which go into it as they are.
//
//	+----------+--------+-------+-----+-----+--------+-----------------+--------+
//	| ARROW1.. | schema | batch | ... | end | footer | u32 its length  | ARROW1 |
//	+----------+--------+-------+-----+-----+--------+-----------------+--------+
//
// The footer says where each batch lies, so that a reader can go to any of them,
// and repeats the schema. It is a flatbuffer, File.fbs of the Arrow format; nothing
// else of Arrow has to be known here, and no column is looked at.
package arrowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// magic begins and ends a file.
const magic = "ARROW1"

// ErrMessage is matched by the error for bytes that are not a message, or one that
// has no place in a file.
var ErrMessage = errors.New("arrowfile: not a message of a stream of tables")

// Writer writes one file. It is not safe for concurrent use.
type Writer struct {
	w       io.Writer
	at      int64
	schema  []byte  // the metadata of the schema message
	batches []block // 24 bytes for each
	ended   bool
}

// block is where a message lies in the file.
type block struct {
	offset   int64
	metadata int32 // bytes of prefix and metadata
	body     int64
}

// NewWriter returns a writer of a file to w, which must be at its beginning.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Add adds the next message of the stream: the schema, batches, then the end. An
// error that matches [ErrMessage] names what is wrong with it; nothing of it was
// written.
func (w *Writer) Add(msg []byte) error {
	m, err := open(msg)
	switch {
	case err != nil:
		return err
	case w.ended:
		return fmt.Errorf("%w: one more behind the end", ErrMessage)
	case (m.kind == kindSchema) != (w.schema == nil):
		return fmt.Errorf("%w: the schema comes first, and once", ErrMessage)
	case len(msg)%8 != 0:
		return fmt.Errorf("%w: %d bytes, which is no multiple of 8", ErrMessage, len(msg))
	}

	b := block{w.at, int32(len(msg) - int(m.body)), m.body}
	switch m.kind {
	case kindSchema:
		w.schema = append([]byte(nil), m.metadata...)
		if err := w.write([]byte(magic + "\x00\x00")); err != nil {
			return err
		}
	case kindBatch:
		w.batches = append(w.batches, b)
	case kindEnd:
		w.ended = true
	}
	return w.write(msg)
}

// Close writes the footer. It fails if the stream has not ended: a file of part of
// a table is not made.
func (w *Writer) Close() error {
	if !w.ended {
		return errors.New("arrowfile: the stream has not ended")
	}
	footer := w.footer()
	tail := binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	return w.write(append(tail, magic...))
}

func (w *Writer) write(b []byte) error {
	n, err := w.w.Write(b)
	w.at += int64(n)
	if err != nil {
		return fmt.Errorf("arrowfile: %w", err)
	}
	return nil
}

// footer returns the footer's flatbuffer: offset of the root table, its vtable, the
// table, the vector of blocks, and the schema message's own flatbuffer, of which
// the footer's schema is the table that it has there anyway.
func (w *Writer) footer() []byte {
	const (
		vtable  = 4           // u16 its bytes, u16 the table's, u16 places of 4 fields
		table   = vtable + 12 // i32 distance to the vtable
		schema  = table + 4   // offset
		batches = table + 8   // offset
		version = table + 12  // i16
		vector  = version + 8 // u32 count, so that the blocks begin at a multiple of 8
		blocks  = vector + 4  // i64 offset, i32 metadata, 4 bytes, i64 body
	)
	le := binary.LittleEndian
	inner := blocks + 24*len(w.batches)
	b := make([]byte, inner, inner+len(w.schema)+16)
	le.PutUint32(b, table)
	le.PutUint16(b[vtable:], 12)
	le.PutUint16(b[vtable+2:], version+2-table)
	for field, place := range []int{version, schema, 0, batches} { // no dictionaries
		if place != 0 {
			le.PutUint16(b[vtable+4+2*field:], uint16(place-table))
		}
	}
	le.PutUint32(b[table:], table-vtable)
	if at, _ := follow(w.schema, 0); at > 0 {
		if place, ok := field(w.schema, at, 0, 2); ok && place > 0 {
			copy(b[version:version+2], w.schema[place:])
		}
	}
	le.PutUint32(b[batches:], uint32(vector-batches))
	le.PutUint32(b[vector:], uint32(len(w.batches)))
	for i, block := range w.batches {
		at := b[blocks+24*i:]
		le.PutUint64(at, uint64(block.offset))
		le.PutUint32(at[8:], uint32(block.metadata))
		le.PutUint64(at[16:], uint64(block.body))
	}

	header, _ := headerOf(w.schema) // Add has looked
	le.PutUint32(b[schema:], uint32(inner+header-schema))
	return append(b, w.schema...)
}

// kind is what a message is.
type kind int

const (
	kindEnd    kind = 0 // of the stream; not a type of header
	kindSchema kind = 1
	kindBatch  kind = 3
)

// message is the outside of a message.
type message struct {
	kind     kind
	metadata []byte
	body     int64 // its bytes
}

// IsSchema reports whether msg is a schema, with which a stream begins.
func IsSchema(msg []byte) bool {
	m, err := open(msg)
	return err == nil && m.kind == kindSchema
}

// open reads the outside of a message: ff ff ff ff, u32 bytes of metadata, the
// metadata, the body. Connectors are not trusted with any of it.
func open(msg []byte) (m message, err error) {
	le := binary.LittleEndian
	if len(msg) < 8 || le.Uint32(msg) != math.MaxUint32 {
		return m, fmt.Errorf("%w: none begins here", ErrMessage)
	}
	n := int64(le.Uint32(msg[4:]))
	switch {
	case n == 0 && len(msg) == 8:
		return m, nil
	case n == 0 || n%8 != 0 || n > int64(len(msg)-8):
		return m, fmt.Errorf("%w: metadata of %d bytes in a message of %d", ErrMessage, n, len(msg))
	}

	m.metadata = msg[8 : 8+n]
	m.body = int64(len(msg)) - 8 - n
	table, ok := follow(m.metadata, 0)
	tag, ok1 := field(m.metadata, table, 1, 1)
	length, ok2 := field(m.metadata, table, 3, 8)
	_, ok3 := headerOf(m.metadata)
	switch {
	case !ok || !ok1 || !ok2 || !ok3 || tag == 0:
		return m, fmt.Errorf("%w: its metadata contradict themselves", ErrMessage)
	case length != 0 && int64(le.Uint64(m.metadata[length:])) != m.body, length == 0 && m.body != 0:
		return m, fmt.Errorf("%w: its body is not as long as it says", ErrMessage)
	}
	switch m.kind = kind(m.metadata[tag]); m.kind {
	case kindSchema, kindBatch:
		return m, nil
	}
	return m, fmt.Errorf("%w: a header of type %d", ErrMessage, m.kind)
}

// headerOf returns where the header's table begins in a message's metadata.
func headerOf(metadata []byte) (at int, ok bool) {
	table, ok := follow(metadata, 0)
	if !ok {
		return 0, false
	}
	place, ok := field(metadata, table, 2, 4)
	if !ok || place == 0 {
		return 0, false
	}
	return follow(metadata, place)
}

// follow returns where the offset at pos points, with room for a table's start.
func follow(b []byte, pos int) (at int, ok bool) {
	if pos < 0 || pos > len(b)-4 {
		return 0, false
	}
	n := int64(binary.LittleEndian.Uint32(b[pos:]))
	if n == 0 || n > int64(len(b)-pos-4) {
		return 0, false
	}
	return pos + int(n), true
}

// field returns where field i of the table, of so many bytes, stands; 0 if it is
// absent.
func field(b []byte, table, i, size int) (at int, ok bool) {
	le := binary.LittleEndian
	if table < 0 || table > len(b)-4 {
		return 0, false
	}
	vtable := int64(table) - int64(int32(le.Uint32(b[table:])))
	if vtable < 0 || vtable > int64(len(b)-4) {
		return 0, false
	}
	entries := int64(le.Uint16(b[vtable:]))
	entry := vtable + 4 + 2*int64(i)
	if vtable+entries > int64(len(b)) {
		return 0, false
	}
	if entry+2 > vtable+entries {
		return 0, true // an older writer knew fewer fields
	}
	place := int(le.Uint16(b[entry:]))
	if place == 0 {
		return 0, true
	}
	at = table + place
	return at, place >= 4 && at+size <= len(b)
}
