package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// Crossing calls one host function over and over from a guest that does nothing
// else, which leaves the price of the boundary: leaving the guest, finding the
// instance, switching the clock, the function's own work, coming back.
type Crossing struct {
	function string
	runtime  wazero.Runtime
	run      api.Function
	instance *hostfuncs.Instance
	pool     *frame.Pool
	link     *hostfuncs.Link // for the functions that move batches
	message  []byte
}

// CrossingBytes is the length of what the functions with a buffer carry: a
// piece of a connection's stream, or a batch.
const CrossingBytes = 64 << 10

// Crossings lists the host functions that run once or more for every batch, or
// for every piece of one.
func Crossings() []string {
	return []string{"yield", "phase", "metric", "conn_read", "conn_write", "emit_batch", "next_batch"}
}

// Calls returns how many calls make one operation of the benchmark: enough that
// entering the guest does not count, and for batches no more than the frames'
// pool keeps, so that it is the steady state that is measured.
func (c *Crossing) Calls() int {
	if c.function == "emit_batch" || c.function == "next_batch" {
		return 100
	}
	return 10000
}

// NewCrossing returns the crossing of one of the functions of [Crossings].
// Close it.
func NewCrossing(ctx context.Context, function string) (*Crossing, error) {
	table := hostfuncs.Functions()
	n := slices.IndexFunc(table, func(f hostfuncs.Function) bool { return f.Name == function })
	if n < 0 {
		return nil, fmt.Errorf("lab: there is no host function %q", function)
	}

	// The first page of the guest's memory holds a metric's name, the rest is
	// the buffer.
	const page = 64 << 10
	arguments := map[string][]int64{
		"yield":      {},
		"phase":      {int64(abi.PhaseFetch)},
		"metric":     {0, int64(len(abi.MetricRowsRead)), 1},
		"conn_read":  {0, page, CrossingBytes},
		"conn_write": {0, page, CrossingBytes},
		"emit_batch": {page, CrossingBytes, 1000},
		"next_batch": {page, CrossingBytes},
	}[function]
	if arguments == nil || len(arguments) != len(table[n].Params) {
		return nil, fmt.Errorf("lab: no arguments known for host function %q", function)
	}

	c := &Crossing{
		function: function,
		runtime:  wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig()),
		pool:     frame.NewPool(CrossingBytes),
		message:  make([]byte, CrossingBytes),
	}
	if err := hostfuncs.Register(ctx, c.runtime); err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	guest, err := c.runtime.Instantiate(ctx, caller(table[n], arguments))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lab: guest that calls %s: %w", function, err), c.Close(ctx))
	}
	guest.Memory().WriteString(0, abi.MetricRowsRead)
	c.run = guest.ExportedFunction("run")
	c.instance = hostfuncs.NewInstance(ctx, hostfuncs.Options{
		Pool: c.pool, MaxBatch: CrossingBytes, BrokerName: "echo", Broker: endless{},
	})
	if handle := c.instance.ConnOpen("echo", ""); handle != 0 {
		return nil, errors.Join(fmt.Errorf("lab: connection of the guest: %d", handle), c.Close(ctx))
	}
	return c, nil
}

// Close gives the crossing's memory back.
func (c *Crossing) Close(ctx context.Context) error {
	if c.instance != nil {
		c.instance.Close()
	}
	return c.runtime.Close(ctx)
}

// Prepare gets ready for calls calls: it fills the link that next_batch empties,
// or empties the one that emit_batch fills.
func (c *Crossing) Prepare(calls int) error {
	if c.link != nil {
		c.instance.End()
		c.link.Drain()
	}
	c.link = hostfuncs.NewLink(calls+1, (calls+1)*(CrossingBytes+frame.HeaderSize))
	switch c.function {
	case "emit_batch":
		c.instance.Begin(nil, nil, c.link)
	case "next_batch":
		for range calls {
			f, err := c.pool.Encode(frame.None, c.message, 1000)
			if err != nil {
				return err
			}
			if err := c.link.Put(context.Background(), f); err != nil {
				return err
			}
		}
		c.instance.Begin(nil, c.link, nil)
	}
	return nil
}

// Call makes the guest call the function calls times.
func (c *Crossing) Call(ctx context.Context, calls int) error {
	before := c.instance.Counters.HostCalls
	result, err := c.run.Call(c.instance.Context(ctx), uint64(calls))
	if err != nil {
		return fmt.Errorf("lab: calls of %s: %w", c.function, err)
	}
	if status := int32(result[0]); status < 0 {
		return fmt.Errorf("lab: %s answered %w", c.function, abi.Status(status))
	}
	if n := c.instance.Counters.HostCalls - before; n != int64(calls) {
		return fmt.Errorf("lab: %s was called %d times instead of %d", c.function, n, calls)
	}
	return nil
}

// caller returns a module whose export "run" calls f with the given arguments
// as many times as its parameter says. It stops at the first negative result
// and returns the last one.
//
//	(func (export "run") (param $n i32) (result i32) (local $r i32)
//	  (loop $again
//	    (local.set $r (call $f arguments...))
//	    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
//	    (br_if $again (i32.and (i32.gt_s (local.get $n) (i32.const 0))
//	                           (i32.ge_s (local.get $r) (i32.const 0)))))
//	  (local.get $r))
func caller(f hostfuncs.Function, arguments []int64) []byte {
	const i32 = 0x7f
	vector := func(items ...[]byte) []byte {
		return slices.Concat(append([][]byte{leb(int64(len(items)))}, items...)...)
	}
	sized := func(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }
	section := func(id byte, b []byte) []byte { return append([]byte{id}, sized(b)...) }
	signature := func(params, results []byte) []byte { return slices.Concat([]byte{0x60}, sized(params), sized(results)) }

	body := []byte{1, 1, i32, 0x03, 0x40} // one i32 local; loop
	for n, a := range arguments {
		opcode := byte(0x41) // i32.const
		if f.Params[n] == api.ValueTypeI64 {
			opcode = 0x42
		}
		body = append(append(body, opcode), leb(a)...)
	}
	body = append(body,
		0x10, 0, 0x21, 1, // call 0; local.set 1
		0x20, 0, 0x41, 1, 0x6b, 0x22, 0, // n - 1; local.tee 0
		0x41, 0, 0x4a, 0x20, 1, 0x41, 0, 0x4e, 0x71, // > 0 and r >= 0
		0x0d, 0, 0x0b, 0x20, 1, 0x0b) // br_if 0; end; local.get 1; end

	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector(signature(f.Params, f.Results), signature([]byte{i32}, []byte{i32}))),
		section(2, vector(slices.Concat(sized([]byte(abi.Module)), sized([]byte(f.Name)), []byte{0, 0}))),
		section(3, vector([]byte{1})),
		section(5, vector([]byte{0, 2 + CrossingBytes>>16})), // memory: the name, the buffer, a page to spare
		section(7, vector(slices.Concat(sized([]byte("run")), []byte{0, 1}))),
		section(10, vector(sized(body))))
}

// leb encodes a signed number as LEB128.
func leb(v int64) []byte {
	var b []byte
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// endless is a broker whose connections take and give everything at once.
type endless struct{}

func (endless) Open(context.Context, string) (broker.Conn, error) { return endless{}, nil }

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func (endless) Write(p []byte) (int, error) { return len(p), nil }

func (endless) Ready() (bool, error) { return true, nil }

func (endless) SetCancelled() {}

func (endless) Close() error { return nil }
