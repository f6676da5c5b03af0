package engine

import (
	"bytes"
	"context"
	"sync"
)

// memoryState is a [hostfuncs.State] that lasts as long as its run.
type memoryState struct {
	mu     sync.Mutex
	values map[string][]byte
}

func newMemoryState() *memoryState { return &memoryState{values: make(map[string][]byte)} }

// Get implements hostfuncs.State.
func (s *memoryState) Get(_ context.Context, key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	return v, ok, nil
}

// Put implements hostfuncs.State.
func (s *memoryState) Put(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = bytes.Clone(value)
	return nil
}

// CAS implements hostfuncs.State.
func (s *memoryState) CAS(_ context.Context, key string, old, value []byte) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.values[key]
	if ok != (old != nil) || !bytes.Equal(have, old) {
		return false, nil
	}
	s.values[key] = bytes.Clone(value)
	return true, nil
}
