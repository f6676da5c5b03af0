package frame

import "errors"

// The errors of this package are these or wrap one of them.
var (
	// ErrCorrupt is returned for bytes that are no frame: cut off, lengths that
	// contradict each other, a payload its codec refuses, a wrong checksum.
	ErrCorrupt = errors.New("frame: corrupt")

	// ErrTooLarge is returned for a message over the pool's limit, whether it
	// is to be encoded or a header claims it.
	ErrTooLarge = errors.New("frame: too large")

	// ErrCodec is returned for a codec that does not exist.
	ErrCodec = errors.New("frame: unknown codec")

	// ErrShortBuffer is returned by Decode for a destination that is smaller
	// than the message.
	ErrShortBuffer = errors.New("frame: destination buffer too small")
)
