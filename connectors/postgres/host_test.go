package postgres

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// testConn is a connection a testHost hands out; broker.Conn is one.
type testConn interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	Ready() (bool, error)
	Close() error
}

// testMessage is one Arrow message between stages.
type testMessage struct {
	data []byte
	rows int
}

// testHost is the host of one guest in the test's own process: it plays the
// stages before and after, and keeps everything the guest says.
type testHost struct {
	open      abi.OpenRequest
	partition abi.PartitionRequest
	run       abi.RunRequest
	finish    abi.FinishRequest
	connect   func() (testConn, error) // nil: no connection to be had

	input   []testMessage        // what NextBatch hands out
	onEmit  func(int) abi.Status // called with the number of messages so far; nil: OK
	onYield func(int) abi.Status // called with the number of yields so far; nil: OK
	onNext  func(left int)       // called before a message is handed out
	fail    func(call int) error // called before each host call that can fail, from 0; nil: never

	emitted     []testMessage
	metrics     map[string]int64
	phases      []abi.Phase
	checkpoints []abi.Checkpoint
	log         []string
	yields      int
	catalog     *abi.Catalog
	check       *abi.CheckReport
	partitions  *abi.Partitions
	failure     *abi.Error // of the last export that failed

	calls     int
	conns     []testConn
	lastError []byte
}

var _ abi.Host = (*testHost)(nil)

// newTestHost returns a host whose guest gets the given configuration and the
// connections of connect.
func newTestHost(role abi.Role, config map[string]any, connect func() (testConn, error)) *testHost {
	return &testHost{
		open:    abi.OpenRequest{Pipeline: "test", Connector: "postgres", Role: role, Config: config},
		run:     abi.RunRequest{SyncMode: "full_refresh", WriteMode: "append", BatchRows: 1000, BatchBytes: 1 << 20, MaxBatchBytes: 64 << 20},
		connect: connect,
		metrics: map[string]int64{},
	}
}

// err is what the status of an export stands for: nil, the guest's own error, or
// the status.
func (h *testHost) err(s abi.Status) error {
	if s == abi.Failed && h.failure != nil {
		e := h.failure
		h.failure = nil
		return e
	}
	return s.Err()
}

// runGuest opens a guest, runs the streams named, one after the other, closes it
// and returns the first error.
func (h *testHost) runGuest(newGuest func(abi.Host) abi.Guest, streams ...string) error {
	g := newGuest(h)
	err := h.err(g.Open())
	for _, stream := range streams {
		if err == nil {
			h.run.Stream = stream
			err = h.err(g.Run())
		}
	}
	if closing := h.err(g.Close()); err == nil {
		err = closing
	}
	return err
}

// failing reports whether the next call is to fail, and how.
func (h *testHost) failing() (abi.Status, bool) {
	if h.fail == nil {
		return 0, false
	}
	err := h.fail(h.calls)
	h.calls++
	return h.status(err), err != nil
}

// status returns the status for err and keeps what LastError says about it.
func (h *testHost) status(err error) abi.Status {
	var s abi.Status
	var described *abi.Error
	switch {
	case err == nil:
		return abi.OK
	case errors.As(err, &s):
		return s
	case errors.As(err, &described):
		h.lastError, _ = json.Marshal(described)
	default:
		h.lastError = []byte(err.Error())
	}
	return abi.Failed
}

func (h *testHost) EmitBatch(batch []byte, rows int32) abi.Status {
	if s, ok := h.failing(); ok {
		return s
	}
	h.emitted = append(h.emitted, testMessage{slices.Clone(batch), int(rows)})
	if h.onEmit != nil {
		return h.onEmit(len(h.emitted))
	}
	return abi.OK
}

func (h *testHost) NextBatch(buf []byte) int32 {
	if s, ok := h.failing(); ok {
		return int32(s)
	}
	if h.onNext != nil {
		h.onNext(len(h.input))
	}
	if len(h.input) == 0 {
		return 0
	}
	m := h.input[0].data
	if len(m) > len(buf) {
		return abi.Need(len(m))
	}
	h.input = h.input[1:]
	return int32(copy(buf, m))
}

func (h *testHost) ConnOpen(_, _ string) int32 {
	if s, ok := h.failing(); ok {
		return int32(s)
	}
	if h.connect == nil {
		return int32(abi.Denied)
	}
	c, err := h.connect()
	if err != nil {
		return int32(h.status(err))
	}
	h.conns = append(h.conns, c)
	return int32(len(h.conns) - 1)
}

func (h *testHost) conn(handle int32) testConn {
	if handle < 0 || int(handle) >= len(h.conns) {
		return nil
	}
	return h.conns[handle]
}

func (h *testHost) ConnRead(handle int32, buf []byte) int32 {
	if s, ok := h.failing(); ok {
		return int32(s)
	}
	c := h.conn(handle)
	if c == nil {
		return int32(abi.InvalidArgument)
	}
	n, err := c.Read(buf)
	if err != nil && err != io.EOF {
		return int32(h.status(err))
	}
	return int32(n)
}

