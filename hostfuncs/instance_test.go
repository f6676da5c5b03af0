package hostfuncs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tetratelabs/wazero/experimental/wazerotest"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// pipeBroker hands out one end of an in-memory connection.
type pipeBroker struct{ far chan net.Conn }

func (b pipeBroker) Open(_ context.Context, target string) (broker.Conn, error) {
	switch target {
	case "refused":
		return nil, &broker.Error{Category: abi.CategoryAuth, Message: "password refused", Hint: "check it"}
	case "db:1":
		tcp, err := broker.New(broker.TCP, nil)
		if err != nil {
			return nil, err
		}
		return tcp.Open(context.Background(), target)
	}
	near, far := net.Pipe()
	b.far <- far
	return &pipeConn{Conn: near}, nil
}

type pipeConn struct{ net.Conn }

func (c *pipeConn) Ready() (bool, error) { return false, nil }

func (c *pipeConn) SetCancelled() { c.Conn.SetDeadline(time.Unix(1, 0)) }

func newTestInstance(t *testing.T, ctx context.Context, change func(*Options)) *Instance {
	t.Helper()
	o := Options{
		Open:       []byte(`{"pipeline":"p"}`),
		Pool:       frame.NewPool(1 << 20),
		MaxBatch:   1 << 16,
		BrokerName: "tcp",
		Broker:     pipeBroker{make(chan net.Conn, 1)},
	}
	if change != nil {
		change(&o)
	}
	i := NewInstance(ctx, o)
	i.Clock.Start(Guest)
	t.Cleanup(func() { i.Close() })
	return i
}

func TestBatchCrossesWholeForEveryCodec(t *testing.T) {
	for _, codec := range []frame.Codec{frame.None, frame.LZ4, frame.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			pool := frame.NewPool(1 << 20)
			src := newTestInstance(t, t.Context(), func(o *Options) { o.Pool, o.Codec = pool, codec })
			dst := newTestInstance(t, t.Context(), func(o *Options) { o.Pool = pool })
			link := NewLink(4, 1<<20)
			src.Begin(nil, nil, link)
			dst.Begin(nil, link, nil)

			batch := bytes.Repeat([]byte("twelve bytes"), 1000)
			sent := bytes.Clone(batch)
			if s := src.EmitBatch(sent, 1000); s != abi.OK {
				t.Fatal(s)
			}
			clear(sent) // the guest may reuse its memory at once
			if s := src.EmitBatch(eos, 0); s != abi.OK {
				t.Fatal(s)
			}
			link.Close()

			// Too small a buffer, twice: nothing is lost, nothing decoded.
			for range 2 {
				r := dst.NextBatch(make([]byte, 100))
				if need, ok := abi.Needs(r); !ok || need != len(batch) {
					t.Fatalf("NextBatch with a small buffer = %d, want a need of %d", r, len(batch))
				}
			}
			buf := make([]byte, 20_000)
			if n := dst.NextBatch(buf); int(n) != len(batch) || !bytes.Equal(buf[:n], batch) {
				t.Fatalf("the batch came back with %d bytes, changed or of another length", n)
			}
			if n := dst.NextBatch(buf); int(n) != len(eos) {
				t.Fatalf("end-of-stream mark = %d bytes", n)
			}
			if n := dst.NextBatch(buf); n != 0 {
				t.Errorf("after the end NextBatch = %d, want 0", n)
			}
			if !src.End() || !dst.End() {
				t.Error("the end-of-stream mark was not seen on both sides")
			}
			if got := src.Counters; got.OutRows != 1000 || got.Batches != 1 || got.EmitCalls != 2 || got.OutBytes != int64(len(batch)+len(eos)) {
				t.Errorf("source counters = %+v", got)
			}
			if got := dst.Counters; got.InRows != 1000 || got.Batches != 1 || got.NextCalls != 2 || got.InFrames != src.Counters.OutFrames {
				t.Errorf("destination counters = %+v", got)
			}
		})
	}
}

