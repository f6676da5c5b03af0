package arrowipc

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// seedMessages are valid messages for a fuzzer to spoil.
func seedMessages(t testing.TB) (schemas, batches [][]byte) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, nullable := range []bool{false, true} {
		s := allTypes(nullable)
		schemas = append(schemas, AppendSchema(nil, s))
		w := NewWriter(s, 0)
		for _, rows := range []int{0, 1, 9, 65} {
			columns := make([][]value, len(s.Fields))
			for i := range columns {
				columns[i] = randomColumn(r, s.Fields[i], rows, func(row int) bool { return nullable && row%3 == 1 })
			}
			batches = append(batches, append([]byte(nil), write(t, w, s, columns, rows)...))
		}
	}
	return schemas, batches
}

func FuzzParseSchema(f *testing.F) {
	schemas, _ := seedMessages(f)
	for _, msg := range schemas {
		f.Add(msg)
	}
	f.Add(EOS)
	f.Fuzz(func(t *testing.T, msg []byte) {
		s, err := ParseSchema(msg)
		if err != nil {
			return
		}

		// What was accepted is kept by a round trip.
		again, err := ParseSchema(AppendSchema(nil, s))
		if err != nil {
			t.Fatalf("own schema message refused: %v", err)
		}
		equalSchemas(t, again, s)
	})
}

func FuzzParse(f *testing.F) {
	_, batches := seedMessages(f)
	for _, msg := range batches {
		f.Add(msg)
	}
	s := allTypes(true)
	r := NewReader(s)
	f.Fuzz(func(t *testing.T, msg []byte) {
		msg = aligned(msg)
		rows, err := r.Parse(msg)
		if err != nil {
			for i := range s.Fields {
				if c := r.Column(i); c.Data != nil || c.Offsets != nil || c.Validity != nil {
					t.Fatalf("column %d has parts after %v", i, err)
				}
			}
			return
		}
		for i := range s.Fields {
			checkColumn(t, msg, r.Column(i), &s.Fields[i], rows)
			cells(r.Column(i), &s.Fields[i], rows) // touches every byte
		}
	})
}

// checkColumn fails unless every part of c lies in msg and has its length.
func checkColumn(t *testing.T, msg []byte, c *Column, f *Field, rows int) {
	t.Helper()
	inside := func(part string, p *byte, n int) {
		begin := uintptr(unsafe.Pointer(unsafe.SliceData(msg)))
		at := uintptr(unsafe.Pointer(p))
		if n > 0 && (at < begin || at+uintptr(n) > begin+uintptr(len(msg))) {
			t.Fatalf("%s: %s reaches outside the message", f.Name, part)
		}
	}
	inside("validity", unsafe.SliceData(c.Validity), cap(c.Validity))
	inside("data", unsafe.SliceData(c.Data), cap(c.Data))
	if rows > 0 {
		inside("offsets", (*byte)(unsafe.Pointer(unsafe.SliceData(c.Offsets))), 4*cap(c.Offsets))
	}

	if (c.Nulls > 0) != (c.Validity != nil) || c.Nulls > rows || c.Nulls > 0 && len(c.Validity) != bitmapLen(rows) {
		t.Fatalf("%s: %d nulls and %d bytes of bitmap in %d rows", f.Name, c.Nulls, len(c.Validity), rows)
	}
	if f.varWidth() {
		if len(c.Offsets) != rows+1 {
			t.Fatalf("%s: %d offsets for %d rows", f.Name, len(c.Offsets), rows)
		}
	} else if int64(len(c.Data)) != f.dataLen(rows) {
		t.Fatalf("%s: %d bytes of values for %d rows", f.Name, len(c.Data), rows)
	}
}

// FuzzKindOf also says that no prefix of anything is read beyond its end.
func FuzzKindOf(f *testing.F) {
	schemas, batches := seedMessages(f)
	for _, msg := range append(schemas, batches...) {
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		kind, err := KindOf(msg[:len(msg):len(msg)])
		if (kind == 0) != (err != nil) {
			t.Fatalf("kind %v with error %v", kind, err)
		}
	})
}
