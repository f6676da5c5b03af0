package sdk_test

import (
	"encoding/binary"
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Counter is a whole source: a stream of the numbers 1 to limit.
type Counter struct {
	host  *sdk.Host
	limit int
}

func (c *Counter) Open(h *sdk.Host, _ *abi.OpenRequest, config sdk.Config) error {
	c.host, c.limit = h, int(config.Int("limit"))
	return nil
}

func (c *Counter) Check() (*abi.CheckReport, error) { return &abi.CheckReport{Message: "ready"}, nil }
func (c *Counter) Discover() (*abi.Catalog, error)  { return &abi.Catalog{}, nil }
func (c *Counter) Close() error                     { return nil }

func (c *Counter) Read(req *abi.RunRequest) error {
	schema := &arrowipc.Schema{Fields: []arrowipc.Field{{Name: "n", Type: arrowipc.Int64}}}
	if err := c.host.Emit(arrowipc.AppendSchema(nil, schema), 0); err != nil {
		return err
	}

	c.host.Phase(abi.PhaseFetch)
	w := arrowipc.NewWriter(schema, int(req.MaxBatchBytes))
	for next := 1; next <= c.limit; {
		rows := min(int(req.BatchRows), c.limit-next+1)
		if err := w.Begin(rows, make([]arrowipc.Plan, 1)); err != nil {
			return err
		}
		for row, data := 0, w.Column(0).Data; row < rows; row, next = row+1, next+1 {
			binary.LittleEndian.PutUint64(data[8*row:], uint64(next))
		}
		if err := c.host.Emit(w.Finish(), rows); err != nil {
			return err
		}
		c.host.Metric(abi.MetricRowsRead, int64(rows))
	}
	return c.host.Emit(arrowipc.EOS, 0)
}

// In a connector's main package this makes it the one the module exports.
var _ = sdk.Serve(sdk.SourceGuest(func() sdk.Source { return &Counter{} }))

func Example() {
	host := newPrintingHost(`{"config":{"limit":5}}`, `{"stream":"numbers","batch_rows":2}`)
	guest := sdk.SourceGuest(func() sdk.Source { return &Counter{} })(host)
	fmt.Println(guest.Open().String(), guest.Run().String(), guest.Close().String())
	// Output:
	// schema of 0 rows
	// batch of 2 rows
	// batch of 2 rows
	// batch of 1 rows
	// end of stream of 0 rows
	// ok ok ok
}
