package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

func TestNextGrowsItsBuffer(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 3*firstNext)
	f := newFakeHost()
	f.input = [][]byte{[]byte("small"), big, []byte("again"), big}
	h := NewHost(f)
	for i, want := range [][]byte{[]byte("small"), big, []byte("again"), big} {
		got, err := h.Next()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("message %d: %d bytes, %v; want %d", i, len(got), err, len(want))
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(got))); at%64 != 0 {
			t.Errorf("message %d lies at %#x", i, at)
		}
		if cap(got)-len(got) < 64 {
			t.Errorf("message %d has %d bytes behind it, want 64", i, cap(got)-len(got))
		}
	}
	if _, err := h.Next(); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	if f.calls != 6 { // one more than messages and end: the buffer grew once
		t.Errorf("%d calls, want 6", f.calls)
	}
}

// stubborn asks for a larger buffer for ever, or claims more bytes than there
// are.
type stubborn struct {
	*fakeHost
	answer func(n int) int32
}

func (s stubborn) NextBatch(buf []byte) int32                 { return s.answer(len(buf)) }
func (s stubborn) StateGet(_ string, buf []byte) int32        { return s.answer(len(buf)) }
func (s stubborn) ConnRead(_ int32, buf []byte) int32         { return s.answer(len(buf)) }
func (s stubborn) ConnWrite(_ int32, buf []byte) int32        { return s.answer(len(buf)) }
func (s stubborn) LastError(buf []byte) int32                 { return s.answer(len(buf)) }
func (s stubborn) Config(_ abi.Request, buf []byte) int32     { return s.answer(len(buf)) }
func (s stubborn) EmitBatch(batch []byte, _ int32) abi.Status { return abi.Failed }

func TestHostThatBreaksTheContract(t *testing.T) {
	for name, answer := range map[string]func(int) int32{
		"always too small": func(n int) int32 { return abi.Need(2*n + 5000) },
		"too many bytes":   func(n int) int32 { return int32(n) + 1 },
	} {
		h := NewHost(stubborn{newFakeHost(), answer})
		conn, err := h.Open("tcp", "x:1")
		if err != nil {
			t.Fatal(err)
		}
		_, nextErr := h.Next()
		_, _, getErr := h.StateGet("k")
		_, readErr := conn.Read(make([]byte, 8))
		for call, err := range map[string]error{
			"next":      nextErr,
			"state get": getErr,
			"read":      readErr,
			"write":     conn.Write(make([]byte, 8)),
			"emit":      h.Emit(nil, 0),
		} {
			if err == nil {
				t.Errorf("%s: %s returned no error", name, call)
			}
		}
	}
}

