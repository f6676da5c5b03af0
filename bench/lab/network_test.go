package lab

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rapidbyte-go/rapidbyte/engine"
)

func TestParseNetwork(t *testing.T) {
	for name, want := range map[string]Network{
		"rtt0": {}, "rtt5": {RTT: 5 * time.Millisecond}, "rtt1000": {RTT: time.Second},
		"100mbit": {Mbit: 100}, "1gbit": {Mbit: 1000}, "100gbit": {Mbit: 100_000},
		"rtt20-100mbit": {RTT: 20 * time.Millisecond, Mbit: 100},
	} {
		got, err := ParseNetwork(name)
		if err != nil || got != want || got.String() != name {
			t.Errorf("ParseNetwork(%q) = %v (%s), %v; want %v", name, got, got, err, want)
		}
		NewCase("Network", "1", "copy", "none", name) // panics if it cannot be part of a name
	}
	for _, name := range []string{
		"", "rtt", "5", "rtt05", "rtt-5", "rtt5-", "rtt1001", "rtt5ms", "-100mbit", "0mbit", "0gbit", "1000mbit", "101gbit",
		"9999999999999gbit", "rtt0-1gbit", "1gbit-rtt5", "-rtt5", "rtt5-1gbit-1gbit", "loopback",
	} {
		if n, err := ParseNetwork(name); err == nil {
			t.Errorf("ParseNetwork(%q) = %s, want an error", name, n)
		}
	}
}

func TestGridLinks(t *testing.T) {
	names := func(vars map[string]string) []string {
		g, err := GridFromEnv(lookupIn(vars))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range g.Links() {
			names = append(names, strings.TrimPrefix(c.String(), "Network/"))
		}
		return names
	}
	got := names(map[string]string{"BENCH_ROWS": "5,70", "BENCH_LOAD": "copy"})
	if want := []string{"rows=70/load=copy/compression=none/network=rtt0", "rows=70/load=copy/compression=none/network=rtt5",
		"rows=70/load=copy/compression=none/network=1gbit"}; !slices.Equal(got, want) {
		t.Errorf("by default: %q", got)
	}
	got = names(map[string]string{"BENCH_ROWS": "5", "BENCH_LOAD": "copy", "BENCH_COMPRESSION": "none,lz4", "BENCH_NETWORK": "rtt7"})
	if want := []string{"rows=5/load=copy/compression=none/network=rtt7", "rows=5/load=copy/compression=lz4/network=rtt7"}; !slices.Equal(got, want) {
		t.Errorf("with a network: %q", got)
	}
	for _, value := range []string{"slow", "rtt5,rtt5"} {
		if _, err := GridFromEnv(lookupIn(map[string]string{"BENCH_NETWORK": value})); err == nil || !strings.Contains(err.Error(), "BENCH_NETWORK") {
			t.Errorf("BENCH_NETWORK=%s gives %v", value, err)
		}
	}
}

// The name in a certificate is the server's and not the proxy's: that is said before
// any connection fails of it.
func TestLinkToChecksTheCertificate(t *testing.T) {
	const server = "postgres://u:secret@db.example:5432/d?sslmode="
	link, _, err := linkTo(Network{}, server+"verify-full")
	if err == nil {
		link.Close()
		t.Fatal("verify-full is accepted")
	}
	if !strings.Contains(err.Error(), "verify-full") || !strings.Contains(err.Error(), "verify-ca") || strings.Contains(err.Error(), "secret") {
		t.Errorf("verify-full: %v", err)
	}
	for _, dsn := range []string{server + "disable", server + "prefer", server + "require", server + "verify-ca",
		"host=/tmp user=u dbname=d sslmode=verify-full", // nobody encrypts there
	} {
		link, _, err := linkTo(Network{}, dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		link.Close()
	}
}

// A stream of many batches waits for the server as often as one of a single
// batch: counted on the wire, so no clock is involved.
func TestCopyPaysNoRoundTripPerBatch(t *testing.T) {
	e := openEnv(t)
	s := openSource(t, e, 5000)
	eng, err := e.Engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	trips := func(batch int64) (counted []int, batches float64) {
		if err := s.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		link, dsn, err := linkTo(Network{}, s.DSN)
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		far := *s
		far.DSN = dsn
		p, err := e.Pipeline(&far, "copy", "none")
		if err != nil {
			t.Fatal(err)
		}
		p.Resources.MaxBatchBytes = batch
		r, err := eng.Run(t.Context(), p, engine.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		for _, m := range engine.Metrics() {
			if m.Key == "batch_count" {
				batches = m.Get(r)
			}
		}
		return link.RoundTrips(), batches
	}
	one, n := trips(1 << 20)
	many, m := trips(40 << 10)
	slices.Sort(one) // source and destination connect in either order
	slices.Sort(many)
	if n != 1 || m < 10 {
		t.Fatalf("the streams have %v and %v batches, want 1 and 10 or more", n, m)
	}
	if len(one) != 2 || len(many) != 2 {
		t.Fatalf("there were %d and %d connections, want 2", len(one), len(many))
	}
	// Equal but for a word too many of either side, far from one for each batch.
	for i := range one {
		if many[i] > one[i]+2 {
			t.Errorf("the connections waited %v times for 1 batch and %v times for %v", one, many, m)
		}
	}
}
