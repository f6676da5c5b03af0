package arrowipc

import "errors"

// An encapsulated message:
//
//	+--------+--------+-------------+-----+---------------+
//	| ff x 4 | u32 n  | n metadata  | pad | body          |
//	+--------+--------+-------------+-----+---------------+
//	0        4        8                   8+n, multiple of 8
//
// The padding is part of n. An n of 0 ends the stream.
const (
	prefixLen    = 8
	continuation = 0xffffffff
)

// EOS is the message that ends a stream. Do not change it.
var EOS = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// The errors of this package match one of these; their text says more.
var (
	// ErrTooLarge is returned for a batch over the limit given to the writer, or
	// over what Arrow's 32-bit offsets can hold.
	ErrTooLarge = errors.New("arrowipc: batch over the size limit")
	// ErrCorrupt is returned for bytes that contradict themselves or the schema.
	ErrCorrupt = errors.New("arrowipc: corrupt message")
	// ErrUnsupported is returned for valid Arrow that this package cannot hold.
	ErrUnsupported = errors.New("arrowipc: not supported")
	// ErrNulls is returned for nulls in a column that is not nullable.
	ErrNulls = errors.New("arrowipc: null in a column that is not nullable")
)

// messageError adds what was found to one of the errors above.
type messageError struct {
	kind error
	text string
}

func (e *messageError) Error() string { return e.kind.Error() + ": " + e.text }
func (e *messageError) Unwrap() error { return e.kind }

func corrupt(text string) error     { return &messageError{ErrCorrupt, text} }
func unsupported(text string) error { return &messageError{ErrUnsupported, text} }

// Kind is the kind of a message.
type Kind uint8

// The kinds. The zero Kind is none of them.
const (
	KindSchema Kind = iota + 1
	KindBatch
	KindEOS
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case KindSchema:
		return "schema"
	case KindBatch:
		return "batch"
	case KindEOS:
		return "end of stream"
	}
	return "unknown message"
}

// KindOf returns the kind of a message. It looks at the beginning only; what it
// accepts may still turn out corrupt.
func KindOf(msg []byte) (Kind, error) {
	_, _, kind, _, err := openMessage(msg)
	return kind, err
}

// openMessage checks the outer parts of a message and returns its header table,
// the flatbuffer that table is in, its kind and the length of its body, which
// begins at prefixLen+len(f.b).
func openMessage(msg []byte) (header table, f flatbuf, kind Kind, bodyLength int64, err error) {
	if len(msg) < prefixLen || get32(msg) != continuation {
		return header, f, 0, 0, corrupt("no message begins here")
	}
	n := int64(get32(msg[4:]))
	switch {
	case n == 0 && len(msg) == prefixLen:
		return header, f, KindEOS, 0, nil
	case n == 0:
		return header, f, 0, 0, corrupt("bytes behind the end of the stream")
	case n > int64(len(msg)-prefixLen):
		return header, f, 0, 0, corrupt("metadata longer than the message")
	case n%8 != 0:
		return header, f, 0, 0, corrupt("metadata not padded to 8 bytes")
	}

	f.b = msg[prefixLen : prefixLen+n]
	root := f.tableAt(f.follow(0))
	version := f.int16(root, messageVersion, 0)
	tag := f.uint8(root, messageHeaderType)
	header, ok := f.child(root, messageHeader)
	bodyLength = f.int64(root, messageBodyLength)
	switch {
	case f.bad || !ok:
		return header, f, 0, 0, corrupt("message metadata")
	case version != metadataV4 && version != metadataV5:
		// Older ones align buffers differently.
		return header, f, 0, 0, unsupported("metadata older than version 4")
	case bodyLength != int64(len(msg))-prefixLen-n:
		return header, f, 0, 0, corrupt("body length does not match the message's")
	}

	switch tag {
	case headerSchema:
		return header, f, KindSchema, bodyLength, nil
	case headerRecordBatch:
		return header, f, KindBatch, bodyLength, nil
	case headerDictionary:
		return header, f, 0, 0, unsupported("dictionaries")
	}
	return header, f, 0, 0, corrupt("unknown kind of message")
}

// message writes the outer table and returns the place of the offset to its
// header and the place of the body's length.
func (w *builder) message(header uint8) (headerPlace, bodyLengthPlace int) {
	at := w.table(w.root(), 2, 1, 4, 8)
	w.put16(at[messageVersion], metadataV5)
	w.b[at[messageHeaderType]] = header
	return at[messageHeader], at[messageBodyLength]
}

// appendTo appends the prefix and the padded metadata to dst.
func (w *builder) appendTo(dst []byte) []byte {
	w.align(8)
	dst = append32(dst, continuation)
	dst = append32(dst, uint32(len(w.b)))
	return append(dst, w.b...)
}
