package arrowipc_test

import (
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
)

func Example() {
	schema := &arrowipc.Schema{Fields: []arrowipc.Field{{Name: "word", Type: arrowipc.Utf8, Nullable: true}}}

	// Two rows, one of them null: say how large the column gets, then fill it in.
	w := arrowipc.NewWriter(schema, 1<<20)
	if err := w.Begin(2, []arrowipc.Plan{{Nulls: 1, DataLen: 5}}); err != nil {
		fmt.Println(err)
		return
	}
	c := w.Column(0)
	c.Validity[0] = 0b01
	copy(c.Data, "hello")
	c.Offsets[1], c.Offsets[2] = 5, 5
	stream := [][]byte{arrowipc.AppendSchema(nil, schema), w.Finish(), arrowipc.EOS}

	// The other side.
	read, err := arrowipc.ParseSchema(stream[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	r := arrowipc.NewReader(read)
	rows, err := r.Parse(stream[1])
	got := r.Column(0)
	fmt.Println(read.Fields[0].Name, read.Fields[0].Type, rows, got.Nulls, string(got.Data[got.Offsets[0]:got.Offsets[1]]), err)
	// Output: word utf8 2 1 hello <nil>
}
