// Package identity is a transform that changes nothing. It shows what a
// transform is made of and what a stage costs by itself.
package identity

import (
	"io"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

type transform struct{ host *sdk.Host }

// New returns a transform that passes every message on as it came. A message
// that is not a valid part of an Arrow IPC stream ends the run.
func New() sdk.Transform { return &transform{} }

func (t *transform) Open(h *sdk.Host, _ *abi.OpenRequest, _ sdk.Config) error {
	t.host = h
	return nil
}

func (t *transform) Check() (*abi.CheckReport, error) {
	return &abi.CheckReport{Message: "passes every batch on unchanged"}, nil
}

func (t *transform) Close() error { return nil }

func (t *transform) Transform(*abi.RunRequest) error {
	t.host.Phase(abi.PhaseProcess)
	var reader *arrowipc.Reader
	for {
		message, err := t.host.Next()
		if err == io.EOF {
			return broken("the stream was cut off before its end-of-stream mark", nil)
		}
		if err != nil {
			return err
		}
		kind, err := arrowipc.KindOf(message)
		if err != nil {
			return broken("message cannot be read", err)
		}

		rows := 0
		switch kind {
		case arrowipc.KindSchema:
			schema, err := arrowipc.ParseSchema(message)
			if err != nil {
				return broken("schema cannot be read", err)
			}
			reader = arrowipc.NewReader(schema)
		case arrowipc.KindBatch:
			if reader == nil {
				return broken("a batch came before the schema", nil)
			}
			if rows, err = reader.Parse(message); err != nil {
				return broken("batch cannot be read", err)
			}
		}
		if err := t.host.Emit(message, rows); err != nil {
			return err
		}
		if kind == arrowipc.KindEOS {
			return nil
		}
	}
}

func broken(what string, err error) error {
	if err != nil {
		what += ": " + err.Error()
	}
	return &abi.Error{Category: abi.CategoryData, Message: "identity: " + what}
}
