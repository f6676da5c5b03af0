package hostfuncs

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// eos is the message that ends an Arrow IPC stream.
var eos = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// EmitBatch implements [abi.Host]. The message is copied or compressed into a
// frame before it returns.
func (i *Instance) EmitBatch(batch []byte, rows int32) abi.Status {
	before := i.Clock.Now()
	leave, status := i.enter()
	defer i.Clock.Switch(leave)

	switch {
	case status != abi.OK:
		return status
	case i.out == nil:
		return i.refuse(abi.Unsupported, "emit_batch: this stage has no next stage")
	case i.outEOS:
		return i.refuse(abi.InvalidArgument, "emit_batch: the stream has already ended")
	case len(batch) == 0 || rows < 0 || rows > abi.MaxRows:
		return i.refuse(abi.InvalidArgument, "emit_batch: empty message or impossible number of rows")
	case len(batch) > i.opt.MaxBatch:
		i.lastErr = tooLarge("emit_batch", len(batch), i.opt.MaxBatch)
		i.hostErr = i.lastErr
		return abi.TooLarge
	}

	// One copy out of the guest, by the compressor or by hand.
	codec := i.opt.Codec
	if rows == 0 {
		codec = frame.None // schema and end of stream: a few hundred bytes
	}
	if codec != frame.None {
		i.Clock.Switch(Compress)
	}
	f, err := i.opt.Pool.Encode(codec, batch, int(rows))
	if err != nil {
		return i.fail(&abi.Error{Category: abi.CategoryInternal, Message: "emit_batch: " + err.Error()})
	}

	i.Clock.Switch(Downstream)
	size := f.Len()
	if err := i.out.Put(i.ctx, f); err != nil {
		f.Release()
		return i.cancelled()
	}
	i.Clock.Switch(Copy)

	i.outEOS = rows == 0 && bytes.Equal(batch, eos)
	c := &i.Counters
	c.EmitCalls++
	c.OutRows += int64(rows)
	c.OutBytes += int64(len(batch))
	c.OutFrames += int64(size)
	if rows > 0 {
		c.Batches++
	}
	i.rows.Add(int64(rows))
	i.bytes.Add(int64(len(batch)))
	c.EmitTime += i.Clock.Now() - before
	return abi.OK
}

// NextBatch implements [abi.Host]. A frame that does not fit stays pending,
// still encoded: nothing is lost and nothing is decoded twice.
func (i *Instance) NextBatch(buf []byte) int32 {
	before := i.Clock.Now()
	leave, status := i.enter()
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return int32(status)
	}
	if i.in == nil {
		return int32(i.refuse(abi.Unsupported, "next_batch: this stage has no stage before it"))
	}

	if i.pending == nil {
		i.Clock.Switch(Upstream)
		f, err := i.in.Take(i.ctx)
		i.Clock.Switch(Copy)
		if errors.Is(err, io.EOF) {
			i.Counters.NextTime += i.Clock.Now() - before
			return 0
		}
		if err != nil {
			return int32(i.cancelled())
		}
		i.pending = f
	}

	f := i.pending
	n := f.RawLen()
	if n > len(buf) {
		i.Counters.NextTime += i.Clock.Now() - before
		return abi.Need(n)
	}
	if f.Codec() != frame.None {
		i.Clock.Switch(Decompress)
	}
	if err := f.Decode(buf[:n]); err != nil {
		return int32(i.fail(&abi.Error{Category: abi.CategoryInternal, Message: "next_batch: " + err.Error()}))
	}
	i.Clock.Switch(Copy)
	if i.opt.Tap != nil {
		if err := i.opt.Tap(buf[:n], f.Rows()); err != nil {
			return int32(i.fail(&abi.Error{Category: abi.CategoryInternal, Message: "tap: " + err.Error()}))
		}
	}

	// The mark is a guest's word; what counts is that the stage before has ended
	// without an error. Until then nobody may take the stream for whole.
	if f.Rows() == 0 && bytes.Equal(buf[:n], eos) {
		i.Clock.Switch(Upstream)
		if err := i.in.waitMore(i.ctx); err != nil {
			return int32(i.cancelled())
		}
		i.Clock.Switch(Copy)
		i.inEOS = true
	}

	c := &i.Counters
	c.NextCalls++
	c.InRows += int64(f.Rows())
	c.InBytes += int64(n)
	c.InFrames += int64(f.Len())
	if i.out == nil {
		if f.Rows() > 0 {
			c.Batches++
		}
		i.rows.Add(int64(f.Rows()))
		i.bytes.Add(int64(n))
	}
	i.pending = nil
	f.Release()
	c.NextTime += i.Clock.Now() - before
	return int32(n)
}

func tooLarge(op string, have, limit int) *abi.Error {
	return &abi.Error{
		Category: abi.CategoryData,
		Message: op + ": a batch of " + strconv.Itoa(have) + " bytes is over the limit of " +
			strconv.Itoa(limit) + " bytes",
		Hint: "raise resources.max_batch_bytes",
	}
}
