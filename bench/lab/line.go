package lab

import (
	"net"
	"sync"
	"time"
)

// line is one direction of a connection through a link: the bytes that are under
// way, and when each may arrive. One goroutine fills it, one empties it.
type line struct {
	network Network
	chunk   int    // most bytes of a packet
	ring    []byte // what is under way; its size is the window

	mu      sync.Mutex
	changed sync.Cond
	first   int       // place in the ring of the oldest byte
	used    int       // bytes under way
	packets []packet  // oldest first
	ended   bool      // nothing follows
	end     time.Time // when that is known there
	broken  bool      // nobody takes it any more
	free    time.Time // when the next byte may leave
}

// packet is a number of bytes that arrive together.
type packet struct {
	bytes int
	due   time.Time
}

func newLine(network Network) *line {
	d := &line{network: network, ring: make([]byte, linkWindow), chunk: linkChunk}
	// On a slow line less arrives at once: about what it carries in a millisecond.
	if network.Mbit > 0 {
		d.chunk = min(max(network.Mbit*125, 1500), linkChunk)
	}
	d.changed.L = &d.mu
	return d
}

func (d *line) reset() {
	d.first, d.used, d.packets = 0, 0, d.packets[:0]
	d.ended, d.broken, d.free = false, false, time.Time{}
}

// fill reads src to its end. It calls read whenever it has read something,
// before that can arrive.
func (d *line) fill(src net.Conn, read func()) {
	for {
		space := d.space()
		n, err := src.Read(space)
		if n > 0 {
			read()
			d.sent(n, time.Now())
		}
		if err != nil {
			d.finish(time.Now())
			return
		}
	}
}

// finish says that nothing follows. The end is under way as long as anything else.
func (d *line) finish(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended, d.end = true, now.Add(d.network.RTT/2)
	d.changed.Signal()
}

// space waits until the window has room and returns it. On a broken line there
// always is.
func (d *line) space() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.used == len(d.ring) && !d.broken {
		d.changed.Wait()
	}
	if d.broken {
		return d.ring[:d.chunk]
	}
	at := (d.first + d.used) % len(d.ring)
	return d.ring[at:min(at+d.chunk, at+len(d.ring)-d.used, len(d.ring))]
}

// sent enters n bytes that were put into space. They leave when the line is
// free, occupy it for their time, and arrive half a round trip later.
func (d *line) sent(n int, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return
	}
	if d.free.Before(now) {
		d.free = now
	}
	d.free = d.free.Add(d.network.transmission(n))
	d.used += n
	d.packets = append(d.packets, packet{n, d.free.Add(d.network.RTT / 2)})
	d.changed.Signal()
}

// empty writes to dst what has arrived, until all of it is delivered and the end
// passed on, nobody takes it any more, or done is closed.
func (d *line) empty(dst halfCloser, done <-chan struct{}) {
	for {
		due, ok := d.next()
		if !ok {
			if sleepUntil(due, done) {
				dst.CloseWrite()
			}
			return
		}
		if !sleepUntil(due, done) {
			d.cut()
			return
		}
		data := d.arrived(time.Now())
		if _, err := dst.Write(data); err != nil {
			d.cut()
			return
		}
		d.delivered(len(data))
	}
}

// next waits for a packet and returns when it arrives; false at the end.
func (d *line) next() (due time.Time, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.packets) == 0 {
		if d.ended {
			return d.end, false
		}
		d.changed.Wait()
	}
	return d.packets[0].due, true
}

// arrived takes out the packets that have arrived, as far as they lie in one
// piece. There is at least one.
func (d *line) arrived(now time.Time) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, bytes := 0, 0
	for n < len(d.packets) && !d.packets[n].due.After(now) && d.first+bytes+d.packets[n].bytes <= len(d.ring) {
		bytes += d.packets[n].bytes
		n++
	}
	d.packets = d.packets[:copy(d.packets, d.packets[n:])]
	return d.ring[d.first : d.first+bytes]
}

// delivered gives back the room of the oldest n bytes.
func (d *line) delivered(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.first = (d.first + n) % len(d.ring)
	d.used -= n
	d.changed.Signal()
}

// cut makes everything from now on go nowhere.
func (d *line) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = true
	d.changed.Signal()
}
