package arrowipc

// Type is the type of a column.
type Type uint8

// The types. Values are fixed-width and little endian unless noted.
const (
	Bool            Type = iota // bitmap
	Int16                       // 2 bytes
	Int32                       // 4 bytes
	Int64                       // 8 bytes
	Float32                     // 4 bytes
	Float64                     // 8 bytes
	Utf8                        // offsets and bytes
	Binary                      // offsets and bytes
	FixedSizeBinary             // Field.Width bytes
	Date32                      // days since 1970-01-01, 4 bytes
	Timestamp                   // microseconds since 1970-01-01 without a zone, 8 bytes
	TimestampUTC                // microseconds since 1970-01-01 UTC, 8 bytes
	numTypes
)

// KeyValue is one entry of a field's metadata.
type KeyValue struct{ Key, Value string }

// Field is one column of a [Schema].
type Field struct {
	Name     string
	Type     Type
	Width    int32 // bytes of a FixedSizeBinary value; 0 for every other type
	Nullable bool
	Metadata []KeyValue // in order; nil for none
}

// Schema describes the columns of a stream.
type Schema struct {
	Fields []Field
}

// AppendSchema appends the schema message of s to dst.
func AppendSchema(dst []byte, s *Schema) []byte { panic("arrowipc: not written yet") }

// ParseSchema reads a schema message.
func ParseSchema(msg []byte) (*Schema, error) { panic("arrowipc: not written yet") }

// EOS is the end-of-stream message.
var EOS = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// Kind is the kind of a message.
type Kind uint8

// The kinds.
const (
	KindSchema Kind = iota + 1
	KindBatch
	KindEOS
)

// KindOf returns the kind of a message.
func KindOf(msg []byte) (Kind, error) { panic("arrowipc: not written yet") }
