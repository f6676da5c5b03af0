package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// connector is one of every role whose methods a test replaces.
type connector struct {
	open     func(h *Host, req *abi.OpenRequest, c Config) error
	check    func() (*abi.CheckReport, error)
	discover func() (*abi.Catalog, error)
	run      func(h *Host, req *abi.RunRequest) error
	close    func() error

	host   *Host
	called []string
}

func (c *connector) Open(h *Host, req *abi.OpenRequest, config Config) error {
	c.called, c.host = append(c.called, "open"), h
	if c.open == nil {
		return nil
	}
	return c.open(h, req, config)
}

func (c *connector) Check() (*abi.CheckReport, error) {
	c.called = append(c.called, "check")
	if c.check == nil {
		return nil, nil
	}
	return c.check()
}

func (c *connector) Discover() (*abi.Catalog, error) {
	c.called = append(c.called, "discover")
	if c.discover == nil {
		return nil, nil
	}
	return c.discover()
}

func (c *connector) Read(req *abi.RunRequest) error      { return c.Write(req) }
func (c *connector) Transform(req *abi.RunRequest) error { return c.Write(req) }

func (c *connector) Write(req *abi.RunRequest) error {
	c.called = append(c.called, "run")
	if c.run == nil {
		return nil
	}
	return c.run(c.host, req)
}

func (c *connector) Close() error {
	c.called = append(c.called, "close")
	if c.close == nil {
		return nil
	}
	return c.close()
}

func sourceOf(c *connector, f *fakeHost) abi.Guest {
	return SourceGuest(func() Source { return c })(f)
}

func TestGuestLife(t *testing.T) {
	f := newFakeHost()
	f.open = []byte(`{"pipeline":"p","connector":"c","role":"source","config":{"schema":"raw","n":9007199254740993}}`)
	f.run = []byte(`{"stream":"s","sync_mode":"full_refresh","write_mode":"append","primary_key":["a","b"],"batch_rows":1,` +
		`"batch_bytes":2,"max_batch_bytes":3,"checkpoint_bytes":4,"checkpoint_rows":5,"checkpoint_seconds":6}`)
	catalog := &abi.Catalog{Streams: []abi.CatalogStream{
		{Name: "events", Rows: -1, PrimaryKey: []string{"id"}, Columns: []abi.CatalogColumn{{Name: `q"`, Type: "int4", ArrowType: "int32"}, {Name: "n", Nullable: true}}},
		{Name: "empty"},
	}}
	c := &connector{
		open: func(_ *Host, req *abi.OpenRequest, c Config) error {
			if req.Pipeline != "p" || req.Connector != "c" || req.Role != abi.RoleSource {
				t.Errorf("open request is %+v", req)
			}
			if c.String("schema") != "raw" || c.Int("n") != 9007199254740993 {
				t.Errorf("config is %v", c)
			}
			return nil
		},
		check:    func() (*abi.CheckReport, error) { return &abi.CheckReport{Message: "fine \u2028"}, nil },
		discover: func() (*abi.Catalog, error) { return catalog, nil },
		run: func(h *Host, req *abi.RunRequest) error {
			want := &abi.RunRequest{
				Stream: "s", SyncMode: "full_refresh", WriteMode: "append", PrimaryKey: []string{"a", "b"},
				BatchRows: 1, BatchBytes: 2, MaxBatchBytes: 3, CheckpointBytes: 4, CheckpointRows: 5, CheckpointSeconds: 6,
			}
			if !reflect.DeepEqual(req, want) {
				t.Errorf("run request is %+v", req)
			}
			h.Phase(abi.PhaseFetch)
			return nil
		},
	}
	g := sourceOf(c, f)
	if v := g.ABIVersion(); v != abi.Version {
		t.Errorf("version %d", v)
	}
	for i, call := range []func() abi.Status{g.Open, g.Check, g.Discover, g.Run, g.Run, g.Close, g.Close} {
		if s := call(); s != abi.OK {
			t.Errorf("call %d returned %v: %s", i, s, f.replies[abi.ReplyError])
		}
	}
	if want := []string{"open", "check", "discover", "run", "run", "close"}; !slices.Equal(c.called, want) {
		t.Errorf("the connector saw %v, want %v", c.called, want)
	}
	if want := []abi.Phase{abi.PhaseFetch, abi.PhaseSetup, abi.PhaseFetch, abi.PhaseSetup}; !slices.Equal(f.phases, want) {
		t.Errorf("phases were %v, want %v", f.phases, want)
	}

	var report abi.CheckReport
	if err := json.Unmarshal(f.replies[abi.ReplyCheck], &report); err != nil || report.Message != "fine \u2028" {
		t.Errorf("check reply %s: %v", f.replies[abi.ReplyCheck], err)
	}
	want, _ := json.Marshal(catalog)
	got := strings.ReplaceAll(string(f.replies[abi.ReplyCatalog]), "[]", "null") // nil slices are written as empty ones
	if got != string(want) {
		t.Errorf("catalog reply is\n%s\nwant\n%s", got, want)
	}
}

