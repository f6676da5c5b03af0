package broker

import "time"

// A server sends a table 8 KiB at a time. Who is woken up for each of them, and
// has read it long before the next one is there, spends more on going to sleep
// and waking up than on reading. So a reader who has found a stream empty lets
// some of it collect first, as drivers of network cards do ("interrupt
// coalescing"): as much as the peer can send on without waiting for us.
//
// How much that is, is known for pieces of about 8 KiB. Far smaller ones cost the
// kernel far more than their bytes: a peer that sends 100 of them at a time may
// have to wait for us, for a millisecond at the most.

const (
	// streamAfter is how much a peer sends in one go before it is taken for a
	// stream. Answers are shorter, and who asks waits for them.
	streamAfter = 64 << 10

	// The first pause and the longest. The kernel's timers are 50 us late.
	minPause = 50 * time.Microsecond
	maxPause = time.Millisecond

	// maxRoom keeps what collects small enough for the processor's cache.
	maxRoom = 208 << 10
)

// stream finds how long the pauses of one connection should be. The zero value
// has seen nothing yet.
type stream struct {
	unasked int64 // bytes that came since the last write
	burst   int64 // bytes that came since the last pause
	pause   time.Duration
}

// received counts n bytes.
func (s *stream) received(n int) {
	s.unasked += int64(n)
	s.burst += int64(n)
}

// sent says that the peer may have been asked for something.
func (s *stream) sent() { s.unasked = 0 }

// flows returns whether what comes is a stream.
func (s *stream) flows() bool { return s.unasked >= streamAfter }

// next returns how long to pause now that all that came has been read; 0 is not
// at all. The peer is held up when room bytes are on their way, so a pause is
// doubled while less than a quarter of them collect, and halved beyond five
// eighths.
func (s *stream) next(room int) time.Duration {
	most := int64(min(room, maxRoom))
	switch {
	case s.burst < most/4:
		s.pause = min(max(2*s.pause, minPause), maxPause)
	case s.burst > most*5/8:
		if s.pause /= 2; s.pause < minPause {
			s.pause = 0
		}
	}
	s.burst = 0
	return s.pause
}
