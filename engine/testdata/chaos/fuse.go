package chaos

import (
	"io"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Fuse is a transform that passes real Arrow batches on until it has seen some, and then does
// what its mode says: a guest that fails in the middle of a real stream.
type Fuse struct{ base }

// NewFuse returns a fuse.
func NewFuse() sdk.Transform { return &Fuse{} }

// Transform passes messages on and misbehaves before batch number "batches".
func (t *Fuse) Transform(*abi.RunRequest) error {
	t.h.Phase(abi.PhaseProcess)
	var reader *arrowipc.Reader
	for batches := int64(0); ; {
		m, err := t.h.Next()
		if err == io.EOF {
			return abi.Closed
		}
		if err != nil {
			return err
		}
		kind, err := arrowipc.KindOf(m)
		if err != nil {
			return err
		}
		rows := 0
		switch kind {
		case arrowipc.KindSchema:
			schema, err := arrowipc.ParseSchema(m)
			if err != nil {
				return err
			}
			reader = arrowipc.NewReader(schema)
		case arrowipc.KindBatch:
			if rows, err = reader.Parse(m); err != nil {
				return err
			}
			if batches++; batches == t.n {
				if err := t.misbehave("run"); err != nil {
					return err
				}
			}
		}
		if err := t.h.Emit(m, rows); err != nil {
			return err
		}
		if kind == arrowipc.KindEOS {
			return nil
		}
	}
}