func (h *testHost) ConnWrite(handle int32, data []byte) int32 {
	if s, ok := h.failing(); ok {
		return int32(s)
	}
	c := h.conn(handle)
	if c == nil {
		return int32(abi.InvalidArgument)
	}
	n, err := c.Write(data)
	if err != nil {
		return int32(h.status(err))
	}
	return int32(n)
}

func (h *testHost) ConnReady(handle int32) int32 {
	if s, ok := h.failing(); ok {
		return int32(s)
	}
	c := h.conn(handle)
	if c == nil {
		return int32(abi.InvalidArgument)
	}
	ready, err := c.Ready()
	switch {
	case err != nil:
		return int32(h.status(err))
	case ready:
		return 1
	}
	return 0
}

func (h *testHost) ConnClose(handle int32) abi.Status {
	c := h.conn(handle)
	if c == nil {
		return abi.InvalidArgument
	}
	h.conns[handle] = nil
	return h.status(c.Close())
}

func (h *testHost) Config(kind abi.Request, buf []byte) int32 {
	var v any
	switch kind {
	case abi.RequestOpen:
		v = &h.open
	case abi.RequestRun:
		v = &h.run
	case abi.RequestPartition:
		v = &h.partition
	case abi.RequestFinish:
		v = &h.finish
	default:
		return int32(abi.InvalidArgument)
	}
	message, err := json.Marshal(v)
	if err != nil {
		return int32(h.status(err))
	}
	if len(message) > len(buf) {
		return abi.Need(len(message))
	}
	return int32(copy(buf, message))
}

func (h *testHost) Reply(kind abi.Reply, message []byte) abi.Status {
	switch kind {
	case abi.ReplyError:
		h.failure = new(abi.Error)
		return h.status(json.Unmarshal(message, h.failure))
	case abi.ReplyCatalog:
		h.catalog = new(abi.Catalog)
		return h.status(json.Unmarshal(message, h.catalog))
	case abi.ReplyCheck:
		h.check = new(abi.CheckReport)
		return h.status(json.Unmarshal(message, h.check))
	case abi.ReplyPartitions:
		h.partitions = new(abi.Partitions)
		return h.status(json.Unmarshal(message, h.partitions))
	}
	return abi.InvalidArgument
}

func (h *testHost) Log(_ abi.LogLevel, line string) abi.Status {
	h.log = append(h.log, line)
	return abi.OK
}

func (h *testHost) Phase(p abi.Phase) abi.Status {
	h.phases = append(h.phases, p)
	return abi.OK
}

func (h *testHost) Metric(name string, delta int64) abi.Status {
	h.metrics[name] += delta
	return abi.OK
}

func (h *testHost) Checkpoint(message []byte) abi.Status {
	if s, ok := h.failing(); ok {
		return s
	}
	var c abi.Checkpoint
	err := json.Unmarshal(message, &c)
	h.checkpoints = append(h.checkpoints, c)
	return h.status(err)
}

func (h *testHost) StateGet(string, []byte) int32         { return int32(abi.NotFound) }
func (h *testHost) StatePut(string, []byte) abi.Status    { return abi.OK }
func (h *testHost) StateCAS(string, []byte, []byte) int32 { return 1 }

func (h *testHost) LastError(buf []byte) int32 {
	if len(h.lastError) > len(buf) {
		return abi.Need(len(h.lastError))
	}
	n := copy(buf, h.lastError)
	h.lastError = nil
	return int32(n)
}

func (h *testHost) Yield() abi.Status {
	h.yields++
	if h.onYield != nil {
		return h.onYield(h.yields)
	}
	return abi.OK
}

// scriptConn is a server that has said everything beforehand, whatever it is
// asked. It hands out at most chunk bytes a read.
type scriptConn struct {
	answers []byte
	chunk   int   // 0: as many as there is room for
	end     error // of reading, behind the answers; nil is io.EOF
	written []byte
}

func (c *scriptConn) Read(p []byte) (int, error) {
	if len(c.answers) == 0 && c.end != nil {
		return 0, c.end
	}
	if len(c.answers) == 0 {
		return 0, io.EOF
	}
	if c.chunk > 0 && len(p) > c.chunk {
		p = p[:c.chunk]
	}
	n := copy(p, c.answers)
	c.answers = c.answers[n:]
	return n, nil
}

func (c *scriptConn) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	return len(p), nil
}

func (c *scriptConn) Ready() (bool, error) { return len(c.answers) > 0, nil }
func (c *scriptConn) Close() error         { return nil }

// wantError fails the test unless err is an *abi.Error of the category whose
// text, code and hint included, has all the parts. It returns that error.
func wantError(tb testing.TB, err error, category abi.Category, parts ...string) *abi.Error {
	tb.Helper()
	var e *abi.Error
	if !errors.As(err, &e) {
		tb.Fatalf("got error %v, want one of category %s", err, category)
	}
	if e.Category != category {
		tb.Errorf("error %q has category %s, want %s", e, e.Category, category)
	}
	for _, part := range parts {
		if !strings.Contains(e.Error(), part) {
			tb.Errorf("error %q does not say %q", e, part)
		}
	}
	return e
}