func TestEmit(t *testing.T) {
	f := newFakeHost()
	h := NewHost(f)
	if err := h.Emit([]byte("schema"), 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Emit([]byte("batch"), 5); err != nil {
		t.Fatal(err)
	}
	if string(f.emitted[1]) != "batch" || f.rows[1] != 5 {
		t.Errorf("the host got %q of %v rows", f.emitted, f.rows)
	}
	for _, rows := range []int{-1, abi.MaxRows + 1} {
		if err := h.Emit(nil, rows); err == nil {
			t.Errorf("%d rows are accepted", rows)
		}
	}
}

// Without giving way a guest's collector never works in the background. Of three
// chances one may go to this goroutine itself.
func TestBatchesGiveWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f := newFakeHost()
	h := NewHost(f)
	for name, call := range map[string]func() error{
		"emit": func() error { return h.Emit([]byte("x"), 1) },
		"next": func() error { f.input = [][]byte{{1}}; _, err := h.Next(); return err },
	} {
		var ran atomic.Bool
		go ran.Store(true)
		for range 3 {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		if !ran.Load() {
			t.Errorf("%s does not let another goroutine run", name)
		}
	}
}

func TestPhaseIsToldOnce(t *testing.T) {
	f := newFakeHost()
	h := NewHost(f)
	for _, p := range []abi.Phase{abi.PhaseSetup, abi.PhaseFetch, abi.PhaseFetch, abi.PhaseQuery, abi.PhaseFetch} {
		h.Phase(p)
	}
	if len(f.phases) != 3 {
		t.Errorf("the host was told %v", f.phases)
	}
}

func TestLogIsCut(t *testing.T) {
	f := newFakeHost()
	NewHost(f).Log(abi.LogInfo, strings.Repeat("é", abi.MaxLogLine))
	if got := f.logs[0]; got != strings.Repeat("é", abi.MaxLogLine/2) {
		t.Errorf("%d bytes logged", len(got))
	}
	NewHost(f).Log(abi.LogInfo, "x"+strings.Repeat("é", abi.MaxLogLine))
	if got := f.logs[1]; got != "x"+strings.Repeat("é", abi.MaxLogLine/2-1) {
		t.Errorf("%d bytes logged, or a character was split", len(got))
	}
}

func TestState(t *testing.T) {
	f := newFakeHost()
	h := NewHost(f)
	if v, ok, err := h.StateGet("k"); v != nil || ok || err != nil {
		t.Errorf("absent key: %q, %v, %v", v, ok, err)
	}
	large := bytes.Repeat([]byte("v"), 100_000)
	if err := h.StatePut("k", large); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := h.StateGet("k"); !bytes.Equal(v, large) || !ok || err != nil {
		t.Errorf("large value: %d bytes, %v, %v", len(v), ok, err)
	}
	if err := h.StatePut("empty", nil); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := h.StateGet("empty"); len(v) != 0 || !ok || err != nil {
		t.Errorf("empty value: %q, %v, %v", v, ok, err)
	}
	if ok, err := h.StateCAS("k", []byte("other"), []byte("new")); ok || err != nil {
		t.Errorf("swap of another value: %v, %v", ok, err)
	}
	if ok, err := h.StateCAS("new", nil, []byte("1")); !ok || err != nil {
		t.Errorf("swap of no value: %v, %v", ok, err)
	}
	f.failAt, f.failStatus, f.failError = f.calls+1, abi.Failed, &abi.Error{Category: abi.CategoryInternal, Message: "disk full"}
	if _, _, err := h.StateGet("k"); err == nil || err.Error() != "disk full" {
		t.Errorf("failed get: %v", err)
	}
}

func TestCheckpoint(t *testing.T) {
	f := newFakeHost()
	want := abi.Checkpoint{Stream: `a "b"`, Rows: 1 << 62, Bytes: -3}
	if err := NewHost(f).Checkpoint(want); err != nil {
		t.Fatal(err)
	}
	var got abi.Checkpoint
	if err := json.Unmarshal(f.checkpoints[0], &got); err != nil || got != want {
		t.Errorf("the host got %+v, %v; want %+v", got, err, want)
	}
}

func TestConn(t *testing.T) {
	f := newFakeHost()
	f.incoming = []byte("hello")
	f.writeMax = 3
	c, err := NewHost(f).Open("postgres", "")
	if err != nil {
		t.Fatal(err)
	}
	if ready, err := c.Ready(); !ready || err != nil {
		t.Errorf("ready: %v, %v", ready, err)
	}
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("read into nothing: %d, %v", n, err)
	}
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if ready, err := c.Ready(); ready || err != nil {
		t.Errorf("ready at the end: %v, %v", ready, err)
	}
	if err := c.Write([]byte("12345678")); err != nil || string(f.outgoing) != "12345678" {
		t.Errorf("wrote %q, %v", f.outgoing, err)
	}
	calls := f.calls
	if err := errors.Join(c.Close(), c.Close()); err != nil || f.calls != calls+1 {
		t.Errorf("closed %d times, %v", f.calls-calls, err)
	}
}

