package identity

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk/arrowipc"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// host hands in messages and keeps what comes back.
type host struct {
	abi.Host // nothing of the rest is called
	in, out  [][]byte
	rows     []int32
	phases   []abi.Phase
	metrics  map[string]int64
	failed   abi.Error
}

func (h *host) Config(_ abi.Request, buf []byte) int32 { return int32(copy(buf, "{}")) }

func (h *host) NextBatch(buf []byte) int32 {
	if len(h.in) == 0 {
		return 0
	}
	if len(h.in[0]) > len(buf) {
		return abi.Need(len(h.in[0]))
	}
	n := copy(buf, h.in[0])
	h.in = h.in[1:]
	return int32(n)
}

func (h *host) EmitBatch(batch []byte, rows int32) abi.Status {
	h.out = append(h.out, bytes.Clone(batch))
	h.rows = append(h.rows, rows)
	return abi.OK
}

func (h *host) Phase(p abi.Phase) abi.Status {
	h.phases = append(h.phases, p)
	return abi.OK
}

func (h *host) Metric(name string, delta int64) abi.Status {
	h.metrics[name] += delta
	return abi.OK
}

func (h *host) Reply(kind abi.Reply, message []byte) abi.Status {
	if json.Unmarshal(message, &h.failed) != nil {
		return abi.InvalidArgument
	}
	return abi.OK
}

func transformAll(in ...[]byte) (*host, abi.Status) {
	h := &host{in: in, metrics: map[string]int64{}}
	g := sdk.TransformGuest(New)(h)
	if s := g.Open(); s != abi.OK {
		return h, s
	}
	return h, g.Run()
}

func messages(t *testing.T) (schema []byte, batch func(rows int) []byte) {
	s := &arrowipc.Schema{Fields: []arrowipc.Field{{Name: "n", Type: arrowipc.Int64}}}
	w := arrowipc.NewWriter(s, 0)
	return arrowipc.AppendSchema(nil, s), func(rows int) []byte {
		if err := w.Begin(rows, make([]arrowipc.Plan, 1)); err != nil {
			t.Fatal(err)
		}
		clear(w.Column(0).Data)
		return bytes.Clone(w.Finish())
	}
}

func TestPassesEverythingOn(t *testing.T) {
	schema, batch := messages(t)
	in := [][]byte{schema, batch(1), batch(100_000), batch(0), arrowipc.EOS}
	h, status := transformAll(in...)
	if status != abi.OK {
		t.Fatalf("run returned %v: %v", status, &h.failed)
	}
	if !slices.EqualFunc(h.out, in, bytes.Equal) {
		t.Error("what came out is not what went in")
	}
	if want := []int32{0, 1, 100_000, 0, 0}; !slices.Equal(h.rows, want) {
		t.Errorf("row counts are %v, want %v", h.rows, want)
	}
	if want := []abi.Phase{abi.PhaseProcess, abi.PhaseSetup}; !slices.Equal(h.phases, want) {
		t.Errorf("phases are %v, want %v", h.phases, want)
	}
	if h.metrics["rows_checked"] != 100_001 || h.metrics["batches_checked"] != 3 {
		t.Errorf("metrics are %v", h.metrics)
	}
}

func TestRefuses(t *testing.T) {
	schema, batch := messages(t)
	other := arrowipc.NewWriter(&arrowipc.Schema{Fields: make([]arrowipc.Field, 2)}, 0)
	if err := other.Begin(1, make([]arrowipc.Plan, 2)); err != nil {
		t.Fatal(err)
	}
	spoilt := batch(3)
	spoilt = spoilt[:len(spoilt)-8]
	for _, tt := range []struct {
		name string
		in   [][]byte
		want string
	}{
		{"nothing", nil, "identity: the stream was cut off before its end-of-stream mark"},
		{"no end", [][]byte{schema, batch(1)}, "identity: the stream was cut off before its end-of-stream mark"},
		{"no schema", [][]byte{batch(1)}, "identity: a batch came before the schema"},
		{"junk", [][]byte{[]byte("junk")}, "identity: message cannot be read: arrowipc: corrupt message: no message begins here"},
		{"batch of another schema", [][]byte{schema, other.Finish()}, "identity: batch cannot be read: arrowipc: corrupt message: batch of 2 columns in 4 buffers, the schema has 1 in 2"},
		{"cut batch", [][]byte{schema, spoilt}, "body length does not match the message's"},
	} {
		h, status := transformAll(tt.in...)
		if status != abi.Failed || h.failed.Category != abi.CategoryData || !strings.Contains(h.failed.Message, tt.want) {
			t.Errorf("%s: %v, %+v; want %q", tt.name, status, h.failed, tt.want)
		}
	}
}
