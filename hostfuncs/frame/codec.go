package frame

import (
	"fmt"
	"strconv"
)

// Codec says how a payload is encoded. The values are part of the wire format.
type Codec uint8

// The codecs.
const (
	None Codec = iota // as it is; the zero value
	LZ4               // one lz4 block
	Zstd              // one zstd frame

	numCodecs
)

var codecNames = [numCodecs]string{"none", "lz4", "zstd"}

// ParseCodec returns the codec of that name: "none" or "" (no compression),
// "lz4" or "zstd".
func ParseCodec(name string) (Codec, error) {
	if name == "" {
		return None, nil
	}
	for c, n := range codecNames {
		if n == name {
			return Codec(c), nil
		}
	}
	return None, fmt.Errorf("%w: %q, want none, lz4 or zstd", ErrCodec, name)
}

// String returns the name that [ParseCodec] takes.
func (c Codec) String() string {
	if c >= numCodecs {
		return "codec(" + strconv.Itoa(int(c)) + ")"
	}
	return codecNames[c]
}

// bound returns the size of the buffer to compress n bytes into.
func (c Codec) bound(n int) int {
	if c == Zstd {
		return zstdBound(n) // its encoder would allocate if it ran out
	}
	return n // lz4 gives up where the buffer ends, which is past what pays
}
