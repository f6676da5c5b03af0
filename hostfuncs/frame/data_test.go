package frame

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
)

// eventBatch returns what an Arrow record batch of the benchmark's table holds:
// its columns one after another, each padded to 64 bytes.
func eventBatch(first, rows int) []byte {
	le := binary.LittleEndian
	events := []string{"click", "purchase", "view", "signup", "logout"}
	fill := strings.Repeat("x", 50)

	var b []byte
	column := func(write func(i int)) {
		for i := first; i < first+rows; i++ {
			write(i)
		}
		b = append(b, make([]byte, -len(b)&63)...)
	}
	text := func(value func(i int) string) {
		end := uint32(0)
		b = le.AppendUint32(b, end)
		column(func(i int) {
			end += uint32(len(value(i)))
			b = le.AppendUint32(b, end)
		})
		column(func(i int) { b = append(b, value(i)...) })
	}

	column(func(i int) { b = le.AppendUint32(b, uint32(i)) })
	text(func(i int) string { return events[i%5] })
	column(func(i int) { b = le.AppendUint32(b, uint32(i%1000+1)) })
	column(func(i int) { b = le.AppendUint32(b, uint32(i*7919%100000)) })
	bitmap := byte(0)
	column(func(i int) {
		bitmap >>= 1
		if i%3 != 0 {
			bitmap |= 0x80
		}
		if (i-first)%8 == 7 {
			b = append(b, bitmap)
		}
	})
	text(func(i int) string { return "payload-" + strconv.Itoa(i) + "-" + fill })
	column(func(i int) { b = le.AppendUint64(b, uint64(820454400000000+i*1234567%86400000000)) })
	return b
}

// noise returns bytes that no codec can shrink, the same for the same seed.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
