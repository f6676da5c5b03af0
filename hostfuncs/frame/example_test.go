package frame_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

func Example() {
	pool := frame.NewPool(16 << 20) // no message may pass 16 MiB

	// The stage before: three rows, compressed.
	message := []byte(strings.Repeat("click purchase view ", 100))
	f, err := pool.Encode(frame.LZ4, message, 3)
	if err != nil {
		log.Fatal(err)
	}

	// The stage behind: into its own memory, then the frame goes back.
	fmt.Printf("%d rows, %d bytes, %s, %d bytes on the channel\n", f.Rows(), f.RawLen(), f.Codec(), f.Len())
	dst := make([]byte, f.RawLen())
	if err := f.Decode(dst); err != nil {
		log.Fatal(err)
	}
	f.Release()
	fmt.Println(string(dst[:20]))

	// Output:
	// 3 rows, 2000 bytes, lz4, 68 bytes on the channel
	// click purchase view
}
