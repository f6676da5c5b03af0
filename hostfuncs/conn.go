package hostfuncs

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
)

// ConnOpen implements [abi.Host]. Login happens here, in the host: the guest
// gets a handle to the authenticated wire and never sees a password.
func (i *Instance) ConnOpen(name, target string) int32 {
	leave, status := i.enter()
	defer i.Clock.Switch(leave)

	switch {
	case status != abi.OK:
		return int32(status)
	case len(name) > abi.MaxNameBytes || len(target) > abi.MaxNameBytes:
		return int32(i.refuse(abi.TooLarge, "conn_open: broker or target name too long"))
	case name != i.opt.BrokerName || i.opt.Broker == nil:
		return int32(i.refuse(abi.Denied, "conn_open: this connector may not use the broker "+name))
	case len(i.conns) >= abi.MaxConns:
		return int32(i.refuse(abi.TooLarge, "conn_open: too many open connections"))
	}

	i.Clock.Switch(Socket)
	conn, err := i.opt.Broker.Open(i.ctx, target)
	i.Clock.Switch(Copy)
	if err != nil {
		return int32(i.fail(err))
	}

	// From here on the end of the context unblocks the connection at once.
	h := i.nextConn
	i.nextConn++
	i.conns[h] = &cancelConn{Conn: conn, stop: context.AfterFunc(i.ctx, conn.SetCancelled)}
	return h
}

// cancelConn ties a connection to the instance's context until it is closed.
type cancelConn struct {
	broker.Conn
	stop func() bool
}

// ConnRead implements [abi.Host], reading straight into the guest's buffer.
func (i *Instance) ConnRead(handle int32, buf []byte) int32 {
	leave, status := i.enter()
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return int32(status)
	}
	conn, ok := i.conns[handle]
	if !ok || len(buf) == 0 {
		return int32(i.refuse(abi.InvalidArgument, "conn_read: unknown handle or empty buffer"))
	}

	i.Clock.Switch(Socket)
	n, err := conn.Read(buf)
	i.Clock.Switch(Copy)
	i.Counters.ConnReads++
	i.Counters.ConnReadBytes += int64(n)
	switch {
	case n > 0:
		return int32(n)
	case errors.Is(err, io.EOF) || err == nil:
		return 0
	}
	return int32(i.fail(err))
}

// ConnWrite implements [abi.Host], writing straight from the guest's buffer.
func (i *Instance) ConnWrite(handle int32, data []byte) int32 {
	leave, status := i.enter()
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return int32(status)
	}
	conn, ok := i.conns[handle]
	if !ok {
		return int32(i.refuse(abi.InvalidArgument, "conn_write: unknown handle"))
	}
	if len(data) > math.MaxInt32 {
		return int32(i.refuse(abi.TooLarge, "conn_write: more than 2 GiB in one call"))
	}

	i.Clock.Switch(Socket)
	n, err := conn.Write(data)
	i.Clock.Switch(Copy)
	i.Counters.ConnWrites++
	i.Counters.ConnWriteBytes += int64(n)
	if err != nil {
		return int32(i.fail(err))
	}
	return int32(n)
}

// ConnReady implements [abi.Host].
func (i *Instance) ConnReady(handle int32) int32 {
	leave, status := i.enter()
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return int32(status)
	}
	conn, ok := i.conns[handle]
	if !ok {
		return int32(i.refuse(abi.InvalidArgument, "conn_ready: unknown handle"))
	}
	ready, err := conn.Ready()
	if err != nil {
		return int32(i.fail(err))
	}
	if ready {
		return 1
	}
	return 0
}

// ConnClose implements [abi.Host]. It works after a cancellation too.
func (i *Instance) ConnClose(handle int32) abi.Status {
	leave, _ := i.enter()
	defer i.Clock.Switch(leave)

	if _, ok := i.conns[handle]; !ok {
		return i.refuse(abi.InvalidArgument, "conn_close: unknown handle")
	}
	i.Clock.Switch(Socket)
	if err := i.closeConn(handle); err != nil {
		return i.fail(err)
	}
	return abi.OK
}

func (i *Instance) closeConn(handle int32) error {
	conn := i.conns[handle]
	delete(i.conns, handle)
	conn.stop()
	return conn.Close()
}
