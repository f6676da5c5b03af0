package broker

import (
	"context"
	"net"
)

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
