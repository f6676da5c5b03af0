package arrowipc

import "errors"

// ErrTooLarge is returned by [Writer.Begin] for a message over the limit.
var ErrTooLarge = errors.New("arrowipc: batch over the size limit")

// Plan says how large one column of a batch gets.
type Plan struct {
	Nulls   int // rows that are null
	DataLen int // Utf8 and Binary only: bytes of all values together
}

// Column gives the parts of one column of a batch.
type Column struct {
	Nulls    int
	Validity []byte  // bitmap, least significant bit first, 1 = not null; nil when Nulls is 0
	Offsets  []int32 // Utf8 and Binary only: rows+1 offsets into Data
	Data     []byte  // values, bitmap of a Bool, or bytes
}

// Writer lays out batches in place.
type Writer struct{}

// NewWriter returns a writer.
func NewWriter(s *Schema, maxBytes int) *Writer { panic("arrowipc: not written yet") }

// Begin lays out a batch.
func (w *Writer) Begin(rows int, plans []Plan) error { panic("arrowipc: not written yet") }

// Column returns the parts of column i to fill in place.
func (w *Writer) Column(i int) *Column { panic("arrowipc: not written yet") }

// Finish returns the message, valid until the next Begin.
func (w *Writer) Finish() []byte { panic("arrowipc: not written yet") }