func TestGuestWithoutAnswers(t *testing.T) {
	f := newFakeHost()
	g := sourceOf(&connector{}, f)
	if s := errors.Join(g.Open().Err(), g.Check().Err(), g.Discover().Err()); s != nil {
		t.Fatal(s)
	}
	if string(f.replies[abi.ReplyCheck]) != `{"message":""}` || string(f.replies[abi.ReplyCatalog]) != `{"streams":[]}` {
		t.Errorf("replies are %s and %s", f.replies[abi.ReplyCheck], f.replies[abi.ReplyCatalog])
	}
}

// partitioned is a connector that moves streams in partitions.
type partitioned struct {
	connector
	partition func(*abi.PartitionRequest) (*abi.Partitions, error)
	finish    func(*abi.FinishRequest) error
}

func (p *partitioned) Partition(req *abi.PartitionRequest) (*abi.Partitions, error) {
	return p.partition(req)
}

func (p *partitioned) Finish(req *abi.FinishRequest) error { return p.finish(req) }

func TestGuestMovesPartitions(t *testing.T) {
	f := newFakeHost()
	f.run = []byte(`{"stream":"s","partition":"\"0\" of 2"}`)
	f.partition = []byte(`{"attempt":"a-1","stream":"s","write_mode":"append","primary_key":["id"],"count":2,"auto":true,"partition_key":"k"}`)
	f.finish = []byte(`{"stream":"s","write_mode":"replace","primary_key":["id"],"partitions":["x","y\n"],"commit":true}`)
	p := &partitioned{
		connector: connector{run: func(_ *Host, req *abi.RunRequest) error {
			if req.Partition != `"0" of 2` {
				t.Errorf("run request is %+v", req)
			}
			return nil
		}},
		partition: func(req *abi.PartitionRequest) (*abi.Partitions, error) {
			want := &abi.PartitionRequest{Attempt: "a-1", Stream: "s", WriteMode: "append", PrimaryKey: []string{"id"}, Count: 2, Auto: true, Key: "k"}
			if !reflect.DeepEqual(req, want) {
				t.Errorf("partition request is %+v", req)
			}
			return &abi.Partitions{Partitions: []string{`"0" of 2`, ""}, Note: "two"}, nil
		},
		finish: func(req *abi.FinishRequest) error {
			want := &abi.FinishRequest{Stream: "s", WriteMode: "replace", PrimaryKey: []string{"id"}, Partitions: []string{"x", "y\n"}, Commit: true}
			if !reflect.DeepEqual(req, want) {
				t.Errorf("finish request is %+v", req)
			}
			return nil
		},
	}
	g := DestinationGuest(func() Destination { return p })(f)
	for i, call := range []func() abi.Status{g.Open, g.Partition, g.Run, g.Finish, g.Finish, g.Close} {
		if s := call(); s != abi.OK {
			t.Errorf("call %d returned %v: %s", i, s, f.replies[abi.ReplyError])
		}
	}
	if got, want := string(f.replies[abi.ReplyPartitions]), `{"partitions":["\"0\" of 2",""],"note":"two"}`; got != want {
		t.Errorf("partitions reply is %s, want %s", got, want)
	}

	// A source has no finish.
	g = SourceGuest(func() Source { return p })(f)
	if s := []abi.Status{g.Open(), g.Partition(), g.Finish()}; !slices.Equal(s, []abi.Status{abi.OK, abi.OK, abi.Unsupported}) {
		t.Errorf("a source's open, partition and finish returned %v", s)
	}
}

func TestGuestRoles(t *testing.T) {
	for role, newGuest := range map[abi.Role]func(abi.Host) abi.Guest{
		abi.RoleSource:      SourceGuest(func() Source { return &connector{} }),
		abi.RoleTransform:   TransformGuest(func() Transform { return &connector{} }),
		abi.RoleDestination: DestinationGuest(func() Destination { return &connector{} }),
	} {
		f := newFakeHost()
		f.open = []byte(`{"connector":"c","role":"` + string(role) + `"}`)
		g := newGuest(f)
		if s := g.Open(); s != abi.OK {
			t.Errorf("%s: open returned %v", role, s)
		}
		if s := g.Run(); s != abi.OK {
			t.Errorf("%s: run returned %v", role, s)
		}
		if s := g.Discover(); (s == abi.Unsupported) != (role != abi.RoleSource) {
			t.Errorf("%s: discover returned %v", role, s)
		}
		if s := [2]abi.Status{g.Partition(), g.Finish()}; s != [2]abi.Status{abi.Unsupported, abi.Unsupported} {
			t.Errorf("%s: partition and finish of a connector that has neither returned %v", role, s)
		}

		f.open = []byte(`{"connector":"c","role":"other"}`)
		g = newGuest(f)
		if s := g.Open(); s != abi.Failed {
			t.Errorf("%s: open as another role returned %v", role, s)
		}
		if e := f.replied(t); e.Category != abi.CategoryConfig || e.Message != `connector "c" is a `+string(role)+` and cannot be used as a other` {
			t.Errorf("%s: %+v", role, e)
		}
	}
}

