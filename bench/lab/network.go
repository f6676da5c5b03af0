package lab

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

// Network is what lies between a pipeline and its servers. The zero value costs
// what the proxy itself does and nothing more; its name is "rtt0".
type Network struct {
	RTT  time.Duration // there and back, for a message of no length; half of it each way
	Mbit int           // megabits per second, each way; 0 for no limit
}

// Most that a network may be: beyond it a run takes hours.
const (
	maxRTT  = 1000    // ms
	maxMbit = 100_000 // 100gbit
)

// ParseNetwork reads a name: "rtt5" for 5 ms, "100mbit", "1gbit", or both as in
// "rtt20-100mbit". There is one name for each network.
func ParseNetwork(name string) (Network, error) {
	var n Network
	rtt, rate, both := strings.Cut(name, "-")
	if !both && !strings.HasPrefix(name, "rtt") {
		rtt, rate = "", name
	}
	ms, _ := strconv.Atoi(strings.TrimPrefix(rtt, "rtt"))
	n.RTT = time.Duration(min(ms, maxRTT)) * time.Millisecond
	if digits, ok := strings.CutSuffix(rate, "gbit"); ok {
		n.Mbit, _ = strconv.Atoi(digits)
		n.Mbit = min(n.Mbit, maxMbit) * 1000
	} else {
		n.Mbit, _ = strconv.Atoi(strings.TrimSuffix(rate, "mbit"))
	}
	if n.Mbit > maxMbit || n.String() != name {
		return Network{}, fmt.Errorf("%q is not a network such as rtt0, rtt5, 100mbit, 1gbit or rtt20-100mbit; at most rtt%d and %dgbit",
			name, maxRTT, maxMbit/1000)
	}
	return n, nil
}

// String returns the name.
func (n Network) String() string {
	rate := fmt.Sprintf("%dmbit", n.Mbit)
	if n.Mbit%1000 == 0 {
		rate = fmt.Sprintf("%dgbit", n.Mbit/1000)
	}
	rtt := fmt.Sprintf("rtt%d", n.RTT.Milliseconds())
	switch {
	case n.Mbit == 0:
		return rtt
	case n.RTT == 0:
		return rate
	}
	return rtt + "-" + rate
}

// transmission returns how long a number of bytes occupies the line.
func (n Network) transmission(bytes int) time.Duration {
	if n.Mbit == 0 {
		return 0
	}
	return time.Duration(int64(bytes) * 8000 / int64(n.Mbit))
}

// NetworkTrial moves the rows through the connectors with a network between them
// and the server: each of their connections has a link of its own. Call done
// afterwards.
func (e *Env) NetworkTrial(ctx context.Context, c Case) (t Trial, done func() error, err error) {
	network, err := ParseNetwork(c.Param("network"))
	if err != nil {
		return Trial{}, nil, fmt.Errorf("lab: %w", err)
	}
	s, err := e.Source(ctx, c.Rows())
	if err != nil {
		return Trial{}, nil, err
	}
	eng, err := e.Engine(ctx)
	if err != nil {
		return Trial{}, nil, err
	}
	link, dsn, err := linkTo(network, s.DSN)
	if err != nil {
		return Trial{}, nil, err
	}
	far := *s
	far.DSN = dsn
	p, err := e.Pipeline(&far, c.Param("load"), c.Param("compression"))
	if err != nil {
		link.Close()
		return Trial{}, nil, err
	}
	return Trial{Case: c, Source: s, Run: func(ctx context.Context) (Outcome, error) {
		return outcome(eng.Run(ctx, p, engine.RunOptions{}))
	}}, link.Close, nil
}

// linkTo opens a link to the server of a DSN and returns it with the DSN that
// leads through it.
func linkTo(network Network, dsn string) (*Link, string, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, "", fmt.Errorf("lab: link: %w", err) // without the password
	}
	if config.TLSConfig != nil && !config.TLSConfig.InsecureSkipVerify {
		return nil, "", fmt.Errorf("lab: link: sslmode verify-full cannot lead through a proxy: no certificate of %s matches 127.0.0.1; "+
			"measure the network with sslmode verify-ca or require", config.Host)
	}
	to, address := pgconn.NetworkAddress(config.Host, config.Port)
	link, err := OpenLink(network, to, address)
	if err != nil {
		return nil, "", err
	}

	u := url.URL{Scheme: "postgres", Host: link.Addr(), User: url.UserPassword(config.User, config.Password), Path: "/" + config.Database}
	// Nobody encrypts on a unix socket, and asking for it is a round trip.
	mode, ok := pgtest.SourceConfig(dsn)["sslmode"].(string)
	if to == "unix" {
		mode, ok = "disable", true
	}
	if ok {
		u.RawQuery = url.Values{"sslmode": {mode}}.Encode()
	}
	return link, u.String(), nil
}

// networks returns what is wrong with a list of names.
func networks(names []string) error {
	for i, name := range names {
		if _, err := ParseNetwork(name); err != nil {
			return err
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("%q is there twice", name)
		}
	}
	return nil
}

// halfCloser is a connection one direction of which can end.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}
