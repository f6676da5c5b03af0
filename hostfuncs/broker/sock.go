package broker

import (
	"context"
	"net"
	"sync/atomic"
)

// guests is how many guests run in this process, see [GuestStarts].
var guests atomic.Int32

// GuestStarts says that one more guest has begun to run in this process, from
// now until GuestEnds, loading included. On Linux connections wait differently
// when there are more guests than processors to run them.
func GuestStarts() { guests.Add(1) }

// GuestEnds says that a guest counted by [GuestStarts] runs no more.
func GuestEnds() { guests.Add(-1) }

// dialer connects sockets.
type dialer struct {
	net.Dialer
}

func (d *dialer) dial(ctx context.Context, network, address string) (*sock, error) {
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s, err := newSock(nc, network, address)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return s, nil
}
