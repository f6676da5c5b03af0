package arrowipc

// The metadata of a message is a flatbuffer. The few tables needed here are
// written and read by hand; the numbers are those of Message.fbs and Schema.fbs.
//
//	table     [i32 distance back to its vtable][fields, aligned to their size]
//	vtable    [u16 its own bytes][u16 bytes of the table][u16 place of field 0] ...
//	          (a place of 0: the field is absent and has its default)
//	vector    [u32 count][elements]
//	string    [u32 bytes][bytes][0]
//	offset    u32, counted from where it stands, always forward
const (
	messageVersion    = 0 // i16
	messageHeaderType = 1 // u8
	messageHeader     = 2 // table
	messageBodyLength = 3 // i64

	schemaEndianness = 0 // i16, 0 = little
	schemaFields     = 1 // vector of tables

	fieldName       = 0 // string
	fieldNullable   = 1 // bool
	fieldTypeType   = 2 // u8
	fieldType       = 3 // table
	fieldDictionary = 4 // table
	fieldChildren   = 5 // vector of tables
	fieldMetadata   = 6 // vector of tables

	keyValueKey   = 0 // string
	keyValueValue = 1 // string

	batchLength         = 0 // i64
	batchNodes          = 1 // vector of {i64 length, i64 nulls}
	batchBuffers        = 2 // vector of {i64 offset, i64 length}
	batchCompression    = 3 // table
	batchVariadicCounts = 4 // vector of i64

	structSize = 16 // of a node and of a buffer

	metadataV4 = 3
	metadataV5 = 4

	headerSchema      = 1
	headerDictionary  = 2
	headerRecordBatch = 3

	typeInt             = 2
	typeFloatingPoint   = 3
	typeBinary          = 4
	typeUtf8            = 5
	typeBool            = 6
	typeDate            = 8
	typeTimestamp       = 10
	typeFixedSizeBinary = 15

	intBitWidth    = 0 // i32
	intSigned      = 1 // bool
	floatPrecision = 0 // i16: half, single, double
	dateUnit       = 0 // i16: day, millisecond (default)
	timestampUnit  = 0 // i16: second, milli, micro, nano
	timestampZone  = 1 // string
	binaryWidth    = 0 // i32

	floatSingle     = 1
	floatDouble     = 2
	dateDay         = 0
	dateMillisecond = 1
	timestampMicros = 2
)

// builder writes a flatbuffer front to back: each table, string or vector is
// appended behind what points at it, and the offset there, at place, is filled in.
type builder struct{ b []byte }

func (w *builder) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}

// root reserves the offset of the root table and returns its place.
func (w *builder) root() int {
	w.b = append(w.b, 0, 0, 0, 0)
	return 0
}

// link points the offset at place to target.
func (w *builder) link(place, target int) {
	w.put32(place, uint32(target-place))
}

// table appends a table whose fields have the given sizes in bytes, 0 for one
// that is absent, and returns their places. All values are 0.
func (w *builder) table(place int, sizes ...int) (places [8]int) {
	// The table begins at a multiple of 8, so that aligned fields have the same
	// places in it whatever came before; its vtable stands right before it.
	vtableSize := 4 + 2*len(sizes)
	w.align(2)
	for (len(w.b)+vtableSize)%8 != 0 {
		w.b = append(w.b, 0, 0)
	}
	vtable, table := len(w.b), len(w.b)+vtableSize
	w.b = append(w.b, make([]byte, vtableSize+4)...)
	w.put32(table, uint32(vtableSize))
	w.link(place, table)

	for i, size := range sizes {
		if size == 0 {
			continue
		}
		w.align(size)
		places[i] = len(w.b)
		w.put16(vtable+4+2*i, uint16(len(w.b)-table))
		w.b = append(w.b, make([]byte, size)...)
	}

	w.put16(vtable, uint16(vtableSize))
	w.put16(vtable+2, uint16(len(w.b)-table))
	return places
}

// string appends s.
func (w *builder) string(place int, s string) {
	w.align(4)
	w.link(place, len(w.b))
	w.b = append32(w.b, uint32(len(s)))
	w.b = append(w.b, s...)
	w.b = append(w.b, 0)
}

