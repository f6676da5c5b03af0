package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// TestFetchTextsOfAnyLength reads texts around every length at which a walk or a
// kernel does something else, in every remainder of rows. What comes out must be
// what went in, and byte for byte what the walk field by field makes of the same rows.
func TestFetchTextsOfAnyLength(t *testing.T) {
	columns := sourceColumns(t, "integer", "text", "boolean", "text!", "bigint")
	for _, longest := range []int{0, 1, 8, 15, 16, 17, 64, 127, 128, 129, 255, 256, 257, 511, 1100, 70000} {
		for _, nulls := range []int{0, 50} {
			t.Run(fmt.Sprintf("longest=%d/nulls=%d", longest, nulls), func(t *testing.T) {
				r := rand.New(rand.NewPCG(11, uint64(longest+nulls)))
				count := min(1500, 2<<20/(longest+50)) + r.IntN(8)
				rows, want := make([][]byte, count), make([][]string, count)
				for i := range rows {
					values := [][]byte{
						randomField(r, columns[0].typ),
						bytes.Repeat([]byte{'a' + byte(i%26)}, r.IntN(longest+1)),
						randomField(r, columns[2].typ),
						bytes.Repeat([]byte{'A' + byte(i%26)}, longest-r.IntN(longest/8+1)),
						randomField(r, columns[4].typ),
					}
					if r.IntN(100) < nulls {
						values[1] = nil
					}
					for c, v := range values {
						want[i] = append(want[i], wantText(columns[c].typ, v))
					}
					rows[i] = copyRow(values...)
				}
				set := func(req *abi.RunRequest) { req.BatchRows, req.BatchBytes = 701, 64<<20 }
				h, err := fetchFrom(t, columns, asServerDoes(rows...), 0, set)
				if err != nil {
					t.Fatal(err)
				}
				wantStream(t, h.emitted, want)

				// All rows in one message are walked field by field.
				payload := append(append(bytes.Clone(copyHead), bytes.Join(rows, nil)...), copyEnd...)
				answers := append(message(msgCopyData, payload), copyDone(count)...)
				exact, err := fetchFrom(t, columns, answers, 0, set)
				if err != nil {
					t.Fatal(err)
				}
				if len(h.emitted) != len(exact.emitted) {
					t.Fatalf("emitted %d messages, field by field %d", len(h.emitted), len(exact.emitted))
				}
				for i := range h.emitted {
					if !bytes.Equal(h.emitted[i].data, exact.emitted[i].data) {
						t.Errorf("message %d differs from that of rows walked field by field", i)
					}
				}
			})
		}
	}
}

// TestFetchOddRowAnywhere puts rows that the dense walk cannot take between ones
// that it can, at the edges of its blocks and groups: a NULL of fixed width, and rows
// that are damaged, which must be an error wherever they are.
func TestFetchOddRowAnywhere(t *testing.T) {
	columns := sourceColumns(t, "integer", "text", "text", "smallint")
	plain := func(i int) []byte {
		return copyRow(binary.BigEndian.AppendUint32(nil, uint32(i)), bytes.Repeat([]byte("x"), i%20), []byte("yz"), []byte{0, 1})
	}
	const count = 3*walkRows + 5
	for _, at := range []int{0, 1, 2, 3, 4, 7, walkRows - 1, walkRows, walkRows + 1, 3 * walkRows, count - 1} {
		null := copyRow(nil, []byte("a"), nil, []byte{0, 1})
		long := copyRow([]byte{0, 0, 0, 1}, []byte("a"), bytes.Repeat([]byte("b"), 5000), []byte{0, 1})
		short := plain(3)
		short[2+8+3]++ // the first text is said to end where the second one's length does not begin
		past := copyRow([]byte{0, 0, 0, 1}, []byte("a"), []byte("b"), []byte{0, 1})
		binary.BigEndian.PutUint32(past[2+8+5:], 0x7fffffff)
		negative := bytes.Clone(past)
		binary.BigEndian.PutUint32(negative[2+8+5:], 0xfffffffe)
		for _, odd := range []struct {
			name string
			row  []byte
			good bool
		}{{"null", null, true}, {"long", long, true}, {"short", short, false}, {"past the end", past, false}, {"negative", negative, false}} {
			rows := make([][]byte, count)
			for i := range rows {
				rows[i] = plain(i)
			}
			rows[at] = odd.row
			h, err := fetchFrom(t, columns, asServerDoes(rows...), 0, func(req *abi.RunRequest) { req.BatchRows, req.BatchBytes = 0, 0 })
			if !odd.good {
				if err == nil {
					t.Errorf("%s at row %d: no error", odd.name, at)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s at row %d: %v", odd.name, at, err)
				continue
			}
			want := make([][]string, count)
			for i := range want {
				want[i] = []string{fmt.Sprint(i), string(bytes.Repeat([]byte("x"), i%20)), "yz", "1"}
			}
			want[at] = map[string][]string{
				"null": {"NULL", "a", "NULL", "1"},
				"long": {"1", "a", string(bytes.Repeat([]byte("b"), 5000)), "1"},
			}[odd.name]
			wantStream(t, h.emitted, want)
		}
	}
}
