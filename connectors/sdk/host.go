package sdk

import (
	"errors"
	"io"
	"runtime"
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// Host is the typed door to the host: it turns status codes into errors and
// repeats calls whose buffer was too small. One instance has one; it is not safe
// for concurrent use.
//
// Its errors are of three kinds. [abi.Cancelled] means that the run is over:
// unwind and return it. An *[abi.Error] describes a failure and can be returned
// as it is. Any other error matches its [abi.Status] with errors.Is.
type Host struct {
	abi   abi.Host
	phase abi.Phase
	next  []byte // the buffer of Next, grown to the largest message so far
}

// NewHost returns a Host that asks h.
func NewHost(h abi.Host) *Host { return &Host{abi: h} }

// Open opens a connection through the named broker. The target is the broker's
// business: empty for "postgres", "host:port" for "tcp".
func (h *Host) Open(broker, target string) (*Conn, error) {
	handle, err := abi.Check(h.abi.ConnOpen(broker, target))
	if err != nil {
		return nil, h.fail(err, "sdk: open connection")
	}
	return &Conn{host: h, handle: int32(handle)}, nil
}

// Phase says what the connector does from now on. Saying the same twice in a row
// costs nothing.
func (h *Host) Phase(p abi.Phase) {
	if p != h.phase {
		h.phase = p
		h.abi.Phase(p)
	}
}

// Metric adds delta to a counter of this stage; see the Metric constants of abi
// for the well-known names. Call it once a batch at most.
func (h *Host) Metric(name string, delta int64) { h.abi.Metric(name, delta) }

// Log writes one line to the host's log; what passes abi.MaxLogLine bytes is cut
// off. It must not hold a secret.
func (h *Host) Log(level abi.LogLevel, line string) {
	h.abi.Log(level, cut(line, abi.MaxLogLine))
}

// Yield lets the host run. Call it at least every millisecond of computing and
// return its error, abi.Cancelled, once the run is cancelled.
func (h *Host) Yield() error {
	return h.status(h.abi.Yield(), "sdk: yield")
}

// Emit hands one Arrow IPC message to the next stage and waits while the channel
// is full. rows is 0 for a schema and for the end of the stream. The message may
// be changed as soon as Emit returns.
func (h *Host) Emit(message []byte, rows int) error {
	if rows < 0 || rows > abi.MaxRows {
		return &abi.Error{Category: abi.CategoryInternal, Message: "sdk: emit: row count outside 0 to 16777216"}
	}
	s := h.abi.EmitBatch(message, int32(rows))

	// The collector's background worker only runs when the guest's one thread
	// gives way; without this a guest's memory grows until it is full.
	runtime.Gosched()

	return h.status(s, "sdk: emit")
}

// Next returns the next Arrow IPC message of the stage before, or io.EOF at the
// end of input. The message lies in a buffer whose address is a multiple of 64;
// at least 64 bytes behind it may be read and written. It is valid until the
// next call of Next.
func (h *Host) Next() ([]byte, error) {
	if h.next == nil {
		h.next = alignedBuffer(firstNext)
	}

	runtime.Gosched() // see Emit

	// A too small buffer is told the size it needs, and the message stays next.
	// The size cannot change in between, so a host that asks three times is
	// broken.
	for range 3 {
		r := h.abi.NextBatch(h.next)
		if need, ok := abi.Needs(r); ok {
			h.next = alignedBuffer(need + need/8) // messages of a stream differ a little in size
			continue
		}
		n, err := abi.Check(r)
		switch {
		case err != nil:
			return nil, h.fail(err, "sdk: next")
		case n == 0:
			return nil, io.EOF
		case n > len(h.next):
			return nil, broken("next")
		}
		return h.next[:n], nil
	}
	return nil, broken("next")
}

// Checkpoint reports that the destination's server accepted everything up to c.
func (h *Host) Checkpoint(c abi.Checkpoint) error {
	return h.status(h.abi.Checkpoint(appendCheckpoint(nil, &c)), "sdk: checkpoint")
}

// StateGet returns a copy of the value under key and whether there is one.
func (h *Host) StateGet(key string) (value []byte, ok bool, err error) {
	value, err = h.fill("sdk: state get", func(buf []byte) int32 { return h.abi.StateGet(key, buf) })
	if errors.Is(err, abi.NotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

// StatePut stores a copy of value under key.
func (h *Host) StatePut(key string, value []byte) error {
	return h.status(h.abi.StatePut(key, value), "sdk: state put")
}

// StateCAS stores a copy of value under key if the current value equals old, or
// if old is nil and there is none. It reports whether it did.
func (h *Host) StateCAS(key string, old, value []byte) (bool, error) {
	n, err := abi.Check(h.abi.StateCAS(key, old, value))
	if err != nil {
		return false, h.fail(err, "sdk: state compare and swap")
	}
	return n == 1, nil
}

// Nanos returns the nanoseconds of a clock that never goes back. Only differences
// mean anything. Package time would add a quarter of a megabyte to a guest.
func Nanos() int64 { return monotonic() }

const (
	// firstNext is the first size of Next's buffer. Smaller would be grown by the
	// first batch always, larger is wasted on streams of a few rows.
	firstNext = 64 << 10
	// bufferSlack is how many bytes behind a message are readable and writable,
	// so that kernels may load and store whole words at its end.
	bufferSlack = 64
	bufferAlign = 64
)

// alignedBuffer returns a buffer of n bytes at an address that is a multiple of
// 64 with 64 more bytes of capacity. It never moves: neither Go's heap nor its
// linear memory relocates an object.
func alignedBuffer(n int) []byte {
	b := make([]byte, n+bufferAlign+bufferSlack)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (bufferAlign - 1)
	return b[skip : int(skip)+n : int(skip)+n+bufferSlack]
}

// fill calls get with a buffer that is large enough.
func (h *Host) fill(op string, get func(buf []byte) int32) ([]byte, error) {
	buf := make([]byte, 4096)
	for range 8 { // the value may grow between two calls, but not for ever
		r := get(buf)
		if need, ok := abi.Needs(r); ok {
			buf = make([]byte, need)
			continue
		}
		n, err := abi.Check(r)
		switch {
		case op == "": // of lastError, which must not ask itself why it failed
			return buf[:min(n, len(buf))], err
		case err == abi.NotFound:
			return nil, err
		case err != nil:
			return nil, h.fail(err, op)
		case n > len(buf):
			return nil, broken(op)
		}
		return buf[:n], nil
	}
	return nil, broken(op)
}
