package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// fuzzShapes are tables that a fuzzed COPY may be of.
var fuzzShapes = [][]string{
	{"integer", "text", "integer!", "integer", "boolean", "text!", "timestamp without time zone"},
	testTypes,
	{"integer", "bigint", "uuid", "date"},
	{"text", "text"},
	{"numeric", "jsonb", "smallint"},
	{},
}

// FuzzCopy feeds the source any bytes as the data of a COPY, cut into messages
// and reads in any way, and compares what comes out with a plain parser. Bytes
// that are no rows must be an error, and never a panic.
func FuzzCopy(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	for shape, types := range fuzzShapes {
		columns := sourceColumns(f, types...)
		for _, nulls := range []int{0, 2} {
			rows, _ := randomCopy(r, columns, 5, func(int, int) bool { return nulls > 0 && r.IntN(nulls) == 0 })
			payload := append(bytes.Join(rows, nil), copyEnd...)
			f.Add(payload, byte(shape), uint16(0), uint16(0), byte(2))
			f.Add(payload, byte(shape), uint16(7), uint16(11), byte(0))
			f.Add(payload[:len(payload)-5], byte(shape), uint16(0), uint16(3), byte(1))
		}
	}
	f.Add([]byte{0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 8, 0, 0, 0, 4, 'a', 'b', 'c', 'd', 0xff, 0xff}, byte(3), uint16(0), uint16(0), byte(0))

	f.Fuzz(func(t *testing.T, payload []byte, shape byte, framing, chunk uint16, batch byte) {
		columns := sourceColumns(t, fuzzShapes[int(shape)%len(fuzzShapes)]...)
		want, ends := parsePlainly(columns, payload)

		// A framing of 0 puts every row into a message of its own, as far as there
		// are rows.
		whole := append(bytes.Clone(copyHead), payload...)
		var answers []byte
		from := 0
		for _, end := range ends {
			if end += len(copyHead); framing == 0 {
				answers = append(answers, message(msgCopyData, whole[from:end])...)
				from = end
			}
		}
		for from < len(whole) {
			n := len(whole) - from
			if framing > 0 {
				n = min(n, int(framing))
			}
			answers = append(answers, message(msgCopyData, whole[from:from+n])...)
			from += n
		}
		answers = append(answers, copyDone(len(want))...)

		h, err := fetchFrom(t, columns, answers, int(chunk), func(req *abi.RunRequest) {
			req.BatchRows, req.BatchBytes, req.MaxBatchBytes = int64(batch), 1<<12, 1<<16
		})
		if err != nil {
			var e *abi.Error
			if !errors.As(err, &e) {
				t.Fatalf("the error %v (%T) is not one for people", err, err)
			}
			if want != nil && !bytes.Contains([]byte(e.Message), []byte("over the limit")) {
				t.Fatalf("refused %d good rows: %v", len(want), e)
			}
			return
		}
		if want == nil {
			t.Fatalf("accepted bytes that are no rows: %x", payload)
		}
		wantStream(t, h.emitted, want)
	})
}

// parsePlainly parses the data of a COPY behind its header, one field after the
// other. It returns no rows if there is anything wrong, and where each part of
// the data that is right ends.
func parsePlainly(columns []sourceColumn, b []byte) (rows [][]string, ends []int) {
	rows = [][]string{}
	at := 0
	take := func(n int) []byte {
		if n < 0 || n > len(b)-at {
			return nil
		}
		at += n
		return b[at-n : at : at]
	}
	for {
		head := take(2)
		if head == nil {
			return nil, ends
		}
		if n := binary.BigEndian.Uint16(head); n == 0xffff {
			if at != len(b) {
				return nil, ends
			}
			return rows, append(ends, at)
		} else if int(n) != len(columns) {
			return nil, ends
		}
		row := make([]string, len(columns))
		good := true
		for i, c := range columns {
			head := take(4)
			if head == nil {
				return nil, ends
			}
			n := int(int32(binary.BigEndian.Uint32(head)))
			if n == -1 {
				row[i] = "NULL"
				good = good && !c.notNull
				continue
			}
			v := take(n)
			if v == nil || c.typ.width >= 0 && n != int(c.typ.width) {
				return nil, ends
			}
			if !plausible(c.typ, v) {
				good = false
				continue
			}
			row[i] = wantText(c.typ, v)
		}
		if !good {
			return nil, append(ends, at)
		}
		rows = append(rows, row)
		ends = append(ends, at)
	}
}

// plausible reports whether v is a value that a type can have.
func plausible(t pgType, v []byte) bool {
	switch t.kind {
	case kindDate:
		n := int32(binary.BigEndian.Uint32(v))
		return isInfiniteDate(n) || int64(n)+epochDays < 1<<31-1
	case kindTimestamp:
		n := int64(binary.BigEndian.Uint64(v))
		return isInfiniteTimestamp(n) || n < 1<<63-1-epochMicros
	case kindJSONB:
		return len(v) > 0 && v[0] == 1
	case kindNumeric:
		if len(v) < 8 || int(int16(binary.BigEndian.Uint16(v))) != (len(v)-8)/2 || len(v)%2 != 0 || binary.BigEndian.Uint16(v[6:]) > 16383 {
			return false
		}
		switch binary.BigEndian.Uint16(v[4:]) {
		case 0xc000, 0xd000, 0xf000:
			return true
		case 0, 0x4000:
		default:
			return false
		}
		for i := 8; i < len(v); i += 2 {
			if binary.BigEndian.Uint16(v[i:]) > 9999 {
				return false
			}
		}
	}
	return true
}