func TestGuestErrors(t *testing.T) {
	described := &abi.Error{
		Category: abi.CategorySchema, Message: "column is gone", Hint: "run discover", Detail: "line\n\"2\"\x01\xff",
		Code: "42703", Field: "schema", Column: "naïve", CommitState: abi.CommitUnknown,
	}
	exact := *described
	exact.Detail = "line\n\"2\"\x01\ufffd"
	for _, tt := range []struct {
		name string
		err  error
		want abi.Status
		sent abi.Error // with want Failed
	}{
		{"described", described, abi.Failed, exact},
		{"described and wrapped", fmt.Errorf("stream events: %w", &abi.Error{Category: abi.CategoryData, Message: "too long", Hint: "cut it", Column: "c"}),
			abi.Failed, abi.Error{Category: abi.CategoryData, Message: "stream events: too long; cut it", Column: "c"}},
		{"described without category", &abi.Error{Message: "m"}, abi.Failed, abi.Error{Category: abi.CategoryInternal, Message: "m"}},
		{"plain", errors.New("oops"), abi.Failed, abi.Error{Category: abi.CategoryInternal, Message: "oops"}},
		{"cancelled", abi.Cancelled, abi.Cancelled, abi.Error{}},
		{"cancelled and wrapped", fmt.Errorf("read: %w", abi.Cancelled), abi.Cancelled, abi.Error{}},
		{"closed", &callError{op: "sdk: emit", status: abi.Closed, reason: described}, abi.Closed, abi.Error{}},
		{"denied", abi.Denied, abi.Denied, abi.Error{}},
		{"call", &callError{op: "sdk: emit", status: abi.TooLarge}, abi.Failed, abi.Error{Category: abi.CategoryInternal, Message: "sdk: emit: too large"}},
		{"call with a reason", &callError{op: "sdk: emit", status: abi.TooLarge, reason: &abi.Error{Category: abi.CategoryData, Message: "batch of 2 GB", Hint: "smaller"}},
			abi.Failed, abi.Error{Category: abi.CategoryData, Message: "batch of 2 GB", Hint: "smaller"}},
		{"failed", abi.Failed, abi.Failed, abi.Error{Category: abi.CategoryInternal, Message: "abi: failed"}},
		{"a status that is no error", abi.OK, abi.Failed, abi.Error{Category: abi.CategoryInternal, Message: "abi: ok"}},
	} {
		f := newFakeHost()
		g := sourceOf(&connector{run: func(*Host, *abi.RunRequest) error { return tt.err }}, f)
		g.Open()
		if got := g.Run(); got != tt.want {
			t.Errorf("%s: status %v, want %v", tt.name, got, tt.want)
			continue
		}
		if tt.want != abi.Failed {
			if f.replies[abi.ReplyError] != nil {
				t.Errorf("%s: handed over %s", tt.name, f.replies[abi.ReplyError])
			}
			continue
		}
		if got := f.replied(t); got != tt.sent {
			t.Errorf("%s: handed over\n%+v\nwant\n%+v", tt.name, got, tt.sent)
		}
		if s := g.Run(); s != abi.Failed {
			t.Errorf("%s: a second run returned %v", tt.name, s)
		}
	}
}

func TestGuestPanics(t *testing.T) {
	var none *connector
	for name, panics := range map[string]func(){
		"index out of range":          func() { _ = []int{}[len(name(3))] },
		"nil pointer":                 func() { none.host = nil },
		"text":                        func() { panic("text") },
		"neither error nor text":      func() { panic(3) },
		"connector panicked in run: ": func() { panic(errors.New("e")) },
	} {
		f := newFakeHost()
		c := &connector{run: func(*Host, *abi.RunRequest) error { panics(); return nil }}
		g := sourceOf(c, f)
		g.Open()
		if s := g.Run(); s != abi.Failed {
			t.Errorf("%s: status %v", name, s)
		}
		if e := f.replied(t); e.Category != abi.CategoryInternal || !strings.Contains(e.Message, name) {
			t.Errorf("%s: %+v", name, e)
		}
		if len(f.logs) != 1 || !strings.Contains(f.logs[0], "goroutine") {
			t.Errorf("%s: no stack in the log: %q", name, f.logs)
		}

		// Nothing but Close is left.
		if s := g.Run(); s != abi.Failed || !strings.Contains(f.replied(t).Message, "out of order") {
			t.Errorf("%s: run after a panic returned %v", name, s)
		}
		if s := g.Close(); s != abi.OK || c.called[len(c.called)-1] != "close" {
			t.Errorf("%s: close after a panic returned %v", name, s)
		}
	}
}