func TestMisuseIsRefusedWithAReason(t *testing.T) {
	link := NewLink(4, 1<<20)
	tests := []struct {
		name string
		call func(i *Instance) abi.Status
		want abi.Status
		text string
	}{
		{"empty batch", func(i *Instance) abi.Status { return i.EmitBatch(nil, 1) }, abi.InvalidArgument, "empty message"},
		{"negative rows", func(i *Instance) abi.Status { return i.EmitBatch([]byte("x"), -1) }, abi.InvalidArgument, "impossible number of rows"},
		{"batch over the limit", func(i *Instance) abi.Status { return i.EmitBatch(make([]byte, 1<<16+1), 1) }, abi.TooLarge, "raise resources.max_batch_bytes"},
		{"batch after the end", func(i *Instance) abi.Status {
			i.EmitBatch(eos, 0)
			return i.EmitBatch([]byte("x"), 1)
		}, abi.InvalidArgument, "already ended"},
		{"next without a stage before", func(i *Instance) abi.Status { return abi.Status(i.NextBatch(nil)) }, abi.Unsupported, "no stage before"},
		{"another broker", func(i *Instance) abi.Status { return abi.Status(i.ConnOpen("postgres", "")) }, abi.Denied, "may not use the broker postgres"},
		{"login refused", func(i *Instance) abi.Status { return abi.Status(i.ConnOpen("tcp", "refused")) }, abi.Failed, "password refused"},
		{"unknown handle", func(i *Instance) abi.Status { return abi.Status(i.ConnRead(7, make([]byte, 1))) }, abi.InvalidArgument, "unknown handle"},
		{"closed twice", func(i *Instance) abi.Status {
			h := i.ConnOpen("tcp", "")
			i.ConnClose(h)
			return i.ConnClose(h)
		}, abi.InvalidArgument, "unknown handle"},
		{"unknown phase", func(i *Instance) abi.Status { return i.Phase(abi.NumPhases) }, abi.InvalidArgument, "unknown phase"},
		{"metric name", func(i *Instance) abi.Status { return i.Metric("Rows: read", 1) }, abi.InvalidArgument, "lower case"},
		{"too many metrics", func(i *Instance) abi.Status {
			for n := range abi.MaxMetrics {
				if s := i.Metric("m"+strings.Repeat("a", n), 1); s != abi.OK {
					return s
				}
			}
			return i.Metric("one_more", 1)
		}, abi.TooLarge, "too many"},
		{"no run request outside a run", func(i *Instance) abi.Status { return abi.Status(i.Config(abi.RequestRun, nil)) }, abi.InvalidArgument, "no such request"},
		{"no state", func(i *Instance) abi.Status { return abi.Status(i.StateGet("k", nil)) }, abi.Unsupported, "no state store"},
		{"checkpoint", func(i *Instance) abi.Status { return i.Checkpoint([]byte("{")) }, abi.InvalidArgument, "not a checkpoint"},
		{"reply kind", func(i *Instance) abi.Status { return i.Reply(9, nil) }, abi.InvalidArgument, "unknown kind"},
		{"log level", func(i *Instance) abi.Status { return i.Log(9, "x") }, abi.InvalidArgument, "unknown level"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newTestInstance(t, t.Context(), nil)
			i.Begin(nil, nil, link)
			if got := tt.call(i); got != tt.want {
				t.Errorf("status = %v, want %v", got, tt.want)
			}
			buf := make([]byte, 4096)
			var e abi.Error
			if err := json.Unmarshal(buf[:max(i.LastError(buf), 0)], &e); err != nil || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("last error = %q (%v), want it to say %q", e.Error(), err, tt.text)
			}
			if n := i.LastError(buf); n != 0 {
				t.Errorf("the last error was not forgotten: %d", n)
			}
			link.Drain()
		})
	}
}

// What the broker says about a refusal reaches the guest, and the run's error,
// whole.
func TestDeniedTargetKeepsItsReason(t *testing.T) {
	i := newTestInstance(t, t.Context(), nil)
	if got := abi.Status(i.ConnOpen("tcp", "db:1")); got != abi.Denied {
		t.Fatalf("status = %v, want Denied", got)
	}
	if e := i.HostError(); e.Category != abi.CategoryPermission || e.Field != "allow" || !strings.Contains(e.Hint, "config key allow") {
		t.Errorf("host error = %+v", e)
	}
}

