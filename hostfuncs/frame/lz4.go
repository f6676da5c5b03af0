package frame

import (
	"fmt"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// lz4States is a free list of compressors: each is a table of over a hundred
// kilobytes that serves one block at a time. It never holds more than there
// were blocks being compressed at one moment.
type lz4States struct {
	mu   sync.Mutex
	free []*lz4.Compressor
}

// encode writes src to dst as one lz4 block and returns its length, or 0 if it
// does not fit.
func (s *lz4States) encode(dst, src []byte) int {
	c := s.get()
	n, err := c.CompressBlock(src, dst)
	s.put(c)
	if err != nil {
		return 0
	}
	return n
}

func (s *lz4States) get() *lz4.Compressor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		return c
	}
	return new(lz4.Compressor)
}

func (s *lz4States) put(c *lz4.Compressor) {
	s.mu.Lock()
	s.free = append(s.free, c)
	s.mu.Unlock()
}

// decodeLZ4 fills dst from the block src.
func decodeLZ4(dst, src []byte) error {
	n, err := lz4.UncompressBlock(src, dst)
	if err != nil {
		return fmt.Errorf("%w: lz4: %w", ErrCorrupt, err)
	}
	if n != len(dst) {
		return fmt.Errorf("%w: lz4: %d bytes, the header says %d", ErrCorrupt, n, len(dst))
	}
	return nil
}
