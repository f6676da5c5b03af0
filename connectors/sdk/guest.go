package sdk

import (
	"runtime"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// guest drives a connector the way the host asks: requests are fetched and
// parsed, answers and errors handed over, panics turned into errors.
type guest struct {
	host      *Host
	role      abi.Role
	connector Connector
	discover  func() (*abi.Catalog, error)                         // nil unless a source
	partition func(*abi.PartitionRequest) (*abi.Partitions, error) // nil if it moves streams whole only
	run       func(*abi.RunRequest) error
	finish    func(*abi.FinishRequest) error // nil as partition, and unless a destination

	state guestState
}

var _ abi.Guest = (*guest)(nil)

type guestState uint8

const (
	guestNew guestState = iota
	guestOpen
	guestBroken // open failed, or a call panicked: only Close is left
	guestClosed
)

func (g *guest) ABIVersion() int32 { return abi.Version }

func (g *guest) Open() abi.Status {
	return g.call("open", guestNew, func() error {
		g.state = guestBroken

		message, err := g.request(abi.RequestOpen)
		if err != nil {
			return err
		}
		req, err := parseOpenRequest(message)
		if err != nil {
			return err
		}
		if req.Role != "" && req.Role != g.role {
			return &abi.Error{
				Category: abi.CategoryConfig,
				Message:  "connector " + quote(req.Connector) + " is a " + string(g.role) + " and cannot be used as a " + string(req.Role),
			}
		}
		if err := g.connector.Open(g.host, req, Config(req.Config)); err != nil {
			return err
		}

		g.state = guestOpen
		return nil
	})
}

func (g *guest) Check() abi.Status {
	return g.call("check", guestOpen, func() error {
		report, err := g.connector.Check()
		if err != nil {
			return err
		}
		if report == nil {
			report = &abi.CheckReport{}
		}
		return g.reply(abi.ReplyCheck, appendCheckReport(nil, report))
	})
}

func (g *guest) Discover() abi.Status {
	if g.discover == nil {
		return abi.Unsupported
	}
	return g.call("discover", guestOpen, func() error {
		catalog, err := g.discover()
		if err != nil {
			return err
		}
		if catalog == nil {
			catalog = &abi.Catalog{}
		}
		return g.reply(abi.ReplyCatalog, appendCatalog(nil, catalog))
	})
}

func (g *guest) Run() abi.Status {
	return g.call("run", guestOpen, func() error {
		message, err := g.request(abi.RequestRun)
		if err != nil {
			return err
		}
		req, err := parseRunRequest(message)
		if err != nil {
			return err
		}
		return g.run(req)
	})
}

func (g *guest) Partition() abi.Status {
	if g.partition == nil {
		return abi.Unsupported
	}
	return g.call("partition", guestOpen, func() error {
		message, err := g.request(abi.RequestPartition)
		if err != nil {
			return err
		}
		req, err := parsePartitionRequest(message)
		if err != nil {
			return err
		}
		partitions, err := g.partition(req)
		if err != nil {
			return err
		}
		return g.reply(abi.ReplyPartitions, appendPartitions(nil, partitions))
	})
}

func (g *guest) Finish() abi.Status {
	if g.finish == nil {
		return abi.Unsupported
	}
	return g.call("finish", guestOpen, func() error {
		message, err := g.request(abi.RequestFinish)
		if err != nil {
			return err
		}
		req, err := parseFinishRequest(message)
		if err != nil {
			return err
		}
		return g.finish(req)
	})
}

func (g *guest) Close() abi.Status {
	switch g.state {
	case guestNew, guestClosed:
		g.state = guestClosed
		return abi.OK
	}
	return g.call("close", g.state, func() error {
		g.state = guestClosed
		return g.connector.Close()
	})
}

// call runs one export: it checks the order of calls, leaves the phase as it
// found it, and hands the error over.
func (g *guest) call(name string, want guestState, f func() error) (status abi.Status) {
	if g.state != want {
		return g.failed(&abi.Error{Category: abi.CategoryInternal, Message: "sdk: " + name + " called out of order"})
	}

	// A panic is a bug of the connector, whose state nobody knows then. The
	// host's process may be the same one (a native guest), so it must not end it.
	defer func() {
		if v := recover(); v != nil {
			if g.state == guestOpen {
				g.state = guestBroken
			}
			stack := make([]byte, abi.MaxLogLine)
			stack = stack[:runtime.Stack(stack, false)]
			g.host.Log(abi.LogError, "panic in "+name+": "+panicText(v)+"\n"+string(stack))
			status = g.failed(&abi.Error{
				Category: abi.CategoryInternal,
				Message:  "connector panicked in " + name + ": " + panicText(v),
				Hint:     "this is a bug of the connector; the log has the stack",
			})
		}
		g.host.Phase(abi.PhaseSetup)
	}()

	if err := f(); err != nil {
		return g.failed(err)
	}
	return abi.OK
}

// failed hands over what err says and returns the status that goes with it.
func (g *guest) failed(err error) abi.Status {
	status, e := describe(err)
	if e != nil {
		// A host that does not take the error still learns that there was one.
		_ = g.host.abi.Reply(abi.ReplyError, appendError(nil, e))
	}
	return status
}

// request fetches a request of the host.
func (g *guest) request(kind abi.Request) ([]byte, error) {
	return g.host.fill("sdk: read request", func(buf []byte) int32 { return g.host.abi.Config(kind, buf) })
}

// reply hands over an answer.
func (g *guest) reply(kind abi.Reply, message []byte) error {
	return g.host.status(g.host.abi.Reply(kind, message), "sdk: reply")
}

// panicText says what a panic was about without package fmt, which would add
// half a megabyte to every guest.
func panicText(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case string:
		return v
	case interface{ String() string }:
		return v.String()
	}
	return "a value that is neither error nor text"
}
