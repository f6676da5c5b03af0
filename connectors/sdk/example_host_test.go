package sdk_test

import (
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// printingHost answers requests and prints what is emitted. It has nothing of
// what the example does not use.
type printingHost struct {
	abi.Host
	requests map[abi.Request]string
}

func newPrintingHost(open, run string) abi.Host {
	return printingHost{requests: map[abi.Request]string{abi.RequestOpen: open, abi.RequestRun: run}}
}

func (h printingHost) Config(kind abi.Request, buf []byte) int32 {
	return int32(copy(buf, h.requests[kind]))
}

func (h printingHost) EmitBatch(batch []byte, rows int32) abi.Status {
	kind, err := arrowipc.KindOf(batch)
	if err != nil {
		return abi.InvalidArgument
	}
	fmt.Println(kind, "of", rows, "rows")
	return abi.OK
}

func (h printingHost) Phase(abi.Phase) abi.Status         { return abi.OK }
func (h printingHost) Metric(string, int64) abi.Status    { return abi.OK }
func (h printingHost) Reply(abi.Reply, []byte) abi.Status { return abi.OK }