// vector appends a vector of n elements of the given size, all 0 and aligned to
// 8 at most, and returns the place of the first.
func (w *builder) vector(place, n, size int) int {
	w.align(4)
	if size >= 8 && len(w.b)%8 == 0 {
		w.b = append(w.b, 0, 0, 0, 0)
	}
	w.link(place, len(w.b))
	w.b = append32(w.b, uint32(n))
	first := len(w.b)
	w.b = append(w.b, make([]byte, n*size)...)
	return first
}

func (w *builder) put16(place int, v uint16) { put16(w.b[place:], v) }
func (w *builder) put32(place int, v uint32) { put32(w.b[place:], v) }

// Reading. Every place is checked against the bytes before it is used, because
// they may come from anyone. bad is set at the first contradiction; values read
// after that are meaningless but harmless.
type flatbuf struct {
	b   []byte
	bad bool
}

// table is a table of a flatbuf: where it and its vtable begin and how long they
// are. The zero table is absent: all its fields are.
type table struct {
	pos, size       int
	vtable, entries int
}

func (f *flatbuf) fail() { f.bad = true }

// u32 reads 4 bytes at pos.
func (f *flatbuf) u32(pos int) uint32 {
	if pos < 0 || pos > len(f.b)-4 {
		f.fail()
		return 0
	}
	return get32(f.b[pos:])
}

func (f *flatbuf) u16(pos int) int {
	if pos < 0 || pos > len(f.b)-2 {
		f.fail()
		return 0
	}
	return int(get16(f.b[pos:]))
}

// follow returns where the offset at pos points.
func (f *flatbuf) follow(pos int) int {
	n := f.u32(pos)
	if int64(n) > int64(len(f.b)-pos) || n == 0 {
		f.fail()
		return len(f.b)
	}
	return pos + int(n)
}

func (f *flatbuf) tableAt(pos int) table {
	back := int(int32(f.u32(pos)))
	vtable := pos - back
	vtableSize, size := f.u16(vtable), f.u16(vtable+2)
	if f.bad || vtableSize < 4 || vtableSize > len(f.b)-vtable || size < 4 || size > len(f.b)-pos {
		f.fail()
		return table{}
	}
	return table{pos: pos, size: size, vtable: vtable, entries: (vtableSize - 4) / 2}
}

// place returns where field i of t, of the given size, stands; 0 if it is absent.
func (f *flatbuf) place(t table, i, size int) int {
	if i >= t.entries {
		return 0
	}
	at := f.u16(t.vtable + 4 + 2*i)
	if at == 0 {
		return 0
	}
	if at < 4 || at+size > t.size {
		f.fail()
		return 0
	}
	return t.pos + at
}

func (f *flatbuf) uint8(t table, i int) uint8 {
	if p := f.place(t, i, 1); p != 0 {
		return f.b[p]
	}
	return 0
}

func (f *flatbuf) int16(t table, i int, def int16) int16 {
	if p := f.place(t, i, 2); p != 0 {
		return int16(get16(f.b[p:]))
	}
	return def
}

func (f *flatbuf) int32(t table, i int) int32 {
	if p := f.place(t, i, 4); p != 0 {
		return int32(get32(f.b[p:]))
	}
	return 0
}

func (f *flatbuf) int64(t table, i int) int64 {
	if p := f.place(t, i, 8); p != 0 {
		return int64(get64(f.b[p:]))
	}
	return 0
}

// child returns the table that field i points at, and whether there is one.
func (f *flatbuf) child(t table, i int) (table, bool) {
	p := f.place(t, i, 4)
	if p == 0 {
		return table{}, false
	}
	c := f.tableAt(f.follow(p))
	return c, !f.bad
}

// vector returns where the first element of the vector of field i stands and how
// many there are, all of the given size and within the bytes; 0, 0 if it is
// absent.
func (f *flatbuf) vector(t table, i, size int) (first, n int) {
	p := f.place(t, i, 4)
	if p == 0 {
		return 0, 0
	}
	at := f.follow(p)
	count := f.u32(at)
	if f.bad || int64(count)*int64(size) > int64(len(f.b)-at-4) {
		f.fail()
		return 0, 0
	}
	return at + 4, int(count)
}

// bytes returns the string of field i, a part of f.b.
func (f *flatbuf) bytes(t table, i int) []byte {
	first, n := f.vector(t, i, 1)
	return f.b[first : first+n]
}