// A stage between two others is seen to make progress, and its waiting for the
// end of the stream is part of its time in next_batch.
func TestTransformCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := frame.NewPool(1 << 20)
		i := newTestInstance(t, t.Context(), func(o *Options) { o.Pool = pool })
		in, out := NewLink(4, 1<<20), NewLink(4, 1<<20)
		i.Begin(nil, in, out)
		if err := in.Put(t.Context(), encode(t, pool, 8, 5)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		if n := i.NextBatch(buf); n != 8 {
			t.Fatal(n)
		}
		if s := i.EmitBatch(buf, 5); s != abi.OK {
			t.Fatal(s)
		}
		if rows, bytes := i.Progress(); rows != 5 || bytes != 10 {
			t.Errorf("progress = %d rows, %d bytes, want 5 and 10", rows, bytes)
		}

		time.AfterFunc(time.Second, in.Close)
		if n := i.NextBatch(buf); n != 0 {
			t.Fatal(n)
		}
		if got, waited := i.Counters.NextTime, i.Clock.Stop()[BucketUpstream]; got != waited || got != time.Second {
			t.Errorf("%v in next_batch, of which %v waiting; want one second of both", got, waited)
		}
		out.Drain()
	})
}

// Lengths that a 32-bit answer cannot tell, and texts that only cost memory, are
// refused before anything is done with them.
func TestLengthsBeyondTheContract(t *testing.T) {
	i := newTestInstance(t, t.Context(), nil)
	h := i.ConnOpen("tcp", "")
	huge := math.MaxInt32 + 1
	if got := abi.Status(i.ConnWrite(h, make([]byte, huge))); got != abi.TooLarge { // never touched, so it takes no memory
		t.Errorf("conn_write of 2 GiB = %v, want TooLarge", got)
	}

	m := memory{wazerotest.NewFixedMemory(1 << 22)}
	if s, ok := m.text(0, 1<<22); !ok || len(s) > abi.MaxKey+1 {
		t.Errorf("text of 4 MiB: %d bytes were copied", len(s))
	}
	// Only the lower half of a slot is the guest's.
	if b, ok := m.view(1<<23, 1<<32); !ok || len(b) != 0 {
		t.Errorf("an empty view: %d bytes, %t", len(b), ok)
	}
}

func TestEveryCallSaysCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	i := newTestInstance(t, ctx, func(o *Options) { o.State = noState{} })
	i.Begin([]byte("{}"), NewLink(1, 1), NewLink(1, 1))
	h := i.ConnOpen("tcp", "")
	i.Phase(abi.PhaseCommit)
	cancel()

	buf := make([]byte, 10)
	for name, got := range map[string]int32{
		"emit_batch": int32(i.EmitBatch(buf, 1)),
		"next_batch": i.NextBatch(buf),
		"conn_open":  i.ConnOpen("tcp", ""),
		"conn_read":  i.ConnRead(h, buf),
		"conn_write": i.ConnWrite(h, buf),
		"conn_ready": i.ConnReady(h),
		"config":     i.Config(abi.RequestRun, buf),
		"checkpoint": int32(i.Checkpoint([]byte("{}"))),
		"state_get":  i.StateGet("k", buf),
		"state_put":  int32(i.StatePut("k", buf)),
		"state_cas":  i.StateCAS("k", nil, buf),
		"yield":      int32(i.Yield()),
	} {
		if abi.Status(got) != abi.Cancelled {
			t.Errorf("%s = %d after the cancellation, want Cancelled", name, got)
		}
	}
	if i.ErrorPhase() != abi.PhaseCommit {
		t.Errorf("phase of the cancellation = %v, want commit", i.ErrorPhase())
	}
}

type noState struct{}

func (noState) Get(context.Context, string) ([]byte, bool, error)         { return nil, false, nil }
func (noState) Put(context.Context, string, []byte) error                 { return nil }
func (noState) CAS(context.Context, string, []byte, []byte) (bool, error) { return false, nil }

// A read that waits is woken by the cancellation.
func TestWaitingReadIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	i := newTestInstance(t, ctx, nil)
	h := i.ConnOpen("tcp", "")
	result := make(chan int32)
	go func() { result <- i.ConnRead(h, make([]byte, 10)) }()
	cancel()
	if got := <-result; abi.Status(got) != abi.Cancelled {
		t.Errorf("conn_read = %d, want Cancelled", got)
	}
}

// A guest that will not stop is ended from inside its own call.
func TestOverdueGuestIsEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	i := newTestInstance(t, ctx, func(o *Options) { o.Grace = time.Nanosecond })
	cancel()
	i.Yield()
	time.Sleep(time.Millisecond)
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, errOverdue) {
			t.Errorf("the call ended with %v, want errOverdue", err)
		}
	}()
	i.Yield()
	t.Error("the call returned")
}