// What a failed call turns into, for every way in which the host can fail it.
func TestErrors(t *testing.T) {
	auth := &abi.Error{Category: abi.CategoryAuth, Message: "wrong password", Hint: "set password", Code: "28P01"}
	calls := map[string]func(h *Host, c *Conn) error{
		"emit":       func(h *Host, _ *Conn) error { return h.Emit([]byte("x"), 1) },
		"next":       func(h *Host, _ *Conn) error { _, err := h.Next(); return err },
		"open":       func(h *Host, _ *Conn) error { _, err := h.Open("postgres", ""); return err },
		"read":       func(_ *Host, c *Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"write":      func(_ *Host, c *Conn) error { return c.Write([]byte("x")) },
		"ready":      func(_ *Host, c *Conn) error { _, err := c.Ready(); return err },
		"close":      func(_ *Host, c *Conn) error { return c.Close() },
		"checkpoint": func(h *Host, _ *Conn) error { return h.Checkpoint(abi.Checkpoint{}) },
		"state get":  func(h *Host, _ *Conn) error { _, _, err := h.StateGet("k"); return err },
		"state put":  func(h *Host, _ *Conn) error { return h.StatePut("k", nil) },
		"state cas":  func(h *Host, _ *Conn) error { _, err := h.StateCAS("k", nil, nil); return err },
		"yield":      func(h *Host, _ *Conn) error { return h.Yield() },
	}
	for name, call := range calls {
		fail := func(status abi.Status, reason *abi.Error) error {
			f := newFakeHost()
			h := NewHost(f)
			c, err := h.Open("postgres", "")
			if err != nil {
				t.Fatal(err)
			}
			f.failAt, f.failStatus, f.failError = f.calls+1, status, reason
			return call(h, c)
		}

		if err := fail(abi.Cancelled, nil); err != abi.Cancelled {
			t.Errorf("%s, cancelled: %v", name, err)
		}
		err := fail(abi.Failed, auth)
		if e, ok := err.(*abi.Error); !ok || *e != *auth {
			t.Errorf("%s, failed with a reason: %#v", name, err)
		}
		for _, status := range []abi.Status{abi.Failed, abi.Closed, abi.InvalidArgument, abi.Denied, abi.TooLarge} {
			if err := fail(status, nil); err == nil || !strings.Contains(err.Error(), status.String()) {
				t.Errorf("%s, %v: %v", name, status, err)
			}
		}
	}
}

// A connection that is gone is a matter of the network; a channel that is gone
// is not this stage's failure and stays what it is.
func TestClosed(t *testing.T) {
	f := newFakeHost()
	h := NewHost(f)
	c, err := h.Open("postgres", "")
	if err != nil {
		t.Fatal(err)
	}
	f.failAt, f.failStatus = f.calls+1, abi.Closed
	_, err = c.Read(make([]byte, 1))
	if e, ok := err.(*abi.Error); !ok || e.Category != abi.CategoryTransientNetwork {
		t.Errorf("read: %#v", err)
	}
	f.failAt = f.calls + 1
	f.failError = &abi.Error{Category: abi.CategoryInternal, Message: "emit_batch: the destination is gone"}
	err = h.Emit([]byte("x"), 1)
	if !errors.Is(err, abi.Closed) || !strings.Contains(err.Error(), "gone") {
		t.Errorf("emit: %#v", err)
	}
}

func TestNanos(t *testing.T) {
	start := Nanos()
	for tries := 0; Nanos() == start; tries++ {
		if tries == 1e9 {
			t.Fatal("the clock stands still")
		}
	}
	if Nanos() < start {
		t.Error("the clock goes back")
	}
}

func TestConfig(t *testing.T) {
	c := Config{
		"s": "text", "i": int64(-5), "i2": 7, "f": 3.0, "f2": 3.5, "huge": 1e300, "b": true, "n": nil,
		"l": []any{"a", 1, "b"}, "l2": []string{"c"},
	}
	if c.String("s") != "text" || c.String("i") != "" || c.String("absent") != "" {
		t.Error("String")
	}
	for key, want := range map[string]int64{"i": -5, "i2": 7, "f": 3, "f2": 0, "huge": 0, "s": 0, "absent": 0} {
		if got := c.Int(key); got != want {
			t.Errorf("Int(%q) is %d, want %d", key, got, want)
		}
	}
	if !c.Bool("b") || c.Bool("s") || c.Bool("n") {
		t.Error("Bool")
	}
	if l := c.List("l"); len(l) != 2 || l[1] != "b" {
		t.Errorf("List: %q", l)
	}
	if l := c.List("l2"); len(l) != 1 || c.List("s") != nil {
		t.Errorf("List: %q", l)
	}
	var none Config
	if none.String("s") != "" || none.Int("i") != 0 || none.Bool("b") || none.List("l") != nil {
		t.Error("a nil Config is not empty")
	}
}