func name(n int) string { return strings.Repeat("x", n) }

func TestGuestOutOfOrder(t *testing.T) {
	f := newFakeHost()
	c := &connector{open: func(*Host, *abi.OpenRequest, Config) error { return errors.New("no") }}
	g := sourceOf(c, f)
	for name, call := range map[string]func() abi.Status{"check": g.Check, "discover": g.Discover, "run": g.Run} {
		if s := call(); s != abi.Failed {
			t.Errorf("%s before open returned %v", name, s)
		}
	}
	if s := g.Open(); s != abi.Failed {
		t.Errorf("open returned %v", s)
	}
	if s := g.Open(); s != abi.Failed || !strings.Contains(f.replied(t).Message, "open called out of order") {
		t.Errorf("a second open returned %v", s)
	}
	if s := g.Run(); s != abi.Failed {
		t.Errorf("run after a failed open returned %v", s)
	}
	g.Close()
	if want := []string{"open", "close"}; !slices.Equal(c.called, want) {
		t.Errorf("the connector saw %v, want %v", c.called, want)
	}
}

// Every host call of a guest's life fails once: the failure must surface as a
// status that says so, and never as a panic.
func TestGuestFaultSweep(t *testing.T) {
	var seen []string
	for failAt := 1; ; failAt++ {
		f := newFakeHost()
		f.input = [][]byte{[]byte("schema"), []byte("batch")}
		f.failAt, f.failStatus, f.failError = failAt, abi.Failed, &abi.Error{Category: abi.CategoryData, Message: "injected"}
		c := &connector{run: func(h *Host, _ *abi.RunRequest) error {
			conn, err := h.Open("postgres", "")
			if err != nil {
				return err
			}
			for {
				msg, err := h.Next()
				if err != nil {
					break
				}
				if err := errors.Join(conn.Write(msg), h.Emit(msg, 1), h.Yield()); err != nil {
					return err
				}
			}
			return errors.Join(h.Checkpoint(abi.Checkpoint{}), h.StatePut("k", nil), conn.Close())
		}}
		g := sourceOf(c, f)
		var status []abi.Status
		for _, call := range []func() abi.Status{g.Open, g.Check, g.Discover, g.Run, g.Close} {
			status = append(status, call())
		}
		if f.calls < failAt {
			break
		}
		seen = append(seen, fmt.Sprint(status))
		for _, s := range status {
			if s != abi.OK && s != abi.Failed {
				t.Errorf("call %d failed: statuses %v", failAt, status)
			}
		}
		if slices.Contains(status, abi.Failed) && f.replies[abi.ReplyError] == nil {
			t.Errorf("call %d failed: nothing was handed over", failAt)
		}
	}
	if len(seen) < 12 {
		t.Errorf("the sweep failed only %d calls: %v", len(seen), seen)
	}
}

func TestGuestRefusesBadRequests(t *testing.T) {
	for request, want := range map[string]string{
		``:                     "sdk: control message, byte 0: expected a value",
		`[]`:                   "sdk: run request is not an object",
		`{"stream":3}`:         `sdk: run request has a key "stream" that is not text`,
		`{"batch_rows":1.5}`:   `sdk: run request has a key "batch_rows" that is not an integer of 64 bits`,
		`{"primary_key":"id"}`: `sdk: run request has a key "primary_key" that is not a list`,
		`{"primary_key":[1]}`:  `sdk: run request has a key "primary_key" that is not a list of texts`,
	} {
		f := newFakeHost()
		f.run = []byte(request)
		g := sourceOf(&connector{}, f)
		g.Open()
		if s := g.Run(); s != abi.Failed || f.replied(t).Message != want {
			t.Errorf("%s: %v, %q; want %q", request, s, f.replied(t).Message, want)
		}
	}
	f := newFakeHost()
	f.open = []byte(`{"config":[]}`)
	if s := sourceOf(&connector{}, f).Open(); s != abi.Failed || f.replied(t).Message != `sdk: open request has a key "config" that is not an object` {
		t.Errorf("open: %v, %q", s, f.replied(t).Message)
	}
}

func TestErrorTextIsBounded(t *testing.T) {
	long := strings.Repeat("x", 10*maxErrorText)
	e := &abi.Error{Category: abi.CategoryData, Message: long, Detail: long, Hint: long, Column: long, Field: long}
	if n := len(appendError(nil, e)); n > 6*maxErrorText {
		t.Errorf("an error of %d bytes", n)
	}
}
