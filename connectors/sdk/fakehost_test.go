package sdk

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// fakeHost is a host made of slices. It obeys the contract unless a test says
// otherwise by failing the n-th call.
type fakeHost struct {
	open, run []byte            // requests
	partition []byte            // a request, too
	finish    []byte            // another one
	input     [][]byte          // of NextBatch
	incoming  []byte            // of ConnRead
	state     map[string][]byte //

	emitted     [][]byte
	rows        []int32
	outgoing    []byte // of ConnWrite, at most writeMax bytes a call
	writeMax    int
	replies     map[abi.Reply][]byte
	logs        []string
	phases      []abi.Phase
	metrics     map[string]int64
	checkpoints [][]byte
	lastError   []byte
	calls       int

	failAt     int // the call, counted from 1, that returns failStatus; 0 for none
	failStatus abi.Status
	failError  *abi.Error // what LastError then says; nil for nothing
}

var _ abi.Host = (*fakeHost)(nil)

func newFakeHost() *fakeHost {
	return &fakeHost{
		open:    []byte(`{"pipeline":"p","connector":"c","config":{}}`),
		run:     []byte(`{"stream":"events","batch_rows":100}`),
		state:   map[string][]byte{},
		replies: map[abi.Reply][]byte{},
		metrics: map[string]int64{},
	}
}

// call counts a call and returns the status it fails with, if it does.
func (f *fakeHost) call() abi.Status {
	f.calls++
	if f.calls != f.failAt {
		return abi.OK
	}
	if f.failError != nil {
		f.lastError, _ = json.Marshal(f.failError)
	}
	return f.failStatus
}

func fillBuffer(buf, message []byte) int32 {
	if len(message) > len(buf) {
		return abi.Need(len(message))
	}
	return int32(copy(buf, message))
}

func (f *fakeHost) EmitBatch(batch []byte, rows int32) abi.Status {
	if s := f.call(); s != abi.OK {
		return s
	}
	f.emitted = append(f.emitted, bytes.Clone(batch))
	f.rows = append(f.rows, rows)
	return abi.OK
}

func (f *fakeHost) NextBatch(buf []byte) int32 {
	if s := f.call(); s != abi.OK {
		return int32(s)
	}
	if len(f.input) == 0 {
		return 0
	}
	r := fillBuffer(buf, f.input[0])
	if r >= 0 {
		f.input = f.input[1:]
	}
	return r
}

func (f *fakeHost) ConnOpen(broker, target string) int32 {
	if s := f.call(); s != abi.OK {
		return int32(s)
	}
	return 7
}

func (f *fakeHost) ConnRead(handle int32, buf []byte) int32 {
	if s := f.call(); s != abi.OK {
		return int32(s)
	}
	n := copy(buf, f.incoming)
	f.incoming = f.incoming[n:]
	return int32(n)
}

func (f *fakeHost) ConnWrite(handle int32, data []byte) int32 {
	if s := f.call(); s != abi.OK {
		return int32(s)
	}
	if f.writeMax > 0 {
		data = data[:min(len(data), f.writeMax)]
	}
	f.outgoing = append(f.outgoing, data...)
	return int32(len(data))
}

func (f *fakeHost) ConnReady(handle int32) int32 {
	if s := f.call(); s != abi.OK {
		return int32(s)
	}
	return int32(min(len(f.incoming), 1))
}

func (f *fakeHost) ConnClose(handle int32) abi.Status { return f.call() }

func (f *fakeHost) Config(kind abi.Request, buf []byte) int32 {
	if s := f.call(); s != abi.OK {
		return int32(s)
	}
	return fillBuffer(buf, map[abi.Request][]byte{
		abi.RequestOpen: f.open, abi.RequestRun: f.run, abi.RequestPartition: f.partition, abi.RequestFinish: f.finish,
	}[kind])
}

func (f *fakeHost) Reply(kind abi.Reply, message []byte) abi.Status {
	if s := f.call(); s != abi.OK {
		return s
	}
	f.replies[kind] = bytes.Clone(message)
	return abi.OK
}

func (f *fakeHost) Log(level abi.LogLevel, line string) abi.Status {
	f.logs = append(f.logs, line)
	return f.call()
}

func (f *fakeHost) Phase(phase abi.Phase) abi.Status {
	f.phases = append(f.phases, phase)
	return f.call()
}

func (f *fakeHost) Metric(name string, delta int64) abi.Status {
	f.metrics[name] += delta
	return f.call()
}

func (f *fakeHost) Checkpoint(message []byte) abi.Status {
	f.checkpoints = append(f.checkpoints, bytes.Clone(message))
	return f.call()
}

func (f *fakeHost) StateGet(key string, buf []byte) int32 {
	if s := f.call(); s != abi.OK {
		return int32(s)
	}
	value, ok := f.state[key]
	if !ok {
		return int32(abi.NotFound)
	}
	return fillBuffer(buf, value)
}

func (f *fakeHost) StatePut(key string, value []byte) abi.Status {
	if s := f.call(); s != abi.OK {
		return s
	}
	f.state[key] = bytes.Clone(value)
	return abi.OK
}

func (f *fakeHost) StateCAS(key string, old, value []byte) int32 {
	if s := f.call(); s != abi.OK {
		return int32(s)
	}
	current, ok := f.state[key]
	if ok != (old != nil) || !bytes.Equal(current, old) {
		return 0
	}
	f.state[key] = bytes.Clone(value)
	return 1
}

func (f *fakeHost) LastError(buf []byte) int32 {
	r := fillBuffer(buf, f.lastError)
	if r >= 0 {
		f.lastError = nil
	}
	return r
}

func (f *fakeHost) Yield() abi.Status { return f.call() }

// replied returns the error that was handed over.
func (f *fakeHost) replied(t *testing.T) abi.Error {
	t.Helper()
	var e abi.Error
	if err := json.Unmarshal(f.replies[abi.ReplyError], &e); err != nil {
		t.Fatalf("no readable error was handed over: %v in %q", err, f.replies[abi.ReplyError])
	}
	return e
}