func TestGuestTextIsMadeFitToPrint(t *testing.T) {
	var lines []string
	i := newTestInstance(t, t.Context(), func(o *Options) {
		o.Log = func(_ abi.LogLevel, line string) { lines = append(lines, line) }
	})
	i.Log(abi.LogInfo, "two\nlines \x1b[31mred\x00")
	i.Log(abi.LogInfo, strings.Repeat("é", abi.MaxLogLine))
	for range maxLogLines {
		i.Log(abi.LogInfo, "again")
	}
	if lines[0] != "two lines [31mred" {
		t.Errorf("line = %q", lines[0])
	}
	if len(lines[1]) != abi.MaxLogLine+len("...") || strings.ContainsRune(lines[1], '\uFFFD') {
		t.Errorf("a long line was cut to %d bytes, or inside a letter", len(lines[1]))
	}
	if len(lines) != maxLogLines || i.Counters.LogDropped != 2 {
		t.Errorf("%d lines kept, %d dropped; want %d and 2", len(lines), i.Counters.LogDropped, maxLogLines)
	}
}

// Whatever pointers a guest passes, the host answers: it does not panic and
// does not touch memory outside.
func TestEveryPointerIsChecked(t *testing.T) {
	const size = 1 << 16
	bad := [][2]uint64{{size - 1, 2}, {size, 1}, {0xffffffff, 1}, {0xffffffff, 0xffffffff}, {1, 0xffffffff}}
	// Which stack slots hold a pointer and its length, by function.
	pointers := map[string][]int{
		"emit_batch": {0}, "next_batch": {0}, "conn_open": {0, 2}, "conn_read": {1}, "conn_write": {1},
		"config": {1}, "reply": {1}, "log": {1}, "metric": {0}, "checkpoint": {0}, "last_error": {0},
		"state_get": {0, 2}, "state_put": {0, 2}, "state_cas": {0, 2, 4},
	}
	for _, f := range Functions() {
		for _, slot := range pointers[f.Name] {
			for _, p := range bad {
				i := newTestInstance(t, t.Context(), func(o *Options) { o.State = noState{} })
				stack := make([]uint64, max(len(f.Params), 1))
				for k := 1; k < len(stack); k += 2 {
					stack[k] = 1 // other lengths: one byte at 0 or so
				}
				stack[slot], stack[slot+1] = p[0], p[1]
				if f.Name == "state_cas" && slot == 2 && int32(p[1]) < 0 {
					continue // a negative length means "none" there
				}
				f.call(i, memory{wazerotest.NewFixedMemory(size)}, stack)
				if got := abi.Status(int32(stack[0])); got != abi.InvalidArgument {
					t.Errorf("%s with pointer %#x, length %#x = %v, want InvalidArgument", f.Name, p[0], p[1], got)
				}
			}
		}
		if len(f.Params) > 1 && pointers[f.Name] == nil {
			t.Errorf("%s has pointers that this test does not know", f.Name)
		}
	}
}

// Counting costs the host's heap nothing: guests do it with every batch.
func TestMetricAllocatesNothing(t *testing.T) {
	i := newTestInstance(t, t.Context(), nil)
	guest := memory{wazerotest.NewFixedMemory(wazerotest.PageSize)}
	guest.Write(8, []byte("rows_read"))
	count := func() {
		stack := []uint64{8, 9, 1}
		if metric(i, guest, stack); stack[0] != uint64(abi.OK) {
			t.Fatalf("metric returned %d", stack[0])
		}
	}
	count()
	guest.Write(8, []byte("rows_lost")) // the name is the host's own by now
	count()
	if got := testing.AllocsPerRun(100, count); got > 0 {
		t.Errorf("%v allocations a call, want none", got)
	}
	if i.Metrics["rows_read"] != 1 || i.Metrics["rows_lost"] != 102 || len(i.Metrics) != 2 {
		t.Errorf("metrics = %v", i.Metrics)
	}

	long := []uint64{0, abi.MaxNameBytes + 2, 1}
	guest.Write(0, bytes.Repeat([]byte("a"), abi.MaxNameBytes+2))
	if metric(i, guest, long); int32(long[0]) != int32(abi.InvalidArgument) {
		t.Errorf("a name of %d bytes: status %d", abi.MaxNameBytes+2, int32(long[0]))
	}
}
