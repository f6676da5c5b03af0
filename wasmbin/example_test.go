package wasmbin_test

import (
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/wasmbin"
)

// A note is put behind a module that has code of no functions.
func ExampleSections() {
	module := []byte(wasmbin.Header)
	module = wasmbin.AppendSection(module, wasmbin.SectionCode, []byte{0})
	module = wasmbin.AppendSection(module, wasmbin.SectionCustom, []byte("\x04notehello"))

	for s, err := range wasmbin.Sections(module) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("section %d at byte %d: %q\n", s.ID, s.Start, module[s.Body:s.End])
	}
	// Output:
	// section 10 at byte 8: "\x00"
	// section 0 at byte 11: "\x04notehello"
}
