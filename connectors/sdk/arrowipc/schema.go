package arrowipc

import "strconv"

// Type is the type of a column.
type Type uint8

// The types. Values are fixed-width and little endian unless noted.
const (
	Bool            Type = iota // bitmap, least significant bit first
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

// types holds what tells the types apart: Arrow's name, the bytes of a value (0
// for bits and for variable width), and the type's tag in the metadata.
var types = [numTypes]struct {
	name  string
	width int32
	tag   uint8
}{
	Bool:            {"bool", 0, typeBool},
	Int16:           {"int16", 2, typeInt},
	Int32:           {"int32", 4, typeInt},
	Int64:           {"int64", 8, typeInt},
	Float32:         {"float32", 4, typeFloatingPoint},
	Float64:         {"float64", 8, typeFloatingPoint},
	Utf8:            {"utf8", 0, typeUtf8},
	Binary:          {"binary", 0, typeBinary},
	FixedSizeBinary: {"fixed_size_binary", 0, typeFixedSizeBinary},
	Date32:          {"date32", 4, typeDate},
	Timestamp:       {"timestamp[us]", 8, typeTimestamp},
	TimestampUTC:    {"timestamp[us, tz=UTC]", 8, typeTimestamp},
}

// String returns Arrow's name of the type.
func (t Type) String() string {
	if t >= numTypes {
		return "unknown type"
	}
	return types[t].name
}

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

// varWidth reports whether values have offsets.
func (f *Field) varWidth() bool { return f.Type == Utf8 || f.Type == Binary }

// dataLen returns the bytes of rows values, for a type without offsets.
func (f *Field) dataLen(rows int) int64 {
	switch f.Type {
	case Bool:
		return int64(bitmapLen(rows))
	case FixedSizeBinary:
		return int64(rows) * int64(f.Width)
	}
	return int64(rows) * int64(types[f.Type].width)
}

func bitmapLen(rows int) int { return (rows + 7) / 8 }

// Schema describes the columns of a stream. Writers and readers keep a reference:
// do not change it while one is in use.
type Schema struct {
	Fields []Field
}

// buffers returns how many buffers a batch has.
func (s *Schema) buffers() int {
	n := 0
	for i := range s.Fields {
		n += 2 // validity, data
		if s.Fields[i].varWidth() {
			n++
		}
	}
	return n
}

// maxFields bounds the columns of a schema. Postgres has 1600 at most.
const maxFields = 8192

// ParseSchema reads a schema message. What it returns holds no reference to msg.
// A type, unit or feature that is not among those of this package is an error
// that names the field.
func ParseSchema(msg []byte) (*Schema, error) {
	header, f, kind, bodyLength, err := openMessage(msg)
	switch {
	case err != nil:
		return nil, err
	case kind != KindSchema:
		return nil, corrupt("expected a schema, found " + kind.String())
	case bodyLength != 0:
		return nil, corrupt("schema with a body")
	case f.int16(header, schemaEndianness, 0) != 0:
		return nil, unsupported("big-endian data")
	}

	first, n := f.vector(header, schemaFields, 4)
	if n > maxFields {
		return nil, unsupported("a schema of " + strconv.Itoa(n) + " fields")
	}

	// Many offsets may point at one string. What they add up to is bounded, so
	// that a small message cannot ask for a large memory.
	p := schemaParser{flatbuf: f, budget: 16 * len(msg)}
	s := &Schema{Fields: make([]Field, n)}
	for i := range s.Fields {
		err := p.field(&s.Fields[i], p.tableAt(p.follow(first+4*i)))
		switch {
		case p.bad:
			return nil, corrupt("schema metadata, field " + strconv.Itoa(i))
		case err != nil:
			return nil, err
		}
	}
	if p.bad {
		return nil, corrupt("schema metadata")
	}
	return s, nil
}

type schemaParser struct {
	flatbuf
	budget int
}

func (p *schemaParser) text(t table, i int) string {
	b := p.bytes(t, i)
	p.budget -= len(b)
	if p.budget < 0 {
		p.fail()
		return ""
	}
	return string(b)
}

func (p *schemaParser) field(field *Field, t table) error {
	field.Name = p.text(t, fieldName)
	field.Nullable = p.uint8(t, fieldNullable) != 0

	// Metadata.
	first, n := p.vector(t, fieldMetadata, 4)
	p.budget -= 16 * n
	if p.budget < 0 {
		p.fail()
	}
	if p.bad {
		return nil
	}
	if n > 0 {
		field.Metadata = make([]KeyValue, n)
	}
	for i := range field.Metadata {
		kv := p.tableAt(p.follow(first + 4*i))
		field.Metadata[i] = KeyValue{Key: p.text(kv, keyValueKey), Value: p.text(kv, keyValueValue)}
	}

	// Shape.
	if _, ok := p.child(t, fieldDictionary); ok {
		return unsupported("column " + strconv.Quote(field.Name) + ": dictionary encoding")
	}
	if _, n := p.vector(t, fieldChildren, 4); n > 0 {
		return unsupported("column " + strconv.Quote(field.Name) + ": a nested type")
	}
	return p.fieldType(field, p.uint8(t, fieldTypeType), t)
}

func (p *schemaParser) fieldType(field *Field, tag uint8, t table) error {
	typ, ok := p.child(t, fieldType)
	if !ok {
		p.fail()
		return nil
	}

	switch tag {
	case typeBool:
		field.Type = Bool
		return nil
	case typeUtf8:
		field.Type = Utf8
		return nil
	case typeBinary:
		field.Type = Binary
		return nil

	case typeInt:
		width := p.int32(typ, intBitWidth)
		if p.uint8(typ, intSigned) == 0 {
			return unsupported("column " + strconv.Quote(field.Name) + ": unsigned integers")
		}
		switch width {
		case 16:
			field.Type = Int16
		case 32:
			field.Type = Int32
		case 64:
			field.Type = Int64
		default:
			return unsupported("column " + strconv.Quote(field.Name) + ": integers of " + strconv.Itoa(int(width)) + " bits")
		}
		return nil

	case typeFloatingPoint:
		switch p.int16(typ, floatPrecision, 0) {
		case floatSingle:
			field.Type = Float32
		case floatDouble:
			field.Type = Float64
		default:
			return unsupported("column " + strconv.Quote(field.Name) + ": half precision")
		}
		return nil

	case typeDate:
		if p.int16(typ, dateUnit, dateMillisecond) != dateDay {
			return unsupported("column " + strconv.Quote(field.Name) + ": dates in milliseconds")
		}
		field.Type = Date32
		return nil

	case typeTimestamp:
		if p.int16(typ, timestampUnit, 0) != timestampMicros {
			return unsupported("column " + strconv.Quote(field.Name) + ": timestamps in another unit than microseconds")
		}

		// Whatever zone a timestamp is to be shown in, its value counts from UTC.
		field.Type = Timestamp
		if len(p.bytes(typ, timestampZone)) > 0 {
			field.Type = TimestampUTC
		}
		return nil

	case typeFixedSizeBinary:
		field.Type = FixedSizeBinary
		field.Width = p.int32(typ, binaryWidth)
		if field.Width <= 0 {
			return unsupported("column " + strconv.Quote(field.Name) + ": values of " + strconv.Itoa(int(field.Width)) + " bytes")
		}
		return nil
	}
	return unsupported("column " + strconv.Quote(field.Name) + ": Arrow type number " + strconv.Itoa(int(tag)))
}

// AppendSchema appends the schema message of s to dst and returns the result. It
// panics if a type is not one of this package.
func AppendSchema(dst []byte, s *Schema) []byte {
	var w builder
	header, _ := w.message(headerSchema)
	places := w.table(header, 0, 4)

	first := w.vector(places[schemaFields], len(s.Fields), 4)
	for i := range s.Fields {
		w.field(first+4*i, &s.Fields[i])
	}
	return w.appendTo(dst)
}

func (w *builder) field(place int, f *Field) {
	metadata := 0
	if len(f.Metadata) > 0 {
		metadata = 4
	}
	places := w.table(place, 4, 1, 1, 4, 0, 4, metadata)
	w.string(places[fieldName], f.Name)
	if f.Nullable {
		w.b[places[fieldNullable]] = 1
	}
	w.b[places[fieldTypeType]] = types[f.Type].tag
	w.fieldType(places[fieldType], f)

	// Some readers insist on children, if only none.
	w.vector(places[fieldChildren], 0, 4)

	if metadata == 0 {
		return
	}
	first := w.vector(places[fieldMetadata], len(f.Metadata), 4)
	for i, kv := range f.Metadata {
		places := w.table(first+4*i, 4, 4)
		w.string(places[keyValueKey], kv.Key)
		w.string(places[keyValueValue], kv.Value)
	}
}

func (w *builder) fieldType(place int, f *Field) {
	switch f.Type {
	case Bool, Utf8, Binary:
		w.table(place)
	case Int16, Int32, Int64:
		at := w.table(place, 4, 1)
		w.put32(at[intBitWidth], uint32(types[f.Type].width)*8)
		w.b[at[intSigned]] = 1
	case Float32:
		w.put16(w.table(place, 2)[floatPrecision], floatSingle)
	case Float64:
		w.put16(w.table(place, 2)[floatPrecision], floatDouble)
	case FixedSizeBinary:
		w.put32(w.table(place, 4)[binaryWidth], uint32(f.Width))
	case Date32:
		w.put16(w.table(place, 2)[dateUnit], dateDay)
	case Timestamp:
		w.put16(w.table(place, 2, 0)[timestampUnit], timestampMicros)
	case TimestampUTC:
		at := w.table(place, 2, 4)
		w.put16(at[timestampUnit], timestampMicros)
		w.string(at[timestampZone], "UTC")
	}
}
