package frame

import "sync"

// states is a free list of codec states, each of which serves one call at a
// time. The one used last is lent first, while its tables are still in the
// processor's cache; a list that goes round would touch all of them in turn.
// It never holds more than there were calls at one moment. The zero value is
// empty.
type states[T any] struct {
	mu   sync.Mutex
	free []*T
}

// get returns a state, or nil for the caller to make one.
func (s *states[T]) get() *T {
	s.mu.Lock()
	defer s.mu.Unlock()

	n := len(s.free)
	if n == 0 {
		return nil
	}
	t := s.free[n-1]
	s.free = s.free[:n-1]
	return t
}

// put takes a state back.
func (s *states[T]) put(t *T) {
	s.mu.Lock()
	s.free = append(s.free, t)
	s.mu.Unlock()
}
